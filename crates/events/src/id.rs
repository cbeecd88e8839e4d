//! [`DeviceID`]: a name that is safe in a topic, an object key, a file name and HTML.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Identifies a device (a camera): 1 to 64 of `A-Z a-z 0-9 _ -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceID(String);

/// A text that is no device id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a device id, use 1 to 64 of A-Z a-z 0-9 _ -")]
pub struct DeviceIDError(String);

impl DeviceID {
    /// Longest id, in characters.
    pub const MAX_LENGTH: usize = 64;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `text` is 1 to 64 of `A-Z a-z 0-9 _ -`.
pub(crate) fn is_id(text: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=DeviceID::MAX_LENGTH).contains(&text.len()) && text.bytes().all(safe)
}

impl TryFrom<String> for DeviceID {
    type Error = DeviceIDError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_id(&text) {
            Ok(Self(text))
        } else {
            // a hostile id is not carried into logs at full length
            Err(DeviceIDError(text.chars().take(Self::MAX_LENGTH + 1).collect()))
        }
    }
}

impl FromStr for DeviceID {
    type Err = DeviceIDError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

impl From<DeviceID> for String {
    fn from(id: DeviceID) -> Self {
        id.0
    }
}

impl AsRef<str> for DeviceID {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for DeviceID {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceID {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Said by hand: of a text that is checked by code no derivation knows what it may be.
#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for DeviceID {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .description(Some("Identifies a device"))
            .pattern(Some("^[A-Za-z0-9_-]{1,64}$"))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for DeviceID {
    fn name() -> std::borrow::Cow<'static, str> {
        "DeviceID".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_characters_make_an_id() {
        for good in ["a", "Front-Door_2", &"x".repeat(64)] {
            assert_eq!(good.parse::<DeviceID>().unwrap().as_str(), good);
        }
        let long = "x".repeat(65);
        for bad in ["", &long, "a/b", "+", "#", "a.b", "<b>", "é", "a b", "../x", "a\0"] {
            assert!(bad.parse::<DeviceID>().is_err(), "{bad:?} was taken");
        }
    }
}
