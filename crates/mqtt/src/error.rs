//! What can go wrong, in words that say what to do.

use std::path::PathBuf;
use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::PubAckReason;

/// A configuration that cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The broker's address is no MQTT address.
    #[error(
        "broker address {url:?}: {problem}, write mqtt://host:1883, mqtts://host:8883, ws://host/mqtt or wss://host/mqtt"
    )]
    Url {
        /// The address as configured.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A setting is outside of what works.
    #[error("mqtt setting {name}: {problem}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file that the configuration names cannot be read.
    #[error("cannot read {} for mqtt setting {name}: {source}", path.display())]
    File {
        /// Name of the setting.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that the configuration names holds no certificate or key that can be used.
    #[error("mqtt setting {name}: {} cannot be used: {problem}", path.display())]
    Certificate {
        /// Name of the setting.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// TLS cannot be set up at all.
    #[error("TLS cannot be set up: {problem}")]
    Tls {
        /// What the library said.
        problem: String,
    },
}

/// A message that the broker did not confirm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// No confirmation within the message's time limit, over any number of connections.
    #[error("broker did not confirm the message on {topic} within {limit:?}{}", last_error.as_deref().map(|e| format!(": {e}")).unwrap_or_default())]
    Timeout {
        /// Where it was sent.
        topic: String,
        /// How long was waited.
        limit: Duration,
        /// What the connection said last, if it is down.
        last_error: Option<String>,
    },
    /// The broker refused it; sending it again will not help until the broker's rules change.
    #[error("broker refused the message on {topic}: {reason:?}, check the access rules of this user")]
    Refused {
        /// Where it was sent.
        topic: String,
        /// The broker's reason.
        reason: PubAckReason,
    },
    /// The message is larger than the broker takes. It was not sent.
    #[error("message of about {bytes} bytes on {topic} is over the broker's limit of {limit}")]
    TooLarge {
        /// Where it was to go.
        topic: String,
        /// Its size with topic and properties.
        bytes: usize,
        /// The broker's limit.
        limit: u32,
    },
    /// The client was closed before the broker confirmed.
    #[error("mqtt client was closed before the message on {topic} was confirmed")]
    Closed {
        /// Where it was to go.
        topic: String,
    },
}

impl PublishError {
    /// Whether the same message may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Timeout { .. } => true,
            Self::Refused { reason, .. } => {
                matches!(reason, PubAckReason::QuotaExceeded | PubAckReason::UnspecifiedError)
            }
            Self::TooLarge { .. } | Self::Closed { .. } => false,
        }
    }
}
