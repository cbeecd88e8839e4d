//! Load for engage, as `scripts/bench engage` prints it: many viewers, many devices, and how they fare.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that stops at the first surprise")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use iot_mqtt::{Client, Config, Message, Options};
use iot_sandbox::{Broker, BrokerOptions};
use people_counter_events::{
    AnalysisMetadata, Delivery, DeviceID, DeviceState, DeviceStatus, FrameID, Model, ObjectPath,
    PeopleCounted, Person, Picture, ResultType, Results, StatusType, Topics, frame_key,
};
use people_counter_tests::process::{Process, cpu_seconds, resident};
use people_counter_tests::viewer::{Kind, Message as Told, Subscription, Viewer};
use people_counter_tests::wait::{eventually, free_port};

/// One measurement.
struct Plan {
    name: &'static str,
    devices: usize,
    viewers: usize,
    /// How many devices each viewer follows.
    each: usize,
    /// Results per second, over all devices.
    rate: usize,
    /// Messages per second and viewer at most.
    max_rate: u32,
    seconds: u64,
}

const fn everything(name: &'static str, viewers: usize, seconds: u64) -> Plan {
    Plan { name, devices: 20, viewers, each: 20, rate: 20, max_rate: 1000, seconds }
}

const fn conflated(name: &'static str, viewers: usize, seconds: u64) -> Plan {
    Plan { name, devices: 10_000, viewers, each: 50, rate: 1_000, max_rate: 4, seconds }
}

const PLANS: &[Plan] = &[
    everything("everything, 50 viewers", 50, 15),
    everything("everything, 200 viewers", 200, 15),
    everything("everything, 1,000 viewers", 1_000, 15),
    conflated("conflated, 100 viewers", 100, 15),
    conflated("conflated, 1,000 viewers", 1_000, 15),
    conflated("conflated, 10,000 viewers", 10_000, 30),
];

/// What all viewers saw.
#[derive(Default)]
struct Seen {
    counting: AtomicBool,
    ended: AtomicBool,
    messages: AtomicU64,
    deliveries: AtomicU64,
    ready: AtomicU64,
    lost: AtomicU64,
    /// Milliseconds.
    delays: Mutex<Vec<f32>>,
}

fn main() {
    iot_chassis::install_crypto();
    let only: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let files = std::fs::read_to_string("/proc/self/limits").unwrap();
        let files = files.lines().find(|line| line.starts_with("Max open files")).unwrap();
        println!("{}", files.split_whitespace().take(4).collect::<Vec<_>>().join(" "));
        println!(
            "| measurement | delivered | deliveries/s | per CPU second | messages/s | p50 / p99 | resident | per viewer |"
        );
        println!("|---|---|---|---|---|---|---|---|");
        for plan in PLANS {
            if only.is_empty() || only.iter().any(|name| plan.name.contains(name.as_str())) {
                run(plan).await;
            }
        }
    });
}

