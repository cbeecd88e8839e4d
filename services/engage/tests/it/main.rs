//! Engage as a black box: real MQTT, a real S3 server, HTTP and WebSocket over TCP.
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod access;
mod crowd;
mod events;
mod history;
mod limits;
mod messages;
#[cfg(feature = "oidc")]
mod oidc;
#[cfg(feature = "oidc")]
mod oidc_browser;
mod oidc_config;
#[cfg(feature = "oidc")]
mod oidc_provider;
#[cfg(feature = "oidc")]
mod oidc_trust;
mod page;
mod pictures;
mod process;
mod push;
mod push_alertmanager;
mod push_homeassistant;
mod push_prometheus;
mod push_secrets;
mod push_takeover;
mod push_vrops;
mod push_webhook;
mod queries;
mod receiver;
mod removal;
mod reports;
mod rest;
mod restarts;
mod stage;
mod start;
mod stream;
mod subscriptions;
mod tls;
mod truth;
mod viewer;
