//! [`Admin`]: `/healthz`, `/readyz` and `/metrics` for services that serve nothing else.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream as BlockingUnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

use crate::{Address, Metrics, Stop, Telemetry};

/// Most connections at once.
const MAX_CONNECTIONS: usize = 64;
/// Longest wait for a request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// A small HTTP server for probes and Prometheus, on a TCP port or a Unix socket.
pub struct Admin {
    listener: Listener,
    telemetry: Telemetry,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// Takes a socket's file away when it is dropped.
struct SocketFile(PathBuf);

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

impl Admin {
    /// Binds to `address`. The file of a Unix socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn bind(address: &Address, telemetry: &Telemetry) -> io::Result<Self> {
        let listener = match address {
            Address::Tcp(address) => Listener::Tcp(TcpListener::bind(address).await?),
            Address::Unix(path) => {
                remove_left_over(path)?;
                Listener::Unix(UnixListener::bind(path)?, SocketFile(path.clone()))
            }
        };
        Ok(Self { listener, telemetry: telemetry.clone() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<Address> {
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().map(SocketAddr::into),
            Listener::Unix(_, file) => Ok(Address::Unix(file.0.clone())),
        }
    }

    /// Serves until `stop`.
    ///
    /// # Errors
    /// None so far; the type fits [`crate::Tasks::spawn`].
    pub async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                accepted = self.listener.accept() => accepted,
            };
            let socket = match accepted {
                Ok(socket) => socket,
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            // over the limit: closed at once
            let Ok(place) = free.clone().try_acquire_owned() else { continue };
            let (telemetry, stop) = (self.telemetry.clone(), stop.clone());
            tokio::spawn(async move {
                let answer = service_fn(move |request| {
                    let response = respond(&request, &telemetry);
                    async move { Ok::<_, Infallible>(response) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_LIMIT)
                    .serve_connection(TokioIo::new(socket), answer);
                tokio::select! {
                    result = connection => {
                        if let Err(error) = result {
                            tracing::debug!("probe connection broke: {error}");
                        }
                    }
                    () = stop.cancelled() => {}
                }
                drop(place);
            });
        }
    }
}

impl Listener {
    async fn accept(&self) -> io::Result<Box<dyn Socket>> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(socket, _)| Box::new(socket) as _),
            Self::Unix(listener, _) => listener.accept().await.map(|(socket, _)| Box::new(socket) as _),
        }
    }
}

/// A process that was killed leaves its socket's file behind, which would make every later start fail.
fn remove_left_over(path: &Path) -> io::Result<()> {
    match BlockingUnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        // nothing there, or somebody who answers: binding says which
        _ => Ok(()),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!("cannot remove {}: {error}", self.0.display());
        }
    }
}

fn respond(request: &Request<Incoming>, telemetry: &Telemetry) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".into());
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n".into()),
        "/readyz" => match telemetry.health.ready() {
            Ok(()) => text(StatusCode::OK, "ready\n".into()),
            Err(problems) => {
                let lines: String =
                    problems.iter().map(|p| format!("{}: {}\n", p.check, p.problem)).collect();
                text(StatusCode::SERVICE_UNAVAILABLE, lines)
            }
        },
        "/metrics" => match telemetry.metrics.render() {
            Ok(body) => reply(StatusCode::OK, Metrics::CONTENT_TYPE, body),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
        _ => text(StatusCode::NOT_FOUND, "there are /healthz, /readyz and /metrics\n".into()),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    reply(status, "text/plain; charset=utf-8", body)
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    response
}