async fn run(plan: &Plan) {
    let options = BrokerOptions::default().with(|options| options.max_retained = 100_000);
    let broker = Broker::start(options).await.unwrap();
    let topics = Topics::new(Topics::DEFAULT_ROOT).unwrap();
    let config = Config::default().with(|config| {
        config.url = broker.url();
        config.outbox = 4096;
        config.window = 512;
    });
    let client = Options::new(config, "load").unwrap().connect();
    let names: Arc<Vec<String>> = Arc::new((0..plan.devices).map(|n| format!("cam-{n:05}")).collect());
    let births = futures_util::stream::iter(names.iter()).for_each_concurrent(256, |name| {
        let (client, topics) = (&client, &topics);
        async move {
            let topic = topics.status.name(&[name]).unwrap();
            let payload = topics.status.encode(&status(name)).unwrap();
            client.publish(Message::new(topic, payload).retained()).await.unwrap();
            count(client, topics, name, 1).await;
        }
    });
    births.await;

    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let started = Instant::now();
    let engage = start(folder.path(), &broker, &address, plan);
    let http = reqwest::Client::new();
    let readyz = format!("http://{address}/readyz");
    eventually("engage is ready", || async {
        http.get(&readyz).send().await.ok()?.status().is_success().then_some(())
    })
    .await;
    let ready = started.elapsed();
    let before = resident(engage.id());

    let seen = Arc::new(Seen::default());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..plan.viewers {
        let (address, seen, names) = (address.clone(), Arc::clone(&seen), Arc::clone(&names));
        let each = plan.each.min(names.len());
        tasks.spawn(async move {
            // spread over all devices, every viewer others
            let mine: Vec<String> = (0..each)
                .map(|n| names[(number * 7919 + n * (names.len() / each)) % names.len()].clone())
                .collect();
            if watch(&address, &Subscription::of(&mine), &seen).await.is_none() {
                seen.lost.fetch_add(1, Ordering::Relaxed);
            }
        });
        if number % 100 == 99 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    eventually("every viewer has its snapshot", || async {
        let got = seen.ready.load(Ordering::Relaxed) + seen.lost.load(Ordering::Relaxed);
        (got >= plan.viewers as u64).then_some(())
    })
    .await;

    // a moment to become steady
    let published = publish(&client, &topics, &names, plan.rate, Duration::from_secs(3)).await;
    seen.counting.store(true, Ordering::Relaxed);
    let (cpu, at) = (cpu_seconds(engage.id()), Instant::now());
    let more =
        publish_from(&client, &topics, &names, plan.rate, Duration::from_secs(plan.seconds), published).await;
    let (cpu, took) = (cpu_seconds(engage.id()) - cpu, at.elapsed().as_secs_f64());
    tokio::time::sleep(Duration::from_secs(1)).await;
    seen.ended.store(true, Ordering::Relaxed);
    let memory = resident(engage.id());

    let deliveries = seen.deliveries.load(Ordering::Relaxed) as f64;
    let expected = (more - published) as f64 * plan.viewers as f64 * plan.each as f64 / plan.devices as f64;
    let mut delays = std::mem::take(&mut *seen.delays.lock().unwrap());
    delays.sort_by(f32::total_cmp);
    let delay = |share: f64| delays.get((delays.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!(
        "| {} | {:.1} % | {:.0} | {:.0} | {:.0} | {:.0} ms / {:.0} ms | {:.0} MiB | {:.1} KiB |",
        plan.name,
        deliveries / expected * 100.0,
        deliveries / took,
        deliveries / cpu,
        seen.messages.load(Ordering::Relaxed) as f64 / took,
        delay(0.5),
        delay(0.99),
        memory,
        (memory - before) * 1024.0 / plan.viewers as f64,
    );
    let lost = seen.lost.load(Ordering::Relaxed);
    println!(
        "| {}: ready with {} devices, viewers lost | {:.2} s, {lost} | | | | | | |",
        plan.name,
        plan.devices,
        ready.as_secs_f64()
    );
    tasks.abort_all();
}

fn start(folder: &std::path::Path, broker: &Broker, address: &str, plan: &Plan) -> Process {
    let config = folder.join("engage.toml");
    let text = format!(
        "[mqtt]\nurl = \"{}\"\n[store]\nendpoint = \"http://127.0.0.1:9\"\nbucket = \"bench\"\naccess_key = \"a\"\n\
         secret_key = \"b\"\n[http]\nlisten = \"{address}\"\n[live]\nmax_rate = {}\n[log]\nfilter = \"warn\"\n",
        broker.url(),
        plan.max_rate
    );
    std::fs::write(&config, text).unwrap();
    Process::start("people-counter-engage", &["--config", config.to_str().unwrap()], folder)
}

/// Follows the stream until the end of the measurement; `None` if it breaks before.
async fn watch(address: &str, subscription: &Subscription, seen: &Seen) -> Option<()> {
    let mut viewer = Viewer::connect(address, None).await.ok()?;
    viewer.subscribe(subscription).await.ok()?;
    let mut ready = false;
    let mut delays = Vec::new();
    let mut first = true;
    loop {
        let text = viewer.next().await.ok()?;
        let now = unix_now();
        let told: Told<'_> = serde_json::from_str(&text).expect("a message of the stream");
        viewer.acknowledge(told.version).await.ok()?;
        // the first snapshot may be of everything, before the subscription was read
        if !ready && told.kind == Kind::Snapshot && !(first && told.total.is_none()) {
            ready = true;
            seen.ready.fetch_add(1, Ordering::Relaxed);
        }
        first = false;
        if seen.counting.load(Ordering::Relaxed) && told.kind == Kind::Delta {
            seen.messages.fetch_add(1, Ordering::Relaxed);
            seen.deliveries.fetch_add(told.devices.len() as u64, Ordering::Relaxed);
            delays.extend(
                told.devices.iter().filter_map(|d| Some(((now - d.analysed_timestamp?) * 1e3) as f32)),
            );
        }
        if delays.len() >= 64 || (seen.ended.load(Ordering::Relaxed) && !delays.is_empty()) {
            seen.delays.lock().unwrap().append(&mut delays);
        }
    }
}

/// Publishes results evenly over all devices; returns the number of the next one.
async fn publish(client: &Client, topics: &Topics, names: &[String], rate: usize, length: Duration) -> usize {
    publish_from(client, topics, names, rate, length, 0).await
}

async fn publish_from(
    client: &Client,
    topics: &Topics,
    names: &[String],
    rate: usize,
    length: Duration,
    from: usize,
) -> usize {
    let total = rate * length.as_secs() as usize;
    let started = Instant::now();
    let results = (from..from + total).map(|number| async move {
        let due = started + Duration::from_secs_f64((number - from) as f64 / rate as f64);
        tokio::time::sleep_until(due.into()).await;
        count(client, topics, &names[number % names.len()], number as u64 / names.len() as u64 + 2).await;
    });
    futures_util::stream::iter(results).buffer_unordered(512).collect::<Vec<()>>().await;
    from + total
}

async fn count(client: &Client, topics: &Topics, name: &str, sequence: u64) {
    let payload = topics.counts.encode(&result(name, sequence)).unwrap();
    let topic = topics.counts.name(&[name]).unwrap();
    client.publish(Message::new(topic, payload).retained()).await.unwrap();
}

fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

fn status(name: &str) -> DeviceStatus {
    DeviceStatus {
        kind: StatusType::Status,
        device_id: name.parse().unwrap(),
        state: DeviceState::Online,
        boot_id: 1,
        connection: 1,
        version: "0.1.0".into(),
        source: "rtsp".into(),
        cadence_seconds: 600.0,
        delivery: Delivery::Latest,
        labels: [("floor".to_owned(), "2".to_owned()), ("room".to_owned(), "lobby".to_owned())].into(),
        spool_depth: 0,
        dropped: Default::default(),
        problem: None,
        unchanged: None,
    }
}

/// A result with three people, as the built-in model gives them.
fn result(name: &str, sequence: u64) -> PeopleCounted {
    let device_id: DeviceID = name.parse().unwrap();
    let frame_id = FrameID::now_v7();
    let file_path = ObjectPath::new("bench", &frame_key(&device_id, frame_id)).unwrap();
    let person = Person { bounding_box: [0.25, 0.5, 0.125, 0.375], score: 0.875 };
    PeopleCounted {
        kind: ResultType::Result,
        message: PeopleCounted::message_for(&file_path),
        device_id,
        file_path,
        creation_timestamp: unix_now(),
        frame_id,
        boot_id: 1,
        sequence,
        width: 640,
        height: 480,
        analysed_timestamp: unix_now(),
        picture: Picture::Original,
        preview_path: None,
        analysis_metadata: AnalysisMetadata {
            results: Results { count: 3, people: vec![person; 3] },
            model: Model { name: "person-nanodet-g-416x416".into(), sha256: "ab".repeat(32) },
            node: "gateway-1".into(),
            duration_ms: 43.5,
        },
    }
}
