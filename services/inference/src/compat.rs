//! The messages of the reference implementation's Python services, on one topic for announcements and results.

use people_counter_events::{
    DataType, Delivery, DeviceID, FrameID, FrameStored, MAX_MESSAGE_BYTES, ObjectPath, Order,
};
use serde::Deserialize;
use serde_json::Value;

/// What the reference's ingestion says about a picture.
#[derive(Debug, Deserialize)]
struct Announcement {
    #[serde(rename = "deviceID")]
    device_id: DeviceID,
    #[serde(rename = "filePath")]
    file_path: ObjectPath,
    #[serde(rename = "creationTimestamp")]
    creation_timestamp: f64,
}

/// A message that is none of the reference's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejected {
    #[error("message of {0} bytes is over the limit of {MAX_MESSAGE_BYTES}")]
    TooLarge(usize),
    #[error("no message of the reference: {0}")]
    Json(#[from] serde_json::Error),
    #[error("creationTimestamp {0} is not a time in Unix seconds")]
    Timestamp(f64),
}

/// Reads what came on the topic as frame number `order`; `None` for anything that is no announcement, such as the
/// results that go to the same topic.
pub(crate) fn read(payload: &[u8], order: Order) -> Result<Option<FrameStored>, Rejected> {
    if payload.len() > MAX_MESSAGE_BYTES {
        return Err(Rejected::TooLarge(payload.len()));
    }
    let message: Value = serde_json::from_slice(payload)?;
    if message.get("type").and_then(Value::as_str) != Some("data") {
        return Ok(None);
    }
    let announcement: Announcement = serde_json::from_value(message)?;
    let timestamp = announcement.creation_timestamp;
    if !(0.0..253_402_300_800.0).contains(&timestamp) {
        return Err(Rejected::Timestamp(timestamp));
    }
    Ok(Some(FrameStored {
        kind: DataType::Data,
        frame_id: frame_id(&announcement.file_path, timestamp),
        device_id: announcement.device_id,
        file_path: announcement.file_path,
        creation_timestamp: timestamp,
        boot_id: order.boot_id,
        sequence: order.sequence,
        // the reference's services expect a result for every picture
        delivery: Delivery::Every,
        // not said; the picture itself does
        width: 1,
        height: 1,
        bytes: 0,
        attempt: 1,
    }))
}

/// The same id for the same announcement, on every node.
fn frame_id(path: &ObjectPath, timestamp: f64) -> FrameID {
    FrameID::new_v5(&FrameID::NAMESPACE_URL, format!("{path}?{timestamp}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNOUNCEMENT: &str = r#"{"type": "data", "deviceID": "pi-1", "filePath": "images/2026/img-1.jpg",
        "creationTimestamp": 1789000000.25, "message": "New image"}"#;

    fn take(payload: &str) -> Result<Option<FrameStored>, Rejected> {
        read(payload.as_bytes(), Order::new(7, 3))
    }

    #[test]
    fn an_announcement_becomes_a_frame_whose_id_is_the_same_everywhere() {
        let frame = take(ANNOUNCEMENT).unwrap().unwrap();
        assert_eq!((frame.device_id.as_str(), frame.order()), ("pi-1", Order::new(7, 3)));
        assert_eq!(frame.file_path.to_string(), "images/2026/img-1.jpg");
        let again = read(ANNOUNCEMENT.as_bytes(), Order::new(8, 1)).unwrap().unwrap();
        assert_eq!(frame.frame_id, again.frame_id);
        assert_eq!(frame.frame_id.get_version_num(), 5);
        let later = take(&ANNOUNCEMENT.replace(".25", ".5")).unwrap().unwrap();
        assert_ne!(frame.frame_id, later.frame_id);
    }

    #[test]
    fn results_and_others_are_passed_over_and_nonsense_is_rejected() {
        for other in ["{}", "[]", "3", r#"{"type": "result", "deviceID": "pi-1"}"#, r#"{"type": 7}"#] {
            assert!(take(other).unwrap().is_none(), "{other}");
        }
        let long = format!("\"{}\"", "x".repeat(MAX_MESSAGE_BYTES));
        for bad in [
            "",
            "{not json",
            r#"{"type": "data"}"#,
            &ANNOUNCEMENT.replace("pi-1", "<b>"),
            &ANNOUNCEMENT.replace("images/2026/img-1.jpg", "images/../../etc/passwd"),
            &ANNOUNCEMENT.replace("1789000000.25", "-1"),
            &ANNOUNCEMENT.replace("1789000000.25", "1e300"),
            &long,
        ] {
            assert!(take(bad).is_err(), "{bad} was taken");
        }
    }
}
