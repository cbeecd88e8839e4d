use crate::Error;
use std::fmt;
use std::path::PathBuf;
use uuid::Uuid;

/// How an [`ObjectStore`](crate::ObjectStore) is set up.
#[derive(Clone)]
#[non_exhaustive]
pub struct StoreOptions {
    /// The port of 127.0.0.1; 0 (the default) takes a free one.
    pub port: u16,
    /// Where the objects are kept. `None`: in a temporary folder that is removed with the store,
    /// also when it is merely stopped.
    pub dir: Option<PathBuf>,
    /// The one access key that is known. By default a new one for every store.
    pub access_key: String,
    /// Its secret. By default a new one for every store.
    pub secret_key: String,
    /// The largest object, in bytes; a larger one is answered with 400 `EntityTooLarge`.
    pub max_object: u64,
    /// Bytes of all objects; above it the oldest objects are removed. `None`: no limit.
    pub max_total: Option<u64>,
    /// Pretends that the disk holds only so many bytes: an object that does not fit is answered
    /// with 507 `InsufficientStorage`, as when the disk is really full. `None`: the disk as it is.
    pub disk: Option<u64>,
    /// Connections at a time; more wait to be accepted.
    pub max_connections: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            port: 0,
            dir: None,
            access_key: "sandbox".into(),
            secret_key: Uuid::new_v4().simple().to_string(),
            max_object: 64 << 20,
            max_total: None,
            disk: None,
            max_connections: 1024,
        }
    }
}

impl StoreOptions {
    /// This with `change` made: what a struct expression would say if fields could not be added later.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong =
            |option, reason: &str| Err(Error::Option { what: super::WHAT, option, reason: reason.into() });
        if self.access_key.is_empty() {
            return wrong("access_key", "it is empty");
        }
        if self.secret_key.is_empty() {
            return wrong("secret_key", "it is empty");
        }
        if self.max_connections == 0 {
            return wrong("max_connections", "0; at least 1");
        }
        Ok(())
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions")
            .field("port", &self.port)
            .field("dir", &self.dir)
            .field("access_key", &self.access_key)
            .field("secret_key", &"[redacted]")
            .field("max_object", &self.max_object)
            .field("max_total", &self.max_total)
            .field("disk", &self.disk)
            .field("max_connections", &self.max_connections)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_store_has_a_secret_of_its_own_and_never_prints_it() {
        let (one, other) = (StoreOptions::default(), StoreOptions::default());
        assert_ne!(one.secret_key, other.secret_key);
        assert!(!format!("{one:?}").contains(&one.secret_key));
    }

    #[test]
    fn an_empty_secret_is_refused_by_name() {
        let error = StoreOptions { secret_key: String::new(), ..Default::default() }.check().unwrap_err();
        assert!(error.to_string().contains("secret_key"), "{error}");
    }
}
