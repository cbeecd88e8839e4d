//! [`DeviceStatus`]: a device announces itself, and its last will takes it back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decode::{Invalid, Message, check_text, check_timestamp};
use crate::{Delivery, DeviceID, Order};

/// Most labels of a device.
const MAX_LABELS: usize = 32;

/// Whether the device is connected to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceState {
    /// It is.
    Online,
    /// Its last will fired, or it said goodbye.
    Offline,
}

/// The `type` of [`DeviceStatus`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusType {
    /// `"status"`
    #[default]
    Status,
}

/// Heartbeat of a still scene: the picture has not changed since this frame, so its count still holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Unchanged {
    /// See [`Order`].
    #[serde(rename = "bootID")]
    pub boot_id: u64,
    /// See [`Order`].
    pub sequence: u64,
    /// When the scene was last compared, by the device's clock; Unix seconds.
    pub timestamp: f64,
}

impl Unchanged {
    /// The frame that still shows the scene.
    pub fn order(&self) -> Order {
        Order::new(self.boot_id, self.sequence)
    }
}

/// State of a device. Topic `devices/{device}/status`, retained, and the device's last will.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// Always `"status"`.
    #[serde(rename = "type")]
    pub kind: StatusType,
    /// The device.
    #[serde(rename = "deviceID")]
    pub device_id: DeviceID,
    /// Online or offline.
    pub state: DeviceState,
    /// See [`Order`].
    #[serde(rename = "bootID")]
    pub boot_id: u64,
    /// Rises with every connection of this boot, so that an older connection's will cannot turn a newer one
    /// offline.
    pub connection: u64,
    /// Version of the service on the device.
    pub version: String,
    /// Kind of the picture source: `folder`, `video`, `usb`, `rtsp`, `http`.
    pub source: String,
    /// Seconds between two pictures.
    #[serde(rename = "cadenceSeconds")]
    pub cadence_seconds: f64,
    /// Whether a newer frame supersedes an older one.
    pub delivery: Delivery,
    /// Names and values for people and filters.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Frames captured and not settled yet.
    #[serde(rename = "spoolDepth", default)]
    pub spool_depth: u64,
    /// Frames given up since this boot, by reason.
    #[serde(default)]
    pub dropped: BTreeMap<String, u64>,
    /// What is wrong with the source, in one sentence; absent while pictures come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Heartbeat of a still scene.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged: Option<Unchanged>,
}

impl DeviceStatus {
    /// Newer connections win: first by boot, then by connection.
    pub fn session(&self) -> (u64, u64) {
        (self.boot_id, self.connection)
    }
}

impl Message for DeviceStatus {
    fn device(&self) -> Option<&DeviceID> {
        Some(&self.device_id)
    }

    fn check(&self) -> Result<(), Invalid> {
        // a day between two pictures is the slowest camera; also keeps NaN out
        if !(self.cadence_seconds > 0.0 && self.cadence_seconds <= 86_400.0) {
            return Err(Invalid::new("cadenceSeconds", "is not between 0 and 86400"));
        }
        check_text("version", &self.version, 128)?;
        check_text("source", &self.source, 64)?;
        check_text("problem", self.problem.as_deref().unwrap_or_default(), 1024)?;
        if self.labels.len() > MAX_LABELS || self.dropped.len() > MAX_LABELS {
            return Err(Invalid::new("labels", "has too many entries"));
        }
        for (name, value) in &self.labels {
            check_text("labels", name, 64)?;
            check_text("labels", value, 256)?;
        }
        self.unchanged.map_or(Ok(()), |unchanged| check_timestamp("unchanged.timestamp", unchanged.timestamp))
    }
}
