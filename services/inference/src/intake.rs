//! From the subscriptions to the desk: frames in their order, as many at once as there are workers and one
//! more, so that fetching the next picture hides behind the analysis of this one.

use std::sync::Arc;

use iot_chassis::Stop;
use iot_mqtt::{Delivery, Inbox};
use people_counter_events::{FrameStored, Order, decode};
use tokio::task::JoinSet;

use crate::compat;
use crate::frame::{Desk, Origin};
use crate::queue::{Queue, Unnecessary};

/// Where messages come from.
pub(crate) struct Inboxes {
    /// Announced frames, shared with the other nodes.
    pub(crate) frames: Inbox,
    /// Results of all nodes.
    pub(crate) results: Inbox,
    /// Announcements of the reference's services, shared with the other nodes.
    pub(crate) compat: Option<Inbox>,
}

/// What is kept with a frame until it is done.
type Waiting = (Delivery, Origin);

/// Takes frames and sees them through.
pub(crate) struct Intake {
    desk: Arc<Desk>,
    at_once: usize,
    queue: Queue<Waiting>,
    /// Frames of the reference's services are numbered as they arrive.
    arrival: Order,
}

impl Intake {
    /// `boot` numbers this start of the node, `at_once` frames are worked on at the same time.
    pub(crate) fn new(desk: Arc<Desk>, at_once: usize, boot: u64) -> Self {
        Self { desk, at_once, queue: Queue::new(), arrival: Order::new(boot, 0) }
    }

    /// Takes frames until `stop`, then finishes those that are under way.
    pub(crate) async fn run(mut self, mut inboxes: Inboxes, stop: Stop) -> anyhow::Result<()> {
        let mut under_way: JoinSet<anyhow::Result<()>> = JoinSet::new();
        loop {
            while under_way.len() < self.at_once {
                let Some((frame, (delivery, origin))) = self.queue.pop() else { break };
                let desk = self.desk.clone();
                under_way.spawn(async move {
                    desk.handle(&frame, origin).await?;
                    delivery.ack();
                    Ok(())
                });
            }
            let metrics = &self.desk.metrics;
            metrics.waiting.set(self.queue.len().try_into().unwrap_or(i64::MAX));
            metrics.under_way.set(under_way.len().try_into().unwrap_or(i64::MAX));
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = under_way.join_next() => ended??,
                delivery = inboxes.frames.recv() => {
                    let Some(delivery) = delivery else { break };
                    self.announced(delivery);
                }
                delivery = inboxes.results.recv() => {
                    let Some(delivery) = delivery else { break };
                    self.answered(delivery);
                }
                delivery = next(&mut inboxes.compat) => {
                    let Some(delivery) = delivery else { break };
                    self.announced_by_reference(delivery);
                }
            }
        }
        while let Some(ended) = under_way.join_next().await {
            ended??;
        }
        Ok(())
    }

    fn announced(&mut self, delivery: Delivery) {
        match decode(&self.desk.topics.frames, delivery.topic(), delivery.payload()) {
            Ok(frame) => self.push(frame, delivery, Origin::Device),
            Err(rejected) => self.reject(delivery, &rejected),
        }
    }

    fn announced_by_reference(&mut self, delivery: Delivery) {
        self.arrival.sequence += 1;
        match compat::read(delivery.payload(), self.arrival) {
            Ok(Some(frame)) => self.push(frame, delivery, Origin::Reference),
            Ok(None) => {
                delivery.ack();
            }
            Err(rejected) => self.reject(delivery, &rejected),
        }
    }

    /// Bounded by the receive maximum: nothing in the queue has been acknowledged.
    fn push(&mut self, frame: FrameStored, delivery: Delivery, origin: Origin) {
        let unnecessary = self.queue.push(frame, (delivery, origin));
        self.leave(unnecessary);
    }

    fn answered(&mut self, delivery: Delivery) {
        // a result that makes no sense is for engage to complain about
        if let Ok(result) = decode(&self.desk.topics.counts, delivery.topic(), delivery.payload()) {
            self.desk.answered().add(&result.device_id, result.order());
            self.desk.metrics.heard_results.inc();
            let unnecessary = self.queue.newer(&result.device_id, result.order());
            self.leave(unnecessary);
        }
        delivery.ack();
    }

    fn leave(&self, unnecessary: Vec<Unnecessary<Waiting>>) {
        for Unnecessary { with: (delivery, _), why } in unnecessary {
            self.desk.metrics.ended(why);
            delivery.ack();
        }
    }

    fn reject(&self, delivery: Delivery, rejected: &dyn std::error::Error) {
        self.desk.metrics.ended("rejected");
        tracing::warn!("rejected a frame: {rejected}");
        delivery.ack();
    }
}

/// The next message of an inbox that may not be there.
async fn next(inbox: &mut Option<Inbox>) -> Option<Delivery> {
    match inbox {
        Some(inbox) => inbox.recv().await,
        None => std::future::pending().await,
    }
}
