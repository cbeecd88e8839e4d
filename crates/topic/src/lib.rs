//! Typed MQTT topics: a pattern, its parameters and its JSON codec.
//!
//! A [`Topic<T>`] says in one place what a topic is called, which parts of its name vary and what its
//! messages look like. Publishers and subscribers share it, so neither can spell the name or the payload
//! differently. The crate depends on serde alone and works with any MQTT client.
//!
//! ```
//! use iot_topic::Topic;
//!
//! #[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)]
//! struct Reading { celsius: f64 }
//!
//! let readings: Topic<Reading> = Topic::new("plant/{site}/thermometers/{sensor}/reading")?;
//! assert_eq!(readings.filter(), "plant/+/thermometers/+/reading");
//!
//! let name = readings.name(&["bonn", "t-7"])?;
//! assert_eq!(name, "plant/bonn/thermometers/t-7/reading");
//! assert_eq!(readings.parse(&name), Some(vec!["bonn", "t-7"]));
//!
//! let payload = readings.encode(&Reading { celsius: 21.5 })?;
//! assert_eq!(readings.decode(&payload)?, Reading { celsius: 21.5 });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(missing_docs)]

mod filter;
mod pattern;

pub use filter::{matches, shared};
pub use pattern::{CodecError, ParamError, PatternError, Topic};

/// Longest topic name MQTT can carry, in bytes of UTF-8 (MQTT 5.0, section 1.5.4).
pub const MAX_TOPIC_BYTES: usize = 65_535;
