//! What is published.

use std::time::Duration;

use bytes::Bytes;

/// A message to publish, at QoS 1.
#[derive(Debug, Clone)]
pub struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    pub(crate) retain: bool,
    pub(crate) expiry: Option<Duration>,
    pub(crate) content_type: Option<String>,
    pub(crate) response_topic: Option<String>,
    pub(crate) correlation: Option<Bytes>,
    pub(crate) timeout: Duration,
}

/// The broker has the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Confirmation {
    /// Whether the broker said that somebody was subscribed. Not every broker can tell: `true` then.
    pub had_subscribers: bool,
}

impl Message {
    /// How long a publish waits for its confirmation unless said otherwise.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

    /// A message with this payload, not retained, without expiry.
    pub fn new(topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            retain: false,
            expiry: None,
            content_type: None,
            response_topic: None,
            correlation: None,
            timeout: Self::DEFAULT_TIMEOUT,
        }
    }

    /// Clears what is retained on `topic`.
    pub fn clear(topic: impl Into<String>) -> Self {
        Self::new(topic, Bytes::new()).retained()
    }

    /// The broker keeps it for later subscribers, in place of what it kept before.
    #[must_use]
    pub fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    /// The broker forgets it after this time (whole seconds, at least one).
    #[must_use]
    pub fn expires(mut self, after: Duration) -> Self {
        self.expiry = Some(after);
        self
    }

    /// Publishing gives up after this time; default [`Message::DEFAULT_TIMEOUT`].
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// MIME type of the payload.
    #[must_use]
    pub fn content_type(mut self, mime: impl Into<String>) -> Self {
        self.content_type = Some(mime.into());
        self
    }

    /// Where an answer shall go.
    #[must_use]
    pub fn response_topic(mut self, topic: impl Into<String>) -> Self {
        self.response_topic = Some(topic.into());
        self
    }

    /// What an answer shall carry to be recognised.
    #[must_use]
    pub fn correlation(mut self, data: impl Into<Bytes>) -> Self {
        self.correlation = Some(data.into());
        self
    }

    /// Upper bound of the packet's size in bytes.
    pub(crate) fn packet_bytes(&self) -> usize {
        // fixed header, packet id, lengths and the properties that are plain numbers
        const OVERHEAD: usize = 48;
        self.topic.len()
            + self.payload.len()
            + self.content_type.as_ref().map_or(0, String::len)
            + self.response_topic.as_ref().map_or(0, String::len)
            + self.correlation.as_ref().map_or(0, Bytes::len)
            + OVERHEAD
    }
}
