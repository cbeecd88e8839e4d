//! What a client counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counters of one client, or of several that share them.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    pub(crate) connected: Gauge,
    pub(crate) connections: Counter,
    pub(crate) failures: Counter,
    pub(crate) confirmed: Counter,
    pub(crate) unconfirmed: Counter,
    pub(crate) received: Counter,
    pub(crate) unrouted: Counter,
}

impl Metrics {
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
    }
}
