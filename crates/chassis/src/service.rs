//! [`Service`]: what the chassis needs to know of one.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Address, Health, Log, Metrics, Stop};

/// Metrics and health of one service instance.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Telemetry {
    /// What it counts.
    pub metrics: Metrics,
    /// How it is.
    pub health: Health,
}

/// A service: a configuration, a start that binds and fails early, and a run until it is told to stop.
pub trait Service: Sized + Send + 'static {
    /// Its configuration; every key has a default and unknown keys are refused
    /// (`#[serde(default, deny_unknown_fields)]`).
    type Config: DeserializeOwned + Serialize + Default + Send + Sync + 'static;

    /// Name of the binary.
    const NAME: &'static str;
    /// First part of its environment variables: `INGEST` reads `INGEST__MQTT__URL` into `mqtt.url`.
    const ENV: &'static str;
    /// Its version: `env!("CARGO_PKG_VERSION")`.
    const VERSION: &'static str;

    /// How it logs.
    fn log(config: &Self::Config) -> &Log;

    /// Where `/healthz`, `/readyz` and `/metrics` are served; `None`: nowhere, or by the service itself.
    fn admin(config: &Self::Config) -> Option<Address> {
        let _ = config;
        None
    }

    /// Where the `health` subcommand asks; differs from [`Service::admin`] when the service serves itself.
    fn health_address(config: &Self::Config) -> Option<Address> {
        Self::admin(config)
    }

    /// How long the service may take to drain after it was told to stop.
    fn grace(config: &Self::Config) -> Duration {
        let _ = config;
        Duration::from_secs(10)
    }

    /// Checks everything that can be said without I/O.
    ///
    /// # Errors
    /// One sentence that names the key and says what to do.
    fn check(config: &Self::Config) -> anyhow::Result<()>;

    /// Binds, opens and loads; what cannot work fails here.
    ///
    /// # Errors
    /// One sentence that says what was tried and what to do.
    fn start(
        config: Self::Config,
        telemetry: &Telemetry,
    ) -> impl Future<Output = anyhow::Result<Self>> + Send;

    /// Works until `stop`, then drains within the grace period.
    ///
    /// # Errors
    /// When something broke that the service cannot live without.
    fn run(self, stop: Stop) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Subcommands beside `health`.
    fn subcommands() -> Vec<clap::Command> {
        Vec::new()
    }

    /// Runs one of [`Service::subcommands`], without configuration and logs.
    ///
    /// # Errors
    /// One sentence that says what was tried and what to do.
    fn subcommand(name: &str, arguments: &clap::ArgMatches) -> anyhow::Result<()> {
        let _ = arguments;
        anyhow::bail!("{} has no subcommand {name}", Self::NAME)
    }
}
