//! How others see this node: will, birth, and a status that is refreshed each minute.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use iot_chassis::Stop;
use iot_mqtt::{Client, Message, Presence, Will};
use people_counter_events::{Model, ServiceState, ServiceStatus, ServiceType, Topics};

use crate::frame::unix_now;
use crate::metrics::Metrics;

/// How often the status is refreshed.
const REFRESH: Duration = Duration::from_secs(60);
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
            kind: ServiceType::Service,
            service: "inference".into(),
            instance: name.into(),
            state: ServiceState::Online,
            version: env!("CARGO_PKG_VERSION").into(),
            started_timestamp: unix_now(),
            model: Some(model),
            frames_per_second: None,
            mean_duration_ms: None,
            failures: Some(0),
        };
        let topic = topics.nodes.name(&["inference", name])?;
        Ok(Self { topic, topics: topics.clone(), base, metrics })
    }

    fn payload(&self, state: ServiceState, rates: Option<(f64, f64)>) -> Bytes {
        let (_, _, failures) = self.metrics.totals();
        let status = ServiceStatus {
            state,
            frames_per_second: rates.map(|(rate, _)| rate),
            mean_duration_ms: rates.map(|(_, mean)| mean),
            failures: Some(failures),
            ..self.base.clone()
        };
        self.topics.nodes.encode(&status).expect("a status has only text keys").into()
    }

    fn message(&self, state: ServiceState, rates: Option<(f64, f64)>) -> Message {
        Message::new(&self.topic, self.payload(state, rates)).retained().expires(EXPIRY)
    }

    /// Refreshes the status until `stop`.
    pub(crate) async fn refresh(self, client: Client, stop: Stop) -> anyhow::Result<()> {
        let mut before = self.metrics.totals();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(REFRESH) => {}
            }
            let now = self.metrics.totals();
            let (frames, us) = (now.0 - before.0, now.1 - before.1);
            before = now;
            let rate = frames as f64 / REFRESH.as_secs_f64();
            let mean = if frames == 0 { 0.0 } else { us as f64 / 1000.0 / frames as f64 };
            if let Err(error) = client.publish(self.message(ServiceState::Online, Some((rate, mean)))).await {
                tracing::warn!("cannot refresh the status of this node: {error}");
            }
        }
    }

    /// Says goodbye.
    pub(crate) fn goodbye(&self) -> Message {
        self.message(ServiceState::Offline, None).timeout(Duration::from_secs(2))
    }
}

impl Presence for Node {
    fn will(&self, _connection: u64) -> Will {
        Will {
            topic: self.topic.clone(),
            payload: self.payload(ServiceState::Offline, None),
            delay: Duration::from_secs(5),
            expires: Some(EXPIRY),
        }
    }

    fn birth(&self, _connection: u64) -> Option<Message> {
        Some(self.message(ServiceState::Online, None))
    }
}
