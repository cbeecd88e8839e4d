//! [`Engine`]: what is known of the devices goes in, alerts raised and cleared come out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use people_counter_events::{
    Alert, AlertState, AlertType, AlertWait, AlertWaitType, DeviceID, DeviceStatus, Happened,
};
use uuid::Uuid;

use super::hold::Hold;
use super::text::Fields;
use super::verdict::{Known, Verdict};
use super::{Key, Rule, key};
use crate::state::{Condition, Device};

/// Names the space of event ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x6e0e_4c1b_53a7_4d0c_9a53_3f2e_90d1_77b4);

/// Something that happened to an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What.
    pub happened: Happened,
    /// The alert after it; one that was cleared as it was last.
    pub alert: Alert,
    /// When, Unix seconds.
    pub at: f64,
}

/// What is known of one device.
#[derive(Debug, Clone)]
struct Reading {
    status: Arc<DeviceStatus>,
    state: Condition,
    /// People, only of a live device: what others counted last says nothing of now.
    count: Option<u32>,
}

impl Reading {
    fn of(device: &Device) -> Self {
        let live = device.condition == Condition::Live;
        Self {
            status: Arc::clone(&device.status),
            state: device.condition,
            count: device.count().filter(|_| live),
        }
    }

    fn known(&self) -> Known {
        Known { least: self.count.map_or(0, u64::from), exact: self.count.is_some() }
    }
}

#[derive(Debug, Clone)]
enum Phase {
    Calm,
    /// The condition holds, not for long enough yet.
    Holding(Hold),
    Raised(Box<Alert>),
}

impl Phase {
    /// Whether the broker keeps a wait.
    fn is_kept(&self) -> bool {
        matches!(self, Self::Holding(hold) if hold.is_kept())
    }
}

/// The engine for some rules.
#[derive(Debug)]
pub struct Engine {
    watches: Vec<Watch>,
    /// Raised before this engine was made and not met with yet.
    resumed: HashMap<Key, Alert>,
    /// Waited for before this engine was made, and not met with yet.
    waited: HashMap<Key, AlertWait>,
    /// What the broker is to keep of waits, or no longer.
    waits: Vec<(Key, Option<AlertWait>)>,
    raised: usize,
    max_alerts: usize,
}

/// One rule at work.
#[derive(Debug)]
struct Watch {
    rule: Rule,
    members: BTreeMap<Arc<str>, Reading>,
    /// What the members add up to.
    sum: u64,
    /// How many of them are not live.
    missing: usize,
    phases: BTreeMap<Arc<str>, Phase>,
    /// The targets to look at: something changed, or time has to pass.
    due: BTreeSet<Arc<str>>,
}

impl Engine {
    /// Goes on with the `alerts` that an earlier engine raised, and with its `waits`. All devices are to be told before
    /// the first [`Engine::tick`], which clears the alerts that belong to no rule and device any more.
    pub fn new(
        rules: Vec<Rule>,
        alerts: impl IntoIterator<Item = Alert>,
        waits: impl IntoIterator<Item = AlertWait>,
        max_alerts: usize,
    ) -> Self {
        let resumed: HashMap<_, _> = alerts.into_iter().map(|alert| (key(&alert), alert)).collect();
        let waited = waits.into_iter().map(|wait| ((wait.rule.clone(), wait.target.clone()), wait)).collect();
        let watches = rules.into_iter().map(Watch::new).collect();
        Self { watches, raised: resumed.len(), resumed, waited, waits: Vec::new(), max_alerts }
    }

    /// Takes what is known of a device.
    pub fn observe(&mut self, device: &Device) {
        let id = Arc::from(device.id().as_str());
        for watch in &mut self.watches {
            let reading = watch.rule.selector.selects(&device.status).then(|| Reading::of(device));
            watch.put(&id, reading);
        }
    }

    /// Takes it that a device is gone.
    pub fn remove(&mut self, id: &DeviceID) {
        let id = Arc::from(id.as_str());
        for watch in &mut self.watches {
            watch.put(&id, None);
        }
    }

