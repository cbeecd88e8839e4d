//! Server-sent events: the stream for clients without WebSocket.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::messages::{result, status};
use crate::stage::{Engage, LIMIT, Stage, eventually};
use crate::viewer::{device, ids};

/// A client.
pub struct Events {
    response: Response,
    text: String,
}

/// An event, or what stands there in its place.
#[derive(Debug, PartialEq)]
pub enum Event {
    /// A message of the stream and its id.
    Message(String, Value),
    /// A comment.
    Comment,
    /// The milliseconds to wait before the next connection.
    Retry(u64),
}

impl Events {
    pub fn new(response: Response) -> Self {
        Self { response, text: String::new() }
    }

    async fn of(engage: &Engage, query: &str) -> Self {
        Self::since(engage, query, None).await
    }

    async fn since(engage: &Engage, query: &str, last: Option<&str>) -> Self {
        let request = engage.http.get(format!("http://{}/api/v1/events{query}", engage.addr));
        let request = last.into_iter().fold(request, |request, id| request.header("last-event-id", id));
        let response = request.header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self::new(response)
    }

    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = Event::read(event);
                self.text = rest.to_owned();
                return Some(event);
            }
            let chunk = timeout(LIMIT, self.response.chunk()).await.expect("no event came").ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next message and its id.
    async fn message(&mut self) -> (String, Value) {
        loop {
            if let Event::Message(id, message) = self.next().await.expect("the events ended") {
                return (id, message);
            }
        }
    }

    async fn until(&mut self, holds: impl Fn(&Value) -> bool) -> (String, Value) {
        loop {
            let (id, message) = self.message().await;
            if holds(&message) {
                return (id, message);
            }
        }
    }
}

impl Event {
    fn read(text: &str) -> Self {
        if let Some(millis) = text.strip_prefix("retry: ") {
            return Self::Retry(millis.parse().unwrap());
        }
        if text.starts_with(':') {
            return Self::Comment;
        }
        let (id, data) = text.split_once('\n').unwrap();
        let message = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        Self::Message(id.strip_prefix("id: ").unwrap().to_owned(), message)
    }
}

