//! The state against random histories: duplicated, shuffled, replayed, cut.

use std::collections::{BTreeMap, BTreeSet};

use people_counter_events::{AnalysisFailed, DeviceID, DeviceState, DeviceStatus, Order, PeopleCounted};
use proptest::prelude::*;
use proptest::sample::Index as Pick;
use serde_json::Value;

use super::samples::{BUCKET, NOW, failure, result, status};
use super::*;

#[derive(Debug, Clone)]
enum Event {
    Status(DeviceStatus),
    Counted(PeopleCounted),
    Failed(AnalysisFailed),
}

fn device_name() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a"), Just("b"), Just("c")]
}

fn event() -> impl Strategy<Value = Event> {
    let order = || (1..4_u64, 1..6_u64);
    prop_oneof![
        2 => (device_name(), order()).prop_map(|(name, (boot, connection))| {
            let mut status = status(name, boot, connection);
            // what a session says follows from the session, so that any order has one right outcome
            if (boot + connection) % 3 == 0 {
                status.state = DeviceState::Offline;
            }
            status.spool_depth = boot * 10 + connection;
            Event::Status(status)
        }),
        4 => (device_name(), order()).prop_map(|(name, (boot, sequence))| {
            let mut counted = result(name, boot, sequence, (boot * 5 + sequence) as u32);
            counted.analysed_timestamp = NOW - 8.0 + sequence as f64;
            Event::Counted(counted)
        }),
        2 => (device_name(), order()).prop_map(|(name, (boot, sequence))| {
            Event::Failed(failure(name, boot, sequence))
        }),
    ]
}

fn history() -> impl Strategy<Value = Vec<Event>> {
    proptest::collection::vec(event(), 0..60)
}

fn fresh(tombstones: usize) -> State {
    State::new(
        "epoch".into(),
        Options { devices: 100, tombstones, bucket: BUCKET.into(), ..Options::default() },
    )
}

fn apply(state: &mut State, event: &Event, receipt: Receipt) -> Outcome {
    match event.clone() {
        Event::Status(status) => state.status(status, receipt),
        Event::Counted(result) => state.counted(result, receipt),
        Event::Failed(failure) => state.failed(failure, receipt),
    }
}

/// Everything viewers see, and the sums.
fn seen(state: &State, now: f64) -> Value {
    let all = state.changes_since(None, now);
    serde_json::json!({"devices": all.devices, "summary": all.summary})
}

/// Everything there is to know of a history, in the order of its messages' own numbers.
fn ordered(history: &[Event]) -> Vec<Event> {
    let mut history = history.to_vec();
    history.sort_by_key(|event| match event {
        Event::Status(status) => (0, status.session().0, status.session().1),
        Event::Counted(result) => (1, result.boot_id, result.sequence),
        Event::Failed(failure) => (2, failure.boot_id, failure.sequence),
    });
    history
}

/// What the summary has to be, the slow way.
fn check_sums(state: &State, now: f64) {
    let all = state.changes_since(None, now);
    let mut expected = Summary::default();
    for device in &all.devices {
        expected.add(device.condition, device.count().unwrap_or(0));
        if device.condition == Condition::Unknown {
            assert_eq!(device.count(), None, "unknown is not zero");
        }
    }
    assert_eq!(state.summary(ScopeID::ALL), expected);
    let live = all.devices.iter().filter(|device| device.condition == Condition::Live);
    assert_eq!(expected.people, live.map(|device| u64::from(device.count().unwrap())).sum::<u64>());
}

/// Who follows a list of all devices is told what they are told who follow everything.
fn check_listed(state: &State, since: Option<u64>, now: f64) {
    let listed = Listed::new(["a", "b", "c"].map(|name| name.parse().unwrap()).into());
    let told = |changes: Changes| {
        let devices: BTreeMap<DeviceID, u64> =
            changes.devices.iter().map(|device| (device.id().clone(), device.version)).collect();
        let removed: BTreeSet<Id> = changes.removed.into_iter().collect();
        (changes.since, changes.version, devices, removed)
    };
    let all = told(state.changes_since(since, now));
    assert_eq!(told(state.next_changes_of(&listed, ScopeID::ALL, since, usize::MAX, now)), all);
    if let Some(since) = all.0 {
        let changed = !all.2.is_empty() || !all.3.is_empty();
        assert_eq!(state.has_changed(Some(&listed), ScopeID::ALL, since), changed);
    }
}

/// What a viewer holds that applies every message it gets.
#[derive(Default)]
struct Mirror {
    version: Option<u64>,
    devices: BTreeMap<DeviceID, Device>,
    summary: Summary,
}

impl Mirror {
    fn follow(&mut self, state: &State, now: f64) {
        let changes = state.changes_since(self.version, now);
        if changes.since.is_none() {
            self.devices.clear();
        }
        for id in &changes.removed {
            self.devices.remove(id.as_str());
        }
        for device in changes.devices {
            self.devices.insert(device.id().clone(), device);
        }
        self.version = Some(changes.version);
        self.summary = changes.summary;
    }

