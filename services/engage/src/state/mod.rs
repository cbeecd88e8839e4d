//! What is known of all devices: messages and ticks in, changes out.
//!
//! Pure: no I/O and no clock of its own, the time is a parameter (Unix seconds). Each change gives its
//! device the next version; [`State::changes_since`] tells a viewer what came after the version it knows.
//! The cost of a message does not depend on the number of devices.

mod changes;
mod entry;
mod failures;
mod history;
mod index;
mod journal;
mod listed;
mod nodes;
mod picture;
#[cfg(test)]
mod properties;
mod query;
mod retained;
#[cfg(test)]
pub(crate) mod samples;
mod scope;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use people_counter_events::{
    Alert, AlertEvent, AlertWait, AnalysisFailed, DeviceID, DeviceStatus, FrameID, PeopleCounted,
};
use uuid::Uuid;

use entry::{CLOCK_TOLERANCE, Entry};
use index::Index;
use retained::Retained;

pub use entry::{Outcome, Receipt};
pub use failures::Failure;
pub use history::Point;
pub use listed::{Listed, SLOTS, slot};
pub use nodes::{Node, Nodes};
pub use picture::{NoPicture, PictureRef};
pub use query::{Filter, Query, QueryError, Sort};
pub use scope::{Scope, ScopeError, ScopeID};
pub use view::{Changes, Condition, Device, Summary};

type Id = Arc<DeviceID>;

/// An alert's rule and target.
type AlertKey = (String, String);

/// The limits of the state, and where its pictures lie.
#[derive(Debug, Clone)]
pub struct Options {
    /// Most devices.
    pub devices: usize,
    /// How many removed devices are remembered, so that viewers can be told.
    pub tombstones: usize,
    /// How many counts are remembered per device.
    pub history: usize,
    /// How many failures are remembered per device.
    pub failures: usize,
    /// Most alerts, as many events about them, and waits.
    pub alerts: usize,
    /// The only bucket that pictures are read from.
    pub bucket: String,
    /// The scopes that there are beside that of all devices, see [`ScopeID::listed`].
    pub scopes: Vec<Scope>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            devices: 50_000,
            tombstones: 10_000,
            history: 360,
            failures: 10,
            alerts: 10_000,
            bucket: String::new(),
            scopes: Vec::new(),
        }
    }
}

/// A retained message that was cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleared {
    /// The status: the device is gone.
    Status,
    /// The result.
    Result,
    /// The failure.
    Failure,
}

/// All devices.
#[derive(Debug)]
pub struct State {
    options: Options,
    epoch: String,
    devices: HashMap<Id, Entry>,
    /// Those without a status, which are kept but not shown.
    hidden: BTreeSet<Id>,
    index: Index,
    alerts: Retained<AlertKey, Alert>,
    /// The version at which they last changed.
    alerts_version: u64,
    /// What the replica that pushes still has to tell, and what it waits for: for its successor.
    events: Retained<Uuid, AlertEvent>,
    waits: Retained<AlertKey, AlertWait>,
    /// Number of the current resynchronisation with the broker.
    sync: u64,
    clock: f64,
}

impl State {
    /// No devices. `epoch` names this state: versions of another one mean nothing here.
    pub fn new(epoch: String, options: Options) -> Self {
        let index = Index::new(options.tombstones, options.scopes.len());
        let most = options.alerts;
        Self {
            options,
            epoch,
            devices: HashMap::new(),
            hidden: BTreeSet::new(),
            index,
            alerts: Retained::new(most),
            alerts_version: 0,
            events: Retained::new(most),
            waits: Retained::new(most),
            sync: 0,
            clock: 0.0,
        }
    }

    /// Takes a device's status.
    pub fn status(&mut self, status: DeviceStatus, receipt: Receipt) -> Outcome {
        let (id, sync) = (status.device_id.clone(), self.sync);
        self.update(id, true, receipt.now, |entry, _| entry.take_status(status, receipt, sync))
    }

    /// Takes a result.
    pub fn counted(&mut self, result: PeopleCounted, receipt: Receipt) -> Outcome {
        let (id, sync) = (result.device_id.clone(), self.sync);
        self.update(id, false, receipt.now, |entry, options| {
            entry.take_result(result, receipt, sync, &options.bucket, options.history)
        })
    }

    /// Takes a failure.
    pub fn failed(&mut self, failure: AnalysisFailed, receipt: Receipt) -> Outcome {
        let (id, sync) = (failure.device_id.clone(), self.sync);
        self.update(id, false, receipt.now, |entry, options| {
            entry.take_failure(failure, sync, options.failures)
        })
    }

