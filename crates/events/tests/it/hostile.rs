//! Hostile input is rejected with a code, never taken, never a panic.

use people_counter_events::{DeviceID, MAX_MESSAGE_BYTES, Rejected, Topics, decode};
use proptest::prelude::*;
use serde_json::{Value, json};

fn topics() -> Topics {
    Topics::new(Topics::DEFAULT_ROOT).unwrap()
}

fn frame() -> Value {
    let text = include_str!("../golden/frame_stored.json");
    serde_json::from_str(text).unwrap()
}

fn counted() -> Value {
    serde_json::from_str(include_str!("../golden/people_counted.json")).unwrap()
}

const FRAMES: &str = "people-counter/v1/devices/cam-1/frames";
const COUNTS: &str = "people-counter/v1/devices/cam-1/counts";

#[test]
fn frames_with_fields_that_make_no_sense_are_rejected() {
    let good = frame();
    assert!(decode(&topics().frames, FRAMES, good.to_string().as_bytes()).is_ok());
    let cases: &[(&str, Value, &str)] = &[
        ("type", json!("result"), "json"),
        ("deviceID", json!("../etc"), "json"),
        ("deviceID", json!("cam-2"), "device"),
        ("deviceID", json!("<script>"), "json"),
        ("filePath", json!("frames/cam-2.0190b5a2-7c3e-7d10-9f3a-5b6f1c2d3e4f.jpg"), "invalid"),
        ("filePath", json!("frames/../secret"), "json"),
        ("filePath", json!("frames"), "json"),
        ("creationTimestamp", json!(-1.0), "invalid"),
        ("creationTimestamp", json!(1e300), "invalid"),
        ("width", json!(0), "invalid"),
        ("height", json!(4_000_000_000u32), "invalid"),
        ("sequence", json!(-1), "json"),
        ("attempt", json!(0), "invalid"),
        ("frameID", json!("not-an-id"), "json"),
    ];
    for (field, value, code) in cases {
        let mut bad = good.clone();
        bad[*field] = value.clone();
        let rejected = decode(&topics().frames, FRAMES, bad.to_string().as_bytes()).unwrap_err();
        assert_eq!(rejected.code(), *code, "{field} = {value}: {rejected}");
    }
}

#[test]
fn results_with_fields_that_make_no_sense_are_rejected() {
    let cases: &[(&str, Value)] = &[
        ("/analysisMetadata/results/people/0/box", json!([0.5, 0.5, 0.75, 0.1])),
        ("/analysisMetadata/results/people/0/box", json!([-0.5, 0.5, 0.1, 0.1])),
        ("/analysisMetadata/results/people/0/score", json!(1.5)),
        ("/analysisMetadata/results/count", json!(1)),
        ("/analysisMetadata/node", json!("x".repeat(300))),
        ("/message", json!("line\nbreak")),
    ];
    for (pointer, value) in cases {
        let mut bad = counted();
        *bad.pointer_mut(pointer).unwrap() = value.clone();
        let rejected = decode(&topics().counts, COUNTS, bad.to_string().as_bytes()).unwrap_err();
        assert_eq!(rejected.code(), "invalid", "{pointer} = {value}: {rejected}");
    }
}

#[test]
fn alerts_with_fields_that_make_no_sense_are_rejected() {
    let good: Value = serde_json::from_str(include_str!("../golden/alert.json")).unwrap();
    let topic = "people-counter/v1/alerts/crowded/cam-1";
    assert!(decode(&topics().alerts, topic, good.to_string().as_bytes()).is_ok());
    for (field, value, code) in [
        ("rule", json!("a/b"), "invalid"),
        ("target", json!("<b>"), "invalid"),
        ("message", json!("line\nbreak"), "invalid"),
        ("sinceTimestamp", json!(-1), "invalid"),
        ("state", json!("cleared"), "json"),
        ("severity", json!("dreadful"), "json"),
        ("value", json!(-1), "json"),
        ("eventID", json!("x"), "json"),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        let rejected = decode(&topics().alerts, topic, bad.to_string().as_bytes()).unwrap_err();
        assert_eq!(rejected.code(), code, "{field}: {rejected}");
    }
}

#[test]
fn events_and_waits_with_fields_that_make_no_sense_are_rejected() {
    let topics = topics();
    let name = "people-counter/v1/alerts/crowded/cam-1/events/6f9a4f0e-3c5e-5d0b-8f57-0d5a5b1c2e3f";
    let good: Value = serde_json::from_str(include_str!("../golden/alert_event.json")).unwrap();
    assert!(decode(&topics.events, name, good.to_string().as_bytes()).is_ok());
    for (pointer, value, code) in [
        ("/type", json!("alert"), "json"),
        ("/happened", json!("forgotten"), "json"),
        ("/timestamp", json!(-1), "invalid"),
        ("/alert/target", json!("<b>"), "invalid"),
        ("/sinks/0", json!("a b"), "invalid"),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let rejected = decode(&topics.events, name, bad.to_string().as_bytes()).unwrap_err();
        assert_eq!(rejected.code(), code, "{pointer}: {rejected}");
    }
    let name = "people-counter/v1/alerts/crowded/cam-1/wait";
    let good: Value = serde_json::from_str(include_str!("../golden/alert_wait.json")).unwrap();
    assert!(decode(&topics.waits, name, good.to_string().as_bytes()).is_ok());
    for (field, value) in
        [("rule", json!("a/b")), ("sinceTimestamp", json!(-1)), ("untilTimestamp", json!(1e300))]
    {
        let mut bad = good.clone();
        bad[field] = value;
        let rejected = decode(&topics.waits, name, bad.to_string().as_bytes()).unwrap_err();
        assert_eq!(rejected.code(), "invalid", "{field}: {rejected}");
    }
}

#[test]
fn size_and_topic_are_checked_first() {
    let huge = vec![b' '; MAX_MESSAGE_BYTES + 1];
    assert!(matches!(decode(&topics().frames, FRAMES, &huge), Err(Rejected::TooLarge(_))));
    let payload = frame().to_string();
    for name in ["", "people-counter/v1/devices/cam-1/counts", "people-counter/v2/devices/cam-1/frames"] {
        let rejected = decode(&topics().frames, name, payload.as_bytes()).unwrap_err();
        assert_eq!(rejected.code(), "topic", "{name}");
    }
    let other = "people-counter/v1/devices/cam-9/frames";
    assert_eq!(decode(&topics().frames, other, payload.as_bytes()).unwrap_err().code(), "device");
}

proptest! {
    #[test]
    fn fuzz_random_bytes_never_panic(payload in prop::collection::vec(any::<u8>(), 0..400), id in ".{0,80}") {
        let topics = topics();
        let name = format!("people-counter/v1/devices/{id}/frames");
        prop_assert!(decode(&topics.frames, &name, &payload).is_err());
        drop(id.parse::<DeviceID>());
    }

    #[test]
    fn fuzz_broken_messages_never_panic(cut in 0usize..700, flip in 0usize..700, with in any::<u8>()) {
        let mut payload = counted().to_string().into_bytes();
        payload.truncate(cut.max(1));
        let at = flip % payload.len();
        payload[at] = with;
        drop(decode(&topics().counts, COUNTS, &payload));
    }
}
