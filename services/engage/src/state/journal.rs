//! [`Journal`]: which device changed at which version.

use std::collections::{BTreeMap, HashMap};

use people_counter_events::DeviceID;

use super::Id;
use super::listed::{Listed, SLOTS, slot};

/// Every change gives its device the next version, so whoever knows a version can ask for what came after.
///
/// A device stands in the journal once, under the version of its last change. A removed one leaves a
/// tombstone; when there are more than the journal keeps, the oldest goes, and who knows only an older
/// version has to start afresh.
#[derive(Debug, Default)]
pub(super) struct Journal {
    version: u64,
    changed: BTreeMap<u64, Id>,
    removed: BTreeMap<u64, Id>,
    tombstones: HashMap<Id, u64>,
    latest: Latest,
    capacity: usize,
    forgotten: u64,
}

/// By slot, the version at which a device of it last changed or went.
#[derive(Debug)]
struct Latest(Box<[u64]>);

impl Default for Latest {
    fn default() -> Self {
        Self(vec![0; SLOTS].into())
    }
}

impl Journal {
    pub(super) fn new(tombstones: usize) -> Self {
        Self { capacity: tombstones, ..Self::default() }
    }

    /// The version of the last change, 0 before the first.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The next version, for a change that is about no device.
    pub(super) fn advance(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// Gives `id` the next version; `before` is the one it had.
    pub(super) fn touch(&mut self, id: &Id, before: Option<u64>) -> u64 {
        match before {
            Some(before) => {
                self.changed.remove(&before);
            }
            None => {
                if let Some(version) = self.tombstones.remove(id) {
                    self.removed.remove(&version);
                }
            }
        }
        self.version += 1;
        self.latest.0[usize::from(slot(id))] = self.version;
        self.changed.insert(self.version, Id::clone(id));
        self.version
    }

    /// Takes `id` out, whose last change was `before`.
    pub(super) fn remove(&mut self, id: &Id, before: u64) {
        self.changed.remove(&before);
        self.version += 1;
        self.latest.0[usize::from(slot(id))] = self.version;
        self.removed.insert(self.version, Id::clone(id));
        self.tombstones.insert(Id::clone(id), self.version);
        while self.removed.len() > self.capacity {
            if let Some((version, id)) = self.removed.pop_first() {
                self.tombstones.remove(&id);
                self.forgotten = version;
            }
        }
    }

    /// Whether the journal still knows everything that came after `version`.
    pub(super) fn reaches(&self, version: u64) -> bool {
        (self.forgotten..=self.version).contains(&version)
    }

    /// The version at which `id` was removed, unless it has come back or that is forgotten.
    pub(super) fn removal(&self, id: &DeviceID) -> Option<u64> {
        self.tombstones.get(id).copied()
    }

    /// Those of `listed` that may have changed or gone after `version`: all that have, and a few others.
    pub(super) fn suspects<'a>(
        &self,
        listed: &'a Listed,
        version: u64,
    ) -> impl Iterator<Item = &'a DeviceID> + use<'a, '_> {
        listed.with_slots(move |slot| self.latest.0[usize::from(slot)] > version)
    }

    /// The devices that changed after `version`, in the order of their last change.
    pub(super) fn changed_since(&self, version: u64) -> impl Iterator<Item = &Id> {
        self.changed.range(version + 1..).map(|(_, id)| id)
    }

    /// The devices that were removed after `version` and have not come back.
    pub(super) fn removed_since(&self, version: u64) -> impl Iterator<Item = (u64, &Id)> {
        self.removed.range(version + 1..).map(|(version, id)| (*version, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> Id {
        Id::new(name.parse().unwrap())
    }

    fn names<'a>(ids: impl Iterator<Item = &'a Id>) -> Vec<&'a str> {
        ids.map(|id| id.as_str()).collect()
    }

    fn removed(journal: &Journal, since: u64) -> Vec<&str> {
        journal.removed_since(since).map(|(_, id)| id.as_str()).collect()
    }

    #[test]
    fn a_device_stands_under_its_last_change() {
        let mut journal = Journal::new(8);
        let (a, b) = (id("a"), id("b"));
        let first = journal.touch(&a, None);
        journal.touch(&b, None);
        journal.touch(&a, Some(first));
        assert_eq!(journal.version(), 3);
        assert_eq!(names(journal.changed_since(0)), ["b", "a"]);
        assert_eq!(names(journal.changed_since(2)), ["a"]);
        assert_eq!(names(journal.changed_since(3)), [""; 0]);
    }

    #[test]
    fn a_removed_device_is_told_until_it_is_back() {
        let mut journal = Journal::new(8);
        let a = id("a");
        let version = journal.touch(&a, None);
        journal.remove(&a, version);
        assert_eq!(names(journal.changed_since(0)), [""; 0]);
        assert_eq!(removed(&journal, 1), ["a"]);
        assert_eq!((journal.removal(&a), journal.removal(&id("b"))), (Some(2), None));
        journal.touch(&a, None);
        assert_eq!(removed(&journal, 0), [""; 0]);
        assert_eq!(names(journal.changed_since(1)), ["a"]);
    }

    #[test]
    fn tombstones_are_bounded_and_the_journal_says_how_far_back_it_reaches() {
        let mut journal = Journal::new(2);
        for name in ["a", "b", "c"] {
            let id = id(name);
            let version = journal.touch(&id, None);
            journal.remove(&id, version);
        }
        assert_eq!(removed(&journal, 0), ["b", "c"]);
        assert!(!journal.reaches(1), "the removal of a is forgotten");
        assert!(journal.reaches(2) && journal.reaches(6));
        assert!(!journal.reaches(7), "that version has not been yet");
        assert_eq!(journal.tombstones.len(), 2);
    }
}
