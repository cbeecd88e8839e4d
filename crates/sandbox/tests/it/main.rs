//! The sandbox from outside: MQTT by `rumqttc`, S3 by `rust-s3` and by hand, faults over plain TCP.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broker;
mod mqtt;
mod proxy;
mod s3_by_hand;
mod store;
mod store_faults;
mod store_limits;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Longer than anything here takes on the slowest machine; then a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `check` says yes.
async fn eventually<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    let poll = async {
        while !check().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, poll).await.unwrap_or_else(|_| panic!("still not: {what}"));
}

/// Waits for something that must happen.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("still not: {what}"))
}

async fn is_refused(addr: SocketAddr) -> bool {
    TcpStream::connect(addr).await.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}
