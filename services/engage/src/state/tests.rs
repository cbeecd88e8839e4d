//! The state by example.

use people_counter_events::{Delivery, DeviceID, DeviceState, Order, Unchanged};
use serde_json::Value;

use super::samples::{BUCKET, NOW, failure, result, status};
use super::*;

fn options() -> Options {
    Options { devices: 100, tombstones: 8, bucket: BUCKET.into(), ..Options::default() }
}

fn state() -> State {
    State::new("epoch-1".into(), options())
}

fn id(name: &str) -> DeviceID {
    name.parse().unwrap()
}

fn device(state: &State, now: f64) -> Device {
    state.device(&id("cam-1"), ScopeID::ALL, now).expect("the device is shown")
}

fn condition(state: &State) -> Condition {
    device(state, NOW).condition
}

fn counted(state: &mut State, sequence: u64, count: u32) -> Outcome {
    state.counted(result("cam-1", 1, sequence, count), Receipt::live(NOW))
}

#[test]
fn a_device_is_unknown_until_it_is_counted() {
    let mut state = state();
    assert_eq!(state.status(status("cam-1", 1, 1), Receipt::live(NOW)), Outcome::Changed);
    let unknown = device(&state, NOW);
    assert_eq!((unknown.condition, unknown.count(), unknown.age_seconds), (Condition::Unknown, None, None));
    assert_eq!(state.summary(ScopeID::ALL), Summary { unknown: 1, ..Summary::default() });

    assert_eq!(counted(&mut state, 1, 3), Outcome::Changed);
    let live = device(&state, NOW + 2.0);
    assert_eq!((live.condition, live.count(), live.age_seconds), (Condition::Live, Some(3), Some(2.0)));
    assert_eq!(state.summary(ScopeID::ALL), Summary { people: 3, live: 1, ..Summary::default() });
}

#[test]
fn a_live_device_turns_stale_by_the_clock() {
    let mut state = state();
    state.status(status("cam-1", 1, 1), Receipt::live(NOW));
    counted(&mut state, 1, 3);
    let version = state.version();
    state.tick(NOW + 4.9);
    assert_eq!(state.version(), version);
    state.tick(NOW + 5.0);
    assert_eq!(condition(&state), Condition::Stale);
    assert_eq!(state.summary(ScopeID::ALL), Summary { stale: 1, ..Summary::default() });
    assert_eq!(state.changes_since(Some(version), NOW + 5.0).devices.len(), 1);
    assert_eq!(device(&state, NOW + 60.0).age_seconds, Some(60.0));

    counted(&mut state, 2, 4);
    state.tick(NOW);
    assert_eq!(condition(&state), Condition::Live);
}

#[test]
fn the_cadence_says_when_a_device_is_stale() {
    let mut state = state();
    let mut slow = status("cam-1", 1, 1);
    slow.cadence_seconds = 60.0;
    state.status(slow, Receipt::live(NOW));
    counted(&mut state, 1, 3);
    state.tick(NOW + 179.0);
    assert_eq!(condition(&state), Condition::Live);
    state.tick(NOW + 180.0);
    assert_eq!(condition(&state), Condition::Stale);
}

#[test]
fn an_old_retained_result_is_stale_at_once_with_its_true_age() {
    let mut state = state();
    state.status(status("cam-1", 1, 1), Receipt::retained(NOW + 3600.0));
    state.counted(result("cam-1", 1, 1, 3), Receipt::retained(NOW + 3600.0));
    let old = device(&state, NOW + 3600.0);
    assert_eq!((old.condition, old.count(), old.age_seconds), (Condition::Stale, Some(3), Some(3600.0)));
    assert_eq!(state.summary(ScopeID::ALL).people, 0);
}

