//! A thermometer as a service: configuration, log, metrics, health and signals come from the chassis.
//!
//!     cargo run --release --example thermometer_service -p iot-chassis -- --print-config
//!     THERMOMETER__HTTP=127.0.0.1:9100 THERMOMETER__LOG__FILTER=debug \
//!         cargo run --release --example thermometer_service -p iot-chassis
//!     curl http://127.0.0.1:9100/metrics

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Context;
use iot_chassis::{Address, Check, Log, Service, Stop, Telemetry};
use prometheus_client::metrics::gauge::Gauge;
use serde::{Deserialize, Serialize};

/// Every key has a default; unknown keys are refused.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// How it logs.
    log: Log,
    /// Where health and metrics are served.
    http: Option<Address>,
    /// Where the sensor is found; the kernel's thermal zones hold millidegrees Celsius.
    sensor: PathBuf,
    /// How often it is read.
    #[serde(with = "humantime_serde")]
    every: Duration,
    /// How long the sensor takes to switch off.
    #[serde(with = "humantime_serde")]
    cool_down: Duration,
    /// How long the service may take to stop.
    #[serde(with = "humantime_serde")]
    grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            log: Log::default(),
            http: None,
            sensor: "/sys/class/thermal/thermal_zone0/temp".into(),
            every: Duration::from_secs(1),
            cool_down: Duration::ZERO,
            grace: Duration::from_secs(10),
        }
    }
}

struct Thermometer {
    config: Config,
    celsius: Gauge<f64, AtomicU64>,
    sensor: Check,
}

impl Service for Thermometer {
    type Config = Config;
    const NAME: &'static str = "thermometer";
    const ENV: &'static str = "THERMOMETER";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn log(config: &Config) -> &Log {
        &config.log
    }

    fn admin(config: &Config) -> Option<Address> {
        config.http.clone()
    }

    fn grace(config: &Config) -> Duration {
        config.grace
    }

    fn check(config: &Config) -> anyhow::Result<()> {
        anyhow::ensure!(!config.every.is_zero(), "every: must not be zero, write for example every = \"1s\"");
        Ok(())
    }

    async fn start(config: Config, telemetry: &Telemetry) -> anyhow::Result<Self> {
        let celsius = Gauge::default();
        telemetry.metrics.register(|registry| {
            registry.register("temperature_celsius", "What the sensor says", celsius.clone());
        });
        Ok(Self { config, celsius, sensor: telemetry.health.check("sensor") })
    }

    async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let mut turns = tokio::time::interval(self.config.every);
        loop {
            tokio::select! {
                _ = turns.tick() => {}
                () = stop.cancelled() => break,
            }
            match self.read() {
                Ok(celsius) => {
                    tracing::debug!("{celsius} degrees");
                    self.celsius.set(celsius);
                    self.sensor.set(Ok::<(), String>(()));
                }
                Err(error) => self.sensor.set(Err(format!("{error:#}"))),
            }
        }
        tokio::time::sleep(self.config.cool_down).await;
        Ok(())
    }
}

impl Thermometer {
    fn read(&self) -> anyhow::Result<f64> {
        let path = &self.config.sensor;
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let millidegrees: f64 = text.trim().parse().context("the sensor's answer is no number")?;
        Ok(millidegrees / 1000.0)
    }
}

fn main() -> ExitCode {
    iot_chassis::main::<Thermometer>()
}
