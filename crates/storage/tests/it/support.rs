//! What several tests need.

use std::time::{Duration, Instant};

use iot_sandbox::{ObjectStore, StoreOptions};
use iot_storage::{Config, Key, Store};

/// A configuration for tests: short limits, quick retries.
pub fn config(endpoint: &str, access_key: &str, secret_key: &str) -> Config {
    Config::default().with(|config| {
        config.endpoint = endpoint.to_owned();
        config.bucket = "readings".into();
        config.access_key = Some(access_key.to_owned());
        config.secret_key = Some(secret_key.to_owned());
        config.connect_timeout = Duration::from_secs(2);
        config.first_byte_timeout = Duration::from_secs(10);
        config.timeout = Duration::from_secs(10);
        config.total_timeout = Duration::from_secs(30);
        config.backoff_min = Duration::from_millis(5);
        config.backoff_max = Duration::from_millis(50);
        config.max_object_bytes = 4 << 20;
    })
}

/// An embedded store with the configuration to reach it.
pub async fn sandbox() -> (ObjectStore, Config) {
    let server = ObjectStore::start(StoreOptions::default()).await.unwrap();
    let config = config(&server.endpoint(), server.access_key(), server.secret_key());
    (server, config)
}

/// A store whose bucket exists.
pub async fn ready(config: &Config) -> Store {
    let store = Store::new(config).unwrap();
    store.ensure_bucket().await.unwrap();
    store
}

pub fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

/// Polls until `condition` holds; panics with `what` after half a minute.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < end, "{what} did not happen within 30 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The text that `/metrics` would show.
pub fn metrics(store: &Store) -> String {
    let mut registry = prometheus_client::registry::Registry::default();
    store.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}
