//! [`Log`]: how a service logs.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// Settings of the log; it goes to standard error.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Text for human eyes or JSON for machines.
    pub format: LogFormat,
    /// What is logged: a level, or targets with levels such as `info,iot_mqtt=debug`.
    pub filter: String,
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For human eyes.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A log that cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The filter makes no sense.
    #[error("log filter {filter:?} is not understood, write a level or target=level: {source}")]
    Filter {
        /// The filter.
        filter: String,
        /// Why.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The process logs already.
    #[error("logging has been set up already")]
    Again,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".into() }
    }
}

impl Log {
    /// Checks the filter.
    ///
    /// # Errors
    /// [`LogError::Filter`].
    pub fn check(&self) -> Result<(), LogError> {
        self.parse().map(drop)
    }

    /// Makes this the process's log.
    ///
    /// # Errors
    /// [`LogError`] when the filter makes no sense or the process logs already.
    pub fn install(&self) -> Result<(), LogError> {
        let lines = tracing_subscriber::fmt().with_env_filter(self.parse()?).with_writer(std::io::stderr);
        match self.format {
            LogFormat::Text => lines.with_target(false).try_init(),
            LogFormat::Json => lines.json().try_init(),
        }
        .map_err(|_| LogError::Again)
    }

    fn parse(&self) -> Result<EnvFilter, LogError> {
        EnvFilter::try_new(&self.filter)
            .map_err(|source| LogError::Filter { filter: self.filter.clone(), source })
    }
}
