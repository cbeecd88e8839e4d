//! Figures of inference, as `scripts/bench inference` prints them: a node against the bare detector loop, more nodes on
//! one broker, memory per worker. All on the same pictures, in one run.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that stops at the first surprise")]

use std::collections::HashSet;
use std::time::Instant;

use iot_mqtt::{Config, Message, Options};
use iot_storage::{Key, PutOptions};
use object_detector::{Detector, Model, picture};
use people_counter_events::{
    DataType, Delivery, DeviceID, FrameID, FrameStored, ObjectPath, Topics, decode, frame_key,
};
use people_counter_tests::process::{Process, cpu_seconds, resident};
use people_counter_tests::servers::{BUCKET, Servers};
use people_counter_tests::system::sample_frames;
use people_counter_tests::wait::eventually;
use tempfile::TempDir;
use tokio::task::JoinSet;

/// Frames of each measurement.
const FRAMES: usize = 400;
/// Frames that a node analyses before it is measured.
const WARM_UP: usize = 40;
/// Numbers of nodes on one broker.
const NODES: [usize; 3] = [1, 2, 4];
/// Workers of the nodes whose memory is compared.
const WORKERS: [usize; 2] = [1, 4];

#[tokio::main]
async fn main() {
    iot_chassis::install_crypto();
    let pictures: Vec<Vec<u8>> = (0..80)
        .map(|number| std::fs::read(sample_frames().join(format!("frame-{number:03}.jpg"))).unwrap())
        .collect();
    println!("| figure | value |\n|---|---|");
    let bare = bare_loop(&pictures);
    row("bare loop of decoding and detecting, one thread", format!("{:.1} frames/s", bare.frames_per_second));
    row("the same per second of processor time", format!("{:.1} frames", bare.frames_per_cpu_second));

    let mut bench = Bench::start(&pictures).await;
    let mut single = 0.0;
    for nodes in NODES {
        let run = bench.run(nodes, 1).await;
        if nodes == 1 {
            single = run.frames_per_second;
            row("one node with one worker, from announcement to result", format!("{single:.1} frames/s"));
            row("the same per second of processor time", format!("{:.1} frames", run.frames_per_cpu_second));
            row("node to bare loop", format!("{:.2}", single / bare.frames_per_second));
            let ratio = run.frames_per_cpu_second / bare.frames_per_cpu_second;
            row("node to bare loop, by processor time", format!("{ratio:.2}"));
        } else {
            let gain = run.frames_per_second / single;
            row(
                &format!("{nodes} nodes on one broker"),
                format!("{:.1} frames/s, {gain:.2} times one node", run.frames_per_second),
            );
        }
    }
    let mut memory = Vec::new();
    for workers in WORKERS {
        let run = bench.run(1, workers).await;
        row(
            &format!("resident memory of a node with {workers} workers"),
            format!("{:.1} MiB", run.mebibytes),
        );
        memory.push(run.mebibytes);
    }
    let per_worker = (memory[1] - memory[0]) / (WORKERS[1] - WORKERS[0]) as f64;
    row("each further worker", format!("{per_worker:.1} MiB"));
}

fn row(figure: &str, value: impl std::fmt::Display) {
    println!("| {figure} | {value} |");
}

/// Decoding and detecting alone.
fn bare_loop(pictures: &[Vec<u8>]) -> Figures {
    let model = Model::load(&sample_frames().join("../../../models/person-nanodet-g")).unwrap();
    let mut detector = Detector::new(&model);
    let mut pixels = image::RgbImage::default();
    let mut run = |number: usize| {
        let limits = picture::Limits::default();
        picture::decode_into(&pictures[number % pictures.len()], &limits, &mut pixels).unwrap();
        detector.detect(&pixels, model.manifest().threshold).unwrap();
    };
    (0..WARM_UP).for_each(&mut run);
    let (started, before) = (Instant::now(), cpu_seconds(std::process::id()));
    (0..FRAMES).for_each(&mut run);
    let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds(std::process::id()) - before);
    Figures::new(wall, cpu, std::process::id())
}

/// Broker, store and stored pictures.
struct Bench {
    servers: Servers,
    folder: TempDir,
    device: DeviceID,
    topics: Topics,
    /// Boot of the next measurement, so that no frame is announced twice.
    boot: u64,
}

/// What a measurement brought.
struct Figures {
    frames_per_second: f64,
    frames_per_cpu_second: f64,
    /// Resident memory of the process, of several nodes that of the first.
    mebibytes: f64,
}

