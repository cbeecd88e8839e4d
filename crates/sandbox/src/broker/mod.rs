//! The MQTT broker.

mod filter;
mod options;
mod runtime;
mod users;

pub use options::{BrokerOptions, BrokerTls, User};

use crate::Error;
use crate::port::Port;
use mqtt5::broker::storage::DynamicStorage;
use mqtt5::broker::{BrokerShutdownHandle, MqttBroker};
use options::WEBSOCKET_PATH;
use runtime::OwnRuntime;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use users::Users;

const WHAT: &str = "broker";

/// How long connections are given to end by themselves, before they are cut: they put back what their
/// sessions have not acknowledged. One that has not sent its CONNECT yet, or reads nothing, never ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// An MQTT 3.1.1 and 5 broker on 127.0.0.1.
///
/// It ends when it is dropped, connections included. [`Broker::stop`] does the same but waits until
/// it is done, and [`Broker::restart`] brings it back on the same port: with its sessions and
/// retained messages when it has a folder, empty when it lives in memory.
pub struct Broker {
    options: BrokerOptions,
    port: Port,
    websocket: Option<Port>,
    tls: Option<Port>,
    running: Option<Running>,
}

impl Broker {
    /// Starts a broker; it answers as soon as this returns.
    ///
    /// # Errors
    /// A port that is taken, a folder that cannot be used, an option that makes no sense.
    pub async fn start(options: BrokerOptions) -> Result<Self, Error> {
        options.check()?;
        let port = Port::reserve(WHAT, options.port)?;
        let websocket =
            options.websocket.map(|port| Port::reserve("broker's WebSocket", port)).transpose()?;
        let tls = options.tls.as_ref().map(|tls| Port::reserve("broker's TLS", tls.port)).transpose()?;
        let mut broker = Self { options, port, websocket, tls, running: None };
        broker.restart().await?;
        Ok(broker)
    }

    /// Where it listens for MQTT over TCP. Stays the same while it is stopped.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// Where it listens for MQTT over TLS, if it does.
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls.as_ref().map(Port::addr)
    }

    /// `mqtt://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.addr())
    }

    /// `ws://127.0.0.1:PORT/mqtt`, if it was started with a WebSocket.
    pub fn websocket_url(&self) -> Option<String> {
        self.websocket.as_ref().map(|port| format!("ws://{}{WEBSOCKET_PATH}", port.addr()))
    }

    /// Does it run, or has it been stopped?
    pub fn is_running(&self) -> bool {
        self.running.as_ref().is_some_and(|running| !running.task.is_finished())
    }

    /// Closes every connection (MQTT 5 clients are told why), writes what is to be kept, and
    /// returns when the port refuses connections. Nothing happens when it is stopped already.
    ///
    /// A connection that takes nothing for a second is cut, and what was on its way there is lost.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    /// Starts it again on the same port, after stopping it if need be.
    ///
    /// # Errors
    /// As [`Broker::start`]; it is stopped then.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.stop().await;
        self.running = Some(self.run().await?);
        Ok(())
    }

    async fn run(&self) -> Result<Running, Error> {
        let runtime = OwnRuntime::new()?;
        let websocket = self.websocket.as_ref().map(Port::addr);
        let config = self.options.to_config(self.addr(), websocket, self.tls_addr());
        let refused = |reason: String| Error::Broker { addr: self.addr(), reason };

        let mut server = match runtime.spawn(MqttBroker::with_config(config)).await {
            Ok(Ok(server)) => server,
            Ok(Err(error)) => return Err(refused(error.to_string())),
            Err(panic) => return Err(refused(panic.to_string())),
        };
        if !self.options.users.is_empty() {
            server = server.with_auth_provider(Arc::new(Users(self.options.users.clone())));
        }
        let shutdown = server.shutdown_handle();
        let storage = server.storage();
        let mut ready = server.ready_receiver();
        let mut task = runtime.spawn(async move { server.run().await });
        let reason = tokio::select! {
            Ok(_) = ready.wait_for(|ready| *ready) => {
                return Ok(Running { shutdown, task, storage, runtime });
            }
            ended = &mut task => match ended {
                Ok(Ok(())) => "it ended at once".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(panic) => panic.to_string(),
            },
        };
        Err(refused(reason))
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker")
            .field("addr", &self.addr())
            .field("running", &self.is_running())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A broker at work, in a runtime of its own: it starts tasks of which it keeps no handle (one per
/// connection, one per delayed last will), and the end of the runtime is what surely ends them all.
struct Running {
    shutdown: BrokerShutdownHandle,
    task: JoinHandle<mqtt5::error::Result<()>>,
    storage: Option<Arc<DynamicStorage>>,
    runtime: OwnRuntime,
}

impl Running {
    async fn stop(mut self) {
        self.shutdown.shutdown();
        if timeout(FAREWELL, &mut self.task).await.is_err() {
            tracing::debug!("a connection to the stopping broker does not end, so it is cut");
        }
        // The broker has written too, but before its connections gave back what they held.
        if let Some(storage) = self.storage.take() {
            let written = self.runtime.spawn(async move { storage.shutdown().await }).await;
            if let Ok(Err(error)) = written {
                tracing::warn!(%error, "the stopping broker could not write all it holds");
            }
        }
        self.runtime.end().await;
    }
}
