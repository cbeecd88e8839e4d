//! What a client counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Counters of one client, or of several that share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(crate) connected: Gauge,
    pub(crate) connections: Counter,
    pub(crate) failures: Counter,
    pub(crate) confirmed: Counter,
    pub(crate) unconfirmed: Counter,
    pub(crate) received: Counter,
    pub(crate) unrouted: Counter,
    pub(crate) broker_dropped: Counter,
    pub(crate) confirmation: Histogram,
    outbox: Gauge,
}

/// A message that has no outcome yet.
pub(crate) struct Waiting<'a>(&'a Gauge);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            connected: Gauge::default(),
            connections: Counter::default(),
            failures: Counter::default(),
            confirmed: Counter::default(),
            unconfirmed: Counter::default(),
            received: Counter::default(),
            unrouted: Counter::default(),
            broker_dropped: Counter::default(),
            // a millisecond to half a minute
            confirmation: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            outbox: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Counts a message until it has its outcome.
    pub(crate) fn waiting(&self) -> Waiting<'_> {
        self.outbox.inc();
        Waiting(&self.outbox)
    }

    /// Registers them under `mqtt_`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("mqtt");
        registry.register("connected", "Clients that are connected now", self.connected.clone());
        registry.register("connections", "Connections that the broker accepted", self.connections.clone());
        registry.register(
            "connection_failures",
            "Connections that broke or were refused",
            self.failures.clone(),
        );
        registry.register("published", "Messages that the broker confirmed", self.confirmed.clone());
        registry.register("publish_failures", "Messages that were not confirmed", self.unconfirmed.clone());
        registry.register("received", "Messages that arrived", self.received.clone());
        registry.register(
            "unrouted",
            "Messages that arrived and had no inbox with room",
            self.unrouted.clone(),
        );
        registry.register(
            "broker_dropped",
            "Messages of anybody that the broker dropped for full queues, if it is watched",
            self.broker_dropped.clone(),
        );
        registry.register("outbox", "Messages that wait to be sent or confirmed", self.outbox.clone());
        registry.register_with_unit(
            "confirmation_duration",
            "From the publishing of a message to the broker's confirmation",
            Unit::Seconds,
            self.confirmation.clone(),
        );
    }
}
