//! Load for engage, as `scripts/bench engage` prints it: many viewers, many devices, and how they fare, beside what
//! Flask-SocketIO does with the same messages.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that stops at the first surprise")]

mod peer;
mod publish;
mod service;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use iot_mqtt::{Client, Config, Message, Options};
use iot_sandbox::{Broker, BrokerOptions};
use people_counter_events::Topics;
use people_counter_tests::process::{cpu_seconds, resident};
use people_counter_tests::viewer::Kind;
use people_counter_tests::wait::{eventually, free_port};

use publish::{Cameras, status, unix_now};
use service::{Service, Told};

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
    /// What else does the same.
    peers: &'static [Service],
}

const PEERS: &[Service] = &[Service::Peer("threading"), Service::Peer("gevent")];

const fn everything(name: &'static str, viewers: usize) -> Plan {
    Plan { name, devices: 20, viewers, each: 20, rate: 20, max_rate: 1000, seconds: 15, peers: PEERS }
}

/// Every camera counts once a second, so that nothing is conflated though messages to a viewer are few.
const fn gathered(name: &'static str, viewers: usize) -> Plan {
    Plan { name, devices: 250, viewers, each: 250, rate: 250, max_rate: 4, seconds: 15, peers: PEERS }
}

const fn conflated(name: &'static str, viewers: usize, seconds: u64) -> Plan {
    Plan { name, devices: 10_000, viewers, each: 50, rate: 1_000, max_rate: 4, seconds, peers: &[] }
}

const PLANS: &[Plan] = &[
    everything("everything, 100 viewers", 100),
    everything("everything, 200 viewers", 200),
    everything("everything, 500 viewers", 500),
    everything("everything, 1,000 viewers", 1_000),
    gathered("gathered, 100 viewers", 100),
    gathered("gathered, 200 viewers", 200),
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
                measure(plan).await;
            }
        }
    });
}

/// Engage, and its peers with the same.
async fn measure(plan: &Plan) {
    let ours = run(plan, Service::Engage).await;
    for &peer in plan.peers {
        let theirs = run(plan, peer).await;
        println!("| {}: engage over this, per CPU second | {:.1} | | | | | | |", plan.name, ours / theirs);
    }
}

/// Prints how a service fares; returns its deliveries per CPU second.
async fn run(plan: &Plan, service: Service) -> f64 {
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
    let cameras = Cameras { client: &client, topics: &topics, names: &names, rate: plan.rate };
    bear(&client, &topics, &cameras).await;

    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let started = Instant::now();
    let process = service.start(folder.path(), &broker, port, plan.max_rate).await;
    let ready = started.elapsed();
    let before = resident(process.id());

    let seen = Arc::new(Seen::default());
    let mut tasks = open(plan, service, port, &names, &seen).await;

    // a moment to become steady
    let published = cameras.publish(Duration::from_secs(3), 0).await;
    seen.counting.store(true, Ordering::Relaxed);
    let (cpu, at) = (cpu_seconds(process.id()), Instant::now());
    let more = cameras.publish(Duration::from_secs(plan.seconds), published).await;
    let (cpu, took) = (cpu_seconds(process.id()) - cpu, at.elapsed().as_secs_f64());
    tokio::time::sleep(Duration::from_secs(1)).await;
    seen.ended.store(true, Ordering::Relaxed);
    let memory = resident(process.id());

    let deliveries = seen.deliveries.load(Ordering::Relaxed) as f64;
    let expected = (more - published) as f64 * plan.viewers as f64 * plan.each as f64 / plan.devices as f64;
    let mut delays = std::mem::take(&mut *seen.delays.lock().unwrap());
    delays.sort_by(f32::total_cmp);
    let delay = |share: f64| delays.get((delays.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!(
        "| {}{} | {:.1} % | {:.0} | {:.0} | {:.0} | {:.0} ms / {:.0} ms | {:.0} MiB | {:.1} KiB |",
        plan.name,
        service.name(),
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
        "| {}{}: ready with {} devices, viewers lost | {:.2} s, {lost} | | | | | | |",
        plan.name,
        service.name(),
        plan.devices,
        ready.as_secs_f64()
    );
    tasks.abort_all();
    deliveries / cpu
}

/// Every camera's status and first result.
async fn bear(client: &Client, topics: &Topics, cameras: &Cameras<'_>) {
    let births = futures_util::stream::iter(cameras.names).for_each_concurrent(256, |name| async move {
        let topic = topics.status.name(&[name]).unwrap();
        let payload = topics.status.encode(&status(name)).unwrap();
        client.publish(Message::new(topic, payload).retained()).await.unwrap();
        cameras.count(name, 1).await;
    });
    births.await;
}

/// Opens a stream for every viewer, and waits until each has what there is.
async fn open(
    plan: &Plan,
    service: Service,
    port: u16,
    names: &Arc<Vec<String>>,
    seen: &Arc<Seen>,
) -> tokio::task::JoinSet<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..plan.viewers {
        let (seen, names) = (Arc::clone(seen), Arc::clone(names));
        let each = plan.each.min(names.len());
        tasks.spawn(async move {
            // spread over all devices, every viewer others
            let mine: Vec<String> = (0..each)
                .map(|n| names[(number * 7919 + n * (names.len() / each)) % names.len()].clone())
                .collect();
            if watch(service, port, &mine, &seen).await.is_none() {
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
    tasks
}

/// Follows the stream until the end of the measurement; `None` if it breaks before.
async fn watch(service: Service, port: u16, devices: &[String], seen: &Seen) -> Option<()> {
    let mut connection = service.open(port, devices).await?;
    let mut ready = !connection.has_snapshots();
    if ready {
        seen.ready.fetch_add(1, Ordering::Relaxed);
    }
    let mut delays = Vec::new();
    loop {
        let look = |told: Told<'_>| {
            let now = unix_now();
            if !ready && told.kind == Kind::Snapshot {
                ready = true;
                seen.ready.fetch_add(1, Ordering::Relaxed);
            }
            if seen.counting.load(Ordering::Relaxed) && told.kind == Kind::Delta {
                seen.messages.fetch_add(1, Ordering::Relaxed);
                seen.deliveries.fetch_add(told.devices.len() as u64, Ordering::Relaxed);
                delays.extend(
                    told.devices.iter().filter_map(|d| Some(((now - d.analysed_timestamp?) * 1e3) as f32)),
                );
            }
        };
        connection.next(look).await.ok()?;
        if delays.len() >= 64 || (seen.ended.load(Ordering::Relaxed) && !delays.is_empty()) {
            seen.delays.lock().unwrap().append(&mut delays);
        }
    }
}
