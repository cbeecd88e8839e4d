//! Broker, store, pictures and the service itself.

use std::fmt::Debug;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use iot_chassis::{Service as _, Stop, Telemetry};
use iot_mqtt::{Client, Inbox, Message, Options};
use iot_sandbox::{Broker, BrokerOptions, ObjectStore, StoreOptions};
use iot_storage::{Key, Store};
use people_counter_events::{DeviceStatus, FrameStored, Topics};
use people_counter_ingest::Service;
use people_counter_ingest::config::{Camera, Config, Folder, Results, Source};
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub const DEVICE: &str = "cam-1";

/// Longer than anything takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(300);

pub struct World {
    pub broker: Broker,
    pub store: ObjectStore,
    pub topics: Topics,
    pub dir: TempDir,
}

impl World {
    pub async fn start() -> Self {
        iot_chassis::install_crypto();
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions::default().with(|options| options.dir = Some(dir.path().join("objects")));
        Self {
            broker: Broker::start(BrokerOptions::default()).await.unwrap(),
            store: ObjectStore::start(options).await.unwrap(),
            topics: Topics::new(Topics::DEFAULT_ROOT).unwrap(),
            dir,
        }
    }

    pub fn mqtt(&self) -> iot_mqtt::Config {
        iot_mqtt::Config::default().with(|config| {
            config.url = self.broker.url();
            config.backoff_min = Duration::from_millis(50);
            config.backoff_max = Duration::from_millis(500);
        })
    }

    pub fn store_config(&self) -> iot_storage::Config {
        iot_storage::Config::default().with(|config| {
            config.endpoint = self.store.endpoint();
            config.bucket = "frames".into();
            config.access_key = Some(self.store.access_key().into());
            config.secret_key = Some(self.store.secret_key().into());
            config.attempts = 1;
        })
    }

    /// A configuration with one camera and endless patience, to be changed by the test.
    pub fn config(&self, change: impl FnOnce(&mut Config, &mut Camera)) -> Config {
        let results = Results { patience: LONG, patience_max: LONG };
        let mut config =
            Config { mqtt: self.mqtt(), store: self.store_config(), results, ..Config::default() };
        let mut camera = Camera::new(
            DEVICE.parse().unwrap(),
            Source::Folder(Folder::new(self.dir.path().join("pictures"))),
        );
        camera.interval = Duration::from_millis(20);
        change(&mut config, &mut camera);
        config.cameras.push(camera);
        config
    }

    /// A folder with `count` pictures.
    pub fn pictures(&self, count: u32) -> PathBuf {
        let folder = self.dir.path().join("pictures");
        std::fs::create_dir_all(&folder).unwrap();
        for number in 1..=count {
            std::fs::write(folder.join(format!("{number:04}.jpg")), picture(number)).unwrap();
        }
        folder
    }

    /// `count` pictures in a folder, each of which is taken once. Those of an earlier call are gone.
    pub fn pictures_once(&self, count: u32) -> Source {
        drop(std::fs::remove_dir_all(self.dir.path().join("pictures")));
        Source::Folder(Folder { repeat: false, ..Folder::new(self.pictures(count)) })
    }

    /// The folder in which frames outlive the service.
    pub fn spool(&self) -> PathBuf {
        self.dir.path().join("spool")
    }

    /// The frames in that folder, oldest first.
    pub fn spooled(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.spool().join(DEVICE)) else { return Vec::new() };
        let mut frames: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        frames.retain(|path| path.extension().is_some_and(|extension| extension == "frame"));
        frames.sort();
        frames
    }

    /// The store as somebody else sees it.
    pub fn objects(&self) -> Store {
        Store::new(&self.store_config()).unwrap()
    }

    pub async fn object_names(&self) -> Vec<String> {
        let entries = self.objects().list("", 10_000).await.unwrap();
        entries.into_iter().map(|entry| entry.key.to_string()).collect()
    }

    /// A client that hears what is published on `filter`.
    pub async fn listen(&self, filter: &str) -> (Client, Inbox) {
        let mut options = Options::new(self.mqtt(), unique("listener")).unwrap();
        let inbox = options.subscribe(filter);
        let client = options.connect();
        client.state().wait_for(|state| state.subscribed).await.unwrap();
        (client, inbox)
    }

    pub async fn publish_retained(&self, topic: &str, payload: impl Into<Bytes>) {
        let client = Options::new(self.mqtt(), unique("publisher")).unwrap().connect();
        client.publish(Message::new(topic, payload).retained()).await.unwrap();
        client.close(LONG).await;
    }

    /// What the broker keeps on `topic` now.
    pub async fn retained(&self, topic: &str) -> Option<Bytes> {
        let (client, mut inbox) = self.listen(topic).await;
        let delivery = tokio::time::timeout(Duration::from_secs(1), inbox.recv()).await.ok().flatten();
        let payload = delivery.map(|delivery| delivery.payload().clone());
        client.close(LONG).await;
        payload
    }

    /// The retained status of the camera.
    pub async fn status(&self) -> Option<DeviceStatus> {
        let payload = self.retained(&self.status_topic()).await?;
        Some(serde_json::from_slice(&payload).unwrap())
    }

    pub fn status_topic(&self) -> String {
        self.topics.status.name(&[DEVICE]).unwrap()
    }

    pub fn counts_topic(&self) -> String {
        self.topics.counts.name(&[DEVICE]).unwrap()
    }
}

