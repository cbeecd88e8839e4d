//! [`AnalysisFailed`]: a frame that could not be analysed, and why.

use serde::{Deserialize, Serialize};

use crate::decode::{Invalid, Message, check_text, check_timestamp};
use crate::{DeviceID, FrameID, ObjectPath, Order};

/// Why a frame could not be analysed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FailureReason {
    /// The file is no picture that can be decoded.
    Undecodable,
    /// The object is not in the store.
    Missing,
    /// The file or its picture is larger than the node takes.
    TooLarge,
    /// The analysis took longer than the node allows.
    Timeout,
    /// The analysis broke off.
    Crashed,
    /// The frame was announced too often without a result and is not tried again.
    Quarantined,
    /// A reason that a later version introduced.
    #[serde(other)]
    Other,
}

impl FailureReason {
    /// The code as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::Missing => "missing",
            Self::TooLarge => "too-large",
            Self::Timeout => "timeout",
            Self::Crashed => "crashed",
            Self::Quarantined => "quarantined",
            Self::Other => "other",
        }
    }
}

/// The `type` of [`AnalysisFailed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureType {
    /// `"failure"`
    #[default]
    Failure,
}

/// Says that a frame could not be analysed. Topic `devices/{device}/failure`, retained.
///
/// It never touches `counts`: the last good count stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnalysisFailed {
    /// Always `"failure"`.
    #[serde(rename = "type")]
    pub kind: FailureType,
    /// The device that took the picture.
    #[serde(rename = "deviceID")]
    pub device_id: DeviceID,
    /// Where the picture lies.
    #[serde(rename = "filePath")]
    pub file_path: ObjectPath,
    /// When the picture was taken, by the device's clock; Unix seconds.
    #[serde(rename = "creationTimestamp")]
    pub creation_timestamp: f64,
    /// The picture's id.
    #[serde(rename = "frameID")]
    pub frame_id: FrameID,
    /// See [`Order`].
    #[serde(rename = "bootID")]
    pub boot_id: u64,
    /// See [`Order`].
    pub sequence: u64,
    /// Which announcement failed, from 1.
    pub attempt: u32,
    /// Why.
    pub reason: FailureReason,
    /// One sentence for people.
    pub message: String,
    /// When it failed, by the gateway's clock; Unix seconds.
    #[serde(rename = "failedTimestamp")]
    pub failed_timestamp: f64,
    /// Instance name of the inference node.
    pub node: String,
}

impl AnalysisFailed {
    /// Where the frame stands among those of its device.
    pub fn order(&self) -> Order {
        Order::new(self.boot_id, self.sequence)
    }
}

impl Message for AnalysisFailed {
    fn device(&self) -> Option<&DeviceID> {
        Some(&self.device_id)
    }

    fn check(&self) -> Result<(), Invalid> {
        check_timestamp("creationTimestamp", self.creation_timestamp)?;
        check_timestamp("failedTimestamp", self.failed_timestamp)?;
        check_text("message", &self.message, 2048)?;
        check_text("node", &self.node, 256)
    }
}
