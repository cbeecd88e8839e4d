//! What the service counts; everything under `engage_`.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use crate::board::Board;
use crate::state::{Condition, Outcome, ScopeID};

/// A kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Kind {
    /// A device's status.
    Status,
    /// A result.
    Counts,
    /// A failure.
    Failure,
    /// A node's status.
    Node,
    /// An alert.
    Alert,
    /// An event about an alert that somebody is still to be told.
    AlertEvent,
    /// A condition that does not hold for long enough yet.
    AlertWait,
}

/// How a viewer's session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Ended {
    /// The viewer left, or its connection broke.
    Left,
    /// It did not acknowledge in time.
    Silent,
    /// It sent more than it may.
    Flooding,
    /// It sent what the protocol does not know.
    Protocol,
    /// What it asked for is more than the service can follow now.
    Refused,
    /// Its login has ended.
    Expired,
    /// The service stopped.
    Stopped,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MessageLabels {
    kind: Kind,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RejectedLabels {
    kind: Kind,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndedLabels {
    reason: Ended,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NodeLabels {
    service: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PictureLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoginLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResponseLabels {
    class: &'static str,
}

/// Counters and gauges of one service instance.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    messages: Family<MessageLabels, Counter>,
    rejected: Family<RejectedLabels, Counter>,
    pictures: Family<PictureLabels, Counter>,
    responses: Family<ResponseLabels, Counter>,
    logins: Family<LoginLabels, Counter>,
    sessions_ended: Family<EndedLabels, Counter>,
    connections_refused: Family<RefusedLabels, Counter>,
    nodes: Family<NodeLabels, Gauge>,
    /// Connections that had to wait for their turn.
    pub connections_delayed: Counter,
    /// Viewers connected now.
    pub viewers: Gauge,
    /// Viewers turned away because there were too many.
    pub viewers_refused: Counter,
    /// Messages written to viewers.
    pub messages_sent: Counter,
    /// Bytes of these.
    pub bytes_sent: Counter,
    /// Messages made for viewers; many share one.
    pub messages_made: Counter,
    /// Times that everything the broker keeps had been read after a connect.
    pub syncs: Counter,
    /// How long the last of these took.
    pub sync_seconds: Gauge<f64, AtomicU64>,
}

impl Metrics {
    /// Registers them under `engage_`, with the sums of `board`.
    pub fn register(&self, registry: &mut Registry, board: Arc<Board>) {
        let registry = registry.sub_registry_with_prefix("engage");
        registry.register("messages", "Messages taken from the broker", self.messages.clone());
        registry.register("rejected", "Messages that were not taken", self.rejected.clone());
        registry.register("pictures", "Pictures that were asked for", self.pictures.clone());
        registry.register("http_responses", "HTTP responses", self.responses.clone());
        registry.register("logins", "Logins that were tried", self.logins.clone());
        registry.register("nodes_online", "Nodes at work", self.nodes.clone());
        let refused = self.connections_refused.clone();
        registry.register("connections_refused", "Connections that were closed at once", refused);
        let delayed = self.connections_delayed.clone();
        registry.register("connections_delayed", "Connections that had to wait for their turn", delayed);
        registry.register("viewers", "Viewers connected now", self.viewers.clone());
        registry.register("viewers_refused", "Viewers over the limit", self.viewers_refused.clone());
        registry.register("viewers_ended", "Viewers that are gone", self.sessions_ended.clone());
        registry.register("stream_messages", "Messages written to viewers", self.messages_sent.clone());
        registry.register("stream_bytes", "Bytes written to viewers", self.bytes_sent.clone());
        registry.register("stream_messages_made", "Messages made for viewers", self.messages_made.clone());
        registry.register("syncs", "Times that the broker's messages were read", self.syncs.clone());
        registry.register("sync_seconds", "How long the last of these took", self.sync_seconds.clone());
        registry.register_collector(Box::new(Sums(board)));
    }

    /// Counts a message that was taken.
    pub fn message(&self, kind: Kind, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Changed => "changed",
            Outcome::Unchanged => "unchanged",
            Outcome::Superseded => "superseded",
            Outcome::Hidden => "hidden",
            Outcome::Refused => "refused",
        };
        self.messages.get_or_create(&MessageLabels { kind, outcome }).inc();
    }

    /// Counts a message that was not taken.
    pub fn rejected(&self, kind: Kind, code: &'static str) {
        self.rejected.get_or_create(&RejectedLabels { kind, code }).inc();
    }

    /// Counts a picture that was asked for.
    pub fn picture(&self, outcome: &'static str) {
        self.pictures.get_or_create(&PictureLabels { outcome }).inc();
    }

    /// Counts a response.
    pub fn response(&self, status: u16) {
        let class = match status {
            100..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
        self.responses.get_or_create(&ResponseLabels { class }).inc();
    }

    /// Counts a login: `right`, `wrong`, `too-many` to be looked at, or what else kept somebody out.
    pub fn login(&self, outcome: &'static str) {
        self.logins.get_or_create(&LoginLabels { outcome }).inc();
    }

    /// Says how many nodes are at work.
    pub fn nodes_online(&self, inference: usize, engage: usize) {
        for (service, number) in [("inference", inference), ("engage", engage)] {
            let gauge = self.nodes.get_or_create(&NodeLabels { service });
            gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
        }
    }

    /// Counts a connection that was closed at once: over the `limit`, or over the `rate`.
    pub fn connection_refused(&self, reason: &'static str) {
        self.connections_refused.get_or_create(&RefusedLabels { reason }).inc();
    }

    /// Counts a session that ended.
    pub fn ended(&self, reason: Ended) {
        self.sessions_ended.get_or_create(&EndedLabels { reason }).inc();
    }
}

/// The sums of the state, read when they are asked for.
#[derive(Debug)]
struct Sums(Arc<Board>);

impl Collector for Sums {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let (summary, hidden) = self.0.read(|state| (state.summary(ScopeID::ALL), state.hidden()));
        let count = |number: u64| ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
        let people = count(summary.people);
        people.encode(encoder.encode_descriptor(
            "people",
            "People counted by the live devices",
            None,
            people.metric_type(),
        )?)?;
        let hidden = count(hidden as u64);
        hidden.encode(encoder.encode_descriptor(
            "devices_hidden",
            "Devices with results but no status",
            None,
            hidden.metric_type(),
        )?)?;
        let mut devices =
            encoder.encode_descriptor("devices", "Devices by state", None, people.metric_type())?;
        for condition in Condition::ALL {
            let labels = [("state", condition.as_str())];
            count(summary.of(condition)).encode(devices.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
