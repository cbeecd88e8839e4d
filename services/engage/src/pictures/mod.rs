//! [`Pictures`]: pictures from the store, on demand, through a bounded cache.

mod scale;

use std::sync::Arc;

use bytes::Bytes;
use iot_storage::{Key, Store};
use moka::future::Cache;
use tokio::sync::Semaphore;

use crate::config::Limits;
use crate::metrics::Metrics;

pub use scale::Width;

/// What an entry of the cache costs beside its bytes.
const OVERHEAD: usize = 256;

/// A picture as it is served.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The file.
    pub bytes: Bytes,
    /// Its media type, by its content.
    pub content_type: &'static str,
}

/// Why a picture cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// The store has no such object, any more or yet.
    #[error("the picture is no longer in the store")]
    Gone,
    /// The object is no JPEG, PNG or WebP.
    #[error("the object in the store is no picture")]
    NotAPicture,
    /// The object is larger than the limit.
    #[error("the picture is larger than the limit of {0} bytes")]
    TooLarge(u64),
    /// Its pixels cannot be unpacked.
    #[error("the picture cannot be scaled: {0}")]
    Undecodable(image::ImageError),
    /// The store does not answer, or refuses.
    #[error("the store cannot be read")]
    Store(#[source] Box<iot_storage::Error>),
}

impl Unavailable {
    /// A short code for programs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::NotAPicture => "not-a-picture",
            Self::TooLarge(_) => "too-large",
            Self::Undecodable(_) => "undecodable",
            Self::Store(_) => "store",
        }
    }
}

/// Reads pictures; several requests for the same one share a single read.
#[derive(Debug)]
pub struct Pictures {
    store: Store,
    cache: Cache<String, Picture>,
    fetches: Semaphore,
    scalers: Semaphore,
    limit: u64,
    pixels: u64,
    metrics: Metrics,
}

impl Pictures {
    /// Reads from `store` within `limits`.
    pub fn new(store: Store, limits: &Limits, metrics: Metrics) -> Self {
        let weight = |key: &String, picture: &Picture| {
            u32::try_from(key.len() + picture.bytes.len() + OVERHEAD).unwrap_or(u32::MAX)
        };
        Self {
            store,
            cache: Cache::builder().weigher(weight).max_capacity(limits.cache_bytes).build(),
            fetches: Semaphore::new(limits.fetches),
            scalers: Semaphore::new(limits.scalers),
            limit: limits.picture_bytes,
            pixels: limits.picture_pixels,
            metrics,
        }
    }

    /// The picture under `key` of the configured bucket, at most this wide.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn get(&self, key: &str, width: Option<Width>) -> Result<Picture, Arc<Unavailable>> {
        let name = width.map_or_else(|| key.to_owned(), |width| format!("{key}@{width}"));
        if let Some(picture) = self.cache.get(&name).await {
            self.metrics.picture("cached");
            return Ok(picture);
        }
        let outcome = match width {
            None => self.original(key).await,
            Some(width) => {
                let scaled = self.cache.try_get_with_by_ref(&name, self.scaled(key, width)).await;
                scaled.map_err(|why| Arc::clone(&*why))
            }
        };
        self.metrics.picture(match &outcome {
            Ok(_) if width.is_some() => "scaled",
            Ok(_) => "fetched",
            Err(why) => why.code(),
        });
        outcome
    }

    async fn original(&self, key: &str) -> Result<Picture, Arc<Unavailable>> {
        self.cache.try_get_with_by_ref(key, self.fetch(key)).await
    }

    async fn scaled(&self, key: &str, width: Width) -> Result<Picture, Arc<Unavailable>> {
        let original = self.original(key).await?;
        let _turn = self.scalers.acquire().await.map_err(|_| Unavailable::Gone)?;
        let (bytes, pixels) = (original.bytes.clone(), self.pixels);
        let scaled = tokio::task::spawn_blocking(move || scale::scale(&bytes, width, pixels)).await;
        match scaled {
            Ok(Ok(Some(bytes))) => Ok(Picture { bytes, content_type: "image/jpeg" }),
            Ok(Ok(None)) => Ok(original),
            Ok(Err(error)) => Err(Arc::new(Unavailable::Undecodable(error))),
            Err(panicked) => {
                let error = std::io::Error::other(panicked);
                Err(Arc::new(Unavailable::Undecodable(error.into())))
            }
        }
    }

    async fn fetch(&self, key: &str) -> Result<Picture, Unavailable> {
        // the state made the key from a device id and a frame id, so it is one
        let key = Key::new(key).map_err(|_| Unavailable::Gone)?;
        let _turn = self.fetches.acquire().await.map_err(|_| Unavailable::Gone)?;
        match self.store.get(&key, self.limit).await {
            Ok(object) => {
                let content_type = picture_type(&object.body).ok_or(Unavailable::NotAPicture)?;
                Ok(Picture { bytes: object.body, content_type })
            }
            Err(iot_storage::Error::NotFound { .. }) => Err(Unavailable::Gone),
            Err(iot_storage::Error::TooLarge { limit, .. }) => Err(Unavailable::TooLarge(limit)),
            Err(error) => Err(Unavailable::Store(Box::new(error))),
        }
    }
}

/// The media type of a picture by its first bytes; what the store says of it is not trusted.
fn picture_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xFF, 0xD8, 0xFF, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some("image/png"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_pass_for_pictures() {
        assert_eq!(picture_type(b"\xFF\xD8\xFF\xE0rest"), Some("image/jpeg"));
        assert_eq!(picture_type(b"\x89PNG\r\n\x1A\nrest"), Some("image/png"));
        assert_eq!(picture_type(b"RIFF\x01\x02\x03\x04WEBPrest"), Some("image/webp"));
        for bad in [&b""[..], b"\xFF\xD8", b"<script>", b"RIFF....WAVE", b"<svg xmlns="] {
            assert_eq!(picture_type(bad), None);
        }
    }
}
