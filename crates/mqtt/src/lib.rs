//! An MQTT 5 client that keeps its promises, on [`rumqttc`].
//!
//! * [`Client::publish`] returns when the broker has confirmed the message, or says that it did not. What is
//!   not confirmed when a connection breaks is sent again on the next one, in order.
//! * The connection comes back by itself, with exponential back-off and jitter, and subscribes again.
//! * A [`Delivery`] is acknowledged by its handler after the work is done. The receive maximum bounds what the
//!   broker may send ahead, so an [`Inbox`] does not overflow, and nobody waits for a full channel inside
//!   the event loop.
//! * A [`Presence`] is the last will and the birth message, made anew for each connection with its number.
//! * TCP, TLS (own authority, own certificate) and WebSocket, by the scheme of [`Config::url`].
//! * What waits to be sent is bounded ([`Config::outbox`]): further publishers wait, each at most its own
//!   [`Message::timeout`].
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use iot_mqtt::{Config, Message, Options};
//!
//! let config = Config::default().with(|config| config.url = "mqtt://localhost:1883".into());
//! let mut options = Options::new(config, "thermometer-7")?;
//! let mut commands = options.subscribe("plant/thermometers/t-7/commands");
//! let client = options.connect();
//!
//! client.publish(Message::new("plant/thermometers/t-7/reading", r#"{"celsius":21.5}"#).retained()).await?;
//! while let Some(command) = commands.recv().await {
//!     println!("{} bytes on {}", command.payload().len(), command.topic());
//!     command.ack();
//! }
//! # Ok(()) }
//! ```
#![deny(missing_docs)]

mod backoff;
mod client;
mod config;
mod connection;
mod drops;
mod error;
mod inbox;
mod message;
mod metrics;
mod options;
mod outbox;
mod queue;
mod tls;

pub use client::{Client, State};
pub use config::Config;
pub use error::{ConfigError, PublishError};
pub use inbox::{Delivery, Inbox};
pub use message::{Confirmation, Message};
pub use metrics::Metrics;
pub use options::{Options, Presence, Will};
