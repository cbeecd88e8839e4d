//! The name of an object.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest key S3 allows, in bytes of UTF-8.
const MAX_BYTES: usize = 1024;

/// The name of an object in its bucket, such as `cellar/2026-11-22.csv`.
///
/// 1 to 1,024 bytes of UTF-8 without control characters, made of segments that are separated by
/// `/` and are neither empty nor `.` nor `..`. So a key can never name a place outside its prefix,
/// neither in a store that maps keys to files nor in a URL that a proxy normalises.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

/// Why a string is not a [`Key`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The string is empty.
    #[error("an object key must not be empty")]
    Empty,
    /// The string is longer than 1,024 bytes.
    #[error("the object key has {0} bytes, {MAX_BYTES} are allowed")]
    TooLong(usize),
    /// A segment is empty (so also: a `/` at the start or the end), `.` or `..`.
    #[error("the object key {0:?} has an empty, '.' or '..' segment")]
    Segment(String),
    /// The string has a control character.
    #[error("the object key {0:?} has a control character")]
    Control(String),
}

impl Key {
    /// Checks `name` and makes a key of it.
    ///
    /// # Errors
    /// [`KeyError`] says which rule `name` breaks.
    pub fn new(name: &str) -> Result<Self, KeyError> {
        check(name).map(|()| Self(name.to_owned()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(name: &str) -> Result<(), KeyError> {
    if name.is_empty() {
        return Err(KeyError::Empty);
    }
    check_characters(name)?;
    if name.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(KeyError::Segment(name.to_owned()));
    }
    Ok(())
}

fn check_characters(name: &str) -> Result<(), KeyError> {
    if name.len() > MAX_BYTES {
        return Err(KeyError::TooLong(name.len()));
    }
    if name.chars().any(char::is_control) {
        return Err(KeyError::Control(name.to_owned()));
    }
    Ok(())
}

/// A prefix may be empty and may end anywhere, in the middle of a segment too.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), KeyError> {
    check_characters(prefix)
}

impl TryFrom<String> for Key {
    type Error = KeyError;

    fn try_from(name: String) -> Result<Self, KeyError> {
        check(&name).map(|()| Self(name))
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(name: &str) -> Result<Self, KeyError> {
        Self::new(name)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts_what_s3_accepts_and_nothing_that_points_elsewhere() {
        for good in ["a", "a/b", "cellar.2026-11-22.csv", "ü +&=?#%.jpg", "a/...", "..a/b..", "~"] {
            assert_eq!(Key::new(good).unwrap().to_string(), good);
        }
        assert_eq!(Key::new(""), Err(KeyError::Empty));
        for bad in ["/a", "a/", "a//b", "/", "..", ".", "a/../b", "../a", "a/.", "./a"] {
            assert_eq!(Key::new(bad), Err(KeyError::Segment(bad.into())));
        }
        for bad in ["a\0", "a\nb", "\u{7f}", "a\u{85}b"] {
            assert_eq!(Key::new(bad), Err(KeyError::Control(bad.into())));
        }
        assert!(Key::new(&"k".repeat(1024)).is_ok());
        assert_eq!(Key::new(&"k".repeat(1025)), Err(KeyError::TooLong(1025)));
        assert_eq!(Key::new(&"ü".repeat(513)), Err(KeyError::TooLong(1026)));
    }

    #[test]
    fn is_checked_when_it_is_read_from_json() {
        assert_eq!(serde_json::from_str::<Key>(r#""a/b""#).unwrap().as_str(), "a/b");
        assert!(serde_json::from_str::<Key>(r#""a/../b""#).unwrap_err().to_string().contains("'..' segment"));
    }

    #[test]
    fn a_prefix_may_end_anywhere() {
        for good in ["", "a", "a/", "a/b", "."] {
            check_prefix(good).unwrap();
        }
        assert!(check_prefix("a\n").is_err());
        assert!(check_prefix(&"k".repeat(1025)).is_err());
    }

    proptest! {
        #[test]
        fn fuzz_keys(name in any::<String>()) {
            if let Ok(key) = Key::new(&name) {
                prop_assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
            }
        }

        #[test]
        fn a_good_key_names_one_path_below_its_bucket(name in "[a-zü .%+\\\\/]{0,40}") {
            if let Ok(key) = Key::new(&name) {
                let path = format!("http://host/bucket/{}", s3::signing::uri_encode(key.as_str(), false));
                let url = url::Url::parse(&path).unwrap();
                prop_assert_eq!(
                    url.path_segments().unwrap().count(),
                    1 + key.as_str().split('/').count(),
                    "{}", url
                );
                prop_assert_eq!(url.as_str(), path);
            }
        }
    }
}
