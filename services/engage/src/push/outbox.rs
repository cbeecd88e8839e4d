//! [`Outbox`]: what happened and is not told everywhere, so that nothing is lost when this replica is killed. Pure.
//!
//! The broker keeps each event before the alert changes and before anybody is told, and forgets it once every sink
//! has been told or given up. Whoever pushes next tells what is left; an event that was told already, but not
//! forgotten yet, is told again under the same id.

use std::collections::{BTreeMap, BTreeSet};

use people_counter_events::{Alert, AlertEvent, AlertEventType, Happened};
use uuid::Uuid;

use super::event::{Event, Kind};
use super::rules::{Key, key};

/// The events that are not told everywhere.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    events: BTreeMap<Uuid, AlertEvent>,
}

/// What a predecessor has left, put in order.
#[derive(Debug, PartialEq)]
pub(super) struct Left {
    /// The alerts to go on with.
    pub(super) alerts: Vec<Alert>,
    /// Those of them that the broker does not keep like that.
    pub(super) to_keep: Vec<Alert>,
    /// Those that are over, and that the broker still keeps.
    pub(super) to_clear: Vec<Alert>,
}

impl Outbox {
    /// Goes on with the `events` that a predecessor has left; only `sinks` are there to be told. Gives those back, in
    /// the order of their time, that are to be told, and the ids of those of which the broker keeps something else.
    pub(super) fn resume(
        events: impl IntoIterator<Item = AlertEvent>,
        sinks: &BTreeSet<&str>,
    ) -> (Self, Vec<Uuid>, Vec<Uuid>) {
        let mut outbox = Self::default();
        let (mut order, mut changed) = (Vec::new(), Vec::new());
        for mut event in events {
            let before = event.sinks.len();
            event.sinks.retain(|name| sinks.contains(name.as_str()));
            let id = event.event_id;
            if event.sinks.len() != before {
                changed.push(id);
            }
            if !event.sinks.is_empty() {
                order.push((event.timestamp, id));
            }
            outbox.events.insert(id, event);
        }
        order.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        (outbox, order.into_iter().map(|(_, id)| id).collect(), changed)
    }

    /// Adds what happened, to be told to these sinks.
    pub(super) fn add(&mut self, event: &Event, sinks: impl Iterator<Item = String>) {
        let Kind::Alert(happened) = event.kind else { return };
        let kept = AlertEvent {
            kind: AlertEventType::Event,
            event_id: event.id,
            happened,
            timestamp: event.at,
            alert: event.alert.clone(),
            sinks: sinks.collect(),
        };
        self.events.insert(event.id, kept);
    }

    /// Takes it that a sink has been told an event, or that it is given up; `true` if that is news, so that the broker
    /// is to keep something else of it.
    pub(super) fn settle(&mut self, sink: &str, id: Uuid) -> bool {
        let Some(event) = self.events.get_mut(&id) else { return false };
        let before = event.sinks.len();
        event.sinks.retain(|name| name != sink);
        event.sinks.len() != before
    }

    /// What the broker is to keep of an event.
    pub(super) fn get(&self, id: Uuid) -> Option<&AlertEvent> {
        self.events.get(&id)
    }

    /// Forgets an event if everybody has been told; the broker has forgotten it.
    pub(super) fn forget(&mut self, id: Uuid) {
        if self.events.get(&id).is_some_and(|event| event.sinks.is_empty()) {
            self.events.remove(&id);
        }
    }
}

