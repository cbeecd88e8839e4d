//! What goes into the store and what comes out of it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;

use crate::Key;

/// How an object is put.
///
/// ```
/// use iot_storage::PutOptions;
/// let options = PutOptions::content_type("text/csv").metadata("sensor", "cellar").if_absent();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutOptions {
    /// The media type, `application/octet-stream` by default.
    pub content_type: String,
    /// `x-amz-meta-…` headers: names of `a-z`, `0-9` and `-`, values of printable ASCII without
    /// double spaces, 2,048 bytes altogether. Other names and values are refused before sending.
    pub metadata: BTreeMap<String, String>,
    /// Put only if there is no object of this key yet, else [`Error::Exists`](crate::Error::Exists).
    ///
    /// Needs a store that honours `If-None-Match: *`, as AWS, MinIO and Ceph do. A store that does
    /// not know it (Garage, for one) overwrites.
    pub if_absent: bool,
}

impl Default for PutOptions {
    fn default() -> Self {
        Self::content_type("application/octet-stream")
    }
}

impl PutOptions {
    /// Options with this media type.
    pub fn content_type(content_type: impl Into<String>) -> Self {
        Self { content_type: content_type.into(), metadata: BTreeMap::new(), if_absent: false }
    }

    /// Adds one metadata entry.
    #[must_use]
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(name.into(), value.into());
        self
    }

    /// Puts only if there is no object of this key yet.
    #[must_use]
    pub fn if_absent(mut self) -> Self {
        self.if_absent = true;
        self
    }
}

/// A confirmed put.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Put {
    /// The entity tag that the store gave the object, without quotes; empty if it gave none.
    pub etag: String,
}

/// An object with its body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Object {
    /// The whole body.
    pub body: Bytes,
    /// The media type it was put with.
    pub content_type: Option<String>,
    /// The entity tag, without quotes.
    pub etag: Option<String>,
    /// When it was put, by the store's clock, to the second.
    pub last_modified: Option<SystemTime>,
    /// The metadata it was put with; names in lower case.
    pub metadata: BTreeMap<String, String>,
}

/// What is known of an object without its body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Head {
    /// The size of the body.
    pub bytes: u64,
    /// The media type it was put with.
    pub content_type: Option<String>,
    /// The entity tag, without quotes.
    pub etag: Option<String>,
    /// When it was put, by the store's clock, to the second.
    pub last_modified: Option<SystemTime>,
    /// The metadata it was put with; names in lower case.
    pub metadata: BTreeMap<String, String>,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The object's key.
    pub key: Key,
    /// The size of its body.
    pub bytes: u64,
    /// When it was put, by the store's clock; stores give whole seconds or milliseconds.
    pub last_modified: SystemTime,
}
