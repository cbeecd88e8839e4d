//! Figures of the whole system, as `scripts/bench skeleton` prints them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that stops at the first surprise")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use people_counter_tests::process::{Process, resident};
use people_counter_tests::rest::Rest;
use people_counter_tests::servers::Servers;
use people_counter_tests::system::{System, sample_frames};
use people_counter_tests::viewer::{Kind, Message, Viewer};
use people_counter_tests::wait::free_port;

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

    let mut viewer = Viewer::connect(rest.address(), None).await.unwrap();
    let mut delays = Vec::new();
    let deadline = Instant::now() + COLLECT;
    while Instant::now() < deadline {
        let text = viewer.next().await.expect("the stream goes on");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let message: Message<'_> = serde_json::from_str(&text).unwrap();
        if message.kind == Kind::Delta {
            delays.extend(message.devices.iter().filter_map(|device| Some(now - device.creation_timestamp?)));
        }
        viewer.acknowledge(message.version).await.expect("the stream goes on");
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
