//! [`Index`]: what is kept up to date about all devices, so that nothing has to look at all of them.

use std::collections::BTreeSet;

use super::entry::Entry;
use super::journal::Journal;
use super::scope::ScopeID;
use super::view::{Condition, Summary};
use super::{Id, Outcome};

/// What the index holds of one device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    version: u64,
    condition: Condition,
    count: u32,
    ends: Option<f64>,
}

impl Shown {
    pub(super) fn condition(self) -> Condition {
        self.condition
    }

    pub(super) fn version(self) -> u64 {
        self.version
    }
}

/// The journal, the sums and the deadlines.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) journal: Journal,
    /// By scope, the one of all devices first.
    summaries: Vec<Summary>,
    deadlines: BTreeSet<(u64, Id)>,
}

impl Index {
    /// An index with sums for all devices and for each of `scopes`.
    pub(super) fn new(tombstones: usize, scopes: usize) -> Self {
        let summaries = vec![Summary::default(); scopes + 1];
        Self { journal: Journal::new(tombstones), summaries, ..Self::default() }
    }

    pub(super) fn summary(&self, scope: ScopeID) -> Summary {
        self.summaries.get(usize::from(scope.0)).copied().unwrap_or_default()
    }

    /// Brings the index up to date after `entry` may have changed. `changed` says that viewers see a
    /// difference even if the state is the same.
    pub(super) fn settle(&mut self, id: &Id, entry: &mut Entry, changed: bool, now: f64) -> Outcome {
        let before = entry.shown;
        let Some((condition, ends)) = entry.judge(now) else {
            if let Some(before) = before {
                self.drop_sums(id, before, &entry.scopes);
                self.journal.remove(id, before.version);
                entry.show(None);
                return Outcome::Changed;
            }
            return Outcome::Hidden;
        };
        let count = entry.result.as_ref().map_or(0, |result| result.message.count());
        let changed = changed || before.is_none_or(|before| before.condition != condition);
        if let Some(before) = before {
            self.drop_sums(id, before, &entry.scopes);
        }
        let version = match (before, changed) {
            (Some(before), false) => before.version,
            (before, _) => self.journal.touch(id, before.map(|before| before.version)),
        };
        let shown = Shown { version, condition, count, ends };
        self.each_sum(&entry.scopes, |summary| summary.add(condition, count));
        if let Some(ends) = ends {
            self.deadlines.insert((key(ends), Id::clone(id)));
        }
        entry.show(Some(shown));
        if changed { Outcome::Changed } else { Outcome::Unchanged }
    }

    fn each_sum(&mut self, scopes: &[ScopeID], change: impl Fn(&mut Summary)) {
        for scope in std::iter::once(&ScopeID::ALL).chain(scopes) {
            if let Some(summary) = self.summaries.get_mut(usize::from(scope.0)) {
                change(summary);
            }
        }
    }

    fn drop_sums(&mut self, id: &Id, before: Shown, scopes: &[ScopeID]) {
        self.each_sum(scopes, |summary| summary.remove(before.condition, before.count));
        if let Some(ends) = before.ends {
            self.deadlines.remove(&(key(ends), Id::clone(id)));
        }
    }

    /// The next device whose deadline has come.
    pub(super) fn due(&self, now: f64) -> Option<Id> {
        self.deadlines.first().filter(|(ends, _)| *ends <= key(now)).map(|(_, id)| Id::clone(id))
    }
}

/// Sorts as the time does: the bits of positive numbers rise with them.
fn key(seconds: f64) -> u64 {
    seconds.max(0.0).to_bits()
}
