//! What every service stands on: one `main`, configuration, logs, metrics, health, signals, supervision.
//!
//! A service is a type that implements [`Service`]; its `main.rs` is one line:
//!
//! ```no_run
//! use iot_chassis::{Log, Service, Stop, Telemetry};
//!
//! #[derive(Default, serde::Deserialize, serde::Serialize)]
//! #[serde(default, deny_unknown_fields)]
//! struct Config { log: Log }
//!
//! struct Thermometer;
//!
//! impl Service for Thermometer {
//!     type Config = Config;
//!     const NAME: &'static str = "thermometer";
//!     const ENV: &'static str = "THERMOMETER";
//!     const VERSION: &'static str = env!("CARGO_PKG_VERSION");
//!
//!     fn log(config: &Config) -> &Log { &config.log }
//!     fn check(_config: &Config) -> anyhow::Result<()> { Ok(()) }
//!     async fn start(_config: Config, _telemetry: &Telemetry) -> anyhow::Result<Self> { Ok(Self) }
//!     async fn run(self, stop: Stop) -> anyhow::Result<()> { stop.cancelled().await; Ok(()) }
//! }
//!
//! fn main() -> std::process::ExitCode { iot_chassis::main::<Thermometer>() }
//! ```
//!
//! Nothing here is global but the log subscriber and the TLS provider, so several services (or several
//! instances of one) run side by side in one process.
#![deny(missing_docs)]

mod address;
mod admin;
mod build;
mod cli;
pub mod config;
mod crypto;
mod health;
mod instance;
mod log;
mod metrics;
mod notify;
mod probe;
mod service;
mod signals;
mod tasks;

pub use address::{Address, AddressError};
pub use admin::Admin;
pub use build::BUILD;
pub use cli::main;
pub use crypto::install_crypto;
pub use health::{Check, Health, Problem};
pub use instance::instance_name;
pub use log::{Log, LogError, LogFilter, LogFormat};
pub use metrics::Metrics;
pub use service::{Service, Telemetry};
pub use signals::stop_on_signals;
pub use tasks::Tasks;
pub use tokio_util::sync::CancellationToken as Stop;
