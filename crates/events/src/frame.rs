//! [`FrameStored`]: a picture is in the store and waits to be analysed.

use serde::{Deserialize, Serialize};

use crate::decode::{Invalid, Message, check_picture_size, check_timestamp};
use crate::{AnalysisFailed, DeviceID, FailureReason, FailureType, FrameID, ObjectPath, Order, frame_key};

/// What happens to a frame when a newer one of its device is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// It is superseded: only the newest frame matters.
    #[default]
    Latest,
    /// It is analysed all the same.
    Every,
}

/// The `type` of [`FrameStored`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataType {
    /// `"data"`
    #[default]
    Data,
}

/// Says that a frame has been stored. Topic `devices/{device}/frames`, not retained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameStored {
    /// Always `"data"`.
    #[serde(rename = "type")]
    pub kind: DataType,
    /// The device that took the picture.
    #[serde(rename = "deviceID")]
    pub device_id: DeviceID,
    /// Where the picture lies: `bucket/key`, the key as [`frame_key`] makes it.
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
    /// Whether a newer frame supersedes this one.
    pub delivery: Delivery,
    /// Width of the picture in pixels, as stored.
    pub width: u32,
    /// Height of the picture in pixels, as stored.
    pub height: u32,
    /// Size of the stored file in bytes.
    pub bytes: u64,
    /// How often the frame has been announced while an inference node was online, from 1.
    pub attempt: u32,
}

impl FrameStored {
    /// Where the frame stands among those of its device.
    pub fn order(&self) -> Order {
        Order::new(self.boot_id, self.sequence)
    }

    /// Says that this announcement came to nothing: why, when (Unix seconds) and on which node.
    pub fn failed(
        &self,
        reason: FailureReason,
        message: String,
        failed_timestamp: f64,
        node: &str,
    ) -> AnalysisFailed {
        AnalysisFailed {
            kind: FailureType::Failure,
            device_id: self.device_id.clone(),
            file_path: self.file_path.clone(),
            creation_timestamp: self.creation_timestamp,
            frame_id: self.frame_id,
            boot_id: self.boot_id,
            sequence: self.sequence,
            attempt: self.attempt,
            reason,
            message,
            failed_timestamp,
            node: node.to_owned(),
        }
    }
}

impl Message for FrameStored {
    fn device(&self) -> Option<&DeviceID> {
        Some(&self.device_id)
    }

    fn check(&self) -> Result<(), Invalid> {
        check_timestamp("creationTimestamp", self.creation_timestamp)?;
        check_picture_size(self.width, self.height)?;
        if self.file_path.key() != frame_key(&self.device_id, self.frame_id) {
            return Err(Invalid::new("filePath", "is not the key of this device's frame"));
        }
        if self.attempt == 0 {
            return Err(Invalid::new("attempt", "counts from 1"));
        }
        Ok(())
    }
}
