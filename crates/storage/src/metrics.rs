//! What a store counts.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::{Error, Operation};

/// Labels of [`Metrics::requests`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// [`Operation::as_str`].
    pub operation: &'static str,
    /// `ok`, or the kind of error: `not_found`, `exists`, `denied`, `too_large`, `timeout`,
    /// `unavailable`, `no_bucket`, `refused`, `protocol`, `invalid`.
    pub outcome: &'static str,
}

/// Labels of what is counted by operation only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OperationLabels {
    /// [`Operation::as_str`].
    pub operation: &'static str,
}

/// Handles of a store's metrics; clones count into the same place.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Metrics {
    /// Operations that ended, by outcome; one with several attempts counts once.
    pub requests: Family<RequestLabels, Counter>,
    /// Attempts after the first.
    pub retries: Family<OperationLabels, Counter>,
    /// Bytes of bodies in confirmed puts.
    pub sent_bytes: Counter,
    /// Bytes of bodies in completed gets.
    pub received_bytes: Counter,
    /// How long operations took in seconds, all attempts and waits included.
    pub duration_seconds: Family<OperationLabels, Histogram, fn() -> Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            retries: Family::default(),
            sent_bytes: Counter::default(),
            received_bytes: Counter::default(),
            duration_seconds: Family::new_with_constructor(latencies),
        }
    }
}

/// 1 ms to 65 s in factors of four: from a store next door to the default total limit.
fn latencies() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 9))
}

impl Metrics {
    /// Adds the metrics to `registry`, each name with the prefix `storage_`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("storage");
        registry.register(
            "requests",
            "Operations on the object store that ended, by outcome",
            self.requests.clone(),
        );
        registry.register("retries", "Attempts on the object store after the first", self.retries.clone());
        registry.register(
            "sent_bytes",
            "Bytes of bodies in confirmed puts to the object store",
            self.sent_bytes.clone(),
        );
        registry.register(
            "received_bytes",
            "Bytes of bodies in completed gets from the object store",
            self.received_bytes.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "How long operations on the object store took with all attempts",
            self.duration_seconds.clone(),
        );
    }

    pub(crate) fn ended(&self, operation: Operation, failure: Option<&Error>, took: Duration) {
        let operation = operation.as_str();
        let outcome = failure.map_or("ok", Error::outcome);
        self.requests.get_or_create(&RequestLabels { operation, outcome }).inc();
        self.duration_seconds.get_or_create(&OperationLabels { operation }).observe(took.as_secs_f64());
    }

    pub(crate) fn retried(&self, operation: Operation) {
        self.retries.get_or_create(&OperationLabels { operation: operation.as_str() }).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_under_one_prefix() {
        let metrics = Metrics::default();
        metrics.ended(Operation::Put, None, Duration::from_millis(3));
        metrics.retried(Operation::Put);
        metrics.sent_bytes.inc_by(10);
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "storage_requests_total{operation=\"put\",outcome=\"ok\"} 1",
            "storage_retries_total{operation=\"put\"} 1",
            "storage_sent_bytes_total 10",
            "storage_request_duration_seconds_count{operation=\"put\"} 1",
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
        assert!(text.lines().all(|line| line.starts_with('#') || line.starts_with("storage_")));
    }
}