    /// Takes it that the devices are gone of which `is_there` does not say so.
    pub fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        for watch in &mut self.watches {
            let gone: Vec<_> = watch.members.keys().filter(|id| !is_there(id)).map(Arc::clone).collect();
            gone.iter().for_each(|id| watch.put(id, None));
        }
    }

    /// What happened until `now`, Unix seconds.
    pub fn tick(&mut self, now: f64) -> Vec<Change> {
        let mut changes = Vec::new();
        for watch in &mut self.watches {
            for target in std::mem::take(&mut watch.due) {
                let name = (watch.rule.name.clone(), target.to_string());
                let mut waited = None;
                let phase = watch.phases.remove(&target).unwrap_or_else(|| {
                    waited = self.waited.remove(&name);
                    match self.resumed.remove(&name) {
                        Some(alert) => Phase::Raised(Box::new(alert)),
                        None => waited
                            .as_ref()
                            .and_then(|wait| Hold::resumed(wait, now))
                            .map_or(Phase::Calm, Phase::Holding),
                    }
                });
                let was_kept = waited.is_some() || phase.is_kept();
                let room = self.raised < self.max_alerts;
                let (mut phase, change) = watch.step(&target, phase, room, now);
                if let Some(Phase::Holding(hold)) = &mut phase
                    && hold.is_to_be_kept(now)
                {
                    self.waits.push((name.clone(), Some(watch.wait(&target, hold.since, now))));
                }
                if was_kept && !phase.as_ref().is_some_and(Phase::is_kept) {
                    self.waits.push((name, None));
                }
                match change.as_ref().map(|change| change.happened) {
                    Some(Happened::Raised) => self.raised += 1,
                    Some(Happened::Cleared) => self.raised -= 1,
                    _ => {}
                }
                changes.extend(change);
                match phase {
                    None => {}
                    Some(Phase::Holding(hold)) => {
                        watch.due.insert(Arc::clone(&target));
                        watch.phases.insert(target, Phase::Holding(hold));
                    }
                    Some(phase) => {
                        watch.phases.insert(target, phase);
                    }
                }
            }
        }
        // what nobody asked for by now belongs to no rule or device any more
        let orphans = self.resumed.drain().map(|(_, alert)| alert);
        let cleared = orphans.map(|alert| Change { happened: Happened::Cleared, alert, at: now });
        let known = changes.len();
        changes.extend(cleared);
        self.raised -= changes.len() - known;
        self.waits.extend(self.waited.drain().map(|(name, _)| (name, None)));
        changes
    }

    /// The waits that the broker is to keep from now on, so that a successor can go on with them, and those (`None`)
    /// that it is to forget.
    pub fn take_waits(&mut self) -> Vec<(Key, Option<AlertWait>)> {
        std::mem::take(&mut self.waits)
    }

    /// Number of alerts that are raised.
    #[cfg(test)]
    fn raised(&self) -> usize {
        self.raised
    }
}

impl Watch {
    fn new(rule: Rule) -> Self {
        let (members, phases) = (BTreeMap::new(), BTreeMap::new());
        Self { rule, members, sum: 0, missing: 0, phases, due: BTreeSet::new() }
    }

    fn put(&mut self, id: &Arc<str>, reading: Option<Reading>) {
        let after = reading.as_ref().map(Reading::known);
        let before = match reading {
            Some(reading) => self.members.insert(Arc::clone(id), reading),
            None => self.members.remove(id),
        };
        let before = before.map(|reading| reading.known());
        if let Some(before) = before {
            self.sum -= before.least;
            self.missing -= usize::from(!before.exact);
        }
        if let Some(after) = after {
            self.sum += after.least;
            self.missing += usize::from(!after.exact);
        }
        if before.is_some() || after.is_some() {
            let target = self.rule.sum.as_deref().map_or_else(|| Arc::clone(id), Arc::from);
            self.due.insert(target);
        }
    }

    /// What is known of a target; `None` when there is no such device, or no device in the sum.
    fn look(&self, target: &str) -> Option<(Known, Condition, Option<&Reading>)> {
        if self.rule.sum.is_none() {
            let reading = self.members.get(target)?;
            return Some((reading.known(), reading.state, Some(reading)));
        }
        let known = Known { least: self.sum, exact: self.missing == 0 };
        let state = if known.exact { Condition::Live } else { Condition::Unknown };
        (!self.members.is_empty()).then_some((known, state, None))
    }

