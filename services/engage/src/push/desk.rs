//! [`Desk`]: runs the rules while this is the replica that pushes, and keeps the alerts at the broker.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use iot_mqtt::{Client, Delivery, Inbox, Message as Publication, PublishError};
use people_counter_events::{Alert, ServiceStatus, Topics, decode};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::election::Election;
use super::event::Event;
use super::metrics::Metrics;
use super::rules::{Change, Engine, Happened, Rule};
use super::sink::Entrance;
use crate::board::Board;
use crate::clock;

/// How often the rules are looked at.
const TICK: Duration = Duration::from_millis(250);

/// Longest wait for the broker to take an alert, before it is tried again.
const PATIENCE: Duration = Duration::from_secs(5);

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
    /// The sinks.
    pub(super) entrances: Vec<Entrance>,
}

/// What there is while this replica pushes.
struct Work {
    engine: Engine,
    /// The version of the state that the engine knows.
    version: u64,
    /// What happened and is not at the broker yet.
    pending: VecDeque<Pending>,
}

/// Something that happened.
struct Pending {
    change: Change,
    /// The sinks know.
    told: bool,
}

impl Desk {
    /// Ends when the client is closed.
    pub(super) async fn work(mut self, client: &Client, mut replicas: Inbox) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut connection = 0;
        let mut work = None;
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
                    self.tick(client, &mut work).await;
                }
            }
        }
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

    async fn tick(&mut self, client: &Client, work: &mut Option<Work>) {
        let connected = client.state().borrow().connected;
        // without the broker the state says nothing of the devices
        let current = connected && self.board.link().current;
        if !(self.election.is_active(Instant::now()) && current) {
            if work.take().is_some() {
                self.metrics.active.set(0);
                self.active.send_replace(false);
                let first = self.election.first().unwrap_or("nobody yet");
                tracing::info!(
                    "this replica no longer pushes: {}",
                    if current { first } else { "no broker" }
                );
            }
            return;
        }
        if work.is_none() {
            self.metrics.active.set(1);
            self.active.send_replace(true);
            tracing::info!(rules = self.rules.len(), "this replica pushes");
        }
        let work = work.get_or_insert_with(|| self.begin());
        self.observe(work);
        self.publish(client, work).await;
    }

    fn begin(&self) -> Work {
        let everything = self.board.read(|state| state.changes_since(None, clock::now()));
        let alerts = everything.alerts.iter().flatten().map(|alert| Alert::clone(alert));
        let mut engine = Engine::new(self.rules.clone(), alerts, self.max_alerts);
        everything.devices.iter().for_each(|device| engine.observe(device));
        Work { engine, version: everything.version, pending: VecDeque::new() }
    }

    fn observe(&self, work: &mut Work) {
        let now = clock::now();
        let changes = self.board.read(|state| state.changes_since(Some(work.version), now));
        if changes.since.is_none() {
            // more devices were removed at once than the state remembers
            let there: BTreeSet<&str> = changes.devices.iter().map(|device| device.id().as_str()).collect();
            work.engine.keep(|id| there.contains(id));
        }
        changes.devices.iter().for_each(|device| work.engine.observe(device));
        changes.removed.iter().for_each(|id| work.engine.remove(id));
        work.version = changes.version;
        let before = work.pending.len();
        let news = work.engine.tick(now).into_iter().map(|change| Pending { change, told: false });
        work.pending.extend(news);
        for Pending { change, .. } in work.pending.range(before..) {
            let Alert { rule, target, message, .. } = &change.alert;
            tracing::info!("alert {rule}/{target} {}: {message}", change.happened.as_str());
            self.metrics.changed(change.happened);
        }
    }

    /// Brings to the broker what happened, in its order; what fails stays for the next time.
    async fn publish(&self, client: &Client, work: &mut Work) {
        while let Some(Pending { change, told }) = work.pending.front_mut() {
            // An alert is at the broker before anybody is told, or a restart would raise it again under another
            // id. One that is over is told first: told again after a restart, it has the same id.
            if change.happened == Happened::Cleared && !std::mem::replace(told, true) {
                self.tell(change);
            }
            if let Err(error) = self.retain(client, change).await {
                tracing::warn!("the broker does not take an alert, it is tried again: {error}");
                return;
            }
            if !*told {
                self.tell(change);
            }
            work.pending.pop_front();
        }
    }

    fn tell(&self, change: &Change) {
        let event = Event::of(change);
        self.entrances.iter().for_each(|entrance| entrance.put(event.clone()));
    }

    async fn retain(&self, client: &Client, change: &Change) -> Result<(), PublishError> {
        let alert = &change.alert;
        let topic = self.topics.alerts.name(&[&alert.rule, &alert.target]);
        let topic = topic.expect("rules and targets have names that fit into topics");
        let message = match change.happened {
            Happened::Cleared => Publication::clear(topic),
            Happened::Raised | Happened::Unknown | Happened::Active => {
                let payload =
                    self.topics.alerts.encode(alert).expect("an alert has text keys and finite numbers");
                Publication::new(topic, payload).retained()
            }
        };
        client.publish(message.timeout(PATIENCE)).await.map(drop)
    }
}