    fn seen(&self) -> Vec<(DeviceID, Condition, Option<u32>, u64)> {
        let row = |d: &Device| (d.id().clone(), d.condition, d.count(), d.status.spool_depth);
        self.devices.values().map(row).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_repetition_ends_as_the_ordered_history(
        history in history(), picks in proptest::collection::vec(any::<Pick>(), 0..120)
    ) {
        let mut right = fresh(8);
        for event in ordered(&history) {
            apply(&mut right, &event, Receipt::live(NOW));
        }
        // everything at least once, in a random order, with random repetitions in between
        let mut wild = fresh(8);
        let mut left = history.clone();
        for pick in &picks {
            if history.is_empty() {
                break;
            }
            let event = if left.is_empty() || pick.index(3) == 0 {
                history[pick.index(history.len())].clone()
            } else {
                left.swap_remove(pick.index(left.len()))
            };
            apply(&mut wild, &event, Receipt::live(NOW));
        }
        for event in &left {
            apply(&mut wild, event, Receipt::live(NOW));
        }
        right.tick(NOW);
        wild.tick(NOW);
        prop_assert_eq!(seen(&wild, NOW), seen(&right, NOW));
        check_sums(&wild, NOW);

        // and the whole of it once more changes nothing
        let version = wild.version();
        for event in &history {
            apply(&mut wild, event, Receipt::retained(NOW));
        }
        prop_assert_eq!(wild.version(), version);
    }

    #[test]
    fn a_count_never_rolls_back(history in history()) {
        let mut state = fresh(8);
        let mut newest: BTreeMap<DeviceID, Order> = BTreeMap::new();
        for event in &history {
            let version = state.version();
            let outcome = apply(&mut state, event, Receipt::live(NOW));
            prop_assert!(state.version() >= version);
            prop_assert_eq!(outcome == Outcome::Changed, state.version() > version);
            for device in state.changes_since(None, NOW).devices {
                if let Some(result) = &device.result {
                    let before = newest.insert(device.id().clone(), result.order());
                    prop_assert!(before.is_none_or(|before| before <= result.order()));
                }
            }
        }
    }

    #[test]
    fn a_replica_from_what_the_broker_kept_shows_the_same(history in history()) {
        // ingest sees to it that what the broker keeps is the newest, so the history is an ordered one
        let history = ordered(&history);
        let mut running = fresh(8);
        let mut kept: BTreeMap<(u8, DeviceID), Event> = BTreeMap::new();
        for event in &history {
            apply(&mut running, event, Receipt::live(NOW));
            let key = match event {
                Event::Status(status) => (0, status.device_id.clone()),
                Event::Counted(result) => (1, result.device_id.clone()),
                Event::Failed(failure) => (2, failure.device_id.clone()),
            };
            kept.insert(key, event.clone());
        }
        let later = NOW + 1.0;
        let mut rebuilt = fresh(8);
        rebuilt.begin_sync();
        for event in kept.values().rev() {
            apply(&mut rebuilt, event, Receipt::retained(later));
        }
        rebuilt.complete_sync(later);
        running.tick(later);
        rebuilt.tick(later);
        prop_assert_eq!(seen(&rebuilt, later), seen(&running, later));

        // and a reconnect to a broker that kept everything changes nothing either
        let version = running.version();
        running.begin_sync();
        for event in kept.values() {
            apply(&mut running, event, Receipt::retained(later));
        }
        running.complete_sync(later);
        prop_assert_eq!(running.version(), version);
    }

    #[test]
    fn a_viewer_that_looks_now_and_then_ends_with_the_truth(
        steps in proptest::collection::vec((event(), 0..12_u8, 0.0..2.0_f64), 0..80)
    ) {
        let mut state = fresh(2);
        let mut mirror = Mirror::default();
        let mut now = NOW;
        for (event, step, seconds) in steps {
            now += seconds;
            let id: DeviceID = match &event {
                Event::Status(status) => status.device_id.clone(),
                Event::Counted(result) => result.device_id.clone(),
                Event::Failed(failure) => failure.device_id.clone(),
            };
            match step {
                0 => { state.cleared(&id, Cleared::Status, now); }
                1 => { state.cleared(&id, Cleared::Result, now); }
                2 => { state.begin_sync(); }
                3 => { state.complete_sync(now); }
                4 => { now -= 20.0; state.tick(now); }
                5..8 => {
                    state.tick(now);
                    check_listed(&state, mirror.version, now);
                    mirror.follow(&state, now);
                }
                _ => { apply(&mut state, &event, Receipt::live(now)); }
            }
            check_sums(&state, now);
        }
        mirror.follow(&state, now);
        let mut truth = Mirror::default();
        truth.follow(&state, now);
        prop_assert_eq!(mirror.seen(), truth.seen());
        prop_assert_eq!(mirror.summary, state.summary(ScopeID::ALL));
        prop_assert_eq!(mirror.version, Some(state.version()));
    }

    #[test]
    fn with_time_everything_that_is_silent_is_no_longer_live(history in history()) {
        let mut state = fresh(8);
        for event in &history {
            apply(&mut state, event, Receipt::live(NOW));
        }
        state.tick(NOW + 5.0);
        prop_assert_eq!(state.summary(ScopeID::ALL).live, 0);
        prop_assert_eq!(state.summary(ScopeID::ALL).people, 0);
        check_sums(&state, NOW + 5.0);
    }
}