/// Compares the `alerts` that the broker keeps with the `events` that were still to be told: the broker may have got
/// an event and not the alert after it.
pub(super) fn reconcile(alerts: impl IntoIterator<Item = Alert>, events: &[AlertEvent]) -> Left {
    let mut alerts: BTreeMap<Key, Alert> = alerts.into_iter().map(|alert| (key(&alert), alert)).collect();
    let mut last: BTreeMap<Key, &AlertEvent> = BTreeMap::new();
    for event in events {
        let known = last.entry(key(&event.alert)).or_insert(event);
        if event.timestamp >= known.timestamp {
            *known = event;
        }
    }
    let (mut to_keep, mut to_clear) = (Vec::new(), Vec::new());
    for (name, event) in last {
        let alert = alerts.get(&name);
        // an event about an alert before this one says nothing about it
        if alert.is_some_and(|alert| alert.event_id != event.alert.event_id) {
            continue;
        }
        match event.happened {
            Happened::Cleared => to_clear.extend(alerts.remove(&name)),
            Happened::Raised | Happened::Unknown | Happened::Active => {
                if alert != Some(&event.alert) {
                    to_keep.push(event.alert.clone());
                    alerts.insert(name, event.alert.clone());
                }
            }
        }
    }
    Left { alerts: alerts.into_values().collect(), to_keep, to_clear }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::samples::{NOW, alert as sample};

    fn alert(target: &str) -> Alert {
        let mut alert = sample("rule", target);
        alert.event_id = Uuid::new_v5(&Uuid::NAMESPACE_OID, target.as_bytes());
        alert
    }

    fn event(happened: Happened, at: f64, alert: &Alert) -> AlertEvent {
        let change = crate::push::rules::Change { happened, alert: alert.clone(), at: NOW + at };
        let mut outbox = Outbox::default();
        let event = Event::of(&change);
        outbox.add(&event, ["a", "b"].into_iter().map(str::to_owned));
        outbox.get(event.id).unwrap().clone()
    }

    #[test]
    fn an_event_stays_until_every_sink_is_settled() {
        let event = event(Happened::Raised, 0.0, &alert("cam-1"));
        let id = event.event_id;
        let (mut outbox, order, changed) = Outbox::resume([event], &BTreeSet::from(["a", "b"]));
        assert_eq!((order, changed), (vec![id], Vec::new()));
        assert!(outbox.settle("a", id));
        assert!(!outbox.settle("a", id) && !outbox.settle("c", id), "nothing new");
        outbox.forget(id);
        assert_eq!(outbox.get(id).unwrap().sinks, ["b"]);
        assert!(outbox.settle("b", id));
        outbox.forget(id);
        assert_eq!(outbox.get(id), None);
        assert!(!outbox.settle("b", id));
    }

    #[test]
    fn what_is_left_is_told_in_its_order_to_sinks_that_are_still_there() {
        let late = event(Happened::Cleared, 5.0, &alert("cam-1"));
        let mut early = event(Happened::Raised, 1.0, &alert("cam-1"));
        early.sinks = vec!["gone".into(), "b".into()];
        let mut nobody = event(Happened::Raised, 2.0, &alert("cam-2"));
        nobody.sinks = vec!["gone".into()];
        let ids = [early.event_id, late.event_id, nobody.event_id];
        let (outbox, order, changed) = Outbox::resume([late, early, nobody], &BTreeSet::from(["a", "b"]));
        assert_eq!(order, ids[..2]);
        assert_eq!(changed, [ids[0], ids[2]]);
        assert_eq!(outbox.get(ids[0]).unwrap().sinks, ["b"]);
        assert!(outbox.get(ids[2]).unwrap().sinks.is_empty(), "the broker is to forget it");
    }

    #[test]
    fn an_alert_that_the_broker_did_not_get_any_more_is_known_from_its_event() {
        let (raised, over, known, other) = (alert("raised"), alert("over"), alert("known"), alert("other"));
        let mut unknown = known.clone();
        unknown.state = people_counter_events::AlertState::Unknown;
        let mut before = other.clone();
        before.event_id = Uuid::nil();
        let events = [
            event(Happened::Raised, 1.0, &raised),
            event(Happened::Cleared, 3.0, &over),
            event(Happened::Raised, 2.0, &over),
            event(Happened::Unknown, 4.0, &unknown),
            event(Happened::Cleared, 4.0, &before),
        ];
        let left = reconcile([over.clone(), known, other.clone()], &events);
        assert_eq!(left.alerts, [unknown.clone(), other.clone(), raised.clone()]);
        assert_eq!(left.to_keep, [unknown, raised]);
        assert_eq!(left.to_clear, std::slice::from_ref(&over));
        // one that was told everywhere left no event, and neither did one that was cleared to the end
        let settled = reconcile([other.clone()], &[]);
        assert_eq!(settled, Left { alerts: vec![other], to_keep: Vec::new(), to_clear: Vec::new() });
        let gone = reconcile([], &[event(Happened::Cleared, 3.0, &over)]);
        assert_eq!(gone, Left { alerts: Vec::new(), to_keep: Vec::new(), to_clear: Vec::new() });
    }
}
