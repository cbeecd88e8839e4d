//! The engine, scene by scene.

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
    rules: Vec<Rule>,
    /// What the broker keeps.
    alerts: BTreeMap<Key, Alert>,
    waits: BTreeMap<Key, AlertWait>,
}

impl Scene {
    fn new(rules: &str) -> Self {
        Self::resuming(rules, Vec::new())
    }

    fn resuming(rules: &str, alerts: Vec<Alert>) -> Self {
        let options =
            Options { devices: 10, tombstones: 10, alerts: 10, bucket: BUCKET.into(), ..Options::default() };
        let (state, rules) = (State::new("e".into(), options), parse(rules).unwrap());
        let engine = Engine::new(rules.clone(), alerts.clone(), Vec::new(), 3);
        let alerts = alerts.into_iter().map(|alert| (key(&alert), alert)).collect();
        Self { state, engine, version: None, sequence: 0, rules, alerts, waits: BTreeMap::new() }
    }

    /// Another replica goes on, with these rules.
    fn take_over(&mut self) {
        let (alerts, waits) = (self.alerts.values().cloned(), self.waits.values().cloned());
        self.engine = Engine::new(self.rules.clone(), alerts, waits, 3);
        self.version = None;
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
        let happened = self.engine.tick(NOW + at);
        for Change { happened, alert, .. } in &happened {
            match happened {
                Happened::Cleared => self.alerts.remove(&key(alert)),
                _ => self.alerts.insert(key(alert), alert.clone()),
            };
        }
        for (name, wait) in self.engine.take_waits() {
            match wait {
                Some(wait) => self.waits.insert(name, wait),
                None => self.waits.remove(&name),
            };
        }
        happened
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
    assert_eq!(scene.happened(34.0), one(Happened::Cleared, "lobby"), "the device that was missing is gone");
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
    let mut scene = Scene::new(&format!("[[rule]]\nname = \"any\"\ndevices = \"*\"\nabove = 0\n{quiet}\n"));
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

/// Crowded since the beginning, and looked at each second until `until`.
fn waiting(rules: &str, until: u32) -> Scene {
    let mut scene = Scene::new(rules);
    scene.device("cam-1");
    for second in 0..=until {
        scene.count("cam-1", 21, f64::from(second));
        assert_eq!(scene.happened(f64::from(second)), []);
    }
    scene
}

#[test]
fn a_wait_survives_a_takeover() {
    let mut scene = waiting(CROWDED, 8);
    assert_eq!(scene.waits.len(), 1, "worth keeping by now");
    scene.take_over();
    assert_eq!(scene.happened(9.9), []);
    let raised = scene.tick(10.0).remove(0);
    assert_eq!((raised.happened, raised.alert.since_timestamp), (Happened::Raised, NOW));
    assert!(scene.waits.is_empty(), "what was waited for is there");
}

#[test]
fn a_wait_of_a_moment_begins_again() {
    let mut scene = waiting(CROWDED, 4);
    assert!(scene.waits.is_empty(), "not worth a message");
    scene.take_over();
    assert_eq!(scene.happened(6.0), []);
    assert_eq!(scene.happened(15.9), []);
    assert_eq!(scene.happened(16.0), one(Happened::Raised, "cam-1"));
}

#[test]
fn a_wait_ends_when_it_is_not_known_to_go_on() {
    type Happens = fn(&mut Scene);
    let over: [(&str, Happens); 3] = [
        ("fewer people", |scene| scene.count("cam-1", 3, 9.0)),
        ("not live", |scene| {
            scene.state.failed(failure("cam-1", 1, 99), Receipt::live(NOW + 9.0));
        }),
        ("no such device", |scene| {
            scene.state.cleared(&"cam-1".parse().unwrap(), Cleared::Status, NOW + 9.0);
        }),
    ];
    for (why, happens) in over {
        let mut scene = waiting(CROWDED, 8);
        happens(&mut scene);
        scene.take_over();
        assert_eq!(scene.happened(10.0), [], "{why}");
        assert!(scene.waits.is_empty(), "{why}");
        scene.device("cam-1");
        scene.sequence = 100;
        scene.count("cam-1", 21, 11.0);
        assert_eq!(scene.happened(11.0), [], "{why}: it begins again");
        assert_eq!(scene.happened(21.0), one(Happened::Raised, "cam-1"), "{why}");
    }
    // nobody looked for too long, or the rule is no more
    let mut scene = waiting(CROWDED, 8);
    scene.count("cam-1", 21, 200.0);
    scene.take_over();
    assert_eq!(scene.happened(200.0), []);
    assert!(scene.waits.is_empty());
    let mut scene = waiting(CROWDED, 8);
    scene.rules = Vec::new();
    scene.take_over();
    assert_eq!(scene.happened(9.0), []);
    assert!(scene.waits.is_empty());
}

#[test]
fn the_alert_of_a_sum_that_is_no_more_is_still_one_of_a_sum() {
    let mut scene = Scene::new("[[rule]]\nname = \"full\"\ndevices = \"*\"\nsum = \"cam-1\"\nabove = 0\n");
    scene.device("cam-1");
    scene.count("cam-1", 1, 0.0);
    assert!(scene.tick(0.0).remove(0).alert.sum);
    scene.rules = Vec::new();
    scene.take_over();
    let cleared = scene.tick(1.0).remove(0);
    assert_eq!((cleared.happened, cleared.alert.sum), (Happened::Cleared, true));
}
