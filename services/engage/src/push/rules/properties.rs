//! The engine against random histories: shuffled, repeated, with gaps.

use people_counter_events::{Alert, AlertWait, DeviceState, Happened};
use proptest::prelude::*;

use super::engine::{Change, Engine};
use super::file::parse;
use crate::state::samples::{BUCKET, NOW, failure, result, status};
use crate::state::{Condition, Options, Receipt, ScopeID, State};

const LIMIT: u32 = 6;
const CLEAR: u32 = 3;
const HOLD: f64 = 4.0;
const RULE: &str = "[[rule]]\nname = \"crowded\"\ndevices = \"cam\"\nabove = 6\nclear = 3\nfor = \"4s\"\n";

/// What happens in one second.
#[derive(Debug, Clone)]
enum Event {
    /// A result with this number in its device's order, which may be late or known already.
    Counted {
        sequence: u64,
        count: u32,
    },
    Failed {
        sequence: u64,
    },
    Offline,
    Online,
    Nothing,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1..40_u64).prop_map(|sequence| {
            // what a result says follows from its number, so that a repeated one says the same
            Event::Counted { sequence, count: (sequence * 7 % 11) as u32 }
        }),
        1 => (1..40_u64).prop_map(|sequence| Event::Failed { sequence }),
        1 => Just(Event::Offline),
        1 => Just(Event::Online),
        3 => Just(Event::Nothing),
    ]
}

/// What was known at the end of a second: the count if the device was live.
fn run(history: &[Event], alerts: Vec<Alert>) -> (Vec<Option<u32>>, Vec<(usize, Change)>) {
    run_with(history, RULE, alerts, None)
}

/// The same with another rule, and with another engine from behind second `takeover` on.
fn run_with(
    history: &[Event],
    rule: &str,
    alerts: Vec<Alert>,
    takeover: Option<usize>,
) -> (Vec<Option<u32>>, Vec<(usize, Change)>) {
    let options =
        Options { devices: 1, tombstones: 1, alerts: 1, bucket: BUCKET.into(), ..Options::default() };
    let mut state = State::new("e".into(), options);
    let rules = parse(rule).unwrap();
    let mut engine = Engine::new(rules.clone(), alerts.clone(), Vec::new(), 10);
    let (mut alert, mut wait): (Option<Alert>, Option<AlertWait>) = (alerts.into_iter().next(), None);
    let (mut known, mut changes, mut version) = (Vec::new(), Vec::new(), None);
    let mut connection = 1;
    state.status(status("cam", 1, connection), Receipt::live(NOW));
    for (second, event) in history.iter().enumerate() {
        let now = NOW + second as f64;
        let mut say = |offline: bool| {
            connection += 1;
            let mut status = status("cam", 1, connection);
            if offline {
                status.state = DeviceState::Offline;
            }
            status
        };
        match event {
            Event::Counted { sequence, count } => {
                let mut result = result("cam", 1, *sequence, *count);
                result.analysed_timestamp = now;
                state.counted(result, Receipt::live(now));
            }
            Event::Failed { sequence } => {
                state.failed(failure("cam", 1, *sequence), Receipt::live(now));
            }
            Event::Offline => {
                state.status(say(true), Receipt::live(now));
            }
            Event::Online => {
                state.status(say(false), Receipt::live(now));
            }
            Event::Nothing => {}
        }
        state.tick(now);
        let since = state.changes_since(version, now);
        version = Some(since.version);
        since.devices.iter().for_each(|device| engine.observe(device));
        for change in engine.tick(now) {
            alert = (change.happened != Happened::Cleared).then(|| change.alert.clone());
            changes.push((second, change));
        }
        for (_, kept) in engine.take_waits() {
            wait = kept;
        }
        if takeover == Some(second) {
            engine = Engine::new(rules.clone(), alert.clone(), wait.clone(), 10);
            version = None;
        }
        let device = state.device(&"cam".parse().unwrap(), ScopeID::ALL, now).unwrap();
        known.push(device.count().filter(|_| device.condition == Condition::Live));
    }
    (known, changes)
}

