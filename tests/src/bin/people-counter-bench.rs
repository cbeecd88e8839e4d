//! Figures of the whole system, as `scripts/bench skeleton` prints them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that stops at the first surprise")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use iot_mqtt::{Config, Message, Options};
use object_detector::{Detector, picture};
use people_counter_events::{
    DataType, Delivery, DeviceID, FrameID, FrameStored, ObjectPath, Topics, decode, frame_key,
};
use people_counter_tests::process::Process;
use people_counter_tests::rest::Rest;
use people_counter_tests::servers::{BUCKET, Servers};
use people_counter_tests::system::{System, sample_frames};
use people_counter_tests::wait::{eventually, free_port};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message as Frame;

/// How long delays are collected.
const COLLECT: Duration = Duration::from_secs(30);
/// Frames of the throughput measurement.
const FRAMES: usize = 400;

#[tokio::main]
async fn main() {
    iot_chassis::install_crypto();
    println!("| figure | value |\n|---|---|");
    demo().await;
    memory().await;
    throughput().await;
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
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        row(&format!("resident memory of {name}"), format!("{:.1} MiB", kib / 1024.0));
    }
}

/// Frames per second and core of an inference node, against the bare loop over the same pictures.
async fn throughput() {
    let pictures: Vec<Vec<u8>> = (0..80)
        .map(|number| std::fs::read(sample_frames().join(format!("frame-{number:03}.jpg"))).unwrap())
        .collect();
    let bare = bare_loop(&pictures);

    let servers = Servers::embedded().await;
    let (store, url) = {
        let Servers::Embedded { store, broker, .. } = &servers else { unreachable!("embedded") };
        let config = iot_storage::Config {
            endpoint: store.endpoint(),
            bucket: BUCKET.into(),
            access_key: Some(store.access_key().into()),
            secret_key: Some(store.secret_key().into()),
            ..iot_storage::Config::default()
        };
        (iot_storage::Store::new(&config).unwrap(), broker.url())
    };
    store.ensure_bucket().await.unwrap();
    let device: DeviceID = "bench".parse().unwrap();
    for number in 0..FRAMES {
        let key = iot_storage::Key::new(&frame_key(&device, frame_id(number))).unwrap();
        let body = pictures[number % pictures.len()].clone();
        store.put(&key, body.into(), &iot_storage::PutOptions::content_type("image/jpeg")).await.unwrap();
    }

    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("inference.toml");
    let text = format!("node = \"bench\"\nworkers = 1\n[mqtt]\nurl = \"{url}\"\n{}", servers.store_config());
    std::fs::write(&config, text).unwrap();
    let node =
        Process::start("people-counter-inference", &["--config", config.to_str().unwrap()], folder.path());

    let topics = Topics::new(Topics::DEFAULT_ROOT).unwrap();
    let mut options = Options::new(Config { url, outbox: FRAMES, ..Config::default() }, "bench").unwrap();
    let mut results = options.subscribe(topics.counts.filter());
    let client = options.connect();
    eventually("the node has subscribed", || async { node.printed().contains("connected to").then_some(()) })
        .await;
    client.state().wait_for(|state| state.subscribed).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;

    let (started, cpu) = (Instant::now(), cpu_seconds(node.id()));
    let topic = topics.frames.name(&[device.as_str()]).unwrap();
    let mut sending = tokio::task::JoinSet::new();
    for number in 0..FRAMES {
        let payload = topics.frames.encode(&announcement(&device, number)).unwrap();
        let (client, message) =
            (client.clone(), Message::new(&topic, payload).timeout(Duration::from_secs(300)));
        sending.spawn(async move { client.publish(message).await });
    }
    let mut seen = std::collections::HashSet::new();
    while seen.len() < FRAMES {
        let delivery = results.recv().await.unwrap();
        seen.insert(decode(&topics.counts, delivery.topic(), delivery.payload()).unwrap().frame_id);
        delivery.ack();
    }
    let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds(node.id()) - cpu);
    row("bare loop: decode and detect, one thread", format!("{bare:.1} frames/s"));
    row("inference node, one worker", format!("{:.1} frames/s", FRAMES as f64 / wall));
    row("inference node per core second", format!("{:.1} frames", FRAMES as f64 / cpu));
    row("node to bare loop", format!("{:.2}", FRAMES as f64 / wall / bare));
}

/// Frames per second of decoding and detecting alone.
fn bare_loop(pictures: &[Vec<u8>]) -> f64 {
    let folder = sample_frames().join("../../../models/person-nanodet-g");
    let model = object_detector::Model::load(&folder).unwrap();
    let mut detector = Detector::new(&model);
    let mut pixels = image::RgbImage::default();
    let mut run = |picture: &[u8]| {
        picture::decode_into(picture, &picture::Limits::default(), &mut pixels).unwrap();
        detector.detect(&pixels, model.manifest().threshold).unwrap();
    };
    run(&pictures[0]);
    let started = Instant::now();
    for number in 0..FRAMES {
        run(&pictures[number % pictures.len()]);
    }
    FRAMES as f64 / started.elapsed().as_secs_f64()
}

fn frame_id(number: usize) -> FrameID {
    FrameID::from_u128(number as u128 + 1)
}

fn announcement(device: &DeviceID, number: usize) -> FrameStored {
    FrameStored {
        kind: DataType::Data,
        device_id: device.clone(),
        file_path: ObjectPath::new(BUCKET, &frame_key(device, frame_id(number))).unwrap(),
        creation_timestamp: 1_789_000_000.0,
        frame_id: frame_id(number),
        boot_id: 1,
        sequence: number as u64 + 1,
        delivery: Delivery::Every,
        width: 640,
        height: 480,
        bytes: 1,
        attempt: 1,
    }
}

/// User and system time of a process.
fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let ticks: Vec<f64> =
        after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse().unwrap()).collect();
    (ticks[0] + ticks[1]) / 100.0
}
