//! Sinks: systems that are told. Each has a [`Line`] of its own, so that a dead one holds up nobody else.

pub(super) mod alertmanager;
mod breaker;
pub(super) mod homeassistant;
mod http;
mod line;
mod queue;
pub(super) mod vrops;
pub(super) mod webhook;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use people_counter_events::Alert;
use tokio::time::Instant;

use super::event::Event;
use crate::state::Device;

pub(super) use line::{Delivery, Entrance, FAREWELL, Line};
use queue::Queue;

/// How things stand, for sinks that are told so from time to time.
#[derive(Debug)]
pub(super) struct View {
    /// All devices by id.
    pub(super) devices: Vec<Device>,
    /// All alerts by rule and target.
    pub(super) alerts: Vec<Arc<Alert>>,
    /// When, Unix seconds.
    pub(super) now: f64,
}

/// A system that is told.
#[async_trait]
pub(super) trait Sink: Send + 'static {
    /// Tells it what happened.
    async fn event(&mut self, event: &Event) -> Result<(), Failure>;

    /// Not before then, because it has asked for less; `None`: at any time.
    fn ready_at(&self) -> Option<Instant> {
        None
    }

    /// Whether it wants to be told what happens to alerts.
    fn wants_events(&self) -> bool {
        true
    }

    /// How often it wants to know how things stand; `None`: never.
    fn every(&self) -> Option<Duration> {
        None
    }

    /// Tells it how things stand.
    async fn refresh(&mut self, view: &View) -> Result<(), Failure> {
        let _ = view;
        Ok(())
    }
}

/// Why a system was not told, in words that hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// It may work later, if `after` is given not before that time.
    #[error("{why}")]
    Again { why: String, after: Option<Duration> },
    /// It does not take this, now or later.
    #[error("{0}")]
    Refused(String),
    /// It wants nothing any more.
    #[error("{0}")]
    Gone(String),
}

impl Failure {
    pub(super) fn again(why: impl Into<String>) -> Self {
        Self::Again { why: why.into(), after: None }
    }
}
