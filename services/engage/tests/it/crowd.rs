//! Many viewers at once.

use std::net::SocketAddr;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::messages::{result, status};
use crate::stage::{Engage, LIMIT, Stage, eventually};
use crate::viewer::{Viewer, open};

const VIEWERS: usize = 2_000;
const DEVICES: usize = 200;

/// Every viewer connects, follows ten devices and takes its snapshot.
async fn everybody(engage: &Engage, sequence: u64) -> (Vec<Viewer>, String) {
    let arrivals = (0..VIEWERS).map(|number| async move {
        let mut viewer = eventually("a connection", async || open(engage, None).await.ok()).await;
        let mine: Vec<String> = (0..10).map(|n| format!("cam-{}", (number + n * 20) % DEVICES)).collect();
        viewer.say(json!({"type": "subscribe", "devices": mine}).to_string()).await;
        // the one of everything may have been on its way
        let is_mine = |message: &Value| message["type"] == "snapshot" && message["total"] == 10;
        let snapshot = viewer.until(|message| is_mine(message).then(|| message.clone())).await;
        let devices = snapshot["devices"].as_array().unwrap();
        assert_eq!(devices.len(), 10, "viewer {number} misses some");
        for device in devices {
            assert_eq!(device["count"], sequence, "{device}");
        }
        assert_eq!(snapshot["summary"]["people"], DEVICES as u64 * sequence);
        (viewer, snapshot["epoch"].as_str().unwrap().to_owned())
    });
    // all at once, as far as one test process can
    let mut arrived: Vec<(Viewer, String)> = stream::iter(arrivals).buffer_unordered(VIEWERS).collect().await;
    let epoch = arrived[0].1.clone();
    assert!(arrived.iter().all(|(_, other)| *other == epoch));
    (arrived.drain(..).map(|(viewer, _)| viewer).collect(), epoch)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_viewers_come_back_at_once() {
    let stage = Stage::set().await;
    for n in 0..DEVICES {
        let name = format!("cam-{n}");
        stage.status(&status(&name, 1)).await;
        stage.counted(&result(&name, 1, 1)).await;
    }
    let mut config = stage.config();
    (config.live.ack_timeout, config.live.burst_bytes) = (LIMIT, 1 << 20);
    let engage = stage.engage_with(config.clone()).await;
    let (mut viewers, before) = everybody(&engage, 1).await;
    assert_eq!(engage.metric("engage_viewers").await, VIEWERS as f64);

    // the replica goes and another one comes to the same address, with newer counts
    let address: SocketAddr = engage.addr;
    engage.tell_to_stop();
    for viewer in &mut viewers {
        assert_eq!(viewer.closed().await.0, 1001);
    }
    engage.stop().await;
    for n in 0..DEVICES {
        stage.counted(&result(&format!("cam-{n}"), 2, 2)).await;
    }
    config.http.listen = address;
    let engage = stage.engage_with(config).await;
    let (viewers, after) = everybody(&engage, 2).await;
    assert_ne!(before, after);
    assert_eq!(engage.metric("engage_viewers_refused_total").await, 0.0);
    drop(viewers);
    eventually("their places", async || (engage.metric("engage_viewers").await == 0.0).then_some(())).await;
    engage.stop().await;
}
