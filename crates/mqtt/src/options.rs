//! What a client is, before it connects.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::client::{Client, Shared};
use crate::inbox::{Inbox, Route};
use crate::queue::Queue;
use crate::{Config, ConfigError, Message, Metrics};

/// The message that the broker publishes when the connection breaks; retained.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Will {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Bytes,
    /// How long the broker waits for the client to come back before it publishes it (whole seconds).
    pub delay: Duration,
    /// How long the broker keeps it; for ever if `None`.
    pub expires: Option<Duration>,
}

impl Will {
    /// A will that is published at once when the connection breaks, and kept for ever.
    pub fn new(topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self { topic: topic.into(), payload: payload.into(), delay: Duration::ZERO, expires: None }
    }

    /// The broker waits for the client to come back for this long (whole seconds) before it publishes it.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The broker forgets it after this time (whole seconds, at least one).
    #[must_use]
    pub fn expires(mut self, after: Duration) -> Self {
        self.expires = Some(after);
        self
    }
}

/// How a client is seen by others: a will and a birth message for each of its connections.
///
/// Both are asked for with the number of the connection, which rises with each attempt, so a reader can tell
/// the will of an older connection from the birth of a newer one.
pub trait Presence: Send + Sync + 'static {
    /// The last will of connection `connection`.
    fn will(&self, connection: u64) -> Will;

    /// What to publish first on connection `connection`.
    fn birth(&self, connection: u64) -> Option<Message>;
}

/// A client to be: its configuration, identity, subscriptions and presence.
pub struct Options {
    pub(crate) config: Config,
    pub(crate) client_id: String,
    pub(crate) routes: Vec<Route>,
    pub(crate) presence: Option<Arc<dyn Presence>>,
    pub(crate) metrics: Metrics,
}

impl Options {
    /// A client with the identity `client_id`, unique on its broker.
    ///
    /// # Errors
    /// [`ConfigError`] when the configuration cannot work or a file it names cannot be read.
    pub fn new(config: Config, client_id: impl Into<String>) -> Result<Self, ConfigError> {
        config.validate()?;
        config.credentials()?;
        config.tls()?;
        Ok(Self {
            config,
            client_id: client_id.into(),
            routes: Vec::new(),
            presence: None,
            metrics: Metrics::default(),
        })
    }

    /// Subscribes to `filter` (shared subscriptions too) on every connection. A message goes to the first
    /// inbox whose filter matches it, so filters should not overlap.
    pub fn subscribe(&mut self, filter: impl Into<String>) -> Inbox {
        let queue = Arc::new(Queue::new(self.config.receive_maximum));
        self.routes.push(Route { filter: filter.into(), queue: queue.clone() });
        Inbox { queue }
    }

    /// Sets will and birth.
    pub fn presence(&mut self, presence: impl Presence) {
        self.presence = Some(Arc::new(presence));
    }

    /// Counts into `metrics`, which several clients may share.
    pub fn metrics(&mut self, metrics: Metrics) {
        self.metrics = metrics;
    }

    /// Starts the client on the current tokio runtime and returns at once; it connects in the background
    /// until it is closed or its last [`Client`] is dropped.
    pub fn connect(self) -> Client {
        Client::start(Shared::new(self))
    }
}
