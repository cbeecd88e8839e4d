//! The wire contract of People Counter: every MQTT message and topic, and the names of stored pictures.
//!
//! Plain serde types without an MQTT or S3 dependency. `docs/wire.md` describes the same contract in prose
//! and the golden files under `tests/golden` pin it; a test fails when one changes without the others.
//!
//! * Writers fill in a message and encode it with the [`Topics`] entry it belongs to.
//! * Readers call [`decode`], which bounds the size, parses, checks every field and that the message is
//!   about the device its topic names. Nothing that passes needs to be checked again.
#![deny(missing_docs)]

mod alert;
mod alert_event;
mod alert_wait;
mod command;
mod counted;
mod decode;
mod failed;
mod frame;
mod id;
mod object;
mod order;
mod service;
mod status;
mod topics;

pub use alert::{Alert, AlertState, AlertType, Severity};
pub use alert_event::{AlertEvent, AlertEventType, Happened};
pub use alert_wait::{AlertWait, AlertWaitType};
pub use command::{Command, CommandName, CommandReply};
pub use counted::{
    AnalysisMetadata, BoundingBox, Model, PeopleCounted, Person, Picture, ResultType, Results,
};
pub use decode::{Invalid, MAX_MESSAGE_BYTES, Message, Rejected, decode};
pub use failed::{AnalysisFailed, FailureReason, FailureType};
pub use frame::{DataType, Delivery, FrameStored};
pub use id::{DeviceID, DeviceIDError};
pub use object::{ObjectPath, frame_key, preview_key};
pub use order::Order;
pub use service::{Durations, ServiceState, ServiceStatus, ServiceType};
pub use status::{DeviceState, DeviceStatus, StatusType, Unchanged};
pub use topics::Topics;

/// Identifies one picture. A UUIDv7, so that ids of one device sort by time.
pub type FrameID = uuid::Uuid;
