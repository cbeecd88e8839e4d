//! Cameras at the edge: takes pictures, stores them, announces them, and keeps book of each until it is
//! settled.
//!
//! * [`config`]: which cameras there are and where their pictures go.
//! * [`jpeg`], [`picture`], [`raw`]: what a picture is, and what is done to have it as a JPEG.
//! * `source`: takes pictures. Nothing that happens later can delay it.
//! * `prepare`: crops, masks and limits pictures. `gate`: whether one shows anything new.
//! * `ledger`: decides what becomes of each frame. No I/O and no clock.
//! * `spool`: keeps frames in a folder, so that they outlive the process.
//! * `camera`: one device with its source, its ledger, its connection to the broker and the store.

mod camera;
mod command_line;
pub mod config;
mod gate;
pub mod jpeg;
mod ledger;
mod metrics;
pub mod picture;
mod prepare;
pub mod raw;
mod source;
mod spool;

use std::time::Duration;

use anyhow::Context;
use iot_chassis::{Address, Check, Log, Tasks, Telemetry};
use iot_storage::Store;
use people_counter_events::Topics;

pub use config::{Config, parse_source};
pub use iot_chassis::Stop;

use camera::{Camera, Surroundings};

/// First and longest wait before the store is asked again whether it is there.
const STORE_RETRY: Duration = Duration::from_millis(500);
const STORE_RETRY_MAX: Duration = Duration::from_secs(30);

/// The service: its cameras, ready to run.
pub struct Service {
    cameras: Vec<(String, Camera)>,
    store: Store,
    store_health: Check,
}

impl iot_chassis::Service for Service {
    type Config = Config;
    const NAME: &'static str = "people-counter-ingest";
    const ENV: &'static str = "INGEST";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn log(config: &Config) -> &Log {
        &config.log
    }

    fn admin(config: &Config) -> Option<Address> {
        config.http.listen.clone()
    }

    fn grace(config: &Config) -> Duration {
        config.grace
    }

    fn check(config: &Config) -> anyhow::Result<()> {
        config.check()
    }

    async fn start(config: Config, telemetry: &Telemetry) -> anyhow::Result<Self> {
        config.check()?;
        let store = Store::new(&config.store)?;
        let store_health = telemetry.health.check("store");
        let around = Surroundings {
            store: store.clone(),
            store_health: store_health.clone(),
            topics: Topics::new(&config.root)?,
            mqtt_metrics: iot_mqtt::Metrics::default(),
        };
        let metrics = metrics::Metrics::default();
        telemetry.metrics.register(|registry| {
            metrics.register(registry);
            store.metrics().register(registry);
            around.mqtt_metrics.register(registry);
        });
        let mut cameras = Vec::new();
        for camera in &config.cameras {
            let name = format!("camera {}", camera.device);
            let health = telemetry.health.check(format!("broker for {name}"));
            let metrics = metrics.device(camera.device.as_str());
            let opened = Camera::open(&config, camera, around.clone(), health, metrics).await;
            cameras.push((name.clone(), opened.context(name)?));
        }
        Ok(Self { cameras, store, store_health })
    }

    async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let mut tasks = Tasks::new(&stop);
        tasks.spawn("store", find_store(self.store, self.store_health, tasks.stop()));
        for (name, camera) in self.cameras {
            tasks.spawn(name, camera.run(tasks.stop()));
        }
        tasks.join().await
    }

    fn subcommands() -> Vec<clap::Command> {
        command_line::commands()
    }

    fn subcommand(name: &str, arguments: &clap::ArgMatches) -> anyhow::Result<()> {
        command_line::run(name, arguments)
    }
}

/// Makes sure that there is a bucket, however long that takes: pictures wait in the meantime.
async fn find_store(store: Store, health: Check, stop: Stop) -> anyhow::Result<()> {
    let ask = async {
        let mut wait = STORE_RETRY;
        while let Err(error) = store.ensure_bucket().await {
            tracing::warn!("store: {error}; asking again in {wait:?}");
            health.set(Err(error.to_string()));
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(STORE_RETRY_MAX);
        }
        health.set(Ok::<(), String>(()));
    };
    stop.run_until_cancelled(ask).await;
    stop.cancelled().await;
    Ok(())
}
