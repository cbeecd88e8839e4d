//! [`Frame`]: what a camera keeps of a captured picture, and its way into the store.

use std::time::UNIX_EPOCH;

use bytes::Bytes;
use iot_storage::{Error, Key, PutOptions, Store};
use people_counter_events::{DataType, Delivery, DeviceID, FrameID, FrameStored, ObjectPath, frame_key};

use crate::ledger::Announcement;
use crate::picture::Picture;

/// A captured picture.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its id, fixed when it was captured.
    pub id: FrameID,
    /// The picture itself, until the store has it.
    pub jpeg: Option<Bytes>,
    created: f64,
    width: u32,
    height: u32,
    bytes: u64,
}

impl Frame {
    /// The frame of a picture.
    pub fn new(picture: Picture) -> Self {
        Self {
            id: FrameID::now_v7(),
            created: picture.captured.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            width: picture.width,
            height: picture.height,
            bytes: picture.jpeg.len() as u64,
            jpeg: Some(picture.jpeg),
        }
    }

    /// Size of the picture.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its announcement.
    ///
    /// # Errors
    /// When the bucket's name cannot stand in a path.
    pub fn stored(
        &self,
        device: &DeviceID,
        bucket: &str,
        delivery: Delivery,
        announcement: &Announcement,
    ) -> anyhow::Result<FrameStored> {
        Ok(FrameStored {
            kind: DataType::default(),
            device_id: device.clone(),
            file_path: ObjectPath::new(bucket, &frame_key(device, self.id))?,
            creation_timestamp: self.created,
            frame_id: self.id,
            boot_id: announcement.order.boot_id,
            sequence: announcement.order.sequence,
            delivery,
            width: self.width,
            height: self.height,
            bytes: self.bytes,
            attempt: announcement.attempt,
        })
    }
}

/// Puts a picture; makes the bucket if it is missing, also one that went missing.
///
/// # Errors
/// What the store said.
pub async fn upload(store: &Store, key: &Key, jpeg: Bytes) -> Result<(), Error> {
    let options = PutOptions::content_type("image/jpeg");
    match store.put(key, jpeg.clone(), &options).await {
        Err(Error::NoBucket { .. }) => {
            store.ensure_bucket().await?;
            store.put(key, jpeg, &options).await.map(drop)
        }
        result => result.map(drop),
    }
}

/// Whether the store refuses this picture, not pictures as such.
pub fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::TooLarge { .. } | Error::Invalid { .. }) || error.code() == Some("EntityTooLarge")
}

/// What is wrong with the store, in words for everybody who sees the device: addresses and keys are for the log.
pub fn complaint(error: &Error) -> &'static str {
    match error {
        Error::Unavailable { .. } => "the store is not available",
        Error::Timeout { .. } => "the store does not answer in time",
        Error::Denied { .. } | Error::Credentials { .. } => "the store refuses the credentials",
        Error::NoBucket { .. } => "the bucket is missing",
        _ => "the store does not take them",
    }
}