    /// Takes it that a retained message was cleared.
    pub fn cleared(&mut self, id: &DeviceID, what: Cleared, now: f64) -> Outcome {
        self.observe(now);
        let Some((id, mut entry)) = self.devices.remove_entry(id) else { return Outcome::Unchanged };
        match what {
            Cleared::Status => entry.clear_status(),
            Cleared::Result => entry.clear_result(),
            Cleared::Failure => entry.clear_failure(),
        }
        self.put_back(id, entry, true, now)
    }

    /// Takes an alert.
    pub fn alert(&mut self, alert: Alert) -> Outcome {
        let key = (alert.rule.clone(), alert.target.clone());
        let outcome = self.alerts.take(key, alert, self.sync);
        self.alerts_changed(outcome)
    }

    /// Takes it that an alert was cleared.
    pub fn alert_cleared(&mut self, rule: &str, target: &str) -> Outcome {
        let outcome = self.alerts.clear(&(rule.to_owned(), target.to_owned()));
        self.alerts_changed(outcome)
    }

    /// Takes an event that is still to be told.
    pub fn alert_event(&mut self, event: AlertEvent) -> Outcome {
        self.events.take(event.event_id, event, self.sync)
    }

    /// Takes it that everybody was told an event.
    pub fn alert_event_told(&mut self, id: &Uuid) -> Outcome {
        self.events.clear(id)
    }

    /// Takes a wait.
    pub fn alert_wait(&mut self, wait: AlertWait) -> Outcome {
        let key = (wait.rule.clone(), wait.target.clone());
        self.waits.take(key, wait, self.sync)
    }

    /// Takes it that nothing is waited for any more.
    pub fn alert_wait_over(&mut self, rule: &str, target: &str) -> Outcome {
        self.waits.clear(&(rule.to_owned(), target.to_owned()))
    }

    fn alerts_changed(&mut self, outcome: Outcome) -> Outcome {
        if outcome == Outcome::Changed {
            self.alerts_version = self.index.journal.advance();
        }
        outcome
    }

    fn update(
        &mut self,
        id: DeviceID,
        is_status: bool,
        now: f64,
        change: impl FnOnce(&mut Entry, &Options) -> Outcome,
    ) -> Outcome {
        self.observe(now);
        let (id, mut entry) = match self.devices.remove_entry(&id) {
            Some(known) => known,
            None if self.has_room(is_status) => {
                let scopes = self.scopes_of(&id);
                (Id::new(id), Entry::new(scopes))
            }
            None => return Outcome::Refused,
        };
        let outcome = change(&mut entry, &self.options);
        let settled = self.put_back(id, entry, outcome == Outcome::Changed, now);
        match (outcome, settled) {
            // what says nothing new about a stale device can still bring it back
            (Outcome::Unchanged, Outcome::Changed) => Outcome::Changed,
            (Outcome::Changed, settled) => settled,
            (outcome, _) => outcome,
        }
    }

    fn put_back(&mut self, id: Id, mut entry: Entry, changed: bool, now: f64) -> Outcome {
        let outcome = self.index.settle(&id, &mut entry, changed, now);
        if entry.status.is_some() {
            self.hidden.remove(&id);
        } else if entry.is_empty() {
            self.hidden.remove(&id);
            return outcome;
        } else {
            self.hidden.insert(Id::clone(&id));
        }
        self.devices.insert(id, entry);
        outcome
    }

    fn scopes_of(&self, id: &DeviceID) -> Box<[ScopeID]> {
        let scopes = self.options.scopes.iter().enumerate();
        scopes
            .filter(|(_, scope)| scope.holds(id.as_str()))
            .map(|(position, _)| ScopeID::listed(position))
            .collect()
    }

    /// Whether somebody with this `scope` may know of the device `id`, if there is one.
    pub fn holds(&self, scope: ScopeID, id: &DeviceID) -> bool {
        let Some(position) = usize::from(scope.0).checked_sub(1) else { return true };
        match self.devices.get(id) {
            Some(entry) => entry.is_in(scope),
            None => self.options.scopes.get(position).is_some_and(|scope| scope.holds(id.as_str())),
        }
    }

    /// A device with a status takes the place of one that is not shown, never the other way round.
    fn has_room(&mut self, is_status: bool) -> bool {
        if self.devices.len() < self.options.devices {
            return true;
        }
        match is_status.then(|| self.hidden.pop_first()).flatten() {
            Some(id) => self.devices.remove(&id).is_some(),
            None => false,
        }
    }

    /// Lets the time pass: devices whose time is up become stale.
    pub fn tick(&mut self, now: f64) {
        self.observe(now);
        while let Some(id) = self.index.due(now) {
            if let Some(entry) = self.devices.get_mut(&id) {
                self.index.settle(&id, entry, false, now);
            }
        }
    }

