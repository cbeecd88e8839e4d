//! Engage alone, on a broker whose messages a test writes itself.

use std::time::{SystemTime, UNIX_EPOCH};

use iot_mqtt::{Client, Config, Message, Options};
use people_counter_events::{DeviceID, FrameID, ObjectPath, PeopleCounted, Topics, frame_key};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;
use crate::rest::Rest;
use crate::servers::{BUCKET, Servers};
use crate::system::sample_frames;
use crate::wait::free_port;

/// Broker, store, engage, and a client that speaks for cameras and nodes.
pub struct Stage {
    /// Broker and store.
    pub servers: Servers,
    /// The page.
    pub engage: Process,
    /// What a viewer sees.
    pub rest: Rest,
    folder: TempDir,
    store: iot_storage::Store,
    mqtt: Client,
    topics: Topics,
}

/// Seconds since 1970.
///
/// # Panics
/// When the clock is before that.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs_f64()
}

/// The status of a camera that is online and sends a picture every `cadence` seconds.
pub fn status(device: &str, cadence: f64) -> Value {
    json!({
        "type": "status", "deviceID": device, "state": "online", "bootID": 1, "connection": 1, "version": "1.0.0",
        "source": "folder", "cadenceSeconds": cadence, "delivery": "latest", "labels": {}, "spoolDepth": 0,
        "dropped": {}
    })
}

/// A result without a picture that may be shown.
pub fn result(device: &str, sequence: u64, count: usize) -> Value {
    let file = object(device, FrameID::now_v7());
    let people: Vec<Value> =
        (0..count).map(|n| json!({"box": [n as f64 / 16.0, 0.25, 0.05, 0.25], "score": 0.75})).collect();
    json!({
        "type": "result", "message": PeopleCounted::message_for(&file.1), "deviceID": device,
        "filePath": file.1, "frameID": file.0, "creationTimestamp": now(), "analysedTimestamp": now(),
        "bootID": 1, "sequence": sequence, "width": 640, "height": 480, "picture": "withheld",
        "analysisMetadata": {
            "results": {"count": count, "people": people}, "node": "node-1", "durationMs": 50.0,
            "model": {"name": "test", "sha256": "00"}
        }
    })
}

/// A frame that could not be analysed.
pub fn failure(device: &str, sequence: u64, message: &str) -> Value {
    let file = object(device, FrameID::now_v7());
    json!({
        "type": "failure", "deviceID": device, "filePath": file.1, "frameID": file.0, "attempt": 1,
        "creationTimestamp": now(), "failedTimestamp": now(), "bootID": 1, "sequence": sequence,
        "reason": "undecodable", "message": message, "node": "node-1"
    })
}

fn object(device: &str, frame: FrameID) -> (FrameID, ObjectPath) {
    let id: DeviceID = device.parse().expect("the id of a device");
    (frame, ObjectPath::new(BUCKET, &frame_key(&id, frame)).expect("a valid key"))
}

impl Stage {
    /// Starts engage with the embedded broker and store; `settings` are more lines of its configuration.
    ///
    /// # Panics
    /// When something does not start.
    pub async fn start(settings: &str) -> Self {
        Self::start_at(free_port(), settings).await
    }

    /// The same, at a port of 127.0.0.1 that `settings` name.
    ///
    /// # Panics
    /// When something does not start.
    pub async fn start_at(port: u16, settings: &str) -> Self {
        let servers = Servers::embedded().await;
        let store = servers.bucket().await;
        let config = Config::default().with(|config| config.url = servers.broker_url());
        let mqtt = Options::new(config, "cameras").expect("the configuration is valid").connect();
        let topics = Topics::new(Topics::DEFAULT_ROOT).expect("the default root is valid");

        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = format!(
            "[mqtt]\nurl = \"{}\"\nbackoff_max = \"500ms\"\n{}[http]\nlisten = \"127.0.0.1:{port}\"\n{settings}",
            servers.broker_url(),
            servers.store_config()
        );
        std::fs::write(folder.path().join("engage.toml"), config).expect("a temporary file");
        let engage = engage(&folder);
        let rest = Rest::new(format!("http://127.0.0.1:{port}"));
        Self { servers, engage, rest, folder, store, mqtt, topics }
    }

    /// Starts the killed engage again.
    pub fn start_engage(&mut self) {
        self.engage = engage(&self.folder);
    }

    /// Publishes the retained status of a camera.
    pub async fn status(&self, status: &Value) {
        self.retain(self.topics.status.name(&[id(status)]), status).await;
    }

    /// Publishes a retained result.
    pub async fn counted(&self, result: &Value) {
        self.retain(self.topics.counts.name(&[id(result)]), result).await;
    }

    /// Publishes a retained failure.
    pub async fn failed(&self, failure: &Value) {
        self.retain(self.topics.failure.name(&[id(failure)]), failure).await;
    }

    /// Publishes a result together with its picture, a frame of the sample; tells where that lies.
    ///
    /// # Panics
    /// When the store does not take it.
    pub async fn pictured(&self, device: &str, sequence: u64, count: usize) -> iot_storage::Key {
        let mut result = result(device, sequence, count);
        result["picture"] = "original".into();
        let path = result["filePath"].as_str().expect("a text").to_owned();
        let (_, key) = path.split_once('/').expect("bucket and key");
        let file = sample_frames().join(format!("frame-{:03}.jpg", sequence % 40));
        let picture = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let options = iot_storage::PutOptions::content_type("image/jpeg");
        let key: iot_storage::Key = key.parse().expect("a valid key");
        self.store.put(&key, picture.into(), &options).await.expect("the store takes a picture");
        self.counted(&result).await;
        key
    }

    /// Deletes a picture.
    ///
    /// # Panics
    /// When the store does not.
    pub async fn forget_picture(&self, key: &iot_storage::Key) {
        self.store.delete(key).await.expect("the store deletes a picture");
    }

    /// Clears the retained status of a camera, which removes it.
    ///
    /// # Panics
    /// When the broker does not take it.
    pub async fn remove(&self, device: &str) {
        let topic = self.topics.status.name(&[device]).expect("the id of a device");
        self.mqtt.publish(Message::clear(topic)).await.expect("the broker takes a message");
    }

    async fn retain<E: std::fmt::Debug>(&self, topic: Result<String, E>, message: &Value) {
        let message = Message::new(topic.expect("the id of a device"), message.to_string()).retained();
        self.mqtt.publish(message).await.expect("the broker takes a message");
    }
}

fn engage(folder: &TempDir) -> Process {
    let config = folder.path().join("engage.toml");
    Process::start("people-counter-engage", &["--config", &config.display().to_string()], folder.path())
}

fn id(message: &Value) -> &str {
    message["deviceID"].as_str().expect("a text")
}
