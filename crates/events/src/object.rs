//! Names of stored pictures: flat keys, so that `{device}.` lists everything of a device.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{DeviceID, FrameID};

/// Longest object key that S3 takes, in bytes.
const MAX_KEY_BYTES: usize = 1024;

/// The key of an original picture: `{device}.{frameID}.jpg`.
pub fn frame_key(device: &DeviceID, frame: FrameID) -> String {
    format!("{device}.{frame}.jpg")
}

/// The key of the picture's preview: `{device}.{frameID}.preview.jpg`.
pub fn preview_key(device: &DeviceID, frame: FrameID) -> String {
    format!("{device}.{frame}.preview.jpg")
}

/// Where an object lies, on the wire `bucket/key`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectPath {
    bucket: String,
    key: String,
}

/// A text that is no object path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an object path, write bucket/key")]
pub struct ObjectPathError(String);

impl ObjectPath {
    /// Joins a bucket and a key.
    ///
    /// # Errors
    /// When the bucket is empty or has a slash, or the key is empty, longer than 1,024 bytes, or has a
    /// control character or an empty, `.` or `..` part.
    pub fn new(bucket: &str, key: &str) -> Result<Self, ObjectPathError> {
        let plain = |text: &str| !text.chars().any(char::is_control);
        let good = !bucket.is_empty()
            && !bucket.contains('/')
            && key.len() <= MAX_KEY_BYTES
            && key.split('/').all(|part| !matches!(part, "" | "." | ".."))
            && plain(bucket)
            && plain(key);
        if good {
            Ok(Self { bucket: bucket.into(), key: key.into() })
        } else {
            Err(ObjectPathError(format!("{bucket}/{key}").chars().take(200).collect()))
        }
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The key within the bucket.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl FromStr for ObjectPath {
    type Err = ObjectPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (bucket, key) = text.split_once('/').unwrap_or((text, ""));
        Self::new(bucket, key)
    }
}

impl TryFrom<String> for ObjectPath {
    type Error = ObjectPathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ObjectPath> for String {
    fn from(path: ObjectPath) -> Self {
        path.to_string()
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_flat() {
        let device: DeviceID = "cam-1".parse().unwrap();
        let frame = FrameID::nil();
        assert_eq!(frame_key(&device, frame), "cam-1.00000000-0000-0000-0000-000000000000.jpg");
        assert_eq!(preview_key(&device, frame), "cam-1.00000000-0000-0000-0000-000000000000.preview.jpg");
    }

    #[test]
    fn a_path_has_a_bucket_and_a_sane_key() {
        let path: ObjectPath = "frames/a/b.jpg".parse().unwrap();
        assert_eq!((path.bucket(), path.key()), ("frames", "a/b.jpg"));
        let long = format!("frames/{}", "x".repeat(1025));
        for bad in
            ["", "frames", "frames/", "/key", "frames/../x", "frames/a//b", "frames/./a", "f/a\n", &long]
        {
            assert!(bad.parse::<ObjectPath>().is_err(), "{bad:?} was taken");
        }
    }
}