proptest! {
    #[test]
    fn raised_only_after_holding_all_the_time_and_cleared_only_by_knowledge(
        history in proptest::collection::vec(event(), 1..120)
    ) {
        let (known, changes) = run(&history, Vec::new());
        let mut raised = false;
        for (second, change) in &changes {
            match change.happened {
                Happened::Raised => {
                    prop_assert!(!raised, "raised twice");
                    raised = true;
                    let from = second.checked_sub(HOLD as usize);
                    let held = from.is_some_and(|from| {
                        known[from..=*second].iter().all(|count| count.is_some_and(|count| count > LIMIT))
                    });
                    prop_assert!(held, "second {second}: {known:?}");
                }
                Happened::Cleared => {
                    prop_assert!(raised, "cleared what was not raised");
                    raised = false;
                    prop_assert!(known[*second].is_some_and(|count| count <= CLEAR), "second {second}");
                }
                Happened::Unknown => prop_assert!(raised && known[*second].is_none()),
                Happened::Active => prop_assert!(raised && known[*second].is_some_and(|count| count > CLEAR)),
            }
        }
    }

    #[test]
    fn nothing_happens_inside_the_band(
        first in 0..12_u32,
        counts in proptest::collection::vec(CLEAR + 1..=LIMIT, 1..60)
    ) {
        let counted = |(n, count): (usize, u32)| Event::Counted { sequence: 1 + n as u64, count };
        // long enough for an alert, if the first count calls for one
        let mut history: Vec<Event> = (0..6).map(|n| counted((n, first))).collect();
        history.extend(counts.into_iter().enumerate().map(|(n, count)| counted((6 + n, count))));
        let (_, changes) = run(&history, Vec::new());
        let expected = usize::from(first > LIMIT);
        prop_assert_eq!(changes.len(), expected, "{:?}", changes);
    }

    #[test]
    fn a_restart_at_any_second_changes_nothing_about_a_raised_alert(
        history in proptest::collection::vec(event(), 1..60)
    ) {
        let mut raise: Vec<Event> = (100..106).map(|sequence| Event::Counted { sequence, count: 9 }).collect();
        let (_, changes) = run(&raise, Vec::new());
        prop_assert_eq!(changes.len(), 1);
        let alert = changes[0].1.alert.clone();
        // the same history behind the alert, once seen by the engine that raised it and once by its successor
        raise.extend(history.iter().cloned());
        raise.push(Event::Online);
        raise.push(Event::Counted { sequence: 200, count: 4 });
        let (_, through) = run(&raise, Vec::new());
        let mut resumed = vec![Event::Counted { sequence: 105, count: 9 }];
        resumed.extend(history);
        resumed.push(Event::Online);
        resumed.push(Event::Counted { sequence: 200, count: 4 });
        let (_, after) = run(&resumed, vec![alert.clone()]);
        let last = |changes: &[(usize, Change)]| {
            changes.last().map(|(_, change)| (change.happened, change.alert.event_id))
        };
        // the last count is in the band, so an alert that was never cleared is active in both
        let ours = |changes: &[(usize, Change)]| {
            changes.iter().filter(|(_, change)| change.alert.event_id == alert.event_id).map(|(_, c)| c.happened).collect::<Vec<_>>()
        };
        let through_ours: Vec<Happened> = ours(&through).into_iter().skip(1).collect();
        prop_assert_eq!(through_ours, ours(&after), "{:?} and {:?}", last(&through), last(&after));
    }

    #[test]
    fn a_takeover_makes_no_wait_shorter_and_forgets_none_that_was_kept(
        history in proptest::collection::vec(event(), 1..120),
        takeover in 0..100_usize,
    ) {
        let rule = RULE.replace("4s", "8s");
        let (known, through) = run_with(&history, &rule, Vec::new(), None);
        let (_, after) = run_with(&history, &rule, Vec::new(), Some(takeover));
        for (second, change) in after.iter().filter(|(_, change)| change.happened == Happened::Raised) {
            let from = second.checked_sub(8);
            let held = from.is_some_and(|from| {
                known[from..=*second].iter().all(|count| count.is_some_and(|count| count > LIMIT))
            });
            prop_assert!(held, "second {second}, taken over behind {takeover}: {known:?}");
            prop_assert_eq!(change.alert.state, people_counter_events::AlertState::Active);
        }
        // the condition had held for so many seconds when the other engine began
        let known = &known[..known.len().min(takeover + 1)];
        let held = known.iter().rev().take_while(|count| count.is_some_and(|count| count > LIMIT)).count();
        if held == 0 || held > 5 {
            prop_assert_eq!(through, after);
        }
    }
}