fn has_count(message: &Value, id: &str, count: u32) -> bool {
    device(message, id).is_some_and(|device| device["count"] == count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_then_what_changes_and_a_sign_of_life() {
    let stage = Stage::set().await;
    for name in ["cam-1", "cam-2"] {
        stage.status(&status(name, 1)).await;
    }
    stage.counted(&result("cam-1", 1, 3)).await;
    let mut config = stage.config();
    config.live.heartbeat = Duration::from_millis(200);
    let engage = stage.engage_with(config).await;
    let mut events = Events::of(&engage, "").await;
    let Some(Event::Retry(wait)) = events.next().await else { panic!("no time to wait") };
    assert!((1_000..5_000).contains(&wait), "{wait}");
    let (id, snapshot) = events.message().await;
    assert_eq!((&snapshot["type"], ids(&snapshot)), (&"snapshot".into(), vec!["cam-1", "cam-2"]));
    assert_eq!(id, format!("{}.{}", snapshot["epoch"].as_str().unwrap(), snapshot["version"]));
    while events.next().await != Some(Event::Comment) {}
    stage.counted(&result("cam-1", 2, 4)).await;
    let (_, delta) = events.until(|message| has_count(message, "cam-1", 4)).await;
    assert_eq!((&delta["type"], ids(&delta)), (&"delta".into(), vec!["cam-1"]));
    assert!(delta["since"].as_u64() >= snapshot["version"].as_u64());
    stage.remove("cam-2").await;
    events.until(|message| message["removed"][0] == "cam-2").await;
    engage.tell_to_stop();
    while events.next().await.is_some() {}
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_is_told_what_was_missed() {
    let stage = Stage::set().await;
    for name in ["cam-1", "cam-2"] {
        stage.status(&status(name, 1)).await;
        stage.counted(&result(name, 1, 3)).await;
    }
    let engage = stage.engage().await;
    let mut events = Events::of(&engage, "").await;
    let (id, snapshot) = events.message().await;
    drop(events);
    stage.counted(&result("cam-2", 2, 5)).await;
    engage.until("cam-2", "count", 5).await;
    let (_, delta) = Events::since(&engage, "", Some(&id)).await.message().await;
    assert_eq!((&delta["type"], &delta["since"]), (&"delta".into(), &snapshot["version"]));
    assert_eq!(ids(&delta), ["cam-2"]);
    // of another replica, of the future, and no id at all
    let future = format!("{}.9999999", snapshot["epoch"].as_str().unwrap());
    for foreign in ["0190a.1", &future, "x", ""] {
        let (_, all) = Events::since(&engage, "", Some(foreign)).await.message().await;
        assert_eq!((&all["type"], ids(&all)), (&"snapshot".into(), vec!["cam-1", "cam-2"]), "{foreign}");
    }
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn some_devices_alone() {
    let stage = Stage::set().await;
    for (n, name) in ["cam-1", "cam-2", "cam-3"].into_iter().enumerate() {
        stage.status(&status(name, 1)).await;
        stage.counted(&result(name, 1, n as u32)).await;
    }
    let engage = stage.engage().await;
    engage.until("cam-3", "count", 2).await;
    for (query, expected) in [
        ("?devices=cam-1,cam-3", vec!["cam-1", "cam-3"]),
        ("?q=CAM-2", vec!["cam-2"]),
        ("?sort=-count&limit=2", vec!["cam-2", "cam-3"]),
        ("?state=offline", vec![]),
    ] {
        let (_, snapshot) = Events::of(&engage, query).await.message().await;
        assert_eq!(ids(&snapshot), expected, "{query}");
        assert_eq!(snapshot["summary"]["people"], 3, "{query}: the sums are of all");
    }
    for query in
        ["devices=a%20b", "devices=cam-1&q=x", "limit=0", "limit=501", "sort=name", "filter=x", "offset=-1"]
    {
        let answer = engage.get(&format!("/api/v1/events?{query}")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{query}");
    }
    let head = engage.ask(&Method::HEAD, "/api/v1/events", None).await;
    assert_eq!(head.status(), StatusCode::OK);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_gets_one_merged_delta_and_a_frozen_one_is_disconnected() {
    let stage = Stage::set().await;
    // so much that a few messages fill every buffer on the way
    for n in 0..400 {
        let mut status = status(&format!("cam-{n:03}"), 1);
        status.labels = (0..8).map(|n| (format!("label-{n}"), "x".repeat(200))).collect();
        stage.status(&status).await;
    }
    let mut config = stage.config();
    config.http.write_timeout = Duration::from_secs(2);
    config.live.ack_timeout = Duration::from_secs(2);
    let engage = stage.engage_with(config).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut frozen = socket.connect(engage.addr).await.unwrap();
    frozen.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await.unwrap();
    eventually("a viewer", async || (engage.metric("engage_viewers").await == 1.0).then_some(())).await;
    // what the system buffers for a connection is used up first
    let mut sequence = 0;
    eventually("its place is free", async || {
        sequence += 1;
        for n in 0..400 {
            stage.counted(&result(&format!("cam-{n:03}"), sequence, sequence as u32)).await;
        }
        (engage.metric("engage_viewers").await == 0.0).then_some(())
    })
    .await;
    let sent = engage.metric("engage_stream_messages_total").await;
    assert!(sent < 100.0, "{sent} messages for somebody who reads nothing");
    assert_eq!(engage.metric(r#"engage_viewers_ended_total{reason="Left"}"#).await, 1.0);
    // others see the newest state in one message
    let (_, snapshot) = Events::of(&engage, "?devices=cam-020").await.message().await;
    assert!(has_count(&snapshot, "cam-020", sequence as u32), "{snapshot}");
    drop(frozen);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_viewer_too_many_is_turned_away() {
    let stage = Stage::set().await;
    let mut config = stage.config();
    config.live.max_viewers = 1;
    let engage = stage.engage_with(config).await;
    let mut events = Events::of(&engage, "").await;
    events.message().await;
    let refused = engage.get("/api/v1/events").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(engage.metric("engage_viewers_refused_total").await, 1.0);
    drop(events);
    eventually("the place", async || engage.get("/api/v1/events").await.status().is_success().then_some(()))
        .await;
    engage.stop().await;
}
