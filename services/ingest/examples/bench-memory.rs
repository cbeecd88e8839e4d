//! Figures of ingest at rest, as `scripts/bench ingest` prints them: resident memory, and what the change
//! gate saves on a still scene.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that stops at the first surprise")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use iot_sandbox::{Broker, BrokerOptions, ObjectStore, StoreOptions};

/// Between the last start and the measurement.
const REST: Duration = Duration::from_secs(25);

/// Of the still scene: twenty pictures a second for so long.
const STILL: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() {
    println!("| figure | value |\n|---|---|");
    for cameras in [1, 10] {
        let world = World::start().await;
        let ingest = world.ingest(cameras, "interval = \"10s\"\n");
        tokio::time::sleep(REST).await;
        println!("| resident memory at rest, {cameras} camera(s), 10 s | {:.1} MiB |", ingest.resident_mib());
        assert!(world.objects() >= cameras, "every camera has uploaded");
    }
    let mut without = None;
    for (name, gate) in [("without gate", ""), ("with gate", "gate = { threshold = 8, silence = \"60s\" }\n")]
    {
        let world = World::start().await;
        let ingest =
            world.ingest(1, &format!("interval = \"50ms\"\ndelivery = \"every\"\nkeep = 100000\n{gate}"));
        let started = Instant::now();
        tokio::time::sleep(STILL).await;
        let (cpu, bytes, objects) = (ingest.cpu_seconds(), world.bytes(), world.objects());
        let rate = started.elapsed().as_secs_f64();
        println!(
            "| still scene of 1280 x 720 at 20 pictures/s, {name} | {objects} uploads, {:.0} KB/s, {:.1} % of a core |",
            bytes as f64 / 1000.0 / rate,
            100.0 * cpu / rate
        );
        match without {
            None => without = Some(bytes),
            Some(before) => {
                println!(
                    "| bytes saved by the gate | {:.1} % |",
                    100.0 - 100.0 * bytes as f64 / before as f64
                );
            }
        }
    }
}

/// A broker, a store and pictures.
struct World {
    broker: Broker,
    store: ObjectStore,
    folder: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = Some(folder.path().join("objects"));
        let world = Self {
            broker: Broker::start(BrokerOptions::default()).await.unwrap(),
            store: ObjectStore::start(StoreOptions::default().with(|options| options.dir = dir))
                .await
                .unwrap(),
            folder,
        };
        world.pictures();
        world
    }

    /// The same scene with another noise each time.
    fn pictures(&self) {
        let folder = self.folder.path().join("pictures");
        std::fs::create_dir(&folder).unwrap();
        let mut random = 1u32;
        for number in 0..20 {
            let pixels = image::RgbImage::from_fn(1280, 720, |x, y| {
                // xorshift; the noise of a sensor in the dusk
                random ^= random << 13;
                random ^= random >> 17;
                random ^= random << 5;
                let noise = (random % 13) as u8;
                image::Rgb([
                    (x / 8) as u8 + noise,
                    (y / 4) as u8 + noise,
                    ((x / 80 + y / 80) % 2) as u8 * 60 + noise,
                ])
            });
            pixels.save(folder.join(format!("{number:02}.jpg"))).unwrap();
        }
    }

    fn ingest(&self, cameras: usize, settings: &str) -> Ingest {
        let pictures = self.folder.path().join("pictures");
        let mut config = format!(
            "[mqtt]\nurl = \"{}\"\n[store]\nendpoint = \"{}\"\nbucket = \"frames\"\naccess_key = \"{}\"\nsecret_key = \"{}\"\n",
            self.broker.url(),
            self.store.endpoint(),
            self.store.access_key(),
            self.store.secret_key()
        );
        for number in 0..cameras {
            config += &format!(
                "[[cameras]]\ndevice = \"cam-{number}\"\nsource = {{ kind = \"folder\", path = \"{}\" }}\n{settings}",
                pictures.display()
            );
        }
        let path = self.folder.path().join("ingest.toml");
        std::fs::write(&path, config).unwrap();
        Ingest::start(&path)
    }

    fn stored(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.store.folder().unwrap().to_owned()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }

    fn objects(&self) -> usize {
        self.stored().len()
    }

    fn bytes(&self) -> u64 {
        self.stored().iter().map(|path| path.metadata().unwrap().len()).sum()
    }
}

/// The service as a process.
struct Ingest(Child);

impl Ingest {
    fn start(config: &Path) -> Self {
        let example = std::env::current_exe().unwrap();
        let program = example.parent().unwrap().with_file_name("people-counter-ingest");
        let mut command = Command::new(program);
        command.arg("--config").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let ticks = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
        ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
