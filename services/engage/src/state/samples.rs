//! Messages for the tests of the state.

use std::collections::BTreeMap;

use people_counter_events::{
    Alert, AlertState, AlertType, AnalysisFailed, AnalysisMetadata, DataType, Delivery, DeviceID,
    DeviceState, DeviceStatus, FailureReason, FrameID, FrameStored, Model, ObjectPath, PeopleCounted, Person,
    Picture, ResultType, Results, Severity, StatusType, frame_key,
};

pub(crate) const BUCKET: &str = "frames";

/// When everything happens unless a test says otherwise.
pub(crate) const NOW: f64 = 1_790_000_000.0;

fn frame_id(device: &str, boot: u64, sequence: u64) -> FrameID {
    FrameID::new_v5(&FrameID::NAMESPACE_OID, format!("{device} {boot} {sequence}").as_bytes())
}

/// The frame that the results below are about.
fn frame(device: &str, boot: u64, sequence: u64) -> FrameStored {
    let device_id: DeviceID = device.parse().unwrap();
    let frame_id = frame_id(device, boot, sequence);
    FrameStored {
        kind: DataType::Data,
        file_path: ObjectPath::new(BUCKET, &frame_key(&device_id, frame_id)).unwrap(),
        device_id,
        creation_timestamp: NOW - 0.5,
        frame_id,
        boot_id: boot,
        sequence,
        delivery: Delivery::Latest,
        width: 640,
        height: 480,
        bytes: 50_000,
        attempt: 1,
    }
}

pub(crate) fn result(device: &str, boot: u64, sequence: u64, count: u32) -> PeopleCounted {
    let frame = frame(device, boot, sequence);
    let person = Person { bounding_box: [0.1, 0.2, 0.3, 0.4], score: 0.9 };
    PeopleCounted {
        kind: ResultType::Result,
        message: PeopleCounted::message_for(&frame.file_path),
        device_id: frame.device_id,
        file_path: frame.file_path,
        creation_timestamp: frame.creation_timestamp,
        frame_id: frame.frame_id,
        boot_id: boot,
        sequence,
        width: frame.width,
        height: frame.height,
        analysed_timestamp: NOW,
        picture: Picture::Original,
        preview_path: None,
        analysis_metadata: AnalysisMetadata {
            results: Results { count, people: vec![person; count as usize] },
            model: Model { name: "test".into(), sha256: "00".into() },
            node: "node-1".into(),
            duration_ms: 40.0,
        },
    }
}

pub(crate) fn failure(device: &str, boot: u64, sequence: u64) -> AnalysisFailed {
    let message = "the file is no picture".into();
    frame(device, boot, sequence).failed(FailureReason::Undecodable, message, NOW, "node-1")
}

pub(crate) fn status(device: &str, boot: u64, connection: u64) -> DeviceStatus {
    DeviceStatus {
        kind: StatusType::Status,
        device_id: device.parse().unwrap(),
        state: DeviceState::Online,
        boot_id: boot,
        connection,
        version: "0.1.0".into(),
        source: "folder".into(),
        cadence_seconds: 1.0,
        delivery: Delivery::Latest,
        labels: BTreeMap::new(),
        spool_depth: 0,
        dropped: BTreeMap::new(),
        problem: None,
        unchanged: None,
    }
}

pub(crate) fn alert(rule: &str, target: &str) -> Alert {
    Alert {
        kind: AlertType::Alert,
        rule: rule.into(),
        target: target.into(),
        sum: false,
        state: AlertState::Active,
        severity: Severity::Warning,
        message: "more than there should be".into(),
        since_timestamp: NOW,
        value: Some(3),
        event_id: uuid::Uuid::nil(),
    }
}
