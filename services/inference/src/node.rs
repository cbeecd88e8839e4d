//! How others see this node: will, birth, and a status that is refreshed each minute.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use iot_chassis::Stop;
use iot_mqtt::{Client, Message, Presence, Will};
use people_counter_events::{Model, ServiceState, ServiceStatus, Topics};

use crate::frame::unix_now;
use crate::metrics::Metrics;

/// How often the status is refreshed.
const REFRESH: Duration = Duration::from_secs(60);
/// When it is refreshed first.
const FIRST: Duration = Duration::from_secs(10);
/// A status that is not refreshed is forgotten after this time.
const EXPIRY: Duration = Duration::from_secs(180);

/// The node's status, as of now.
#[derive(Clone)]
pub(crate) struct Node {
    topic: String,
    topics: Topics,
    base: ServiceStatus,
    metrics: Arc<Metrics>,
}

impl Node {
    pub(crate) fn new(
        topics: &Topics,
        name: &str,
        model: Model,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let base = ServiceStatus {
            model: Some(model),
            failures: Some(0),
            ..ServiceStatus::online("inference", name, env!("CARGO_PKG_VERSION"), unix_now())
        };
        let topic = topics.nodes.name(&["inference", name])?;
        Ok(Self { topic, topics: topics.clone(), base, metrics })
    }

    /// The status as of now. A will is written before its connection has done anything, so it has no figures.
    fn payload(&self, state: ServiceState) -> Bytes {
        let rates = (state == ServiceState::Online).then(|| self.metrics.rates());
        let status = ServiceStatus {
            state,
            frames_per_second: rates.map(|rates| rates.frames_per_second),
            mean_duration_ms: rates.map(|rates| rates.mean_ms),
            duration_ms: rates.and_then(|rates| rates.quantiles),
            queue: rates.map(|_| self.metrics.queue()),
            failures: Some(self.metrics.failures()),
            ..self.base.clone()
        };
        self.topics.nodes.encode(&status).expect("a status has only text keys").into()
    }

    fn message(&self, state: ServiceState) -> Message {
        Message::new(&self.topic, self.payload(state)).retained().expires(EXPIRY)
    }

    /// Refreshes the status until `stop`; soon after the start for the first time, so that its figures are seen.
    pub(crate) async fn refresh(self, client: Client, stop: Stop) -> anyhow::Result<()> {
        let mut wait = FIRST;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(wait) => {}
            }
            wait = REFRESH;
            if let Err(error) = client.publish(self.message(ServiceState::Online)).await {
                tracing::warn!("cannot refresh the status of this node: {error}");
            }
        }
    }

    /// Says goodbye.
    pub(crate) fn goodbye(&self) -> Message {
        self.message(ServiceState::Offline).timeout(Duration::from_secs(2))
    }
}

impl Presence for Node {
    fn will(&self, _connection: u64) -> Will {
        Will::new(&self.topic, self.payload(ServiceState::Offline))
            .delay(Duration::from_secs(5))
            .expires(EXPIRY)
    }

    fn birth(&self, _connection: u64) -> Option<Message> {
        Some(self.message(ServiceState::Online))
    }
}
