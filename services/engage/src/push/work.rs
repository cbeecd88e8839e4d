//! [`Work`]: what the replica that pushes has under way: its rules, and what broker and sinks are still to be told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use iot_mqtt::{Client, Message as Publication, PublishError};
use people_counter_events::{Alert, AlertEvent, AlertWait, Happened, Topics};
use uuid::Uuid;

use super::event::Event;
use super::metrics::Metrics;
use super::outbox::{Left, Outbox, reconcile};
use super::rules::{Engine, Key, Rule};
use super::sink::Entrance;
use crate::board::Board;
use crate::clock;

/// Longest wait for the broker to take a message, before it is tried again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Messages on their way at once whose order does not matter.
const CONCURRENT: usize = 64;

/// What there is while this replica pushes.
pub(super) struct Work {
    engine: Engine,
    /// The version of the state that the engine knows.
    version: u64,
    outbox: Outbox,
    /// What is to be done, in this order.
    steps: VecDeque<Step>,
    /// Events of which the broker is to keep something else, in any order.
    settled: BTreeSet<Uuid>,
    /// Waits that the broker is to keep, or to forget, in any order.
    waits: BTreeMap<Key, Option<AlertWait>>,
}

/// A step until everybody knows what happened.
enum Step {
    /// The broker keeps an event until it is told everywhere.
    Event(Uuid),
    /// The broker keeps an alert.
    Keep(Alert),
    /// The broker forgets an alert.
    Clear(Alert),
    /// The sinks are told.
    Tell(Uuid),
}

/// Whom it is done for.
pub(super) struct Outside<'a> {
    pub(super) client: &'a Client,
    pub(super) topics: &'a Topics,
    pub(super) entrances: &'a [Entrance],
}

impl Work {
    /// Goes on where a predecessor stopped, as far as the broker knows.
    pub(super) fn begin(rules: Vec<Rule>, max_alerts: usize, board: &Board, entrances: &[Entrance]) -> Self {
        let (everything, events, waits) = board.read(|state| {
            (state.changes_since(None, clock::now()), state.alert_events(), state.alert_waits())
        });
        let alerts = everything.alerts.iter().flatten().map(|alert| Alert::clone(alert));
        let events: Vec<AlertEvent> = events.iter().map(|event| AlertEvent::clone(event)).collect();
        let Left { alerts, to_keep, to_clear } = reconcile(alerts, &events);
        let sinks = entrances.iter().map(|entrance| entrance.name.as_str()).collect();
        let (outbox, to_tell, settled) = Outbox::resume(events, &sinks);
        if !to_tell.is_empty() {
            tracing::info!(events = to_tell.len(), "telling what was left to be told");
        }
        let steps = to_keep.into_iter().map(Step::Keep);
        let steps = steps.chain(to_clear.into_iter().map(Step::Clear));
        let steps = steps.chain(to_tell.into_iter().map(Step::Tell)).collect();
        let waits = waits.iter().map(|wait| AlertWait::clone(wait));
        let mut engine = Engine::new(rules, alerts, waits, max_alerts);
        everything.devices.iter().for_each(|device| engine.observe(device));
        let settled = settled.into_iter().collect();
        Self { engine, version: everything.version, outbox, steps, settled, waits: BTreeMap::new() }
    }

    /// Looks at what changed since the last time.
    pub(super) fn observe(&mut self, board: &Board, entrances: &[Entrance], metrics: &Metrics) {
        let now = clock::now();
        let changes = board.read(|state| state.changes_since(Some(self.version), now));
        if changes.since.is_none() {
            // more devices were removed at once than the state remembers
            let there: BTreeSet<&str> = changes.devices.iter().map(|device| device.id().as_str()).collect();
            self.engine.keep(|id| there.contains(id));
        }
        changes.devices.iter().for_each(|device| self.engine.observe(device));
        changes.removed.iter().for_each(|id| self.engine.remove(id));
        self.version = changes.version;
        for change in self.engine.tick(now) {
            let Alert { rule, target, message, .. } = &change.alert;
            tracing::info!("alert {rule}/{target} {}: {message}", change.happened.as_str());
            metrics.changed(change.happened);
            let event = Event::of(&change);
            let to_be_told = !entrances.is_empty();
            if to_be_told {
                self.outbox.add(&event, entrances.iter().map(|entrance| entrance.name.clone()));
                self.steps.push_back(Step::Event(event.id));
            }
            self.steps.push_back(match change.happened {
                Happened::Cleared => Step::Clear(change.alert),
                Happened::Raised | Happened::Unknown | Happened::Active => Step::Keep(change.alert),
            });
            if to_be_told {
                self.steps.push_back(Step::Tell(event.id));
            }
        }
        self.waits.extend(self.engine.take_waits());
    }

