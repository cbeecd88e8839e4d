//! [`decode`]: hostile input is normal, so every message is checked here, once, before anybody uses it.

use iot_topic::Topic;
use serde::de::DeserializeOwned;

use crate::DeviceID;

/// Largest message, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// A message of the contract.
pub trait Message: DeserializeOwned {
    /// The device the message says it is about, if it says.
    fn device(&self) -> Option<&DeviceID>;

    /// Checks what the type alone does not say.
    ///
    /// # Errors
    /// [`Invalid`] names the field.
    fn check(&self) -> Result<(), Invalid>;
}

/// A field whose value makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct Invalid {
    field: &'static str,
    problem: &'static str,
}

impl Invalid {
    pub(crate) fn new(field: &'static str, problem: &'static str) -> Self {
        Self { field, problem }
    }
}

/// A message that was not taken, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// The topic is not one of this kind, or its device id is not valid.
    #[error("topic {0:?} is none of this contract")]
    Topic(String),
    /// The payload is larger than [`MAX_MESSAGE_BYTES`].
    #[error("message of {0} bytes is over the limit of {MAX_MESSAGE_BYTES}")]
    TooLarge(usize),
    /// The payload is not JSON of this message.
    #[error(transparent)]
    Json(#[from] iot_topic::CodecError),
    /// The message is about another device than its topic.
    #[error("message about device {message} came on the topic of device {topic}")]
    Device {
        /// The device the topic names.
        topic: String,
        /// The device the message names.
        message: String,
    },
    /// A field makes no sense.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl Rejected {
    /// A short code for metrics: `topic`, `too-large`, `json`, `device` or `invalid`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Topic(_) => "topic",
            Self::TooLarge(_) => "too-large",
            Self::Json(_) => "json",
            Self::Device { .. } => "device",
            Self::Invalid(_) => "invalid",
        }
    }
}

/// Reads a message that came on the topic `name`.
///
/// # Errors
/// [`Rejected`] when the topic is another one, the payload is too large or no such message, a field makes no
/// sense, or the message is about another device than the topic.
pub fn decode<T: Message>(topic: &Topic<T>, name: &str, payload: &[u8]) -> Result<T, Rejected> {
    let params = topic.parse(name).ok_or_else(|| Rejected::Topic(shorten(name)))?;
    if payload.len() > MAX_MESSAGE_BYTES {
        return Err(Rejected::TooLarge(payload.len()));
    }
    let message = topic.decode(payload)?;
    if let Some(device) = message.device() {
        let named = params.first().copied().unwrap_or_default();
        if named != device.as_str() {
            return Err(Rejected::Device { topic: shorten(named), message: device.to_string() });
        }
    }
    message.check()?;
    Ok(message)
}

/// Whether `seconds` can be a time: after 1970 and before the year 10000.
pub(crate) fn check_timestamp(field: &'static str, seconds: f64) -> Result<(), Invalid> {
    if (0.0..253_402_300_800.0).contains(&seconds) {
        Ok(())
    } else {
        Err(Invalid::new(field, "is not a time in Unix seconds"))
    }
}

pub(crate) fn check_picture_size(width: u32, height: u32) -> Result<(), Invalid> {
    let sane = 1..=65_535;
    if sane.contains(&width) && sane.contains(&height) {
        Ok(())
    } else {
        Err(Invalid::new("width and height", "are not those of a picture"))
    }
}

pub(crate) fn check_text(field: &'static str, text: &str, max_bytes: usize) -> Result<(), Invalid> {
    if text.len() > max_bytes {
        Err(Invalid::new(field, "is too long"))
    } else if text.chars().any(char::is_control) {
        Err(Invalid::new(field, "has control characters"))
    } else {
        Ok(())
    }
}

/// Foreign text goes into logs at a bounded length.
fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}
