//! How many connections there may be, and how fast they may come.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::stage::{Engage, LIMIT, Stage, eventually};

/// A connection of its own that is kept; `None` if the server closes it without an answer.
async fn connect(engage: &Engage) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(engage.addr).await.unwrap();
    let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
    let mut answer = [0; 64];
    let read = timeout(LIMIT, stream.read(&mut answer)).await.expect("neither answered nor closed");
    let answered = asked.is_ok() && read.is_ok_and(|bytes| answer[..bytes].starts_with(b"HTTP/1.1 200"));
    answered.then_some(stream)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_over_the_limit_is_closed_and_counted() {
    let stage = Stage::set().await;
    let mut config = stage.config();
    config.http.max_connections = 3;
    let engage = stage.engage_with(config).await;
    // beside the one that asks for readiness and metrics
    let first = connect(&engage).await.expect("there is room");
    let second = connect(&engage).await.expect("there is room");
    assert!(connect(&engage).await.is_none(), "there is none for a fourth");
    assert!(engage.metric(r#"engage_connections_refused_total{reason="limit"}"#).await >= 1.0);
    drop(first);
    let third = eventually("the place of one that has left", async || connect(&engage).await).await;
    assert_eq!(engage.metric("engage_connections_delayed_total").await, 0.0);
    drop((second, third));
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_come_too_fast_wait_or_are_closed_and_counted() {
    let stage = Stage::set().await;
    let mut config = stage.config();
    (config.http.connections_per_second, config.http.request_timeout) = (4, Duration::from_secs(1));
    let engage = stage.engage_with(config).await;
    let all = futures_util::future::join_all((0..60).map(|_| connect(&engage))).await;
    let refused = all.iter().filter(|connection| connection.is_none()).count();
    assert!((1..60).contains(&refused), "{refused} of 60");
    // once they have stopped, everybody is let in again
    let counted = eventually("somebody is let in", async || {
        connect(&engage).await?;
        Some(engage.metric(r#"engage_connections_refused_total{reason="rate"}"#).await)
    })
    .await;
    assert!(counted >= refused as f64, "{counted} of {refused}");
    assert!(engage.metric("engage_connections_delayed_total").await >= 1.0);
    engage.stop().await;
}
