//! A bounded object store over any S3 service.
//!
//! [`Store`] is one bucket: it puts, gets, lists, deletes and prunes, and every one of these has a
//! limit on bytes, time and attempts that comes from [`Config`]. Requests are modelled and signed
//! by `rust-s3`; they travel through one pooled HTTP client that this crate owns, because that is
//! what allows an own certificate authority, a limit on connecting, retries that belong to one
//! store instead of the process, and errors that keep the store's request id.
//!
//! ```no_run
//! use iot_storage::{Config, Key, PutOptions, Store};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::new(&Config::default().with(|config| {
//!     config.endpoint = "http://127.0.0.1:9000".into();
//!     config.bucket = "readings".into();
//!     config.access_key = Some("thermometer".into());
//!     config.secret_key_file = Some("/run/secrets/storage".into());
//! }))?;
//! store.ensure_bucket().await?;
//!
//! let key: Key = "cellar/2026-11-22.csv".parse()?;
//! store.put(&key, "12:00,8.5\n".into(), &PutOptions::content_type("text/csv")).await?;
//! let file = store.get(&key, 64 * 1024).await?;
//! assert_eq!(file.body, "12:00,8.5\n");
//!
//! // Keep the newest thirty files.
//! store.prune("cellar/", 30, |_| false).await?;
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]

mod answer;
mod bucket;
mod client;
mod config;
mod credentials;
mod delete;
mod error;
mod key;
mod list;
mod metrics;
mod object;
mod retry;
mod sign;
mod store;
mod transport;

pub use config::{Config, ConfigError};
pub use error::{Answer, Error, Operation, Target};
pub use key::{Key, KeyError};
pub use metrics::{Metrics, OperationLabels, RequestLabels};
pub use object::{Entry, Head, Object, Put, PutOptions};
pub use store::Store;
