//! [`Log`]: how a service logs.

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// Settings of the log; it goes to standard error.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Log {
    /// Text for human eyes or JSON for machines.
    pub format: LogFormat,
    /// What is logged: a level, or targets with levels such as `info,iot_mqtt=debug`.
    pub filter: String,
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
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
    /// The log is gone.
    #[error("the log's filter cannot be changed: {0}")]
    Gone(reload::Error),
}

/// Changes the filter of the log that is at work.
#[derive(Debug, Clone)]
pub struct LogFilter(reload::Handle<EnvFilter, Registry>);

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
        parse(&self.filter).map(drop)
    }

    /// Makes this the process's log.
    ///
    /// # Errors
    /// [`LogError`] when the filter makes no sense or the process logs already.
    pub fn install(&self) -> Result<LogFilter, LogError> {
        let (filter, handle) = reload::Layer::new(parse(&self.filter)?);
        let log = tracing_subscriber::registry().with(filter);
        let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(wants_colour());
        match self.format {
            LogFormat::Text => log.with(lines.with_target(false)).try_init(),
            LogFormat::Json => log.with(lines.json()).try_init(),
        }
        .map_err(|_| LogError::Again)?;
        Ok(LogFilter(handle))
    }
}

impl LogFilter {
    /// From now on, `filter` says what is logged (see [`Log::filter`]).
    ///
    /// # Errors
    /// [`LogError`] when the filter makes no sense; the log stays as it is then.
    pub fn set(&self, filter: &str) -> Result<(), LogError> {
        self.0.reload(parse(filter)?).map_err(LogError::Gone)
    }
}

/// Colours are for eyes, not for the files and journals that most logs go to; see <https://no-color.org>.
fn wants_colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn parse(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(filter).map_err(|source| LogError::Filter { filter: filter.into(), source })
}
