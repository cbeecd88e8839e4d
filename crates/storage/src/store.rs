//! The store and its operations on single objects.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
};
use s3::command::Command;

use crate::answer::http_date;
use crate::credentials::Keyring;
use crate::retry::Failure;
use crate::sign::Hashed;
use crate::transport::Transport;
use crate::{Config, Error, Head, Key, Metrics, Object, Operation, Put, PutOptions, Target};

/// Marks the writer of a put with `if_absent`, see [`Store::put`].
const PUT_ID: &str = "iot-storage-put";
const META: &str = "x-amz-meta-";
/// S3's limit on names and values of metadata together.
const MAX_METADATA_BYTES: usize = 2048;

/// One bucket. Clones share the connections, the credentials and the metrics.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    keyring: Keyring,
    transport: Transport,
    metrics: Metrics,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl Store {
    /// Checks the configuration and reads the files it names; opens no connection.
    ///
    /// # Errors
    /// [`Error::Config`] if a setting cannot work, [`Error::Credentials`] if a file with
    /// credentials cannot be used.
    pub fn new(config: &Config) -> Result<Self, Error> {
        config.validate()?;
        let inner = Inner {
            config: config.clone(),
            keyring: Keyring::new(config, |name| std::env::var(name).ok())?,
            transport: Transport::new(config)?,
            metrics: Metrics::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.inner.config.bucket
    }

    /// The metrics, to be registered by whoever owns a registry.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    pub(crate) fn config(&self) -> &Config {
        &self.inner.config
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.inner.keyring
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.inner.transport
    }

    pub(crate) fn target(&self, operation: Operation, key: Option<&str>) -> Target {
        let Config { endpoint, bucket, .. } = &self.inner.config;
        Target { operation, endpoint: endpoint.clone(), bucket: bucket.clone(), key: key.map(str::to_owned) }
    }

    /// Puts `body` under `key`. When this returns `Ok`, the store has confirmed the whole body,
    /// whose SHA-256 it checked against the signed one.
    ///
    /// A put is repeated after transient errors, which is harmless: it writes the same bytes again.
    /// With [`PutOptions::if_absent`] each call also marks the object with a random
    /// `iot-storage-put` in its metadata. When the answer to an attempt was lost and a later one
    /// finds an object there, the mark tells whether it is this call's own.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above [`Config::max_object_bytes`], [`Error::Exists`] with `if_absent`,
    /// [`Error::Invalid`] for options that no header can carry, and what all operations can fail
    /// with: [`Error::NoBucket`], [`Error::Denied`], [`Error::Unavailable`], [`Error::Timeout`],
    /// [`Error::Refused`], [`Error::Protocol`], [`Error::Credentials`].
    pub async fn put(&self, key: &Key, body: Bytes, options: &PutOptions) -> Result<Put, Error> {
        let target = self.target(Operation::Put, Some(key.as_str()));
        let limit = self.config().max_object_bytes;
        let bytes = body.len() as u64;
        if bytes > limit {
            return Err(Error::TooLarge { target: Box::new(target), limit, bytes: Some(bytes) });
        }
        let put_id = options.if_absent.then(|| format!("{:032x}", rand::random::<u128>()));
        let headers = put_headers(options, put_id.as_deref())
            .map_err(|reason| Error::Invalid { target: Box::new(target.clone()), reason })?;
        let hashed = Hashed::new(body).await;

        let put = self
            .run(&target, async |attempt| {
                let described = (options.content_type.as_str(), &headers);
                let sent = self
                    .transport()
                    .send_put(&attempt.signer, &target, key.as_str(), &hashed, described)
                    .await;
                match (sent, &put_id) {
                    (Ok(response), _) => Ok(Put { etag: etag(response.headers()).unwrap_or_default() }),
                    (Err(failure), Some(put_id))
                        if attempt.number > 1 && matches!(failure.error, Error::Exists { .. }) =>
                    {
                        self.own_earlier_put(key, put_id, failure).await
                    }
                    (Err(failure), _) => Err(failure),
                }
            })
            .await?;
        self.metrics().sent_bytes.inc_by(bytes);
        Ok(put)
    }

    /// Turns "exists" into success if the object is the one an earlier attempt of this call put.
    async fn own_earlier_put(&self, key: &Key, put_id: &str, exists: Failure) -> Result<Put, Failure> {
        let response = self.head_response(key).await?;
        let own = response.get(HeaderName::from_static("x-amz-meta-iot-storage-put"));
        if own.is_some_and(|value| value.as_bytes() == put_id.as_bytes()) {
            Ok(Put { etag: etag(&response).unwrap_or_default() })
        } else {
            Err(exists)
        }
    }

    /// Gets the object with its body, of which at most `limit` bytes (and never more than
    /// [`Config::max_object_bytes`]) are accepted: an announced size above it is refused before
    /// reading, and reading stops as soon as the limit is passed.
    ///
    /// # Errors
    /// [`Error::NotFound`] (AWS answers [`Error::Denied`] instead to those who may not list),
    /// [`Error::TooLarge`], and what all operations can fail with, see [`put`](Self::put).
    pub async fn get(&self, key: &Key, limit: u64) -> Result<Object, Error> {
        let target = self.target(Operation::Get, Some(key.as_str()));
        let limit = limit.min(self.config().max_object_bytes);
        let object = self
            .run(&target, async |attempt| {
                let transport = self.transport();
                let response = transport
                    .send(&attempt.signer, &target, key.as_str(), Command::GetObject, Bytes::new())
                    .await?;
                let headers = HeaderMap::clone(response.headers());
                let body = transport.read(&target, response, limit).await?;
                Ok(Object {
                    body,
                    content_type: text(&headers, &CONTENT_TYPE),
                    etag: etag(&headers),
                    last_modified: last_modified(&headers),
                    metadata: metadata(&headers),
                })
            })
            .await?;
        self.metrics().received_bytes.inc_by(object.body.len() as u64);
        Ok(object)
    }

    /// Asks for what is known of an object without its body.
    ///
    /// # Errors
    /// [`Error::NotFound`] — also when the bucket is missing, since the answer to a head cannot
    /// tell — and what all operations can fail with, see [`put`](Self::put).
    pub async fn head(&self, key: &Key) -> Result<Head, Error> {
        let headers = self.head_response(key).await?;
        let bytes = text(&headers, &CONTENT_LENGTH).and_then(|bytes| bytes.parse().ok());
        Ok(Head {
            bytes: bytes.ok_or_else(|| Error::Protocol {
                target: Box::new(self.target(Operation::Head, Some(key.as_str()))),
                reason: "no content-length".into(),
            })?,
            content_type: text(&headers, &CONTENT_TYPE),
            etag: etag(&headers),
            last_modified: last_modified(&headers),
            metadata: metadata(&headers),
        })
    }

    async fn head_response(&self, key: &Key) -> Result<HeaderMap, Error> {
        let target = self.target(Operation::Head, Some(key.as_str()));
        self.run(&target, async |attempt| {
            let sent = self.transport().send(
                &attempt.signer,
                &target,
                key.as_str(),
                Command::HeadObject,
                Bytes::new(),
            );
            Ok(sent.await?.headers().clone())
        })
        .await
    }
}

