//! [`AlertWait`]: a rule's condition holds, but not for long enough yet.

use serde::{Deserialize, Serialize};

use crate::DeviceID;
use crate::alert::check_names;
use crate::decode::{Invalid, Message, check_timestamp};

/// The `type` of [`AlertWait`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertWaitType {
    /// `"wait"`
    #[default]
    Wait,
}

/// A condition that has to hold for a while, and has for a part of it. Topic `alerts/{rule}/{target}/wait`, retained;
/// an empty message says that it no longer holds, or that the alert was raised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertWait {
    /// Always `"wait"`.
    #[serde(rename = "type")]
    pub kind: AlertWaitType,
    /// Name of the rule.
    pub rule: String,
    /// The device, or the name of the sum.
    pub target: String,
    /// Since when the condition has held, by the clock of the replica that pushes; Unix seconds.
    #[serde(rename = "sinceTimestamp")]
    pub since_timestamp: f64,
    /// Until when that is known.
    #[serde(rename = "untilTimestamp")]
    pub until_timestamp: f64,
}

impl Message for AlertWait {
    fn device(&self) -> Option<&DeviceID> {
        None
    }

    fn check(&self) -> Result<(), Invalid> {
        check_names(&self.rule, &self.target)?;
        check_timestamp("sinceTimestamp", self.since_timestamp)?;
        check_timestamp("untilTimestamp", self.until_timestamp)
    }
}
