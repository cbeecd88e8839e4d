//! What somebody who knows a version is told.

use std::sync::Arc;

use people_counter_events::DeviceID;

use super::{Changes, Device, Id, Listed, ScopeID, State};

impl State {
    /// Everything that somebody with this `scope` may see, in no particular order.
    pub fn all(&self, scope: ScopeID, now: f64) -> Vec<Device> {
        self.changed(scope, 0, now).collect()
    }

    /// What changed after version `since`; everything there is, by id, if that is `None` or too long ago.
    pub fn changes_since(&self, since: Option<u64>, now: f64) -> Changes {
        let mut changes = self.next_changes(ScopeID::ALL, since, usize::MAX, now);
        if changes.since.is_none() {
            changes.devices.sort_unstable_by(|a, b| a.id().cmp(b.id()));
        }
        changes
    }

    /// The same for a `scope` and `most` devices at a time, those first that changed first. If there are
    /// more, the changes are not `whole` and lead to an earlier version than the newest.
    pub fn next_changes(&self, scope: ScopeID, since: Option<u64>, most: usize, now: f64) -> Changes {
        let since = self.reached(since);
        let mut devices: Vec<Device> =
            self.changed(scope, since.unwrap_or(0), now).take(most.saturating_add(1)).collect();
        let whole = devices.len() <= most;
        devices.truncate(most);
        let mut changes = self.told(scope, since, devices, whole);
        if let Some(since) = since {
            let removed = self.index.journal.removed_since(since);
            let removed = removed.take_while(|(version, _)| *version <= changes.version);
            let removed = removed.filter(|(_, id)| self.holds(scope, id));
            changes.removed = removed.map(|(_, id)| Id::clone(id)).collect();
        }
        changes
    }

    /// The same for these devices alone.
    pub fn next_changes_of(
        &self,
        listed: &Listed,
        scope: ScopeID,
        since: Option<u64>,
        most: usize,
        now: f64,
    ) -> Changes {
        let since = self.reached(since);
        let after = since.unwrap_or(0);
        let suspects: Vec<&DeviceID> = self.index.journal.suspects(listed, after).collect();
        let mut devices: Vec<Device> = suspects.iter().filter_map(|id| self.device(id, scope, now)).collect();
        devices.retain(|device| device.version > after);
        devices.sort_unstable_by_key(|device| device.version);
        let whole = devices.len() <= most;
        devices.truncate(most);
        let mut changes = self.told(scope, since, devices, whole);
        let gone = |id: &DeviceID| {
            let removal = self.index.journal.removal(id);
            removal.is_some_and(|version| version > after) && self.holds(scope, id)
        };
        if since.is_some() {
            let removed = suspects.into_iter().filter(|id| gone(id));
            changes.removed = removed.map(|id| Id::new(id.clone())).collect();
        }
        changes
    }

    fn told(&self, scope: ScopeID, since: Option<u64>, devices: Vec<Device>, whole: bool) -> Changes {
        let last = devices.last().map(|device| device.version).filter(|_| !whole);
        let version = last.unwrap_or(self.version());
        let (summary, alerts) = (self.summary(scope), self.alerts_since(scope, since));
        Changes { since, version, summary, devices, removed: Vec::new(), whole, alerts }
    }

    /// `since`, if the journal still knows everything that came after it.
    fn reached(&self, since: Option<u64>) -> Option<u64> {
        since.filter(|since| self.index.journal.reaches(*since))
    }

    fn changed(&self, scope: ScopeID, since: u64, now: f64) -> impl Iterator<Item = Device> {
        let ids = self.index.journal.changed_since(since);
        ids.filter_map(move |id| self.device(id, scope, now))
    }

    /// Ids of the devices that changed or went after `since`.
    pub fn touched_since(&self, since: u64) -> impl Iterator<Item = &Arc<DeviceID>> {
        let journal = &self.index.journal;
        journal.changed_since(since).chain(journal.removed_since(since).map(|(_, id)| id))
    }

    /// How many of these devices there are for somebody with this `scope`.
    pub fn count_of(&self, listed: &Listed, scope: ScopeID) -> usize {
        let shown = |id: &&DeviceID| {
            self.devices.get(*id).is_some_and(|entry| entry.shown.is_some() && entry.is_in(scope))
        };
        listed.ids().iter().filter(shown).count()
    }

