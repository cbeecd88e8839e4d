//! [`Desk`]: runs the rules while this is the replica that pushes, and keeps the alerts at the broker.

use std::sync::Arc;
use std::time::Duration;

use iot_mqtt::{Client, Delivery, Inbox};
use people_counter_events::{ServiceStatus, Topics, decode};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::election::Election;
use super::metrics::Metrics;
use super::rules::Rule;
use super::sink::Entrance;
use super::work::{Outside, Work};
use crate::board::Board;

/// How often the rules are looked at.
const TICK: Duration = Duration::from_millis(250);

/// What the work needs.
pub(super) struct Desk {
    pub(super) rules: Vec<Rule>,
    pub(super) max_alerts: usize,
    pub(super) election: Election,
    pub(super) board: Arc<Board>,
    pub(super) topics: Topics,
    pub(super) metrics: Metrics,
    /// Tells the sinks whether this is the replica that pushes.
    pub(super) active: watch::Sender<bool>,
    /// The sinks that want to be told what happens.
    pub(super) entrances: Vec<Entrance>,
    /// While this is the replica that pushes.
    pub(super) work: Option<Work>,
}

impl Desk {
    /// Ends when the client is closed.
    pub(super) async fn work(&mut self, client: &Client, mut replicas: Inbox) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut connection = 0;
        loop {
            tokio::select! {
                biased;
                delivery = replicas.recv() => {
                    let Some(delivery) = delivery else { return };
                    self.follow(client, &mut connection);
                    self.heard(&delivery);
                    delivery.ack();
                }
                _ = ticks.tick() => {
                    self.follow(client, &mut connection);
                    self.tick(client).await;
                }
            }
        }
    }

    /// Brings to the broker what the sinks were told at the end, so that nobody tells it again.
    pub(super) async fn farewell(&mut self, client: &Client) {
        let Some(work) = &mut self.work else { return };
        work.settle(&self.entrances);
        work.publish(&Outside { client, topics: &self.topics, entrances: &[] }).await;
    }

    /// A new connection hears everything again.
    fn follow(&mut self, client: &Client, connection: &mut u64) {
        let current = client.connection();
        if std::mem::replace(connection, current) != current {
            self.election.lost();
        }
    }

    fn heard(&mut self, delivery: &Delivery) {
        let now = Instant::now();
        let params = self.topics.nodes.parse(delivery.topic()).unwrap_or_default();
        let &[_, instance] = params.as_slice() else { return };
        if delivery.payload().is_empty() {
            return self.election.cleared(instance, now);
        }
        match decode::<ServiceStatus>(&self.topics.nodes, delivery.topic(), delivery.payload()) {
            Ok(status) if status.instance == instance => self.election.heard(&status, now),
            // counted and logged by the reader of the nodes
            Ok(_) | Err(_) => {}
        }
    }

    async fn tick(&mut self, client: &Client) {
        let connected = client.state().borrow().connected;
        // without the broker the state says nothing of the devices
        let current = connected && self.board.link().current;
        if !(self.election.is_active(Instant::now()) && current) {
            if self.work.take().is_some() {
                self.metrics.active.set(0);
                self.active.send_replace(false);
                // whoever pushes next tells what is left, this replica or another
                self.entrances.iter().for_each(Entrance::clear);
                let first = self.election.first().unwrap_or("nobody yet");
                tracing::info!(
                    "this replica no longer pushes: {}",
                    if current { first } else { "no broker" }
                );
            }
            return;
        }
        if self.work.is_none() {
            self.metrics.active.set(1);
            self.active.send_replace(true);
            tracing::info!(rules = self.rules.len(), "this replica pushes");
        }
        let (board, entrances) = (&*self.board, &self.entrances[..]);
        let work = self
            .work
            .get_or_insert_with(|| Work::begin(self.rules.clone(), self.max_alerts, board, entrances));
        work.settle(entrances);
        work.observe(board, entrances, &self.metrics);
        work.publish(&Outside { client, topics: &self.topics, entrances }).await;
    }
}
