//! The client against real brokers: the embedded one and mosquitto.
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod brokers;
mod faults;
mod promises;
