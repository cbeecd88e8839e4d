//! What arrives.

use std::sync::Arc;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5::Publish;

use crate::client::Shared;
use crate::queue::Queue;

/// The messages of one subscription.
pub struct Inbox {
    pub(crate) queue: Arc<Queue>,
}

impl Inbox {
    /// The next message; `None` once the client is closed.
    pub async fn recv(&mut self) -> Option<Delivery> {
        self.queue.next().await
    }

    /// The next message if one is there.
    pub fn try_recv(&mut self) -> Option<Delivery> {
        self.queue.try_next()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.queue.leave();
    }
}

/// A subscription and where its messages go.
pub(crate) struct Route {
    pub(crate) filter: String,
    pub(crate) queue: Arc<Queue>,
}

/// A message that arrived.
///
/// Acknowledge it with [`Delivery::ack`] once it is handled, a message that makes no sense too: until then it
/// counts against the receive maximum. One that is dropped unacknowledged comes again after a reconnect if
/// the session is kept, and is lost if not.
pub struct Delivery {
    pub(crate) publish: Publish,
    pub(crate) topic: String,
    pub(crate) connection: u64,
    pub(crate) shared: Arc<Shared>,
}

impl Delivery {
    /// Where it was published.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Its payload.
    pub fn payload(&self) -> &Bytes {
        &self.publish.payload
    }

    /// Whether it was retained before this subscription was made.
    pub fn retained(&self) -> bool {
        self.publish.retain
    }

    /// Whether the broker may have delivered it before.
    pub fn redelivered(&self) -> bool {
        self.publish.dup
    }

    /// Number of the connection it came on.
    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// Where an answer shall go.
    pub fn response_topic(&self) -> Option<&str> {
        self.publish.properties.as_ref()?.response_topic.as_deref()
    }

    /// What an answer shall carry.
    pub fn correlation(&self) -> Option<&Bytes> {
        self.publish.properties.as_ref()?.correlation_data.as_ref()
    }

    /// Tells the broker that the message is done with. Returns whether the connection it came on still
    /// stands; if not, the acknowledgement went nowhere.
    pub fn ack(self) -> bool {
        self.shared.ack(&self.publish, self.connection)
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("topic", &self.topic)
            .field("bytes", &self.publish.payload.len())
            .field("retained", &self.publish.retain)
            .finish_non_exhaustive()
    }
}
