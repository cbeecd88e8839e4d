//! HTTP in front of the store.

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use s3s::service::S3Service;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a client may take to send the head of a request, or a connection may lie idle.
const HEAD: Duration = Duration::from_secs(60);
/// How long running requests are given at a stop before they are cut.
const FAREWELL: Duration = Duration::from_millis(250);
/// The pause after a failed accept (out of file descriptors, for instance).
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop`, then closes the port at once and every connection soon after. Dropped, it
/// ends everything immediately.
pub(super) async fn serve(
    listener: TcpListener,
    service: S3Service,
    max_connections: usize,
    stop: CancellationToken,
) {
    let mut http = Builder::new(TokioExecutor::new()).http1_only();
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(max_connections));
    let mut connections = JoinSet::new();
    loop {
        let (stream, slot) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            // finished ones are let go of as they end
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &slots) => accepted,
        };
        let connection = http.serve_connection(TokioIo::new(stream), service.clone()).into_owned();
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "a connection to the object store ended early");
            }
            drop(slot);
        });
    }
    drop(listener);
    if timeout(FAREWELL, graceful.shutdown()).await.is_err() {
        tracing::debug!(open = connections.len(), "cutting connections of the stopping object store");
    }
    connections.shutdown().await;
}

async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let slot = Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "cannot switch off the delay of small packets");
                }
                return (stream, slot);
            }
            Err(error) => {
                tracing::warn!(%error, "the object store cannot accept a connection");
                sleep(PAUSE).await;
            }
        }
    }
}
