//! [`AlertEvent`]: something happened to an alert, and somebody has not been told yet.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::decode::{Invalid, Message, check_timestamp};
use crate::id::is_id;
use crate::{Alert, DeviceID};

/// What happened to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Happened {
    /// It was raised.
    Raised,
    /// What is known is no longer enough to say whether it holds.
    Unknown,
    /// It is known again that it holds.
    Active,
    /// It is over.
    Cleared,
}

impl Happened {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Unknown => "unknown",
            Self::Active => "active",
            Self::Cleared => "cleared",
        }
    }
}

/// The `type` of [`AlertEvent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertEventType {
    /// `"event"`
    #[default]
    Event,
}

/// An event that not every sink has been told. Topic `alerts/{rule}/{target}/events/{event}`, retained; an empty
/// message says that all have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertEvent {
    /// Always `"event"`.
    #[serde(rename = "type")]
    pub kind: AlertEventType,
    /// The same whenever the same thing is told again, so that receivers can drop duplicates.
    #[serde(rename = "eventID")]
    pub event_id: Uuid,
    /// What happened.
    pub happened: Happened,
    /// When, by the clock of the replica that pushes; Unix seconds.
    pub timestamp: f64,
    /// The alert after it; one that was cleared as it was last.
    pub alert: Alert,
    /// The sinks that are still to be told.
    pub sinks: Vec<String>,
}

impl Message for AlertEvent {
    fn device(&self) -> Option<&DeviceID> {
        None
    }

    fn check(&self) -> Result<(), Invalid> {
        self.alert.check()?;
        check_timestamp("timestamp", self.timestamp)?;
        if self.sinks.iter().all(|name| is_id(name)) {
            Ok(())
        } else {
            Err(Invalid::new("sinks", "has a name that is not 1 to 64 of A-Z a-z 0-9 _ -"))
        }
    }
}
