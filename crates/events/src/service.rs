//! [`ServiceStatus`]: inference and engage nodes announce themselves.

use serde::{Deserialize, Serialize};

use crate::decode::{Invalid, Message, check_text, check_timestamp};
use crate::{DeviceID, Model};

/// Whether a node is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ServiceState {
    /// It is.
    Online,
    /// Its last will fired, or it said goodbye.
    Offline,
}

/// The `type` of [`ServiceStatus`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ServiceType {
    /// `"service"`
    #[default]
    Service,
}

/// How long frames take, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Durations {
    /// Half of them take at most this long.
    pub p50: f64,
    /// All but one in a hundred take at most this long.
    pub p99: f64,
}

/// State of a node. Topic `nodes/{service}/{instance}/status`, retained, expires after three minutes and is
/// refreshed each minute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServiceStatus {
    /// Always `"service"`.
    #[serde(rename = "type")]
    pub kind: ServiceType,
    /// `inference`, `engage` or `push`.
    pub service: String,
    /// Name of this instance, unique among the service's.
    pub instance: String,
    /// Online or offline.
    pub state: ServiceState,
    /// Version of the service.
    pub version: String,
    /// When the instance started, by its clock; Unix seconds.
    #[serde(rename = "startedTimestamp")]
    pub started_timestamp: f64,
    /// The model an inference node counts with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    /// Frames analysed per second over the last minute (inference).
    #[serde(rename = "framesPerSecond", default, skip_serializing_if = "Option::is_none")]
    pub frames_per_second: Option<f64>,
    /// Mean milliseconds per frame over the last minute (inference).
    #[serde(rename = "meanDurationMs", default, skip_serializing_if = "Option::is_none")]
    pub mean_duration_ms: Option<f64>,
    /// Milliseconds per frame over the last minute, as quantiles (inference).
    #[serde(rename = "durationMs", default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<Durations>,
    /// Frames that the node has taken and not finished (inference).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<u64>,
    /// Failures since the start (inference).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u64>,
}

impl ServiceStatus {
    /// A node that is online and has nothing to say yet of a model or of frames.
    pub fn online(service: &str, instance: &str, version: &str, started_timestamp: f64) -> Self {
        Self {
            kind: ServiceType::Service,
            service: service.to_owned(),
            instance: instance.to_owned(),
            state: ServiceState::Online,
            version: version.to_owned(),
            started_timestamp,
            model: None,
            frames_per_second: None,
            mean_duration_ms: None,
            duration_ms: None,
            queue: None,
            failures: None,
        }
    }
}

impl Message for ServiceStatus {
    fn device(&self) -> Option<&DeviceID> {
        None
    }

    fn check(&self) -> Result<(), Invalid> {
        check_text("service", &self.service, 64)?;
        check_text("instance", &self.instance, 256)?;
        check_text("version", &self.version, 128)?;
        check_timestamp("startedTimestamp", self.started_timestamp)
    }
}
