//! The client against real brokers: the embedded one and mosquitto, over TCP, TLS and WebSocket.
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod brokers;
mod faults;
mod goodbye;
mod promises;
mod scripted;
mod transport;
mod window;
