//! Messages as ingest and inference send them.

use std::time::{SystemTime, UNIX_EPOCH};

use people_counter_events::{
    AnalysisFailed, AnalysisMetadata, Delivery, DeviceID, DeviceState, DeviceStatus, FailureReason,
    FailureType, FrameID, Model, ObjectPath, PeopleCounted, Person, Picture, ResultType, Results, StatusType,
    frame_key, preview_key,
};

pub const BUCKET: &str = "people-counter";

pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

pub fn status(device: &str, connection: u64) -> DeviceStatus {
    DeviceStatus {
        kind: StatusType::Status,
        device_id: device.parse().unwrap(),
        state: DeviceState::Online,
        boot_id: 1,
        connection,
        version: "0.1.0".into(),
        source: "folder".into(),
        // far from stale, whatever a loaded machine does to a test
        cadence_seconds: 600.0,
        delivery: Delivery::Latest,
        labels: [("floor".to_owned(), "2".to_owned())].into(),
        spool_depth: 0,
        dropped: Default::default(),
        problem: None,
        unchanged: None,
    }
}

pub fn result(device: &str, sequence: u64, count: u32) -> PeopleCounted {
    let device_id: DeviceID = device.parse().unwrap();
    let frame_id = FrameID::now_v7();
    let file_path = ObjectPath::new(BUCKET, &frame_key(&device_id, frame_id)).unwrap();
    PeopleCounted {
        kind: ResultType::Result,
        message: PeopleCounted::message_for(&file_path),
        device_id,
        file_path,
        creation_timestamp: now() - 0.2,
        frame_id,
        boot_id: 1,
        sequence,
        width: 640,
        height: 480,
        analysed_timestamp: now(),
        picture: Picture::Original,
        preview_path: None,
        analysis_metadata: AnalysisMetadata {
            results: Results {
                count,
                people: vec![Person { bounding_box: [0.1, 0.2, 0.3, 0.4], score: 0.9 }; count as usize],
            },
            model: Model { name: "test".into(), sha256: "00".into() },
            node: "inference-1".into(),
            duration_ms: 40.0,
        },
    }
}

/// The same with a preview, under this policy.
pub fn private(device: &str, sequence: u64, picture: Picture) -> PeopleCounted {
    let mut result = result(device, sequence, 1);
    let key = preview_key(&result.device_id, result.frame_id);
    (result.picture, result.preview_path) = (picture, Some(ObjectPath::new(BUCKET, &key).unwrap()));
    result
}

pub fn failure(device: &str, sequence: u64) -> AnalysisFailed {
    let result = result(device, sequence, 0);
    AnalysisFailed {
        kind: FailureType::Failure,
        device_id: result.device_id,
        file_path: result.file_path,
        creation_timestamp: result.creation_timestamp,
        frame_id: result.frame_id,
        boot_id: 1,
        sequence,
        attempt: 1,
        reason: FailureReason::Undecodable,
        message: "the file is no picture".into(),
        failed_timestamp: now(),
        node: "inference-1".into(),
    }
}
