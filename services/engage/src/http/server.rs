//! The server's socket and its workers.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpService, Protocol};
use actix_service::{ServiceFactoryExt as _, map_config};
use actix_web::dev::{AppConfig, ServerHandle, fn_service};
use actix_web::middleware::{Compress, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;
use anyhow::Context;
use iot_chassis::Stop;
use socket2::{Domain, Socket, Type};
use tokio::time::timeout;

use super::admission::Admission;
use super::connection::Connection;
use super::guard::guard;
use super::link::Link;
use super::pieces::PIECE;
use super::tls::Certificate;
use super::{App, routes};
use crate::config::Http;

/// Connections that may wait to be accepted: all viewers may come back at once.
const BACKLOG: i32 = 4096;

/// Connections of a worker beyond the limit, on their way to be turned away.
const TURNED_AWAY: usize = 1024;

/// How long open requests may take to finish after the stop; viewers are told at once.
const SHUTDOWN_SECONDS: u64 = 1;

/// Somebody else listens where the service should.
#[derive(Debug, thiserror::Error)]
#[error("port {} of {} is taken by another program: stop that, or set another [http] listen", .0.port(), .0.ip())]
pub struct PortTaken(pub SocketAddr);

/// Listens on the configured address.
///
/// # Errors
/// [`PortTaken`], or that the address is not one of this machine.
pub fn bind(settings: &Http) -> anyhow::Result<TcpListener> {
    let address = settings.listen;
    listener(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => PortTaken(address).into(),
        _ => anyhow::Error::new(error).context(format!("cannot listen on {address}, check [http] listen")),
    })
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // a restart need not wait for the connections of the last run to be forgotten
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The running server.
pub struct Server {
    running: actix_web::dev::Server,
    handle: ServerHandle,
}

impl Server {
    /// Starts the workers on `listener`.
    ///
    /// # Errors
    /// When the socket cannot be handed over.
    pub fn start(
        listener: TcpListener,
        app: Data<App>,
        certificate: Option<&Arc<Certificate>>,
    ) -> anyhow::Result<Self> {
        let acceptor = certificate.map(Certificate::acceptor).transpose()?;
        let settings = app.settings.clone();
        let address = listener.local_addr().context("cannot tell the web server's address")?;
        let admission = Admission::new(&settings, app.metrics.clone());
        let builder = actix_web::dev::Server::build();
        let stopping = builder.graceful_shutdown_signal();
        let running = builder
            .disable_signals()
            .max_concurrent_connections(settings.max_connections.saturating_add(TURNED_AWAY))
            .shutdown_timeout(SHUTDOWN_SECONDS)
            .listen("engage", listener, move || {
                let app = app.clone();
                let stopping = stopping.clone();
                let service = actix_web::App::new()
                    .app_data(app)
                    .wrap(from_fn(guard))
                    .wrap(Compress::default())
                    .configure(routes::add);
                let http = HttpService::build()
                    .graceful_shutdown_signal(move || {
                        let stopping = stopping.clone();
                        async move { stopping.notified().await }
                    })
                    .keep_alive(settings.request_timeout)
                    .client_request_timeout(settings.request_timeout)
                    .client_disconnect_timeout(Duration::from_secs(1))
                    .h1_write_buffer_size(PIECE)
                    .local_addr(address)
                    .on_connect_ext(|link: &Link, data| {
                        data.insert(link.deadline());
                    })
                    .finish(map_config(service, |()| AppConfig::default()));
                let (limit, patience) = (settings.write_timeout, settings.request_timeout);
                let (acceptor, admission) = (acceptor.clone(), Arc::clone(&admission));
                fn_service(move |socket: TcpStream| {
                    let (acceptor, admission) = (acceptor.clone(), Arc::clone(&admission));
                    async move {
                        let place = admission.enter().await.ok_or(io::ErrorKind::ConnectionRefused)?;
                        // messages are whole, so there is nothing to wait for
                        socket.set_nodelay(true)?;
                        let peer = socket.peer_addr().ok();
                        let connection = Connection::new(socket, limit).holding(place);
                        let link = match acceptor {
                            None => Link::Plain(connection),
                            Some(acceptor) => {
                                let accepted = timeout(patience, acceptor.accept(connection)).await;
                                Link::Tls(Box::new(accepted.map_err(|_| io::ErrorKind::TimedOut)??))
                            }
                        };
                        Ok((link, Protocol::Http1, peer))
                    }
                })
                .map_err(actix_http::error::DispatchError::Io)
                .and_then(http)
            })
            .context("cannot start the web server")?
            .run();
        let handle = running.handle();
        Ok(Self { running, handle })
    }

    /// Serves until `stop`.
    ///
    /// # Errors
    /// When the workers end by themselves.
    pub async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let stopped = async {
            stop.cancelled().await;
            self.handle.stop(true).await;
        };
        let (ended, ()) = tokio::join!(self.running, stopped);
        ended.context("the web server broke off")
    }
}
