//! What a device hears: its own retained messages, the results of its frames, and which nodes are online.

use iot_mqtt::Delivery;
use people_counter_events::{DeviceState, Order, Rejected, ServiceState, Topics, decode};

use super::work;
use super::worker::Worker;
use crate::ledger::{Change, Doubt, Instant, Seen, Verdict};

impl Worker {
    /// The device's own status: told from another connection, or from another process.
    pub(super) fn heard_status(&mut self, now: Instant, delivery: Delivery) {
        self.note_retained(now, &delivery);
        if delivery.payload().is_empty() {
            // somebody removed the device; it appears again with its next birth
            delivery.ack();
            return;
        }
        let read = self.read(delivery, |topics, name, payload| decode(&topics.status, name, payload));
        let Some(status) = read else { return };
        if !self.believe(status.boot_id) || self.ledger.boot().is_none() {
            return;
        }
        let own = (self.board.boot_id(), self.link.connection());
        if status.boot_id > own.0 {
            let problem = format!("another service runs under this device id since boot {}", status.boot_id);
            if self.problems.rival.as_ref() != Some(&problem) {
                tracing::warn!(device = %self.config.device, "{problem}; give each camera an id of its own");
                self.problems.rival = Some(problem);
            }
        } else if status.state == DeviceState::Offline && status.session() <= own {
            // a last will, late: say again that the device is there
            self.board.forget_published();
        }
    }

    /// A result of one of the device's frames.
    pub(super) fn heard_counts(&mut self, now: Instant, delivery: Delivery) {
        self.note_retained(now, &delivery);
        if delivery.payload().is_empty() {
            self.counts.cleared();
            delivery.ack();
            return;
        }
        let payload = delivery.payload().clone();
        let read = self.read(delivery, |topics, name, payload| decode(&topics.counts, name, payload));
        let Some(result) = read else { return };
        if !self.believe(result.boot_id) {
            return;
        }
        let seen = self.counts.saw(result.order(), result.frame_id, &payload);
        self.note_overtaken(work::Topic::Counts, seen, result.order());
        self.ledger.settle(result.order(), Verdict::Analysed);
    }

    /// A frame of the device could not be analysed.
    pub(super) fn heard_failure(&mut self, now: Instant, delivery: Delivery) {
        self.note_retained(now, &delivery);
        if delivery.payload().is_empty() {
            self.failure.cleared();
            delivery.ack();
            return;
        }
        let payload = delivery.payload().clone();
        let read = self.read(delivery, |topics, name, payload| decode(&topics.failure, name, payload));
        let Some(failure) = read else { return };
        if !self.believe(failure.boot_id) {
            return;
        }
        let seen = self.failure.saw(failure.order(), failure.frame_id, &payload);
        self.note_overtaken(work::Topic::Failure, seen, failure.order());
        self.ledger.settle(failure.order(), Verdict::Failed(failure.reason));
    }

    /// The status of an inference node.
    pub(super) fn heard_node(&mut self, now: Instant, delivery: Delivery) {
        self.note_retained(now, &delivery);
        let instance = match self.around.topics.nodes.parse(delivery.topic()).as_deref() {
            Some([_service, instance]) => (*instance).to_owned(),
            _ => {
                delivery.ack();
                return;
            }
        };
        let online = if delivery.payload().is_empty() {
            delivery.ack();
            false
        } else {
            let read = self.read(delivery, |topics, name, payload| decode(&topics.nodes, name, payload));
            let Some(status) = read else { return };
            status.state == ServiceState::Online
        };
        match self.nodes.saw(now, &instance, online) {
            Change::None => {}
            // nobody took what was announced before it came
            Change::First => self.ledger.hurry(now, Doubt::Lost),
            Change::Gone => self.ledger.hurry(now, Doubt::Perhaps),
        }
    }

    fn note_retained(&mut self, now: Instant, delivery: &Delivery) {
        if delivery.retained() {
            self.link.heard_retained(now);
        }
    }

    /// Decodes and acknowledges a message; what makes no sense is counted and named.
    fn read<T>(
        &mut self,
        delivery: Delivery,
        decode: impl FnOnce(&Topics, &str, &[u8]) -> Result<T, Rejected>,
    ) -> Option<T> {
        let result = decode(&self.around.topics, delivery.topic(), delivery.payload());
        if let Err(rejected) = &result {
            let (device, topic) = (&self.config.device, delivery.topic());
            self.metrics.rejected(rejected.code());
            tracing::warn!(%device, topic, reason = rejected.code(), "not understood: {rejected}");
        }
        delivery.ack();
        result.ok()
    }

    /// Whether a boot id can be one; it is remembered for the choice of the own.
    fn believe(&mut self, boot_id: u64) -> bool {
        let believed = self.boot.saw(boot_id);
        if !believed {
            self.metrics.rejected("boot-id");
            tracing::warn!(device = %self.config.device, boot_id, "ignored a message with an absurd boot id");
        }
        believed
    }

    fn note_overtaken(&self, topic: work::Topic, seen: Seen, order: Order) {
        if seen == Seen::Overtook {
            tracing::info!(device = %self.config.device, ?topic, ?order, "an older message overtook the newest");
        }
    }
}