#[test]
fn a_failure_counts_while_it_is_newer_than_the_result() {
    let mut state = state();
    state.status(status("cam-1", 1, 1), Receipt::live(NOW));
    counted(&mut state, 2, 3);
    assert_eq!(state.failed(failure("cam-1", 1, 1), Receipt::live(NOW)), Outcome::Superseded);
    assert_eq!(condition(&state), Condition::Live);
    assert_eq!(state.failed(failure("cam-1", 1, 3), Receipt::live(NOW)), Outcome::Changed);
    let failing = device(&state, NOW);
    assert_eq!((failing.condition, failing.count()), (Condition::Failing, Some(3)));
    assert!(failing.failure.is_some());
    counted(&mut state, 4, 2);
    assert_eq!(condition(&state), Condition::Live);
    assert!(device(&state, NOW).failure.is_none());
}

#[test]
fn offline_goes_before_everything() {
    let mut state = state();
    let mut gone = status("cam-1", 1, 1);
    gone.state = DeviceState::Offline;
    state.status(gone.clone(), Receipt::live(NOW));
    assert_eq!(condition(&state), Condition::Offline);
    state.failed(failure("cam-1", 1, 1), Receipt::live(NOW));
    counted(&mut state, 2, 3);
    assert_eq!(condition(&state), Condition::Offline);
    assert_eq!(state.summary(ScopeID::ALL), Summary { offline: 1, ..Summary::default() });

    // an older connection's will does not turn a newer connection offline
    state.status(status("cam-1", 1, 2), Receipt::live(NOW));
    assert_eq!(state.status(gone, Receipt::live(NOW)), Outcome::Superseded);
    assert_eq!(condition(&state), Condition::Live);
}

#[test]
fn the_same_again_and_the_older_change_nothing() {
    let mut state = state();
    state.status(status("cam-1", 1, 1), Receipt::live(NOW));
    counted(&mut state, 5, 3);
    let version = state.version();
    assert_eq!(counted(&mut state, 5, 3), Outcome::Unchanged);
    assert_eq!(counted(&mut state, 4, 9), Outcome::Superseded);
    assert_eq!(state.counted(result("cam-1", 0, 99, 9), Receipt::live(NOW)), Outcome::Superseded);
    assert_eq!(state.status(status("cam-1", 1, 1), Receipt::retained(NOW)), Outcome::Unchanged);
    assert_eq!(state.version(), version);
    // a later boot starts its sequence again
    assert_eq!(state.counted(result("cam-1", 2, 1, 1), Receipt::live(NOW)), Outcome::Changed);
    assert_eq!(device(&state, NOW).count(), Some(1));
}

#[test]
fn a_result_without_a_status_is_kept_but_not_shown() {
    let mut state = state();
    assert_eq!(counted(&mut state, 1, 3), Outcome::Hidden);
    assert_eq!((state.hidden(), state.version()), (1, 0));
    assert!(state.device(&id("cam-1"), ScopeID::ALL, NOW).is_none());
    assert_eq!(state.picture(&id("cam-1"), None), Err(NoPicture::NoDevice));
    state.status(status("cam-1", 1, 1), Receipt::live(NOW));
    assert_eq!((state.hidden(), device(&state, NOW).count()), (0, Some(3)));
}

#[test]
fn clearing_the_status_removes_the_device() {
    let mut state = state();
    state.status(status("cam-1", 1, 1), Receipt::live(NOW));
    counted(&mut state, 1, 3);
    let version = state.version();
    assert_eq!(state.cleared(&id("cam-1"), Cleared::Status, NOW), Outcome::Changed);
    let changes = state.changes_since(Some(version), NOW);
    assert_eq!((changes.devices.len(), changes.removed.len()), (0, 1));
    assert_eq!(state.summary(ScopeID::ALL), Summary::default());
    assert_eq!(state.cleared(&id("cam-1"), Cleared::Result, NOW), Outcome::Hidden);
    assert_eq!(state.hidden(), 0, "nothing is left of it");
    assert_eq!(state.cleared(&id("cam-2"), Cleared::Status, NOW), Outcome::Unchanged);

    // and it comes back like a new one
    state.status(status("cam-1", 1, 1), Receipt::live(NOW));
    assert_eq!(condition(&state), Condition::Unknown);
    assert!(state.changes_since(Some(version), NOW).removed.is_empty());
}

