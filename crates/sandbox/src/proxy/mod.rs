//! A faulty network.

mod fault;
mod lane;
mod link;

pub use fault::Fault;

use crate::Error;
use crate::port::Port;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

const WHAT: &str = "proxy";
/// Connections at a time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 4096;
/// The pause after a failed accept or listen (out of file descriptors, for instance).
const PAUSE: Duration = Duration::from_millis(50);

/// A TCP proxy on 127.0.0.1 that breaks connections on demand.
///
/// It stands between a client and a server, and what it does to the bytes between them is switched
/// with [`Proxy::set`], for open connections too. Of every connection it holds at most 256 KiB in
/// each direction. It knows nothing about the protocol, so TLS, MQTT and HTTP pass alike.
///
/// It ends when it is dropped, connections included.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    accepted: Arc<AtomicU64>,
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Order {
    fault: Fault,
    done: oneshot::Sender<()>,
}

impl Proxy {
    /// Starts a proxy in front of `upstream` on a free port. `upstream` need not be there yet.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(upstream: SocketAddr) -> Result<Self, Error> {
        let port = Port::reserve(WHAT, 0)?;
        let listener = port.listen(WHAT)?;
        let addr = port.addr();
        let accepted = Arc::new(AtomicU64::new(0));
        let (orders, inbox) = mpsc::channel(1);
        let supervisor = Supervisor {
            upstream,
            port,
            listener: Some(listener),
            fault: watch::Sender::new(Fault::None),
            links: JoinSet::new(),
            accepted: Arc::clone(&accepted),
        };
        Ok(Self { addr, accepted, orders, task: tokio::spawn(supervisor.run(inbox)) })
    }

    /// Where clients connect to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Switches to a fault, in place of the one before. When this returns, the fault holds for
    /// every byte sent from then on, on open connections and new ones; those that it ends are
    /// closed.
    pub async fn set(&self, fault: Fault) {
        let (done, wait) = oneshot::channel();
        if self.orders.send(Order { fault, done }).await.is_err() || wait.await.is_err() {
            tracing::warn!("the runtime of this proxy has ended, and every connection with it");
        }
    }

    /// Connections accepted since the start, those that were dropped at once included. Tells how
    /// often a client has tried.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Supervisor {
    upstream: SocketAddr,
    port: Port,
    /// `None` while connections are refused.
    listener: Option<TcpListener>,
    fault: watch::Sender<Fault>,
    links: JoinSet<()>,
    accepted: Arc<AtomicU64>,
}

impl Supervisor {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            let has_room = self.links.len() < MAX_CONNECTIONS;
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order { fault, done }) => {
                        self.set(fault).await;
                        // nobody waits any more if the call was given up
                        done.send(()).ok();
                    }
                    None => return,
                },
                // finished ones are let go of as they end
                Some(_) = self.links.join_next() => {}
                client = accept(self.listener.as_ref()), if has_room => self.open(client),
            }
        }
    }

    async fn set(&mut self, fault: Fault) {
        if fault == Fault::Refuse {
            self.listener = None;
        }
        self.fault.send_replace(fault);
        if fault.ends_connections() {
            while self.links.join_next().await.is_some() {}
        }
        while fault != Fault::Refuse && self.listener.is_none() {
            match self.port.listen(WHAT) {
                Ok(listener) => self.listener = Some(listener),
                Err(error) => {
                    tracing::warn!(%error, "the proxy tries again to listen");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn open(&mut self, client: TcpStream) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        if *self.fault.borrow() == Fault::Drop {
            link::reset(client);
        } else {
            self.links.spawn(link::run(client, self.upstream, self.fault.subscribe()));
        }
    }
}

/// The next connection; never, if nobody listens.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "the proxy cannot accept a connection");
                sleep(PAUSE).await;
            }
        }
    }
}
