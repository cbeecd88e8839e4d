//! [`Engine`]: what is known of the devices goes in, alerts raised and cleared come out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use people_counter_events::{Alert, AlertState, AlertType, DeviceID, DeviceStatus};
use uuid::Uuid;

use super::text::Fields;
use super::verdict::{Known, Verdict};
use super::{Rule, key};
use crate::state::{Condition, Device};

/// Names the space of event ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x6e0e_4c1b_53a7_4d0c_9a53_3f2e_90d1_77b4);

/// What happened to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Happened {
    /// It was raised.
    Raised,
    /// What is known is no longer enough to say whether it holds.
    Unknown,
    /// It is known again that it holds.
    Active,
    /// It is over.
    Cleared,
}

impl Happened {
    /// A name for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Unknown => "unknown",
            Self::Active => "active",
            Self::Cleared => "cleared",
        }
    }
}

/// Something that happened to an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What.
    pub happened: Happened,
    /// The alert after it; one that was cleared as it was last.
    pub alert: Alert,
    /// Whether its target is a sum, not a device.
    pub sum: bool,
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
    /// The condition has held since then.
    Holding(f64),
    Raised(Box<Alert>),
}

/// The engine for some rules.
#[derive(Debug)]
pub struct Engine {
    watches: Vec<Watch>,
    /// Raised before this engine was made and not met with yet.
    resumed: HashMap<(String, String), Alert>,
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
    /// Goes on with the `alerts` that an earlier engine raised. All devices are to be told before the first
    /// [`Engine::tick`], which clears the alerts that belong to no rule and device any more.
    pub fn new(rules: Vec<Rule>, alerts: impl IntoIterator<Item = Alert>, max_alerts: usize) -> Self {
        let resumed: HashMap<_, _> = alerts.into_iter().map(|alert| (key(&alert), alert)).collect();
        let watches = rules.into_iter().map(Watch::new).collect();
        Self { watches, raised: resumed.len(), resumed, max_alerts }
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
                let phase = watch.phases.remove(&target).unwrap_or_else(|| {
                    let resumed = self.resumed.remove(&(watch.rule.name.clone(), target.to_string()));
                    resumed.map_or(Phase::Calm, |alert| Phase::Raised(Box::new(alert)))
                });
                let room = self.raised < self.max_alerts;
                let (phase, change) = watch.step(&target, phase, room, now);
                match change.as_ref().map(|change| change.happened) {
                    Some(Happened::Raised) => self.raised += 1,
                    Some(Happened::Cleared) => self.raised -= 1,
                    _ => {}
                }
                changes.extend(change);
                match phase {
                    None => {}
                    Some(Phase::Holding(since)) => {
                        watch.due.insert(Arc::clone(&target));
                        watch.phases.insert(target, Phase::Holding(since));
                    }
                    Some(phase) => {
                        watch.phases.insert(target, phase);
                    }
                }
            }
        }
        // what nobody asked for by now belongs to no rule or device any more
        let orphans = self.resumed.drain().map(|(_, alert)| alert);
        let cleared = orphans.map(|alert| Change { happened: Happened::Cleared, alert, sum: false, at: now });
        let known = changes.len();
        changes.extend(cleared);
        self.raised -= changes.len() - known;
        changes
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
        let changed =
            |happened, alert| Some(Change { happened, alert, sum: self.rule.sum.is_some(), at: now });
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
                let since = match phase {
                    Phase::Holding(since) if since <= now => since,
                    _ => now,
                };
                let due = now - since >= self.rule.hold.as_secs_f64();
                if !due || !room || self.rule.is_quiet(now) {
                    return (Some(Phase::Holding(since)), None);
                }
                let alert = self.alert(target, known, state, reading, since);
                (Some(Phase::Raised(Box::new(alert.clone()))), changed(Happened::Raised, alert))
            }
        }
    }

    /// The people, for rules that are about a number.
    fn value(&self, known: Known) -> Option<u64> {
        self.rule.test.limit().map(|_| known.least)
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
        let since = (since * 1000.0).round() / 1000.0;
        Alert {
            kind: AlertType::Alert,
            rule: rule.name.clone(),
            target: target.to_owned(),
            state: AlertState::Active,
            severity: rule.severity,
            message,
            since_timestamp: since,
            value: self.value(known),
            event_id: Uuid::new_v5(&NAMESPACE, format!("{}/{target}/{since:.3}", rule.name).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::rules::file::parse;
    use crate::state::samples::{BUCKET, NOW, failure, result, status};
    use crate::state::{Cleared, Options, Receipt, State};

    /// A state and an engine that follows it.
    struct Scene {
        state: State,
        engine: Engine,
        version: Option<u64>,
        sequence: u64,
    }

    impl Scene {
        fn new(rules: &str) -> Self {
            Self::resuming(rules, Vec::new())
        }

        fn resuming(rules: &str, alerts: Vec<Alert>) -> Self {
            let options = Options {
                devices: 10,
                tombstones: 10,
                alerts: 10,
                bucket: BUCKET.into(),
                ..Options::default()
            };
            let engine = Engine::new(parse(rules).unwrap(), alerts, 3);
            Self { state: State::new("e".into(), options), engine, version: None, sequence: 0 }
        }

        fn device(&mut self, device: &str) {
            let mut status = status(device, 1, 1);
            status.cadence_seconds = 10.0;
            status.labels.insert("room".into(), "lobby".into());
            self.state.status(status, Receipt::live(NOW));
        }

        fn count(&mut self, device: &str, count: u32, at: f64) {
            self.sequence += 1;
            let mut result = result(device, 1, self.sequence, count);
            result.analysed_timestamp = NOW + at;
            self.state.counted(result, Receipt::live(NOW + at));
        }

        fn tick(&mut self, at: f64) -> Vec<Change> {
            self.state.tick(NOW + at);
            let changes = self.state.changes_since(self.version, NOW + at);
            self.version = Some(changes.version);
            changes.devices.iter().for_each(|device| self.engine.observe(device));
            changes.removed.iter().for_each(|id| self.engine.remove(id));
            self.engine.tick(NOW + at)
        }

        /// What happened, to which target.
        fn happened(&mut self, at: f64) -> Vec<(Happened, String)> {
            self.tick(at).into_iter().map(|change| (change.happened, change.alert.target)).collect()
        }
    }

    fn one(happened: Happened, target: &str) -> Vec<(Happened, String)> {
        vec![(happened, target.to_owned())]
    }

    const CROWDED: &str =
        "[[rule]]\nname = \"crowded\"\ndevices = \"cam-*\"\nabove = 20\nclear = 15\nfor = \"10s\"\n";

    #[test]
    fn raised_after_its_time_and_cleared_below_the_band() {
        let mut scene = Scene::new(CROWDED);
        scene.device("cam-1");
        scene.count("cam-1", 21, 0.0);
        assert_eq!(scene.happened(0.0), []);
        assert_eq!(scene.happened(9.9), []);
        let raised = scene.tick(10.0).remove(0);
        assert_eq!(raised.happened, Happened::Raised);
        assert_eq!(raised.alert.message, "cam-1: 21 people, more than 20");
        assert_eq!((raised.alert.value, raised.alert.since_timestamp), (Some(21), NOW));
        scene.count("cam-1", 16, 11.0);
        assert_eq!(scene.happened(11.0), [], "inside the band");
        scene.count("cam-1", 15, 12.0);
        let cleared = scene.tick(12.0).remove(0);
        assert_eq!((cleared.happened, cleared.alert), (Happened::Cleared, raised.alert));
        scene.count("cam-1", 16, 13.0);
        assert_eq!(scene.happened(30.0), [], "inside the band from below");
    }

    #[test]
    fn a_wait_that_is_interrupted_starts_again() {
        let mut scene = Scene::new(CROWDED);
        scene.device("cam-1");
        scene.count("cam-1", 21, 0.0);
        scene.tick(0.0);
        scene.count("cam-1", 20, 5.0);
        scene.tick(5.0);
        scene.count("cam-1", 22, 6.0);
        assert_eq!(scene.happened(6.0), []);
        assert_eq!(scene.happened(15.9), []);
        assert_eq!(scene.happened(16.0), one(Happened::Raised, "cam-1"));
    }

    #[test]
    fn not_knowing_neither_raises_nor_clears() {
        let mut scene = Scene::new(CROWDED);
        scene.device("cam-1");
        assert_eq!(scene.happened(0.0), [], "never counted");
        scene.count("cam-1", 25, 0.0);
        scene.tick(0.0);
        assert_eq!(scene.happened(10.0), one(Happened::Raised, "cam-1"));
        // stale after 30 s
        let unknown = scene.tick(31.0).remove(0);
        assert_eq!((unknown.happened, unknown.alert.state), (Happened::Unknown, AlertState::Unknown));
        assert_eq!(unknown.alert.value, None);
        assert_eq!(scene.happened(3600.0), []);
        scene.count("cam-1", 16, 3601.0);
        let again = scene.tick(3601.0).remove(0);
        assert_eq!((again.happened, again.alert.value), (Happened::Active, Some(16)));
        assert_eq!(again.alert.event_id, unknown.alert.event_id, "still the same alert");
        scene.tick(3700.0);
        scene.count("cam-1", 1, 3701.0);
        assert_eq!(scene.happened(3701.0), one(Happened::Cleared, "cam-1"));
    }

    #[test]
    fn a_sum_adds_live_devices_and_knows_what_it_does_not_know() {
        let mut scene = Scene::new(
            "[[rule]]\nname = \"full\"\nlabels = { room = \"lobby\" }\nsum = \"lobby\"\nabove = 10\n\
             [[rule]]\nname = \"empty\"\ndevices = \"*\"\nsum = \"house\"\nbelow = 3\n",
        );
        scene.device("a");
        scene.device("b");
        scene.count("a", 2, 0.0);
        assert_eq!(scene.happened(0.0), [], "b may have seen anybody");
        scene.count("b", 0, 0.0);
        assert_eq!(scene.happened(0.0), one(Happened::Raised, "house"));
        scene.count("a", 11, 20.0);
        assert_eq!(
            scene.happened(20.0),
            [(Happened::Raised, "lobby".to_owned()), (Happened::Cleared, "house".to_owned())]
        );
        // b is stale, but a alone is more than ten
        assert_eq!(scene.happened(31.0), []);
        scene.count("a", 2, 32.0);
        assert_eq!(scene.happened(32.0), one(Happened::Unknown, "lobby"));
        scene.count("a", 12, 33.0);
        let again = scene.tick(33.0).remove(0);
        assert_eq!((again.happened, again.alert.value), (Happened::Active, Some(12)));
        assert_eq!(again.alert.message, "lobby: 11 people, more than 10", "as it was raised");
        scene.state.cleared(&"b".parse().unwrap(), Cleared::Status, NOW + 34.0);
        scene.count("a", 10, 34.0);
        assert_eq!(
            scene.happened(34.0),
            one(Happened::Cleared, "lobby"),
            "the device that was missing is gone"
        );
    }

    #[test]
    fn states_have_their_rules() {
        let mut scene = Scene::new(
            "[[rule]]\nname = \"away\"\ndevices = \"*\"\nstate = [\"stale\", \"failing\"]\nfor = \"5s\"\n\
             severity = \"critical\"\nmessage = \"{label.room} is {state}{value}\"\n",
        );
        scene.device("cam-1");
        scene.count("cam-1", 1, 0.0);
        scene.tick(0.0);
        assert_eq!(scene.happened(31.0), []);
        let raised = scene.tick(36.0).remove(0);
        assert_eq!((raised.alert.message.as_str(), raised.alert.value), ("lobby is stale", None));
        scene.count("cam-1", 1, 37.0);
        assert_eq!(scene.happened(37.0), one(Happened::Cleared, "cam-1"));
        scene.state.failed(failure("cam-1", 1, 99), Receipt::live(NOW + 38.0));
        scene.tick(38.0);
        assert_eq!(scene.happened(43.0), one(Happened::Raised, "cam-1"));
    }

    #[test]
    fn a_device_that_is_removed_takes_its_alert_along() {
        let mut scene = Scene::new("[[rule]]\nname = \"any\"\ndevices = \"*\"\nabove = 0\n");
        scene.device("cam-1");
        scene.count("cam-1", 1, 0.0);
        assert_eq!(scene.happened(0.0), one(Happened::Raised, "cam-1"));
        scene.state.cleared(&"cam-1".parse().unwrap(), Cleared::Status, NOW);
        assert_eq!(scene.happened(1.0), one(Happened::Cleared, "cam-1"));
        assert_eq!(scene.engine.raised(), 0);
        scene.device("cam-1");
        scene.count("cam-1", 1, 2.0);
        assert_eq!(scene.happened(2.0), one(Happened::Raised, "cam-1"));
        scene.engine.keep(|_| true);
        assert_eq!(scene.happened(3.0), []);
        scene.engine.keep(|_| false);
        assert_eq!(scene.happened(4.0), one(Happened::Cleared, "cam-1"));
    }

    #[test]
    fn a_restart_neither_repeats_nor_forgets() {
        let rules = "[[rule]]\nname = \"any\"\ndevices = \"*\"\nabove = 0\n";
        let mut scene = Scene::new(rules);
        for device in ["cam-1", "cam-2", "cam-3"] {
            scene.device(device);
            scene.count(device, 1, 0.0);
        }
        let mut alerts: Vec<Alert> = scene.tick(0.0).into_iter().map(|change| change.alert).collect();
        assert_eq!(alerts.len(), 3);
        alerts[2].rule = "of-yesterday".into();

        let mut restarted = Scene::resuming(rules, alerts.clone());
        restarted.device("cam-1");
        restarted.device("cam-2");
        restarted.sequence = 10;
        restarted.count("cam-1", 2, 1.0);
        restarted.count("cam-2", 0, 1.0);
        let changes = restarted.tick(1.0);
        let cleared: Vec<&Alert> = changes.iter().map(|change| &change.alert).collect();
        assert!(changes.iter().all(|change| change.happened == Happened::Cleared), "{changes:?}");
        assert_eq!(cleared, [&alerts[1], &alerts[2]], "one is over, one has no rule any more");
        assert_eq!(restarted.engine.raised(), 1);
    }

    #[test]
    fn quiet_hours_put_off_but_do_not_hide() {
        let zone = "zone = \"UTC\"";
        // NOW is 2026-09-21 14:13:20 UTC
        let quiet = format!("quiet = [{{ from = \"14:00\", to = \"14:14\", {zone} }}]");
        let mut scene =
            Scene::new(&format!("[[rule]]\nname = \"any\"\ndevices = \"*\"\nabove = 0\n{quiet}\n"));
        scene.device("cam-1");
        scene.count("cam-1", 1, 0.0);
        assert_eq!(scene.happened(0.0), []);
        scene.count("cam-1", 1, 25.0);
        assert_eq!(scene.happened(39.9), []);
        let raised = scene.tick(40.0).remove(0);
        assert_eq!((raised.happened, raised.alert.since_timestamp), (Happened::Raised, NOW));
    }

    #[test]
    fn alerts_over_the_limit_wait_for_room() {
        let mut scene = Scene::new("[[rule]]\nname = \"any\"\ndevices = \"*\"\nabove = 0\n");
        for device in ["a", "b", "c", "d"] {
            scene.device(device);
            scene.count(device, 1, 0.0);
        }
        assert_eq!(scene.happened(0.0).len(), 3);
        assert_eq!(scene.happened(1.0), []);
        scene.count("a", 0, 2.0);
        let at_once = scene.happened(2.0);
        assert_eq!(at_once[0], (Happened::Cleared, "a".to_owned()));
        assert_eq!(at_once[1..], [(Happened::Raised, "d".to_owned())]);
    }

    #[test]
    fn ids_follow_from_rule_target_and_time() {
        let raise = |at: f64| {
            let mut scene = Scene::new("[[rule]]\nname = \"any\"\ndevices = \"*\"\nabove = 0\n");
            scene.device("cam-1");
            scene.count("cam-1", 1, at);
            scene.tick(at).remove(0).alert.event_id
        };
        assert_eq!(raise(0.0), raise(0.0));
        assert_ne!(raise(0.0), raise(0.001));
    }
}