    /// Takes a target on to `now`: its next phase, `None` when the target is gone, and what happened.
    fn step(&self, target: &str, phase: Phase, room: bool, now: f64) -> (Option<Phase>, Option<Change>) {
        let changed = |happened, alert| Some(Change { happened, alert, at: now });
        let Some((known, state, reading)) = self.look(target) else {
            let change = match phase {
                Phase::Raised(alert) => changed(Happened::Cleared, *alert),
                Phase::Calm | Phase::Holding(_) => None,
            };
            return (None, change);
        };
        let verdict = self.rule.test.judge(known, state);
        match (phase, verdict) {
            (Phase::Raised(alert), Verdict::Over) => (Some(Phase::Calm), changed(Happened::Cleared, *alert)),
            (Phase::Raised(mut alert), Verdict::Unknown) => {
                let news = alert.state != AlertState::Unknown;
                (alert.state, alert.value) = (AlertState::Unknown, None);
                let change = changed(Happened::Unknown, (*alert).clone()).filter(|_| news);
                (Some(Phase::Raised(alert)), change)
            }
            (Phase::Raised(mut alert), Verdict::Met | Verdict::Between) => {
                if alert.state == AlertState::Active {
                    return (Some(Phase::Raised(alert)), None);
                }
                // its message stays, since some systems know an alert by that
                (alert.state, alert.value) = (AlertState::Active, self.value(known));
                let change = changed(Happened::Active, (*alert).clone());
                (Some(Phase::Raised(alert)), change)
            }
            (Phase::Calm | Phase::Holding(_), Verdict::Between | Verdict::Over | Verdict::Unknown) => {
                (Some(Phase::Calm), None)
            }
            (phase, Verdict::Met) => {
                // a clock that was set back starts the wait again rather than make it endless
                let hold = match phase {
                    Phase::Holding(hold) if hold.since <= now => hold,
                    _ => Hold::new(now),
                };
                let due = now - hold.since >= self.rule.hold.as_secs_f64();
                if !due || !room || self.rule.is_quiet(now) {
                    return (Some(Phase::Holding(hold)), None);
                }
                let alert = self.alert(target, known, state, reading, hold.since);
                (Some(Phase::Raised(Box::new(alert.clone()))), changed(Happened::Raised, alert))
            }
        }
    }

    /// The people, for rules that are about a number.
    fn value(&self, known: Known) -> Option<u64> {
        self.rule.test.limit().map(|_| known.least)
    }

    fn wait(&self, target: &str, since: f64, now: f64) -> AlertWait {
        AlertWait {
            kind: AlertWaitType::Wait,
            rule: self.rule.name.clone(),
            target: target.to_owned(),
            // as in the alert, so that it has the same id whoever raises it
            since_timestamp: to_millis(since),
            until_timestamp: now,
        }
    }

    fn alert(
        &self,
        target: &str,
        known: Known,
        state: Condition,
        reading: Option<&Reading>,
        since: f64,
    ) -> Alert {
        let rule = &self.rule;
        let none = BTreeMap::new();
        let message = rule.text.fill(&Fields {
            rule: &rule.name,
            target,
            // one device's number is only ever looked at while it is known
            value: Some(known).filter(|known| known.exact || rule.sum.is_some()),
            limit: rule.test.limit(),
            state: state.as_str(),
            severity: rule.severity.as_str(),
            labels: reading.map_or(&none, |reading| &reading.status.labels),
        });
        let since = to_millis(since);
        Alert {
            kind: AlertType::Alert,
            rule: rule.name.clone(),
            target: target.to_owned(),
            sum: rule.sum.is_some(),
            state: AlertState::Active,
            severity: rule.severity,
            message,
            since_timestamp: since,
            value: self.value(known),
            event_id: Uuid::new_v5(&NAMESPACE, format!("{}/{target}/{since:.3}", rule.name).as_bytes()),
        }
    }
}

/// Seconds, to the millisecond.
fn to_millis(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests;
