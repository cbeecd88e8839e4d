//! What pushing counts; everything under `engage_`.

use std::collections::BTreeMap;
use std::sync::Arc;

use people_counter_events::{AlertState, Happened, Severity};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use crate::board::Board;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChangeLabels {
    happened: &'static str,
}

/// What became of an attempt to tell a system something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Attempt {
    Delivered,
    Refused,
    Failed,
}

impl Attempt {
    const ALL: [Self; 3] = [Self::Delivered, Self::Refused, Self::Failed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Why a system was never told of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Dropped {
    /// Too many waited.
    Full,
    /// It was tried as often as allowed.
    Attempts,
    /// The system does not take it.
    Refused,
    /// The system wants nothing any more.
    Gone,
}

impl Dropped {
    const ALL: [Self; 4] = [Self::Full, Self::Attempts, Self::Refused, Self::Gone];

    fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Attempts => "attempts",
            Self::Refused => "refused",
            Self::Gone => "gone",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkLabels {
    sink: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    sink: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DroppedLabels {
    sink: String,
    reason: &'static str,
}

/// What is counted of one sink. Its name comes from the configuration, so the label is bounded.
#[derive(Debug, Clone)]
pub(super) struct SinkMetrics {
    sink: String,
    attempts: Family<AttemptLabels, Counter>,
    dropped: Family<DroppedLabels, Counter>,
    queue: Gauge,
    /// 1 while the system is left alone because it does not answer.
    pub(super) open: Gauge,
    /// 1 when the system wants nothing any more.
    pub(super) gone: Gauge,
}

impl SinkMetrics {
    /// Counts an attempt.
    pub(super) fn attempt(&self, outcome: Attempt) {
        self.attempts.get_or_create(&self.of_attempt(outcome)).inc();
    }

    /// Counts an event that the system was never told of.
    pub(super) fn dropped(&self, reason: Dropped) {
        self.dropped.get_or_create(&self.of_dropped(reason)).inc();
    }

    /// Counters that are there from the start, so that a rise from none is seen as one.
    fn begin(&self) {
        for outcome in Attempt::ALL {
            drop(self.attempts.get_or_create(&self.of_attempt(outcome)));
        }
        for reason in Dropped::ALL {
            drop(self.dropped.get_or_create(&self.of_dropped(reason)));
        }
    }

    fn of_attempt(&self, outcome: Attempt) -> AttemptLabels {
        AttemptLabels { sink: self.sink.clone(), outcome: outcome.as_str() }
    }

    fn of_dropped(&self, reason: Dropped) -> DroppedLabels {
        DroppedLabels { sink: self.sink.clone(), reason: reason.as_str() }
    }

    /// Says how many events wait.
    pub(super) fn waiting(&self, events: usize) {
        self.queue.set(i64::try_from(events).unwrap_or(i64::MAX));
    }
}

/// Counters and gauges of pushing.
#[derive(Debug, Clone, Default)]
pub(super) struct Metrics {
    changes: Family<ChangeLabels, Counter>,
    attempts: Family<AttemptLabels, Counter>,
    dropped: Family<DroppedLabels, Counter>,
    queues: Family<SinkLabels, Gauge>,
    open: Family<SinkLabels, Gauge>,
    gone: Family<SinkLabels, Gauge>,
    /// 1 on the replica that pushes.
    pub(super) active: Gauge,
}

impl Metrics {
    /// Registers them under `engage_`, with the alerts of `board`.
    pub(super) fn register(&self, registry: &mut Registry, board: Arc<Board>) {
        let registry = registry.sub_registry_with_prefix("engage");
        registry.register("push_active", "Whether this replica is the one that pushes", self.active.clone());
        registry.register("alert_changes", "What happened to alerts", self.changes.clone());
        registry.register("push_attempts", "Attempts to tell a system something", self.attempts.clone());
        registry.register("push_dropped", "Events that a system was never told of", self.dropped.clone());
        registry.register("push_queue", "Events that wait for a system", self.queues.clone());
        registry.register("push_circuit_open", "Systems left alone for a while", self.open.clone());
        registry.register("push_gone", "Systems that want nothing any more", self.gone.clone());
        registry.register_collector(Box::new(Alerts(board)));
    }

    /// What is counted of the sink `name`.
    pub(super) fn of_sink(&self, name: &str) -> SinkMetrics {
        let labels = SinkLabels { sink: name.to_owned() };
        let counted = SinkMetrics {
            sink: name.to_owned(),
            attempts: self.attempts.clone(),
            dropped: self.dropped.clone(),
            queue: self.queues.get_or_create(&labels).clone(),
            open: self.open.get_or_create(&labels).clone(),
            gone: self.gone.get_or_create(&labels).clone(),
        };
        counted.begin();
        counted
    }

    /// Counts what happened to an alert.
    pub(super) fn changed(&self, happened: Happened) {
        self.changes.get_or_create(&ChangeLabels { happened: happened.as_str() }).inc();
    }
}

/// The alerts, counted when they are asked for.
#[derive(Debug)]
struct Alerts(Arc<Board>);

impl Collector for Alerts {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let mut numbers: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for severity in Severity::ALL {
            for state in [AlertState::Active, AlertState::Unknown] {
                numbers.insert((severity.as_str(), state.as_str()), 0);
            }
        }
        for alert in self.0.read(|state| state.alerts()) {
            *numbers.entry((alert.severity.as_str(), alert.state.as_str())).or_default() += 1;
        }
        let kind = ConstGauge::new(0i64).metric_type();
        let mut alerts = encoder.encode_descriptor("alerts", "Alerts that are not cleared", None, kind)?;
        for ((severity, state), number) in numbers {
            let labels = [("severity", severity), ("state", state)];
            ConstGauge::new(number).encode(alerts.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
