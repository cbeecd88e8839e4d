//! [`Presence`]: what this node says of itself among the nodes of the system.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use iot_mqtt::{Client, Message, Will};
use people_counter_events::{ServiceState, ServiceStatus, Topics};

use crate::clock;

/// How long the broker keeps the status of a node that says no more.
const EXPIRY: Duration = Duration::from_secs(180);

/// How often the status is said again.
const REFRESH: Duration = Duration::from_secs(60);

/// How long the broker waits for a node to come back before it says that it is gone.
const WILL_DELAY: Duration = Duration::from_secs(5);

/// What this node says of itself.
#[derive(Debug, Clone)]
pub(crate) struct Presence {
    topic: String,
    online: Bytes,
    offline: Bytes,
}

impl Presence {
    pub(crate) fn new(topics: &Topics, service: &str, node: &str) -> anyhow::Result<Self> {
        let payload = |state| {
            let status = ServiceStatus {
                state,
                ..ServiceStatus::online(service, node, env!("CARGO_PKG_VERSION"), clock::now())
            };
            topics.nodes.encode(&status).map(Bytes::from).context("cannot write the node's status")
        };
        Ok(Self {
            topic: topics.nodes.name(&[service, node]).context("node")?,
            online: payload(ServiceState::Online)?,
            offline: payload(ServiceState::Offline)?,
        })
    }

    fn message(&self, payload: &Bytes) -> Message {
        Message::new(&self.topic, payload.clone()).retained().expires(EXPIRY)
    }

    /// Says again and again that the node is there; ends only when dropped.
    pub(crate) async fn refresh(&self, client: &Client) {
        loop {
            tokio::time::sleep(REFRESH).await;
            if let Err(error) = client.publish(self.message(&self.online)).await {
                tracing::warn!("the broker does not take this node's status: {error}");
            }
        }
    }

    /// Says that the node goes.
    pub(crate) async fn goodbye(&self, client: &Client, grace: Duration) {
        if let Err(error) = client.publish(self.message(&self.offline).timeout(grace)).await {
            tracing::debug!("the broker does not take this node's goodbye: {error}");
        }
    }
}

impl iot_mqtt::Presence for Presence {
    fn will(&self, _connection: u64) -> Will {
        Will::new(&self.topic, self.offline.clone()).delay(WILL_DELAY).expires(EXPIRY)
    }

    fn birth(&self, _connection: u64) -> Option<Message> {
        Some(self.message(&self.online))
    }
}
