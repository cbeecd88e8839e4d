//! The stream: snapshot, deltas, acknowledgements, and what is done about bad viewers.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

use crate::messages::{result, status};
use crate::stage::{Engage, Stage, eventually};
use crate::viewer::{self, Viewer, device};

/// A message that holds this count of a device.
fn count(message: &Value, id: &str, count: u32) -> Option<Value> {
    device(message, id).filter(|device| device["count"] == count).cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_and_then_what_changes() {
    let stage = Stage::set().await;
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 3)).await;
    stage.status(&status("cam-2", 1)).await;
    let engage = stage.engage().await;
    let mut viewer = Viewer::of(&engage).await;
    let snapshot = viewer.take().await;
    assert_eq!((&snapshot["type"], &snapshot["connected"]), (&"snapshot".into(), &true.into()));
    assert_eq!(snapshot["devices"].as_array().unwrap().len(), 2);
    assert!(snapshot.get("since").is_none() && snapshot.get("removed").is_none());

    stage.counted(&result("cam-1", 2, 4)).await;
    let delta = viewer.until(|message| count(message, "cam-1", 4).map(|_| message.clone())).await;
    assert_eq!(delta["type"], "delta");
    assert_eq!(delta["epoch"], snapshot["epoch"]);
    assert!(delta["since"].as_u64() >= snapshot["version"].as_u64());
    assert!(device(&delta, "cam-2").is_none(), "only what changed");
    assert_eq!(delta["summary"]["people"], 4);

    stage.remove("cam-2").await;
    let removed = viewer.until(|message| (message["removed"][0] == "cam-2").then(|| message.clone())).await;
    assert_eq!(removed["summary"]["unknown"], 0);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_news_there_is_a_heartbeat() {
    let stage = Stage::set().await;
    let mut config = stage.config();
    config.live.heartbeat = Duration::from_millis(100);
    let engage = stage.engage_with(config).await;
    let mut viewer = Viewer::of(&engage).await;
    let mut version = viewer.take().await["version"].clone();
    for _ in 0..3 {
        let beat = viewer.take().await;
        assert_eq!((&beat["type"], &beat["since"]), (&"delta".into(), &version));
        assert!(beat["devices"].as_array().unwrap().is_empty());
        version = beat["version"].clone();
    }
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_before_the_acknowledgement_and_then_one_merged_delta() {
    let stage = Stage::set().await;
    stage.status(&status("cam-1", 1)).await;
    let engage = stage.engage().await;
    let mut slow = Viewer::of(&engage).await;
    let snapshot = slow.next().await.unwrap();
    let mut quick = Viewer::of(&engage).await;
    for n in 1..=20 {
        stage.counted(&result("cam-1", n, n as u32)).await;
    }
    quick.until(|message| count(message, "cam-1", 20)).await;
    // had anything been sent before, it would be what comes now
    slow.ack(&snapshot).await;
    let delta = slow.next().await.unwrap();
    assert_eq!(delta["since"], snapshot["version"]);
    assert!(count(&delta, "cam-1", 20).is_some(), "{delta}");
    // an acknowledgement of something else is none
    slow.ack(&snapshot).await;
    stage.counted(&result("cam-1", 21, 21)).await;
    quick.until(|message| count(message, "cam-1", 21)).await;
    slow.ack(&delta).await;
    let next = slow.next().await.unwrap();
    assert_eq!(next["since"], delta["version"]);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_messages_than_the_rate_and_equal_ones_are_made_once() {
    let stage = Stage::set().await;
    stage.status(&status("cam-1", 1)).await;
    let mut config = stage.config();
    config.live.max_rate = 2;
    let engage = stage.engage_with(config).await;
    let mut viewers = Vec::new();
    for _ in 0..20 {
        viewers.push(Viewer::of(&engage).await);
    }
    for viewer in &mut viewers {
        viewer.take().await;
    }
    let made = engage.metric("engage_stream_messages_made_total").await;
    let sent = engage.metric("engage_stream_messages_total").await;
    let started = std::time::Instant::now();
    for n in 1..=50 {
        stage.counted(&result("cam-1", n, n as u32)).await;
    }
    for viewer in &mut viewers {
        viewer.until(|message| count(message, "cam-1", 50)).await;
    }
    // at most one message per beat and viewer, with one beat of rounding at each end
    let beats = started.elapsed().as_secs_f64() * 2.0 + 2.0;
    let sent = engage.metric("engage_stream_messages_total").await - sent;
    assert!(sent <= 20.0 * beats, "{sent} messages to 20 viewers in {beats} beats");
    let made = engage.metric("engage_stream_messages_made_total").await - made;
    assert!(made <= sent / 2.0, "{made} messages made for {sent} that were sent");
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_reads_but_does_not_acknowledge_is_told_to_go() {
    let stage = Stage::set().await;
    let mut config = stage.config();
    (config.live.ack_timeout, config.live.heartbeat) =
        (Duration::from_millis(300), Duration::from_millis(100));
    let engage = stage.engage_with(config).await;
    let mut viewer = Viewer::of(&engage).await;
    viewer.next().await.unwrap();
    assert_eq!(viewer.closed().await, (1008, "no acknowledgement in time".into()));
    eventually("its place", async || (engage.metric("engage_viewers").await == 0.0).then_some(())).await;
    engage.stop().await;
}

/// Opens a stream by hand and reads nothing more than the answer.
async fn frozen(engage: &Engage) -> tokio::net::TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut socket = socket.connect(engage.addr).await.unwrap();
    let request = format!(
        "GET /api/v1/stream HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        engage.addr
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    socket.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 101");
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_stops_reading_costs_its_own_connection_only() {
    let stage = Stage::set().await;
    // a snapshot larger than what the sockets take
    for n in 0..800 {
        let mut status = status(&format!("cam-{n}"), 1);
        status.labels = (0..32).map(|k| (format!("label-{k}"), "x".repeat(256))).collect();
        stage.status(&status).await;
    }
    let mut config = stage.config();
    (config.live.ack_timeout, config.live.heartbeat) = (Duration::from_secs(15), Duration::from_millis(500));
    let engage = stage.engage_with(config).await;
    let mut victims = Vec::new();
    for _ in 0..5 {
        victims.push(frozen(&engage).await);
    }
    let mut healthy = Viewer::of(&engage).await;
    healthy.take().await;
    assert_eq!(engage.metric("engage_viewers").await, 6.0);
    for n in 1.. {
        stage.counted(&result("cam-1", n, n as u32)).await;
        healthy.until(|message| count(message, "cam-1", n as u32)).await;
        if engage.metric("engage_viewers").await == 1.0 {
            break;
        }
    }
    drop(victims);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_over_the_limit_wait_for_a_place() {
    let stage = Stage::set().await;
    let mut config = stage.config();
    config.live.max_viewers = 1;
    let engage = stage.engage_with(config).await;
    let mut first = Viewer::of(&engage).await;
    first.take().await;
    let error = viewer::open(&engage, None).await.err().unwrap();
    assert!(error.to_string().contains("503"), "{error}");
    assert_eq!(engage.metric("engage_viewers_refused_total").await, 1.0);
    drop(first);
    let mut second = eventually("a place", async || viewer::open(&engage, None).await.ok()).await;
    second.take().await;
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_viewers_may_say_is_little() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    for (bad, code) in [
        (Message::text("hello"), 1007),
        (Message::text(r#"{"type":"ack"}"#), 1007),
        (Message::binary(vec![1, 2, 3]), 1003),
        (Message::text(r#"{"type":"subscribe"}"#), 1007),
        (Message::text(r#"{"type":"subscribe","devices":["a b"]}"#), 1007),
        (Message::text(r#"{"type":"subscribe","devices":"some"}"#), 1007),
        (Message::text(r#"{"type":"subscribe","limit":501}"#), 1007),
        (Message::text(r#"{"type":"subscribe","sort":"name"}"#), 1007),
        (Message::text("x".repeat(70_000)), 1009),
    ] {
        let mut viewer = Viewer::of(&engage).await;
        viewer.take().await;
        futures_util::SinkExt::send(&mut viewer.socket, bad).await.unwrap();
        assert_eq!(viewer.closed().await.0, code);
    }
    // something from a later version of the protocol is let pass
    let mut viewer = Viewer::of(&engage).await;
    viewer.take().await;
    viewer.say(r#"{"type":"filter","devices":["cam-1"]}"#.into()).await;
    stage.status(&status("cam-1", 1)).await;
    viewer.until(|message| device(message, "cam-1").cloned()).await;
    // a flood is not, neither of bytes
    for _ in 0..6 {
        let long = Message::text(format!(r#"{{"type":"later","x":"{}"}}"#, "x".repeat(60_000)));
        if futures_util::SinkExt::send(&mut viewer.socket, long).await.is_err() {
            break;
        }
    }
    assert_eq!(viewer.closed().await.0, 1008);
    // nor of messages
    let mut viewer = Viewer::of(&engage).await;
    viewer.take().await;
    for _ in 0..500 {
        let ack = Message::text(r#"{"type":"ack","version":0}"#);
        if futures_util::SinkExt::send(&mut viewer.socket, ack).await.is_err() {
            break;
        }
    }
    eventually("the end of the flood", async || {
        (engage.metric(r#"engage_viewers_ended_total{reason="Flooding"}"#).await == 2.0).then_some(())
    })
    .await;
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_closes_every_stream_at_once() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    let mut viewers = Vec::new();
    for _ in 0..10 {
        let mut viewer = Viewer::of(&engage).await;
        viewer.next().await.unwrap();
        viewers.push(viewer);
    }
    let started = std::time::Instant::now();
    engage.tell_to_stop();
    for viewer in &mut viewers {
        assert_eq!(viewer.closed().await, (1001, "the service stops".into()));
    }
    println!("10 viewers were told in {:?}", started.elapsed());
    engage.stop().await;
    println!("stopped in {:?}", started.elapsed());
}
