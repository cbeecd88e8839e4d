//! [`Topics`]: every topic of the contract, under one root.

use iot_topic::{PatternError, Topic};

use crate::{
    Alert, AlertEvent, AlertWait, AnalysisFailed, Command, DeviceStatus, FrameStored, PeopleCounted,
    ServiceStatus,
};

/// The topics below one root.
#[derive(Debug, Clone)]
pub struct Topics {
    /// `devices/{device}/status`
    pub status: Topic<DeviceStatus>,
    /// `devices/{device}/frames`
    pub frames: Topic<FrameStored>,
    /// `devices/{device}/counts`
    pub counts: Topic<PeopleCounted>,
    /// `devices/{device}/failure`
    pub failure: Topic<AnalysisFailed>,
    /// `devices/{device}/commands`
    pub commands: Topic<Command>,
    /// `alerts/{rule}/{target}`
    pub alerts: Topic<Alert>,
    /// `alerts/{rule}/{target}/events/{event}`
    pub events: Topic<AlertEvent>,
    /// `alerts/{rule}/{target}/wait`
    pub waits: Topic<AlertWait>,
    /// `nodes/{service}/{instance}/status`
    pub nodes: Topic<ServiceStatus>,
    /// `nodes/{service}/{instance}/sync`: an instance's own marker, by which it knows that the messages
    /// before it have arrived
    pub sync: Topic<String>,
}

impl Topics {
    /// The root unless configured otherwise.
    pub const DEFAULT_ROOT: &'static str = "people-counter/v1";

    /// The topics below `root`.
    ///
    /// # Errors
    /// [`PatternError`] when `root` is empty, starts or ends with a slash, or has a wildcard.
    pub fn new(root: &str) -> Result<Self, PatternError> {
        Ok(Self {
            status: Topic::new(&format!("{root}/devices/{{device}}/status"))?,
            frames: Topic::new(&format!("{root}/devices/{{device}}/frames"))?,
            counts: Topic::new(&format!("{root}/devices/{{device}}/counts"))?,
            failure: Topic::new(&format!("{root}/devices/{{device}}/failure"))?,
            commands: Topic::new(&format!("{root}/devices/{{device}}/commands"))?,
            alerts: Topic::new(&format!("{root}/alerts/{{rule}}/{{target}}"))?,
            events: Topic::new(&format!("{root}/alerts/{{rule}}/{{target}}/events/{{event}}"))?,
            waits: Topic::new(&format!("{root}/alerts/{{rule}}/{{target}}/wait"))?,
            nodes: Topic::new(&format!("{root}/nodes/{{service}}/{{instance}}/status"))?,
            sync: Topic::new(&format!("{root}/nodes/{{service}}/{{instance}}/sync"))?,
        })
    }
}