#[test]
fn clearing_the_result_or_failure_leaves_the_device() {
    let mut state = state();
    state.status(status("cam-1", 1, 1), Receipt::live(NOW));
    counted(&mut state, 1, 3);
    state.failed(failure("cam-1", 1, 2), Receipt::live(NOW));
    state.cleared(&id("cam-1"), Cleared::Failure, NOW);
    assert_eq!(condition(&state), Condition::Live);
    state.cleared(&id("cam-1"), Cleared::Result, NOW);
    assert_eq!(condition(&state), Condition::Unknown);
}

#[test]
fn the_number_of_devices_is_limited_and_those_with_a_status_go_first() {
    let mut state = State::new("e".into(), Options { devices: 2, ..options() });
    state.counted(result("ghost", 1, 1, 3), Receipt::live(NOW));
    state.status(status("cam-1", 1, 1), Receipt::live(NOW));
    assert_eq!(state.counted(result("cam-2", 1, 1, 3), Receipt::live(NOW)), Outcome::Refused);
    assert_eq!(state.status(status("cam-2", 1, 1), Receipt::live(NOW)), Outcome::Changed);
    assert_eq!(state.hidden(), 0, "the ghost made room");
    assert_eq!(state.status(status("cam-3", 1, 1), Receipt::live(NOW)), Outcome::Refused);
    assert_eq!(counted(&mut state, 1, 3), Outcome::Changed);
}

fn heartbeat(connection: u64, timestamp: f64) -> DeviceStatus {
    let mut status = status("cam-1", 1, connection);
    status.unchanged = Some(Unchanged { boot_id: 1, sequence: 1, timestamp });
    status
}

#[test]
fn the_heartbeat_of_a_still_scene_keeps_its_count_live() {
    let mut state = state();
    state.status(status("cam-1", 1, 1), Receipt::live(NOW));
    counted(&mut state, 1, 3);
    state.tick(NOW + 20.0);
    assert_eq!(condition(&state), Condition::Stale);
    let outcome = state.status(heartbeat(1, NOW + 19.5), Receipt::live(NOW + 20.0));
    assert_eq!(outcome, Outcome::Changed);
    let live = device(&state, NOW + 20.0);
    assert_eq!(
        (live.condition, live.age_seconds),
        (Condition::Live, Some(20.0)),
        "the age stays the count's"
    );
    state.tick(NOW + 24.9);
    assert_eq!(condition(&state), Condition::Live);
    assert_eq!(live.unchanged, Some(NOW + 19.5));
    let version = state.version();
    // the same comparison again is no evidence
    state.status(heartbeat(1, NOW + 19.5), Receipt::live(NOW + 24.9));
    assert_eq!(state.version(), version, "nobody is told the same again");
    state.tick(NOW + 25.0);
    assert_eq!(condition(&state), Condition::Stale);
}

#[test]
fn a_heartbeat_confirms_its_own_frame_only() {
    let mut state = state();
    state.status(status("cam-1", 1, 1), Receipt::live(NOW));
    counted(&mut state, 2, 3);
    state.tick(NOW + 20.0);
    state.status(heartbeat(1, NOW + 20.0), Receipt::live(NOW + 20.0));
    assert_eq!(condition(&state), Condition::Stale, "frame 1 says nothing about frame 2");
    assert_eq!(device(&state, NOW + 20.0).unchanged, None);
}

#[test]
fn a_scene_is_still_while_the_heartbeat_is_about_the_result_that_is_shown() {
    let mut state = state();
    state.status(status("cam-1", 1, 1), Receipt::live(NOW));
    counted(&mut state, 1, 3);
    assert_eq!(device(&state, NOW).unchanged, None, "a count alone says nothing about later");
    for at in [NOW + 1.0, NOW + 2.0] {
        let version = state.version();
        assert_eq!(state.status(heartbeat(1, at), Receipt::live(at)), Outcome::Changed);
        let shown = device(&state, at);
        assert_eq!((shown.unchanged, shown.version > version), (Some(at), true));
    }
    // the heartbeat of before a restart comes again with each status
    assert_eq!(state.status(heartbeat(2, NOW + 2.0), Receipt::live(NOW + 3.0)), Outcome::Unchanged);
    counted(&mut state, 2, 3);
    assert_eq!(device(&state, NOW + 3.0).unchanged, None, "another picture is another scene");
}