    /// Takes notice of what the sinks were told.
    pub(super) fn settle(&mut self, entrances: &[Entrance]) {
        for entrance in entrances {
            for id in entrance.take_settled() {
                if self.outbox.settle(&entrance.name, id) {
                    self.settled.insert(id);
                }
            }
        }
    }

    /// Does what is to be done; what fails stays for the next time.
    pub(super) async fn publish(&mut self, outside: &Outside<'_>) {
        if let Err(error) = self.try_publish(outside).await {
            tracing::warn!(
                "the broker does not take what is to be kept about alerts, it is tried again: {error}"
            );
        }
    }

    async fn try_publish(&mut self, outside: &Outside<'_>) -> Result<(), PublishError> {
        while let Some(step) = self.steps.front() {
            match step {
                Step::Event(id) => outside.event(&self.outbox, *id).await?,
                Step::Keep(alert) => outside.alert(alert).await?,
                Step::Clear(alert) => outside.clear(alert).await?,
                Step::Tell(id) => outside.tell(&self.outbox, *id),
            }
            self.steps.pop_front();
        }
        let ids: Vec<Uuid> = self.settled.iter().copied().collect();
        let outbox = &self.outbox;
        let published = stream::iter(ids).map(|id| async move { (id, outside.event(outbox, id).await) });
        let published: Vec<_> = published.buffer_unordered(CONCURRENT).collect().await;
        for (id, outcome) in published {
            outcome?;
            self.settled.remove(&id);
            self.outbox.forget(id);
        }
        let waits: Vec<_> = self.waits.iter().map(|(name, wait)| (name.clone(), wait.clone())).collect();
        let published = stream::iter(waits).map(|(name, wait)| async move {
            let outcome = outside.wait(&name, wait.as_ref()).await;
            (name, outcome)
        });
        let published: Vec<_> = published.buffer_unordered(CONCURRENT).collect().await;
        for (name, outcome) in published {
            outcome?;
            self.waits.remove(&name);
        }
        Ok(())
    }
}

impl Outside<'_> {
    async fn event(&self, outbox: &Outbox, id: Uuid) -> Result<(), PublishError> {
        let Some(event) = outbox.get(id) else { return Ok(()) };
        let topic = self.topics.events.name(&[&event.alert.rule, &event.alert.target, &id.to_string()]);
        let topic = topic.expect("rules, targets and ids have names that fit into topics");
        if event.sinks.is_empty() {
            return self.send(Publication::clear(topic)).await;
        }
        let payload = self.topics.events.encode(event).expect("an event has text keys and finite numbers");
        self.send(Publication::new(topic, payload).retained()).await
    }

    async fn alert(&self, alert: &Alert) -> Result<(), PublishError> {
        let payload = self.topics.alerts.encode(alert).expect("an alert has text keys and finite numbers");
        self.send(Publication::new(self.topic_of(alert), payload).retained()).await
    }

    async fn clear(&self, alert: &Alert) -> Result<(), PublishError> {
        self.send(Publication::clear(self.topic_of(alert))).await
    }

    async fn wait(&self, (rule, target): &Key, wait: Option<&AlertWait>) -> Result<(), PublishError> {
        let topic = self.topics.waits.name(&[rule, target]);
        let topic = topic.expect("rules and targets have names that fit into topics");
        let Some(wait) = wait else { return self.send(Publication::clear(topic)).await };
        let payload = self.topics.waits.encode(wait).expect("a wait has text keys and finite numbers");
        self.send(Publication::new(topic, payload).retained()).await
    }

    fn topic_of(&self, alert: &Alert) -> String {
        let topic = self.topics.alerts.name(&[&alert.rule, &alert.target]);
        topic.expect("rules and targets have names that fit into topics")
    }

    async fn send(&self, message: Publication) -> Result<(), PublishError> {
        self.client.publish(message.timeout(PATIENCE)).await.map(drop)
    }

    fn tell(&self, outbox: &Outbox, id: Uuid) {
        let Some(event) = outbox.get(id) else { return };
        for entrance in self.entrances.iter().filter(|entrance| event.sinks.contains(&entrance.name)) {
            entrance.put(Event::left(event));
        }
    }
}
