//! One object in one file: the body, then what is known about it, so that both are written and
//! renamed together and a crash leaves the old object or the new one, never a mixture.
//!
//! ```text
//! body | meta as JSON | length of the JSON, u32 little endian | MAGIC
//! ```

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MAGIC: &[u8; 8] = b"SBOBJ\0\0\x01";
const FOOTER: u64 = 4 + MAGIC.len() as u64;
/// Keys have at most 1 KiB and headers are limited by the HTTP server, so a longer one is damage.
const MAX_META: u64 = 1 << 20;

/// What is known about an object.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) key: String,
    /// Of the body, in bytes.
    pub(super) size: u64,
    /// MD5 of the body in hexadecimal.
    pub(super) etag: String,
    /// Milliseconds since 1970.
    modified_ms: u64,
    #[serde(flatten)]
    pub(super) headers: Headers,
}

/// What the client wants to have back with the body.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub(super) struct Headers {
    pub(super) content_type: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    /// `x-amz-meta-…`
    pub(super) user: HashMap<String, String>,
}

impl Meta {
    pub(super) fn new(key: String, size: u64, etag: String, headers: Headers, now: SystemTime) -> Self {
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let modified_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        Self { key, size, etag, modified_ms, headers }
    }

    pub(super) fn modified(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.modified_ms)
    }

    /// What follows the body in the file.
    pub(super) fn trailer(&self) -> io::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)?;
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        bytes.extend(length.to_le_bytes());
        bytes.extend(MAGIC);
        Ok(bytes)
    }

    /// Reads the trailer of an object's file.
    ///
    /// # Errors
    /// `InvalidData` when the file is not whole.
    pub(super) fn read(file: &mut File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        if length < FOOTER {
            return Err(damaged("it is too short"));
        }
        file.seek(SeekFrom::Start(length - FOOTER))?;
        let mut json_length = [0; 4];
        file.read_exact(&mut json_length)?;
        let mut magic = [0; MAGIC.len()];
        file.read_exact(&mut magic)?;
        let json_length = u64::from(u32::from_le_bytes(json_length));
        if magic != *MAGIC || json_length > MAX_META || json_length + FOOTER > length {
            return Err(damaged("it does not end as an object does"));
        }
        let body_length = length - FOOTER - json_length;
        file.seek(SeekFrom::Start(body_length))?;
        let mut json = Vec::new();
        file.take(json_length).read_to_end(&mut json)?;
        let meta: Self = serde_json::from_slice(&json)?;
        if meta.size != body_length {
            return Err(damaged("its body has not the length it should have"));
        }
        Ok(meta)
    }
}

fn damaged(how: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, how)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn meta(size: u64) -> Meta {
        let user = HashMap::from([("room".to_owned(), "kitchen".to_owned())]);
        let headers = Headers { content_type: Some("text/plain".into()), user, ..Default::default() };
        Meta::new("a/b".into(), size, "e".into(), headers, SystemTime::now())
    }

    fn file(parts: &[&[u8]]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        for part in parts {
            file.write_all(part).unwrap();
        }
        file
    }

    #[test]
    fn what_was_written_is_read_back() {
        let meta = meta(4);
        assert_eq!(Meta::read(&mut file(&[b"body", &meta.trailer().unwrap()])).unwrap(), meta);
    }

    #[test]
    fn a_file_that_is_not_whole_is_noticed() {
        let trailer = meta(4).trailer().unwrap();
        let torn = &trailer[..trailer.len() - 1];
        let mut absurd_length = trailer.clone();
        let at = trailer.len() - FOOTER as usize;
        absurd_length[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        for parts in
            [&[b"".as_slice()][..], &[b"body"], &[b"bod", &trailer], &[b"body", torn], &[&absurd_length]]
        {
            let error = Meta::read(&mut file(parts)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{parts:?}: {error}");
        }
    }
}