/// A JPEG that differs from all others.
pub fn picture(number: u32) -> Vec<u8> {
    let pixels = image::RgbImage::from_fn(64, 48, |x, y| {
        image::Rgb([(x * number) as u8, (y * 3) as u8, (number * 7) as u8])
    });
    let mut file = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut file).encode_image(&pixels).unwrap();
    file
}

/// The picture of a frame, as it is stored.
pub async fn object(world: &World, frame: &FrameStored) -> Bytes {
    let key = Key::new(frame.file_path.key()).unwrap();
    world.objects().get(&key, 16 << 20).await.unwrap().body
}

pub fn write(folder: &Path, name: &str, content: &[u8]) {
    std::fs::write(folder.join(name), content).unwrap();
}

/// A client id that no other test uses.
pub fn unique(name: &str) -> String {
    format!("{name}-{}", uuid::Uuid::new_v4())
}

/// A running service.
pub struct Ingest {
    pub telemetry: Telemetry,
    pub stop: Stop,
    pub task: JoinHandle<anyhow::Result<()>>,
}

impl Ingest {
    pub async fn start(config: Config) -> Self {
        let telemetry = Telemetry::default();
        let service = Service::start(config, &telemetry).await.unwrap();
        let stop = Stop::new();
        let task = tokio::spawn(service.run(stop.clone()));
        Self { telemetry, stop, task }
    }

    /// The sum of all samples of a metric whose labels contain `labels`.
    pub fn metric(&self, name: &str, labels: &str) -> u64 {
        sum(&self.telemetry.metrics.render().unwrap(), name, labels)
    }

    pub fn captured(&self) -> u64 {
        self.metric("ingest_captured_total", "")
    }

    pub fn settled(&self, outcome: &str) -> u64 {
        self.metric("ingest_settled_total", &format!("outcome=\"{outcome}\""))
    }

    pub fn dropped(&self, reason: &str) -> u64 {
        self.metric("ingest_dropped_total", &format!("reason=\"{reason}\""))
    }

    pub fn depth(&self) -> u64 {
        self.metric("ingest_spool_frames", "")
    }

    /// Waits for a moment in which every captured frame has ended in one way or waits.
    pub async fn assert_nothing_lost(&self) {
        eventually("every captured frame has ended or waits", || {
            let text = self.telemetry.metrics.render().unwrap();
            let one = |name| sum(&text, name, "");
            let ended = one("ingest_settled_total") + one("ingest_dropped_total");
            let came = one("ingest_captured_total") + one("ingest_restored_total");
            ended + one("ingest_spool_frames") == came
        })
        .await;
    }

    pub async fn stop(self) -> Telemetry {
        self.stop.cancel();
        tokio::time::timeout(LONG, self.task).await.unwrap().unwrap().unwrap();
        self.telemetry
    }
}

/// The sum of all samples of a metric in `text` whose labels contain `labels`.
fn sum(text: &str, name: &str, labels: &str) -> u64 {
    let samples = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')) && line.contains(labels)
    });
    samples.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Waits until `condition` holds.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    eventually_some(what, async || condition().then_some(())).await;
}

/// Waits until `attempt` brings something.
pub async fn eventually_some<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let tries = async {
        loop {
            if let Some(found) = attempt().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, tries).await.unwrap_or_else(|_| panic!("never came: {what}"))
}

/// What `future` brings, within a long time.
pub async fn soon<T: Debug>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.unwrap_or_else(|_| panic!("never came: {what}"))
}
