//! [`Alert`]: a rule's condition holds, or nobody can tell any more whether it does.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::DeviceID;
use crate::decode::{Invalid, Message, check_text, check_timestamp};
use crate::id::is_id;

/// Whether the condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// It does.
    Active,
    /// It did, and what is known now is not enough to say more: a device is not live.
    Unknown,
}

impl AlertState {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Unknown => "unknown",
        }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look.
    #[default]
    Warning,
    /// Somebody has to act.
    Critical,
}

impl Severity {
    /// Every severity, the least first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// The `type` of [`Alert`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum AlertType {
    /// `"alert"`
    #[default]
    Alert,
}

/// An alert that has not been cleared. Topic `alerts/{rule}/{target}`, retained; an empty message clears it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Alert {
    /// Always `"alert"`.
    #[serde(rename = "type")]
    pub kind: AlertType,
    /// Name of the rule: 1 to 64 of `A-Z a-z 0-9 _ -`.
    pub rule: String,
    /// The device, or the name of the sum: 1 to 64 of `A-Z a-z 0-9 _ -`.
    pub target: String,
    /// Whether the target is a sum.
    #[serde(default)]
    pub sum: bool,
    /// Whether the condition still holds.
    pub state: AlertState,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence for people.
    pub message: String,
    /// Since when the condition has held, by the clock of the replica that pushes; Unix seconds.
    #[serde(rename = "sinceTimestamp")]
    pub since_timestamp: f64,
    /// People when `state` was last decided, at least so many when some devices of a sum were not live;
    /// `None` when unknown and for conditions that are not about a number.
    #[serde(default)]
    pub value: Option<u64>,
    /// Follows from rule, target and `sinceTimestamp`, so that receivers can drop duplicates.
    #[serde(rename = "eventID")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub event_id: Uuid,
}

impl Message for Alert {
    fn device(&self) -> Option<&DeviceID> {
        None
    }

    fn check(&self) -> Result<(), Invalid> {
        check_names(&self.rule, &self.target)?;
        check_text("message", &self.message, 2048)?;
        check_timestamp("sinceTimestamp", self.since_timestamp)
    }
}

/// Checks that a rule and a target can have these names.
pub(crate) fn check_names(rule: &str, target: &str) -> Result<(), Invalid> {
    for (field, name) in [("rule", rule), ("target", target)] {
        if !is_id(name) {
            return Err(Invalid::new(field, "is not 1 to 64 of A-Z a-z 0-9 _ -"));
        }
    }
    Ok(())
}