/// The headers of a put beside those that every request has.
fn put_headers(options: &PutOptions, put_id: Option<&str>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    check_value("content_type", &options.content_type)?;
    let mut size = 0;
    let marks = put_id.map(|id| (PUT_ID, id));
    let given = options.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in given.chain(marks) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(format!("the metadata name {name:?} is not made of a-z, 0-9 and '-'"));
        }
        check_value(name, value)?;
        size += name.len() + value.len();
        let name: HeaderName = format!("{META}{name}").parse().map_err(|e| format!("{name:?}: {e}"))?;
        headers.insert(name, value.parse().map_err(|e| format!("{value:?}: {e}"))?);
    }
    if size > MAX_METADATA_BYTES {
        return Err(format!("the metadata has {size} bytes, {MAX_METADATA_BYTES} are allowed"));
    }
    if put_id.is_some() {
        headers.insert(reqwest::header::IF_NONE_MATCH, HeaderValue::from_static("*"));
    }
    Ok(headers)
}

/// A signature covers a header's value as servers normalise it, so nothing may be normalised.
fn check_value(name: &str, value: &str) -> Result<(), String> {
    let printable = value.bytes().all(|b| (b' '..=b'~').contains(&b));
    if value.is_empty() || !printable || value.trim() != value || value.contains("  ") {
        return Err(format!(
            "the value {value:?} of {name} is not printable ASCII without spaces at the ends or in a row"
        ));
    }
    Ok(())
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn etag(headers: &HeaderMap) -> Option<String> {
    text(headers, &ETAG).map(|etag| etag.trim_matches('"').to_owned())
}

fn last_modified(headers: &HeaderMap) -> Option<SystemTime> {
    http_date(headers.get(LAST_MODIFIED)?.to_str().ok()?)
}

fn metadata(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().strip_prefix(META)?, value.to_str().ok()?)))
        .filter(|(name, _)| *name != PUT_ID)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_no_header_can_carry_are_refused() {
        let good = PutOptions::content_type("text/csv; charset=utf-8").metadata("sensor-1", "the cellar");
        let headers = put_headers(&good, None).unwrap();
        assert_eq!(headers["x-amz-meta-sensor-1"], "the cellar");
        assert!(!headers.contains_key("if-none-match"));
        for (name, value) in [
            ("", "v"),
            ("Sensor", "v"),
            ("a_b", "v"),
            ("a", ""),
            ("a", "x  y"),
            ("a", " x"),
            ("a", "ü"),
            ("a", "x\n"),
        ] {
            let options = PutOptions::default().metadata(name, value);
            assert!(put_headers(&options, None).is_err(), "{name:?}: {value:?}");
        }
        assert!(put_headers(&PutOptions::content_type("a\r\nb: c"), None).is_err());
        let large = PutOptions::default().metadata("a", "x".repeat(2048));
        assert!(put_headers(&large, None).unwrap_err().contains("2049 bytes"));
    }

    #[test]
    fn a_conditional_put_is_marked_and_the_mark_is_not_shown() {
        let headers =
            put_headers(&PutOptions::default().metadata("a", "b").if_absent(), Some("id7")).unwrap();
        assert_eq!(
            (&headers["if-none-match"], &headers["x-amz-meta-iot-storage-put"]),
            (&"*".parse().unwrap(), &"id7".parse().unwrap())
        );
        assert_eq!(metadata(&headers), BTreeMap::from([("a".into(), "b".into())]));
    }
}