    /// When the clock was set back, what was fresh may be from the future now.
    fn observe(&mut self, now: f64) {
        let set_back = now < self.clock - CLOCK_TOLERANCE;
        self.clock = now;
        if set_back {
            for (id, entry) in &mut self.devices {
                self.index.settle(id, entry, false, now);
            }
        }
    }

    /// A new connection to the broker: it will send every retained message again.
    pub fn begin_sync(&mut self) {
        self.sync += 1;
    }

    /// The broker has sent every retained message. What it did not send is no longer there.
    pub fn complete_sync(&mut self, now: f64) {
        let sync = self.sync;
        let forgotten: Vec<Id> = self
            .devices
            .iter_mut()
            .filter_map(|(id, entry)| entry.forget_unheard(sync).then(|| Id::clone(id)))
            .collect();
        for id in forgotten {
            if let Some((id, entry)) = self.devices.remove_entry(&id) {
                self.put_back(id, entry, true, now);
            }
        }
        let outcome = self.alerts.forget_unheard(sync);
        self.alerts_changed(outcome);
        // viewers see nothing of these
        self.events.forget_unheard(sync);
        self.waits.forget_unheard(sync);
    }

    /// Names this state: versions of another epoch mean nothing here.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The version of the last change, 0 before the first.
    pub fn version(&self) -> u64 {
        self.index.journal.version()
    }

    /// The sums over the devices that somebody with this `scope` may see.
    pub fn summary(&self, scope: ScopeID) -> Summary {
        self.index.summary(scope)
    }

    /// Number of devices that are shown.
    pub fn device_count(&self) -> usize {
        self.devices.len() - self.hidden.len()
    }

    /// Number of devices that have results but no status, so that they are not shown.
    pub fn hidden(&self) -> usize {
        self.hidden.len()
    }

    /// One device as it is at `now`, if somebody with this `scope` may see it.
    pub fn device(&self, id: &DeviceID, scope: ScopeID, now: f64) -> Option<Device> {
        Device::of(self.devices.get(id).filter(|entry| entry.is_in(scope))?, now)
    }

    /// Counts of a device after `since`, oldest first, and the time of the oldest that is known; `None` for
    /// a device that is not shown.
    pub fn history(&self, id: &DeviceID, since: f64) -> Option<(Option<f64>, Vec<Point>)> {
        let entry = self.devices.get(id).filter(|entry| entry.shown.is_some())?;
        Some((entry.history.oldest(), entry.history.after(since)))
    }

    /// Failures of a device after `since` that are remembered, oldest frame first; `None` for a device that is not
    /// shown.
    pub fn failures(&self, id: &DeviceID, since: f64) -> Option<Vec<Arc<AnalysisFailed>>> {
        let entry = self.devices.get(id).filter(|entry| entry.shown.is_some())?;
        Some(entry.failures.after(since))
    }

    /// All alerts, by rule and target.
    pub fn alerts(&self) -> Vec<Arc<Alert>> {
        self.alerts.all()
    }

    /// The version at which they last changed.
    pub fn alerts_version(&self) -> u64 {
        self.alerts_version
    }

    /// The events that are still to be told, in no particular order.
    pub fn alert_events(&self) -> Vec<Arc<AlertEvent>> {
        self.events.all()
    }

    /// What is waited for, by rule and target.
    pub fn alert_waits(&self) -> Vec<Arc<AlertWait>> {
        self.waits.all()
    }

    /// The alerts that somebody with this `scope` may see, if they changed after `since`; sums only without a limit.
    pub fn alerts_since(&self, scope: ScopeID, since: Option<u64>) -> Option<Vec<Arc<Alert>>> {
        // a sum is of devices that a smaller scope may not hold, whatever its name is
        let may_see = |alert: &Arc<Alert>| match alert.sum {
            true => scope == ScopeID::ALL,
            false => alert.target.parse().is_ok_and(|id| self.holds(scope, &id)),
        };
        since
            .is_none_or(|since| self.alerts_version > since)
            .then(|| self.alerts.all().into_iter().filter(may_see).collect())
    }

    /// The picture that belongs to the result of `frame`, or to the newest.
    ///
    /// # Errors
    /// [`NoPicture`] says why there is none to show.
    pub fn picture(&self, id: &DeviceID, frame: Option<FrameID>) -> Result<PictureRef, NoPicture> {
        let entry = self.devices.get(id).filter(|entry| entry.shown.is_some());
        entry.ok_or(NoPicture::NoDevice)?.pictures.get(frame)
    }
}
