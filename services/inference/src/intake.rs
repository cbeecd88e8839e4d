//! From the subscription to the desk: frames in their order, as many at once as there are workers and one
//! more, so that fetching the next picture hides behind the analysis of this one.

use std::sync::Arc;

use iot_chassis::Stop;
use iot_mqtt::{Delivery, Inbox};
use people_counter_events::{FrameStored, decode};
use tokio::task::JoinSet;

use crate::frame::Desk;
use crate::queue::Queue;

/// Takes frames until `stop`, then finishes those that are under way.
pub(crate) async fn run(desk: Arc<Desk>, mut inbox: Inbox, at_once: usize, stop: Stop) -> anyhow::Result<()> {
    let mut queue: Queue<Delivery> = Queue::new();
    let mut under_way: JoinSet<anyhow::Result<()>> = JoinSet::new();
    loop {
        while under_way.len() < at_once {
            let Some((frame, delivery, superseded)) = queue.pop() else { break };
            if superseded {
                desk.metrics.ended("superseded");
                delivery.ack();
                continue;
            }
            let desk = desk.clone();
            under_way.spawn(async move {
                desk.handle(&frame).await?;
                delivery.ack();
                Ok(())
            });
        }
        desk.metrics.waiting.set(queue.len().try_into().unwrap_or(i64::MAX));
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = under_way.join_next() => ended??,
            delivery = inbox.recv() => {
                let Some(delivery) = delivery else { break };
                // bounded by the receive maximum: nothing here has been acknowledged
                if let Some(frame) = read(&desk, &delivery) {
                    queue.push(frame, delivery);
                } else {
                    delivery.ack();
                }
            }
        }
    }
    while let Some(ended) = under_way.join_next().await {
        ended??;
    }
    Ok(())
}

fn read(desk: &Desk, delivery: &Delivery) -> Option<FrameStored> {
    match decode(&desk.topics.frames, delivery.topic(), delivery.payload()) {
        Ok(frame) => Some(frame),
        Err(rejected) => {
            desk.metrics.ended("rejected");
            tracing::warn!("rejected a frame: {rejected}");
            None
        }
    }
}
