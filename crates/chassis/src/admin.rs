//! [`Admin`]: `/healthz`, `/readyz` and `/metrics` for services that serve nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::{Metrics, Stop, Telemetry};

/// Most connections at once.
const MAX_CONNECTIONS: usize = 64;
/// Longest wait for a request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// A small HTTP server for probes and Prometheus.
pub struct Admin {
    listener: TcpListener,
    telemetry: Telemetry,
}

impl Admin {
    /// Binds to `address`.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn bind(address: SocketAddr, telemetry: &Telemetry) -> std::io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, telemetry: telemetry.clone() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
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
                Ok((socket, _)) => socket,
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
