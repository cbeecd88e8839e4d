//! [`Command`]: what a device is asked to do, and its answer.

use serde::{Deserialize, Serialize};

use crate::DeviceID;
use crate::decode::{Invalid, Message, check_text};

/// What the device shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CommandName {
    /// Take a picture at once.
    CaptureNow,
    /// Take pictures at another interval, see [`Command::interval_seconds`].
    SetInterval,
}

/// Asks a device to do something. Topic `devices/{device}/commands`, answered to the MQTT 5 response topic
/// with the same correlation data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// What to do.
    pub command: CommandName,
    /// The new interval in seconds (`set-interval`).
    #[serde(rename = "intervalSeconds", default, skip_serializing_if = "Option::is_none")]
    pub interval_seconds: Option<f64>,
}

impl Message for Command {
    fn device(&self) -> Option<&DeviceID> {
        None
    }

    fn check(&self) -> Result<(), Invalid> {
        match (self.command, self.interval_seconds) {
            (CommandName::SetInterval, Some(seconds)) if seconds > 0.0 && seconds <= 86_400.0 => Ok(()),
            (CommandName::SetInterval, _) => {
                Err(Invalid::new("intervalSeconds", "is not between 0 and 86400"))
            }
            _ => Ok(()),
        }
    }
}

/// A device's answer to a [`Command`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandReply {
    /// Whether the command was carried out.
    pub ok: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Message for CommandReply {
    fn device(&self) -> Option<&DeviceID> {
        None
    }

    fn check(&self) -> Result<(), Invalid> {
        check_text("error", self.error.as_deref().unwrap_or_default(), 1024)
    }
}