#[test]
fn a_retained_heartbeat_is_evidence_for_its_own_time() {
    for (camera_clock, name) in [(0.0, "right"), (-3600.0, "behind"), (3600.0, "ahead")] {
        let mut state = state();
        let mut still = result("cam-1", 1, 1, 3);
        still.creation_timestamp = NOW + camera_clock;
        let restart = NOW + 100.0;
        state.counted(still, Receipt::retained(restart));
        state.status(heartbeat(1, NOW + 98.0 + camera_clock), Receipt::retained(restart));
        assert_eq!(condition(&state), Condition::Live, "clock {name}");
        state.tick(NOW + 102.9);
        assert_eq!(condition(&state), Condition::Live, "clock {name}");
        state.tick(NOW + 103.1);
        assert_eq!(condition(&state), Condition::Stale, "clock {name}");
    }
}

#[test]
fn a_backlog_is_no_clock_that_is_behind() {
    let mut state = state();
    let mut late = result("cam-1", 1, 1, 3);
    late.creation_timestamp = NOW - 600.0;
    state.counted(late, Receipt::live(NOW));
    let mut busy = status("cam-1", 1, 1);
    (busy.delivery, busy.spool_depth) = (Delivery::Every, 700);
    state.status(busy, Receipt::live(NOW));
    assert_eq!(device(&state, NOW).clock_offset_seconds, None);
    state.status(status("cam-1", 1, 1), Receipt::live(NOW));
    assert_eq!(device(&state, NOW).clock_offset_seconds, Some(-600.0));
}

#[test]
fn a_result_from_the_future_never_looks_fresher_than_its_receipt() {
    let mut ahead = result("cam-1", 1, 1, 3);
    ahead.analysed_timestamp = NOW + 60.0;
    let mut live = state();
    live.status(status("cam-1", 1, 1), Receipt::live(NOW));
    live.counted(ahead.clone(), Receipt::live(NOW));
    let seen = device(&live, NOW + 3.0);
    assert_eq!((seen.condition, seen.age_seconds), (Condition::Live, Some(3.0)));
    assert_eq!(seen.gateway_ahead_seconds, Some(60.0));
    live.counted(ahead.clone(), Receipt::retained(NOW + 4.0));
    live.tick(NOW + 5.0);
    assert_eq!(condition(&live), Condition::Stale, "received again is not counted again");

    // after a restart nobody knows how old it is
    let mut restarted = state();
    restarted.status(status("cam-1", 1, 1), Receipt::retained(NOW));
    restarted.counted(ahead, Receipt::retained(NOW));
    let seen = device(&restarted, NOW);
    assert_eq!((seen.condition, seen.age_seconds), (Condition::Stale, None));

    // and a little ahead is no different from right, but gains nothing by it
    let mut little = result("cam-1", 1, 2, 3);
    little.analysed_timestamp = NOW + 4.0;
    restarted.counted(little, Receipt::live(NOW));
    assert_eq!(device(&restarted, NOW).age_seconds, Some(0.0));
    restarted.tick(NOW + 5.0);
    assert_eq!(condition(&restarted), Condition::Stale);
}

#[test]
fn a_clock_that_is_set_back_makes_nothing_fresh() {
    let mut state = state();
    state.status(status("cam-1", 1, 1), Receipt::live(NOW));
    counted(&mut state, 1, 3);
    state.tick(NOW - 3600.0);
    let seen = device(&state, NOW - 3600.0);
    assert_eq!((seen.condition, seen.age_seconds), (Condition::Stale, None));
    counted(&mut state, 2, 3);
    assert_eq!(condition(&state), Condition::Live);
}

