//! Figures of the whole system, as `scripts/bench skeleton` prints them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that stops at the first surprise")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use people_counter_tests::process::{Process, resident};
use people_counter_tests::rest::Rest;
use people_counter_tests::servers::Servers;
use people_counter_tests::system::{System, sample_frames};
use people_counter_tests::wait::free_port;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message as Frame;

/// How long delays are collected.
const COLLECT: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() {
    iot_chassis::install_crypto();
    println!("| figure | value |\n|---|---|");
    demo().await;
    memory().await;
}

fn row(figure: &str, value: impl std::fmt::Display) {
    println!("| {figure} | {value} |");
}

/// Time to the first count, and the delay from capture to a viewer.
async fn demo() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let started = Instant::now();
    let mut demo = Process::start("people-counter", &["--port", &port.to_string()], folder.path());
    let rest = Rest::new(format!("http://127.0.0.1:{port}"));
    loop {
        let all = rest.devices().await;
        if all.is_some_and(|all| all.devices.iter().any(|device| device.count.is_some())) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    row(
        "start of the demo to the first count at a viewer",
        format!("{:.2} s", started.elapsed().as_secs_f64()),
    );

    let url = format!("ws://127.0.0.1:{port}/api/v1/stream");
    let (mut stream, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let mut delays = Vec::new();
    let deadline = Instant::now() + COLLECT;
    while Instant::now() < deadline {
        let Frame::Text(text) = stream.next().await.unwrap().unwrap() else { continue };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let message: Value = serde_json::from_str(&text).unwrap();
        if message["type"] == "delta" {
            let captured = message["devices"].as_array().unwrap().iter();
            delays.extend(captured.filter_map(|device| Some(now - device["creationTimestamp"].as_f64()?)));
        }
        let ack = serde_json::json!({ "type": "ack", "version": message["version"] });
        stream.send(Frame::text(ack.to_string())).await.unwrap();
    }
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays[(delays.len() as f64 * share) as usize] * 1000.0;
    row(
        "capture to viewer, six cameras, p50 / p99",
        format!("{:.0} ms / {:.0} ms ({} frames)", at(0.5), at(0.99), delays.len()),
    );
    let stopping = Instant::now();
    demo.signal("INT");
    demo.wait(Duration::from_secs(10));
    row("Ctrl-C to the end of the demo", format!("{:.2} s", stopping.elapsed().as_secs_f64()));
}

/// Resident memory of each service with six cameras.
async fn memory() {
    let system = System::start(Servers::embedded().await, 6, &sample_frames()).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let processes = [
        ("ingest, six cameras", &system.ingest),
        ("inference, one worker", &system.inference[0]),
        ("engage, six devices", &system.engage),
    ];
    for (name, process) in processes {
        row(&format!("resident memory of {name}"), format!("{:.1} MiB", resident(process.id())));
    }
}