impl Figures {
    /// For all frames in `wall` seconds and `cpu` seconds of processor time, by a process.
    fn new(wall: f64, cpu: f64, process: u32) -> Self {
        let (frames, mebibytes) = (FRAMES as f64, resident(process));
        Self { frames_per_second: frames / wall, frames_per_cpu_second: frames / cpu, mebibytes }
    }
}

impl Bench {
    async fn start(pictures: &[Vec<u8>]) -> Self {
        let servers = Servers::embedded().await;
        let store = servers.bucket().await;
        let device: DeviceID = "bench".parse().unwrap();
        for number in 0..FRAMES {
            let key = Key::new(&frame_key(&device, frame_id(number))).unwrap();
            let body = pictures[number % pictures.len()].clone();
            store.put(&key, body.into(), &PutOptions::content_type("image/jpeg")).await.unwrap();
        }
        let topics = Topics::new(Topics::DEFAULT_ROOT).unwrap();
        Self { servers, folder: tempfile::tempdir().unwrap(), device, topics, boot: 0 }
    }

    /// Announces all frames to so many nodes and waits for their results.
    async fn run(&mut self, nodes: usize, workers: usize) -> Figures {
        let mut running = Vec::new();
        for number in 0..nodes {
            running.push(self.node(number, workers).await);
        }
        self.announce(WARM_UP * nodes).await;
        let cpu = || running.iter().map(|node| cpu_seconds(node.id())).sum::<f64>();
        let (started, before) = (Instant::now(), cpu());
        self.announce(FRAMES).await;
        let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu() - before);
        Figures::new(wall, cpu, running[0].id())
    }

    /// Starts a node and waits until it is ready.
    async fn node(&self, number: usize, workers: usize) -> Process {
        let (url, store) = (self.servers.broker_url(), self.servers.store_config());
        let text =
            format!("node = \"bench-{number}\"\nworkers = {workers}\n[mqtt]\nurl = \"{url}\"\n{store}");
        let config = self.folder.path().join(format!("inference-{number}.toml"));
        std::fs::write(&config, text).unwrap();
        let arguments = ["--config", config.to_str().unwrap()];
        let node = Process::start("people-counter-inference", &arguments, self.folder.path());
        let connected = format!("people-counter-inference-bench-{number}\"");
        eventually("the node is connected", || async { node.printed().contains(&connected).then_some(()) })
            .await;
        // its subscription follows at once
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        node
    }

    /// Announces `number` frames and waits for their results.
    async fn announce(&mut self, number: usize) {
        self.boot += 1;
        let config = Config::default().with(|config| {
            config.url = self.servers.broker_url();
            config.outbox = FRAMES;
        });
        let mut options = Options::new(config, format!("bench-{}", self.boot)).unwrap();
        let mut results = options.subscribe(self.topics.counts.filter());
        let client = options.connect();
        client.state().wait_for(|state| state.subscribed).await.unwrap();
        let topic = self.topics.frames.name(&[self.device.as_str()]).unwrap();
        let mut sending = JoinSet::new();
        for number in 0..number {
            let payload = self.topics.frames.encode(&self.frame(number)).unwrap();
            let message = Message::new(&topic, payload).timeout(std::time::Duration::from_secs(600));
            let client = client.clone();
            sending.spawn(async move { client.publish(message).await.unwrap() });
        }
        let mut seen = HashSet::new();
        while seen.len() < number {
            let delivery = results.recv().await.unwrap();
            let result = decode(&self.topics.counts, delivery.topic(), delivery.payload()).unwrap();
            if result.boot_id == self.boot {
                seen.insert(result.frame_id);
            }
            delivery.ack();
        }
    }

    fn frame(&self, number: usize) -> FrameStored {
        FrameStored {
            kind: DataType::Data,
            device_id: self.device.clone(),
            file_path: ObjectPath::new(BUCKET, &frame_key(&self.device, frame_id(number))).unwrap(),
            creation_timestamp: 1_789_000_000.0,
            frame_id: frame_id(number),
            boot_id: self.boot,
            sequence: number as u64 + 1,
            delivery: Delivery::Every,
            width: 640,
            height: 480,
            bytes: 1,
            attempt: 1,
        }
    }
}

fn frame_id(number: usize) -> FrameID {
    FrameID::from_u128(number as u128 + 1)
}
