//! Crate, golden files and `docs/wire.md` say the same.

use std::path::PathBuf;

use people_counter_events::{
    Alert, AlertEvent, AlertWait, AnalysisFailed, Command, CommandReply, DeviceStatus, FrameStored, Message,
    PeopleCounted, ServiceStatus,
};
use serde::Serialize;
use serde_json::Value;

fn golden(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.json"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The file is a valid message, and writing it gives the same fields and values.
fn check<T: Message + Serialize>(name: &str) {
    let text = golden(name);
    let message: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    message.check().unwrap_or_else(|error| panic!("{name}: {error}"));
    let written = serde_json::to_value(&message).unwrap();
    assert_eq!(written, serde_json::from_str::<Value>(&text).unwrap(), "{name}");

    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/wire.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains(&format!("```json\n{text}```")), "docs/wire.md does not show {name}.json as it is");
}

#[test]
fn every_message_is_pinned() {
    check::<FrameStored>("frame_stored");
    check::<PeopleCounted>("people_counted");
    check::<AnalysisFailed>("analysis_failed");
    check::<DeviceStatus>("device_status");
    check::<ServiceStatus>("service_status");
    check::<Alert>("alert");
    check::<AlertEvent>("alert_event");
    check::<AlertWait>("alert_wait");
    check::<Command>("command");
    check::<CommandReply>("command_reply");
}

#[test]
fn every_golden_file_is_checked() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "alert.json",
            "alert_event.json",
            "alert_wait.json",
            "analysis_failed.json",
            "command.json",
            "command_reply.json",
            "device_status.json",
            "frame_stored.json",
            "people_counted.json",
            "service_status.json"
        ]
    );
}

#[test]
fn unknown_fields_are_ignored() {
    let mut value: Value = serde_json::from_str(&golden("people_counted")).unwrap();
    value["later"] = "something new".into();
    value["analysisMetadata"]["later"] = 1.into();
    serde_json::from_value::<PeopleCounted>(value).unwrap();
    let mut value: Value = serde_json::from_str(&golden("analysis_failed")).unwrap();
    value["reason"] = "a-reason-of-the-future".into();
    serde_json::from_value::<AnalysisFailed>(value).unwrap();
}
