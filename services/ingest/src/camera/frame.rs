//! [`Frame`]: what a camera keeps of a captured picture, and its way into the store.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use iot_storage::{Error, Key, PutOptions, Store};
use people_counter_events::{
    DataType, Delivery, DeviceID, FrameID, FrameStored, ObjectPath, Order, frame_key,
};
use tokio::task::spawn_blocking;

use crate::ledger::{Announcement, Kept};
use crate::picture::Picture;
use crate::spool::{Left, Record, Spool};

/// A captured picture.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its id, fixed when it was captured.
    pub id: FrameID,
    /// The picture itself, while it is in memory.
    jpeg: Option<Bytes>,
    /// The order under which it lies in the spool's folder.
    saved: Option<Order>,
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
            saved: None,
            created: picture.captured.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            width: picture.width,
            height: picture.height,
            bytes: picture.jpeg.len() as u64,
            jpeg: Some(picture.jpeg),
        }
    }

    /// The frame that an earlier start left in the spool's folder.
    pub fn left(left: Left) -> Self {
        let Record { id, captured, width, height, bytes, attempts: _ } = left.record;
        Self { id, jpeg: None, saved: Some(left.order), created: captured, width, height, bytes }
    }

    /// How long ago it was captured, as far as the clock can tell.
    pub fn age(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Duration::try_from_secs_f64(now.as_secs_f64() - self.created).unwrap_or_default()
    }

    /// What is written to the spool's folder, if the picture is in memory.
    pub fn record(&self, attempts: u32) -> Option<(Record, Bytes)> {
        let jpeg = self.jpeg.clone()?;
        let Self { id, created: captured, width, height, bytes, .. } = *self;
        Some((Record { id, captured, width, height, bytes, attempts }, jpeg))
    }

    /// It lies in the spool's folder under this order.
    pub fn set_saved(&mut self, order: Order) {
        self.saved = Some(order);
    }

    /// The order under which it lies in the spool's folder.
    pub fn saved(&self) -> Option<Order> {
        self.saved
    }

    /// Where the picture can be had; `None`: nowhere but in the store.
    pub fn picture(&self, spool: Option<&Spool>) -> Option<Whereabouts> {
        match (&self.jpeg, self.saved, spool) {
            (Some(jpeg), ..) => Some(Whereabouts::Memory(jpeg.clone())),
            (None, Some(order), Some(spool)) => Some(Whereabouts::Disk(spool.clone(), order)),
            _ => None,
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

impl Kept for Frame {
    fn release(&mut self) {
        self.jpeg = None;
    }
}

/// Where a picture can be had.
pub enum Whereabouts {
    Memory(Bytes),
    Disk(Spool, Order),
}

/// Why an upload came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] Error),
    /// The picture is not there.
    #[error("it cannot be read from the spool's folder: {0}")]
    Lost(#[from] io::Error),
}

impl Whereabouts {
    async fn fetch(self) -> io::Result<Bytes> {
        match self {
            Self::Memory(jpeg) => Ok(jpeg),
            Self::Disk(spool, order) => spawn_blocking(move || spool.read(order)).await?,
        }
    }
}

/// Puts a picture, wherever it is.
///
/// # Errors
/// When the picture is not there, or what the store said.
pub async fn upload(store: &Store, key: &Key, picture: Whereabouts) -> Result<(), Failure> {
    Ok(put(store, key, picture.fetch().await?).await?)
}

/// Puts a picture; makes the bucket if it is missing, also one that went missing.
async fn put(store: &Store, key: &Key, jpeg: Bytes) -> Result<(), Error> {
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
