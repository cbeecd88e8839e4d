//! [`Alerts`]: the alerts that the broker keeps.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use people_counter_events::Alert;

use super::Outcome;

type Key = (String, String);

#[derive(Debug)]
struct Heard {
    alert: Arc<Alert>,
    /// The sync in which it was last heard.
    sync: u64,
}

/// The alerts by rule and target, a bounded number.
#[derive(Debug)]
pub(super) struct Alerts {
    alerts: BTreeMap<Key, Heard>,
    capacity: usize,
    /// The version of the state at which they last changed.
    pub(super) version: u64,
}

impl Alerts {
    /// Room for `capacity` alerts.
    pub(super) fn new(capacity: usize) -> Self {
        Self { alerts: BTreeMap::new(), capacity, version: 0 }
    }

    pub(super) fn take(&mut self, alert: Alert, sync: u64) -> Outcome {
        let key = (alert.rule.clone(), alert.target.clone());
        let full = self.alerts.len() >= self.capacity;
        match self.alerts.entry(key) {
            Entry::Vacant(_) if full => return Outcome::Refused,
            Entry::Vacant(free) => {
                free.insert(Heard { alert: Arc::new(alert), sync });
            }
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.sync = sync;
                if *known.alert == alert {
                    return Outcome::Unchanged;
                }
                known.alert = Arc::new(alert);
            }
        }
        Outcome::Changed
    }

    pub(super) fn clear(&mut self, rule: &str, target: &str) -> Outcome {
        match self.alerts.remove(&(rule.to_owned(), target.to_owned())) {
            Some(_) => Outcome::Changed,
            None => Outcome::Unchanged,
        }
    }

    /// Forgets what the broker did not send in this `sync`.
    pub(super) fn forget_unheard(&mut self, sync: u64) -> Outcome {
        let before = self.alerts.len();
        self.alerts.retain(|_, heard| heard.sync == sync);
        if self.alerts.len() == before { Outcome::Unchanged } else { Outcome::Changed }
    }

    /// All of them, by rule and target.
    pub(super) fn all(&self) -> Vec<Arc<Alert>> {
        self.alerts.values().map(|heard| Arc::clone(&heard.alert)).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use people_counter_events::{AlertState, AlertType, Severity};
    use uuid::Uuid;

    use super::super::samples::{BUCKET, NOW};
    use super::super::{Options, State};
    use super::*;

    fn state() -> State {
        let options =
            Options { devices: 1, tombstones: 1, alerts: 2, bucket: BUCKET.into(), ..Options::default() };
        State::new("e".into(), options)
    }

    pub(crate) fn alert(rule: &str, target: &str) -> Alert {
        Alert {
            kind: AlertType::Alert,
            rule: rule.into(),
            target: target.into(),
            state: AlertState::Active,
            severity: Severity::Warning,
            message: "more than there should be".into(),
            since_timestamp: NOW,
            value: Some(3),
            event_id: Uuid::nil(),
        }
    }

    fn names(state: &State) -> Vec<String> {
        state.alerts().iter().map(|alert| format!("{} {}", alert.rule, alert.target)).collect()
    }

    #[test]
    fn a_delta_has_the_alerts_only_when_they_changed() {
        let mut state = state();
        assert_eq!(state.alert(alert("b", "cam-1")), Outcome::Changed);
        assert_eq!(state.alert(alert("a", "cam-1")), Outcome::Changed);
        assert_eq!(names(&state), ["a cam-1", "b cam-1"]);
        let version = state.version();
        assert_eq!(state.changes_since(Some(version), NOW).alerts, None);
        assert_eq!(state.alert(alert("a", "cam-1")), Outcome::Unchanged);
        assert_eq!(state.version(), version, "nobody is woken for nothing");
        assert_eq!(state.alert_cleared("a", "cam-1"), Outcome::Changed);
        let changes = state.changes_since(Some(version), NOW);
        assert_eq!((changes.since, changes.alerts.map(|alerts| alerts.len())), (Some(version), Some(1)));
        assert_eq!(state.alert_cleared("a", "cam-1"), Outcome::Unchanged);
        assert_eq!(state.changes_since(None, NOW).alerts.map(|alerts| alerts.len()), Some(1));
    }

    #[test]
    fn alerts_are_bounded() {
        let mut state = state();
        for (target, outcome) in [
            ("a", Outcome::Changed),
            ("b", Outcome::Changed),
            ("c", Outcome::Refused),
            ("b", Outcome::Unchanged),
        ] {
            assert_eq!(state.alert(alert("rule", target)), outcome, "{target}");
        }
    }

    #[test]
    fn what_the_broker_no_longer_has_is_gone_after_a_sync() {
        let mut state = state();
        state.alert(alert("a", "cam-1"));
        state.alert(alert("b", "cam-1"));
        state.begin_sync();
        state.alert(alert("b", "cam-1"));
        assert_eq!(names(&state), ["a cam-1", "b cam-1"], "not before the end");
        state.complete_sync(NOW);
        assert_eq!(names(&state), ["b cam-1"]);
    }
}
