//! [`Retained`]: messages that the broker keeps, by what their topics name.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::Outcome;

#[derive(Debug)]
struct Heard<T> {
    message: Arc<T>,
    /// The sync in which it was last heard.
    sync: u64,
}

/// A bounded number of messages of one kind, the newest of each topic.
#[derive(Debug)]
pub(super) struct Retained<K, T> {
    messages: BTreeMap<K, Heard<T>>,
    capacity: usize,
}

impl<K: Ord, T: PartialEq> Retained<K, T> {
    /// Room for `capacity` messages.
    pub(super) fn new(capacity: usize) -> Self {
        Self { messages: BTreeMap::new(), capacity }
    }

    pub(super) fn take(&mut self, key: K, message: T, sync: u64) -> Outcome {
        let full = self.messages.len() >= self.capacity;
        match self.messages.entry(key) {
            Entry::Vacant(_) if full => return Outcome::Refused,
            Entry::Vacant(free) => {
                free.insert(Heard { message: Arc::new(message), sync });
            }
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.sync = sync;
                if *known.message == message {
                    return Outcome::Unchanged;
                }
                known.message = Arc::new(message);
            }
        }
        Outcome::Changed
    }

    pub(super) fn clear(&mut self, key: &K) -> Outcome {
        match self.messages.remove(key) {
            Some(_) => Outcome::Changed,
            None => Outcome::Unchanged,
        }
    }

    /// Forgets what the broker did not send in this `sync`.
    pub(super) fn forget_unheard(&mut self, sync: u64) -> Outcome {
        let before = self.messages.len();
        self.messages.retain(|_, heard| heard.sync == sync);
        if self.messages.len() == before { Outcome::Unchanged } else { Outcome::Changed }
    }

    /// All of them by their keys.
    pub(super) fn all(&self) -> Vec<Arc<T>> {
        self.messages.values().map(|heard| Arc::clone(&heard.message)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{BUCKET, NOW, alert};
    use super::super::{Options, State};
    use super::*;

    fn state() -> State {
        let options =
            Options { devices: 1, tombstones: 1, alerts: 2, bucket: BUCKET.into(), ..Options::default() };
        State::new("e".into(), options)
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
