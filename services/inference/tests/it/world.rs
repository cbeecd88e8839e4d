//! Broker, store, a camera, and nodes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use iot_chassis::{Service as _, Stop, Telemetry};
use iot_mqtt::{Client, Inbox, Message, Options};
use iot_sandbox::{Broker, BrokerOptions, ObjectStore, StoreOptions};
use iot_storage::{Key, PutOptions, Store};
use people_counter_events::{
    AnalysisFailed, DataType, Delivery, DeviceID, FrameID, FrameStored, ObjectPath, PeopleCounted, Topics,
    decode, frame_key,
};
use people_counter_inference::{Config, ModelConfig, Service, Threads};
use tokio::task::JoinHandle;

pub const BUCKET: &str = "frames";

/// Longer than anything takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(300);

pub struct World {
    pub broker: Broker,
    pub store: ObjectStore,
    pub topics: Topics,
    pub objects: Store,
    pub client: Client,
    pub results: Inbox,
    pub failures: Inbox,
}

impl World {
    pub async fn start() -> Self {
        iot_chassis::install_crypto();
        let broker = Broker::start(BrokerOptions::default()).await.unwrap();
        let store = ObjectStore::start(StoreOptions::default()).await.unwrap();
        let objects = Store::new(&store_config(&store)).unwrap();
        objects.ensure_bucket().await.unwrap();
        let topics = Topics::new(Topics::DEFAULT_ROOT).unwrap();
        let config = iot_mqtt::Config::default().with(|config| {
            config.url = broker.url();
            config.outbox = 1000;
        });
        let mut options = Options::new(config, "camera").unwrap();
        let results = options.subscribe(topics.counts.filter());
        let failures = options.subscribe(topics.failure.filter());
        let client = options.connect();
        client.state().wait_for(|state| state.subscribed).await.unwrap();
        Self { broker, store, topics, objects, client, results, failures }
    }

    /// A configuration with one worker and a network that takes no time, to be changed by the test.
    pub fn config(&self, node: &str, change: impl FnOnce(&mut Config)) -> Config {
        let mut config = Config {
            node: node.into(),
            workers: Threads::Number(1),
            model: ModelConfig { folder: Some(quick_model()), ..ModelConfig::default() },
            store: store_config(&self.store),
            ..Config::default()
        };
        config.mqtt.url = self.broker.url();
        change(&mut config);
        config
    }

    pub async fn put(&self, frame: &FrameStored, picture: Vec<u8>) {
        let key = Key::new(frame.file_path.key()).unwrap();
        self.objects.put(&key, picture.into(), &PutOptions::content_type("image/jpeg")).await.unwrap();
    }

    pub async fn has(&self, name: &str) -> bool {
        match self.objects.head(&Key::new(name).unwrap()).await {
            Ok(_) => true,
            Err(error) => {
                assert!(error.is_not_found(), "{error}");
                false
            }
        }
    }

    pub async fn announce(&self, frame: &FrameStored) {
        let topic = self.topics.frames.name(&[frame.device_id.as_str()]).unwrap();
        let payload = self.topics.frames.encode(frame).unwrap();
        self.client.publish(Message::new(topic, payload)).await.unwrap();
    }

    /// Stores a picture and announces it.
    pub async fn capture(&self, frame: &FrameStored, picture: Vec<u8>) {
        self.put(frame, picture).await;
        self.announce(frame).await;
    }

    pub async fn result(&mut self) -> PeopleCounted {
        let delivery = soon("a result", self.results.recv()).await.unwrap();
        let result = decode(&self.topics.counts, delivery.topic(), delivery.payload()).unwrap();
        delivery.ack();
        result
    }

    pub async fn failure(&mut self) -> AnalysisFailed {
        let delivery = soon("a failure", self.failures.recv()).await.unwrap();
        let failure = decode(&self.topics.failure, delivery.topic(), delivery.payload()).unwrap();
        delivery.ack();
        failure
    }

    /// A client that hears what is published on `filter`, from the retained messages on.
    pub async fn listen(&self, name: &str, filter: &str) -> (Client, Inbox) {
        let config = iot_mqtt::Config::default().with(|config| config.url = self.broker.url());
        let mut options = Options::new(config, name).unwrap();
        let inbox = options.subscribe(filter);
        let client = options.connect();
        client.state().wait_for(|state| state.subscribed).await.unwrap();
        (client, inbox)
    }
}

fn store_config(store: &ObjectStore) -> iot_storage::Config {
    iot_storage::Config::default().with(|config| {
        config.endpoint = store.endpoint();
        config.bucket = BUCKET.into();
        config.access_key = Some(store.access_key().into());
        config.secret_key = Some(store.secret_key().into());
        config.attempts = 1;
    })
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// A network of a few kilobytes that "finds" something in every picture.
pub fn quick_model() -> PathBuf {
    repository("crates/detector/tests/models/yolov8")
}

/// A picture of the sample clip, with several people.
pub fn street() -> Vec<u8> {
    std::fs::read(repository("services/demo/sample/frame-040.jpg")).unwrap()
}

/// A frame of `device` that is analysed whatever comes after it.
pub fn frame(device: &str, sequence: u64) -> FrameStored {
    let device_id: DeviceID = device.parse().unwrap();
    let frame_id = FrameID::from_u128(sequence.into());
    FrameStored {
        kind: DataType::Data,
        file_path: ObjectPath::new(BUCKET, &frame_key(&device_id, frame_id)).unwrap(),
        device_id,
        creation_timestamp: 1_789_000_000.0,
        frame_id,
        boot_id: 1,
        sequence,
        delivery: Delivery::Every,
        width: 640,
        height: 480,
        bytes: 1000,
        attempt: 1,
    }
}

/// A running node.
pub struct Node {
    pub telemetry: Telemetry,
    stop: Stop,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Node {
    /// Starts a node and waits until it hears announcements.
    pub async fn start(config: Config) -> Self {
        let telemetry = Telemetry::default();
        let service = Service::start(config, &telemetry).await.unwrap();
        let stop = Stop::new();
        let task = tokio::spawn(service.run(stop.clone()));
        let node = Self { telemetry, stop, task };
        eventually("the node is ready", || node.telemetry.health.ready().is_ok()).await;
        node
    }

    /// The sum of all samples of a metric whose labels contain `labels`.
    pub fn metric(&self, name: &str, labels: &str) -> u64 {
        let text = self.telemetry.metrics.render().unwrap();
        let samples = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(labels)
        });
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    pub fn ended(&self, outcome: &str) -> u64 {
        self.metric("inference_frames_total", &format!("outcome=\"{outcome}\""))
    }

    pub async fn stop(self) {
        self.stop.cancel();
        soon("the end of the node", self.task).await.unwrap().unwrap();
    }
}

/// Waits until `condition` holds.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let tries = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(what, tries).await;
}

/// What `future` brings, within a long time.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.unwrap_or_else(|_| panic!("never came: {what}"))
}