    /// Whether anything that somebody with this `scope` may see changed or went after `since`; of these
    /// devices alone if they are `listed`.
    pub fn has_changed(&self, listed: Option<&Listed>, scope: ScopeID, since: u64) -> bool {
        let Some(listed) = listed else {
            return self.touched_since(since).any(|id| self.holds(scope, id));
        };
        let mut suspects = self.index.journal.suspects(listed, since);
        suspects.any(|id| {
            let shown = self.devices.get(id).and_then(|entry| entry.shown).map(|shown| shown.version());
            let last = shown.max(self.index.journal.removal(id));
            last.is_some_and(|version| version > since) && self.holds(scope, id)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{BUCKET, NOW, status};
    use super::super::{Cleared, Options, Receipt, Scope};
    use super::*;

    /// Devices of these names, one after the other; scope 0 holds those that start with `a`.
    fn state(names: &[&str]) -> State {
        let scopes = vec![Scope::new(&["a*".to_owned()]).unwrap()];
        let mut state =
            State::new("e".into(), Options { bucket: BUCKET.into(), scopes, ..Options::default() });
        for name in names {
            state.status(status(name, 1, 1), Receipt::live(NOW));
        }
        state
    }

    fn ids(names: &[&str]) -> Vec<DeviceID> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn listed(names: &[&str]) -> Listed {
        Listed::new(ids(names).into())
    }

    fn names(changes: &Changes) -> Vec<&str> {
        changes.devices.iter().map(|device| device.id().as_str()).collect()
    }

    fn remove(state: &mut State, name: &str) {
        state.cleared(&name.parse().unwrap(), Cleared::Status, NOW);
    }

    #[test]
    fn what_is_too_much_at_once_comes_in_parts_that_miss_nothing() {
        let mut state = state(&["a1", "b1", "a2", "b2", "a3"]);
        let first = state.next_changes(ScopeID::ALL, None, 2, NOW);
        assert_eq!((names(&first), first.version, first.whole), (vec!["a1", "b1"], 2, false));
        // meanwhile one that was told changes, one that was told goes, and so does one that was not
        state.status(status("a1", 1, 2), Receipt::live(NOW));
        let mut changed = status("a1", 1, 3);
        changed.spool_depth = 7;
        state.status(changed, Receipt::live(NOW));
        remove(&mut state, "b1");
        remove(&mut state, "b2");
        let second = state.next_changes(ScopeID::ALL, Some(2), 2, NOW);
        assert_eq!((names(&second), second.since, second.whole), (vec!["a2", "a3"], Some(2), false));
        assert!(second.removed.is_empty(), "they went later than the version this leads to");
        let third = state.next_changes(ScopeID::ALL, Some(second.version), 2, NOW);
        assert_eq!((names(&third), third.version, third.whole), (vec!["a1"], state.version(), true));
        assert_eq!(third.removed.len(), 2);
    }

    #[test]
    fn a_list_is_told_of_its_devices_alone() {
        let mut state = state(&["a1", "b1", "a2"]);
        let listed = listed(&["a2", "b1", "never-there"]);
        let all = state.next_changes_of(&listed, ScopeID::ALL, None, 9, NOW);
        assert_eq!((names(&all), all.summary.unknown), (vec!["b1", "a2"], 3));
        assert_eq!(state.count_of(&listed, ScopeID::ALL), 2);
        let known = state.version();
        assert!(!state.has_changed(Some(&listed), ScopeID::ALL, known));
        remove(&mut state, "a1");
        assert!(!state.has_changed(Some(&listed), ScopeID::ALL, known), "that is not one of them");
        assert!(state.has_changed(None, ScopeID::ALL, known));
        remove(&mut state, "b1");
        assert!(state.has_changed(Some(&listed), ScopeID::ALL, known));
        let delta = state.next_changes_of(&listed, ScopeID::ALL, Some(known), 9, NOW);
        assert_eq!((names(&delta).len(), delta.removed), (0, vec![Id::new("b1".parse().unwrap())]));
    }

    #[test]
    fn a_scope_hides_everything_else() {
        let scope = ScopeID::listed(0);
        let mut state = state(&["a1", "b1", "a2", "b2"]);
        let known = state.version();
        assert_eq!(names(&state.next_changes(scope, None, 9, NOW)), ["a1", "a2"]);
        assert_eq!(state.summary(scope).devices(), 2);
        assert_eq!(state.all(scope, NOW).len(), 2);
        assert!(state.device(&"b1".parse().unwrap(), scope, NOW).is_none());
        let listed = listed(&["a1", "b1"]);
        assert_eq!(names(&state.next_changes_of(&listed, scope, None, 9, NOW)), ["a1"]);
        assert_eq!(state.count_of(&listed, scope), 1);
        remove(&mut state, "b1");
        assert!(!state.has_changed(None, scope, known) && !state.has_changed(Some(&listed), scope, known));
        assert!(state.next_changes(scope, Some(known), 9, NOW).removed.is_empty());
        assert!(state.next_changes_of(&listed, scope, Some(known), 9, NOW).removed.is_empty());
        remove(&mut state, "a1");
        assert!(state.has_changed(None, scope, known) && state.has_changed(Some(&listed), scope, known));
        assert_eq!(state.next_changes(scope, Some(known), 9, NOW).removed.len(), 1);
        assert_eq!(state.summary(scope).devices(), 1);
        assert!(state.holds(scope, &ids(&["a9"])[0]) && !state.holds(scope, &ids(&["b9"])[0]));
    }
}
