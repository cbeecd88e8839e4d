//! A broker, a store and engage on one stage, in this process and over real TCP.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use iot_chassis::{Service as _, Stop, Telemetry};
use iot_mqtt::{Client, Message, Options};
use iot_sandbox::{Broker, BrokerOptions, ObjectStore, StoreOptions};
use iot_storage::{Key, PutOptions, Store};
use people_counter_engage::{Config, Service};
use people_counter_events::{AnalysisFailed, DeviceStatus, PeopleCounted, Topics};
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::messages::BUCKET;

/// Longest wait for anything; only reached when a test fails.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Polls until `check` gives something.
pub async fn eventually<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = check().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("never came: {what}"))
}

pub struct Stage {
    pub broker: Broker,
    pub store: ObjectStore,
    pub bucket: Store,
    pub mqtt: Client,
    pub topics: Topics,
    /// What broker and store keep.
    _folder: Option<tempfile::TempDir>,
}

impl Stage {
    pub async fn set() -> Self {
        Self::with(BrokerOptions::default(), StoreOptions::default()).await
    }

    /// With a broker and a store that keep what they have when they restart.
    pub async fn lasting() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker =
            BrokerOptions::default().with(|options| options.dir = Some(folder.path().join("broker")));
        let store = StoreOptions::default().with(|options| options.dir = Some(folder.path().join("store")));
        Self { _folder: Some(folder), ..Self::with(broker, store).await }
    }

    async fn with(broker: BrokerOptions, store: StoreOptions) -> Self {
        iot_chassis::install_crypto();
        let broker = Broker::start(broker).await.unwrap();
        let store = ObjectStore::start(store).await.unwrap();
        let bucket = Store::new(&store_config(&store)).unwrap();
        bucket.ensure_bucket().await.unwrap();
        let config = iot_mqtt::Config::default().with(|config| config.url = broker.url());
        let mqtt = Options::new(config, "publisher").unwrap().connect();
        let topics = Topics::new(Topics::DEFAULT_ROOT).unwrap();
        Self { broker, store, bucket, mqtt, topics, _folder: None }
    }

    pub fn config(&self) -> Config {
        let mut config = Config { store: store_config(&self.store), ..Config::default() };
        config.mqtt.url = self.broker.url();
        config.mqtt.backoff_max = Duration::from_millis(500);
        config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config
    }

    /// Engage, ready.
    pub async fn engage(&self) -> Engage {
        self.engage_with(self.config()).await
    }

    pub async fn engage_with(&self, config: Config) -> Engage {
        let engage = Engage::start(config).await;
        engage.ready().await;
        engage
    }

    pub async fn publish(&self, message: Message) {
        self.mqtt.publish(message).await.unwrap();
    }

    pub async fn retain(&self, topic: impl Into<String>, payload: impl Into<Bytes>) {
        self.publish(Message::new(topic, payload).retained()).await;
    }

    pub async fn status(&self, status: &DeviceStatus) {
        let topic = self.topics.status.name(&[status.device_id.as_str()]).unwrap();
        self.retain(topic, self.topics.status.encode(status).unwrap()).await;
    }

    pub async fn counted(&self, result: &PeopleCounted) {
        let topic = self.topics.counts.name(&[result.device_id.as_str()]).unwrap();
        self.retain(topic, self.topics.counts.encode(result).unwrap()).await;
    }

    pub async fn failed(&self, failure: &AnalysisFailed) {
        let topic = self.topics.failure.name(&[failure.device_id.as_str()]).unwrap();
        self.retain(topic, self.topics.failure.encode(failure).unwrap()).await;
    }

    /// Clears the device's status.
    pub async fn remove(&self, device: &str) {
        self.publish(Message::clear(self.topics.status.name(&[device]).unwrap())).await;
    }

    pub async fn put(&self, key: &str, body: impl Into<Bytes>) {
        let key: Key = key.parse().unwrap();
        self.bucket.put(&key, body.into(), &PutOptions::content_type("image/jpeg")).await.unwrap();
    }
}

fn store_config(store: &ObjectStore) -> iot_storage::Config {
    iot_storage::Config::default().with(|config| {
        config.endpoint = store.endpoint();
        config.bucket = BUCKET.into();
        config.access_key = Some(store.access_key().into());
        config.secret_key = Some(store.secret_key().into());
    })
}

/// A running service.
pub struct Engage {
    pub addr: SocketAddr,
    pub http: reqwest::Client,
    /// A token for the metrics, with access control.
    pub all_seeing: Option<String>,
    stop: Stop,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Engage {
    pub async fn start(config: Config) -> Self {
        let service = Service::start(config, &Telemetry::default()).await.unwrap();
        let (addr, stop) = (service.addr(), Stop::new());
        let task = tokio::spawn(service.run(stop.clone()));
        Self { addr, http: reqwest::Client::new(), all_seeing: None, stop, task }
    }

    /// Why it does not start.
    pub async fn refused(config: Config) -> String {
        format!("{:#}", Service::start(config, &Telemetry::default()).await.err().expect("it starts"))
    }

    pub async fn ready(&self) {
        eventually("readiness", async || self.get("/readyz").await.status().is_success().then_some(())).await;
    }

    pub async fn get(&self, path: &str) -> Response {
        self.http.get(format!("http://{}{path}", self.addr)).send().await.unwrap()
    }

    /// An answer to somebody with this token.
    pub async fn ask(&self, method: &Method, path: &str, token: Option<&str>) -> Response {
        let request = self.http.request(method.clone(), format!("http://{}{path}", self.addr));
        let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
        request.send().await.unwrap()
    }

    pub async fn json(&self, path: &str) -> Value {
        self.get(path).await.error_for_status().unwrap().json().await.unwrap()
    }

    /// A device, `null` while there is none.
    pub async fn device(&self, id: &str) -> Value {
        match self.get(&format!("/api/v1/devices/{id}")).await.error_for_status() {
            Ok(response) => response.json().await.unwrap(),
            Err(_) => Value::Null,
        }
    }

    /// Waits until a field of a device has this value.
    pub async fn until(&self, id: &str, field: &str, value: impl Into<Value>) -> Value {
        let value = value.into();
        eventually(&format!("{id}: {field} = {value}"), async || {
            let device = self.device(id).await;
            (device[field] == value).then_some(device)
        })
        .await
    }

    /// The value of a metric with these labels, 0 while there is none.
    pub async fn metric(&self, name: &str) -> f64 {
        let token = self.all_seeing.as_deref();
        let text = self.ask(&Method::GET, "/metrics", token).await.text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    pub async fn stop(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(LIMIT, self.task).await.expect("engage does not stop");
        ended.unwrap().unwrap();
    }

    /// Says stop, and waits for nothing.
    pub fn tell_to_stop(&self) {
        self.stop.cancel();
    }
}