#[test]
fn what_the_broker_no_longer_has_goes_once_it_has_sent_everything() {
    let mut state = state();
    for name in ["cam-1", "cam-2", "cam-3"] {
        state.status(status(name, 1, 1), Receipt::live(NOW));
        state.counted(result(name, 1, 1, 3), Receipt::live(NOW));
    }
    let version = state.version();
    state.begin_sync();
    state.status(status("cam-1", 1, 1), Receipt::retained(NOW));
    state.counted(result("cam-1", 1, 1, 3), Receipt::retained(NOW));
    state.status(status("cam-2", 1, 1), Receipt::retained(NOW));
    assert_eq!(state.version(), version, "nothing goes before the end");
    state.complete_sync(NOW);
    assert_eq!(condition(&state), Condition::Live);
    assert_eq!(state.device(&id("cam-2"), ScopeID::ALL, NOW).unwrap().condition, Condition::Unknown);
    let changes = state.changes_since(Some(version), NOW);
    assert_eq!(changes.removed, [Arc::new(id("cam-3"))]);
    assert_eq!(state.summary(ScopeID::ALL), Summary { people: 3, live: 1, unknown: 1, ..Summary::default() });
}

#[test]
fn who_knows_too_old_a_version_gets_everything() {
    let mut state = State::new("e".into(), Options { tombstones: 1, ..options() });
    for name in ["cam-1", "cam-2"] {
        state.status(status(name, 1, 1), Receipt::live(NOW));
        state.cleared(&id(name), Cleared::Status, NOW);
    }
    assert_eq!(state.changes_since(Some(1), NOW).since, None);
    assert_eq!(state.changes_since(Some(3), NOW).since, Some(3));
    assert_eq!(state.changes_since(Some(99), NOW).since, None, "a version that never was");
}

#[test]
fn the_json_is_what_the_page_expects() {
    let mut state = state();
    let mut first = status("cam-1", 1, 1);
    first.problem = Some("camera is busy".into());
    first.labels.insert("floor".into(), "2".into());
    state.status(first, Receipt::live(NOW));
    let unknown = serde_json::to_value(device(&state, NOW)).unwrap();
    assert_eq!(unknown["state"], "unknown");
    for field in
        ["count", "ageSeconds", "analysedTimestamp", "frameID", "bootID", "image", "model", "failure"]
    {
        assert_eq!(unknown.get(field), Some(&Value::Null), "{field}");
    }
    assert_eq!(unknown["problem"], "camera is busy");

    counted(&mut state, 7, 2);
    let live = serde_json::to_value(device(&state, NOW + 1.25)).unwrap();
    let frame = result("cam-1", 1, 7, 2).frame_id;
    for (field, expected) in [
        ("deviceID", "cam-1".into()),
        ("state", "live".into()),
        ("count", 2.into()),
        ("ageSeconds", 1.25.into()),
        ("bootID", 1.into()),
        ("sequence", 7.into()),
        ("picture", "original".into()),
        ("image", format!("/api/v1/devices/cam-1/image?frame={frame}").into()),
        ("cadenceSeconds", 1.0.into()),
        ("staleAfterSeconds", 5.0.into()),
        ("clockOffsetSeconds", Value::Null),
        ("gatewayAheadSeconds", Value::Null),
        ("spoolDepth", 0.into()),
        ("labels", serde_json::json!({"floor": "2"})),
        ("dropped", serde_json::json!({})),
        ("durationMs", 40.0.into()),
        ("node", "node-1".into()),
    ] {
        assert_eq!(live[field], expected, "{field}");
    }
    assert_eq!(live["people"][0], serde_json::json!({"box": [0.1, 0.2, 0.3, 0.4], "score": 0.9}));

    state.failed(failure("cam-1", 1, 8), Receipt::live(NOW));
    let failing = serde_json::to_value(device(&state, NOW)).unwrap();
    assert_eq!(failing["failure"]["reason"], "undecodable");
    assert_eq!(failing["failure"]["failedTimestamp"], NOW);
}

#[test]
fn orders_compare_by_boot_first() {
    assert!(Order::new(2, 1) > Order::new(1, 99));
}
