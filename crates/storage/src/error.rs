//! What can go wrong, and what to do about it.

use std::fmt;
use std::time::Duration;

use crate::{ConfigError, Key};

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Put one object.
    Put,
    /// Get one object with its body.
    Get,
    /// Ask for what is known of one object.
    Head,
    /// List a prefix.
    List,
    /// Delete one object.
    Delete,
    /// Delete up to 1,000 objects.
    DeleteMany,
    /// Create the bucket.
    CreateBucket,
    /// Check that the bucket answers.
    Probe,
}

impl Operation {
    /// A short name for logs and metric labels, as in `delete_many`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
            Self::Delete => "delete",
            Self::DeleteMany => "delete_many",
            Self::CreateBucket => "create_bucket",
            Self::Probe => "probe",
        }
    }

    /// The permission that a policy must give for it.
    pub(crate) fn permission(self) -> &'static str {
        match self {
            Self::Put => "s3:PutObject",
            Self::Get | Self::Head => "s3:GetObject",
            Self::List | Self::Probe => "s3:ListBucket",
            Self::Delete | Self::DeleteMany => "s3:DeleteObject",
            Self::CreateBucket => "s3:CreateBucket",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an operation was aimed at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// What was tried.
    pub operation: Operation,
    /// The service.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// The object's key; for a listing its prefix.
    pub key: Option<String>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.operation)?;
        if let Some(key) = &self.key {
            write!(f, "{key:?} ")?;
        }
        write!(f, "in bucket {:?} at {}", self.bucket, self.endpoint)
    }
}

/// What the store said when it refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// S3's code, such as `NoSuchKey`; empty if the answer had none, as every answer to a head.
    pub code: String,
    /// The store's own words; may be empty.
    pub message: String,
    /// The id under which the store logged the request.
    pub request_id: Option<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.message.is_empty() && self.message != self.code {
            write!(f, " {:?}", self.message)?;
        }
        if let Some(id) = &self.request_id {
            write!(f, ", request id {id}")?;
        }
        Ok(())
    }
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting cannot work.
    #[error("storage configuration: {0}")]
    Config(#[from] ConfigError),
    /// The credentials cannot be read.
    #[error("credentials from {source_name}: {reason}")]
    #[non_exhaustive]
    Credentials {
        /// The file or service they come from.
        source_name: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// An argument cannot be sent; nothing was sent.
    #[error("{target}: {reason}")]
    #[non_exhaustive]
    Invalid {
        /// What was tried.
        target: Box<Target>,
        /// What is wrong with the argument.
        reason: String,
    },
    /// There is no such object.
    #[error("{target}: no such object ({answer})")]
    #[non_exhaustive]
    NotFound {
        /// What was tried.
        target: Box<Target>,
        /// What the store said.
        answer: Box<Answer>,
    },
    /// There is no such bucket.
    #[error("{target}: no such bucket ({answer}): create it, or correct `bucket`")]
    #[non_exhaustive]
    NoBucket {
        /// What was tried.
        target: Box<Target>,
        /// What the store said.
        answer: Box<Answer>,
    },
    /// A put with `if_absent` found an object of this key.
    #[error("{target}: an object of this key exists already ({answer})")]
    #[non_exhaustive]
    Exists {
        /// What was tried.
        target: Box<Target>,
        /// What the store said.
        answer: Box<Answer>,
    },
    /// The body is larger than the limit. A get stops reading, a put does not send.
    #[error("{target}: the body is larger than the limit of {limit} bytes{}", size(.bytes))]
    #[non_exhaustive]
    TooLarge {
        /// What was tried.
        target: Box<Target>,
        /// The limit in bytes.
        limit: u64,
        /// The size in bytes, if it was announced.
        bytes: Option<u64>,
    },
    /// The store refused the credentials or what they ask for.
    #[error("{target}: {advice} ({answer})")]
    #[non_exhaustive]
    Denied {
        /// What was tried.
        target: Box<Target>,
        /// What the store said.
        answer: Box<Answer>,
        /// The id of the access key that was refused.
        access_key: String,
        /// Which setting or policy to look at.
        advice: String,
    },
    /// The store cannot be reached or is not able to answer now.
    #[error("{target}: {reason}, after {}", tries(.attempts))]
    #[non_exhaustive]
    Unavailable {
        /// What was tried.
        target: Box<Target>,
        /// The connection's error or the store's answer.
        reason: String,
        /// What the store said, if it said anything.
        answer: Option<Box<Answer>>,
        /// How often it was tried.
        attempts: u32,
        /// Whether a later attempt can succeed with nothing else changed.
        transient: bool,
    },
    /// A time limit passed.
    #[error("{target}: no answer within {limit:?} (`{setting}`), after {}", tries(.attempts))]
    #[non_exhaustive]
    Timeout {
        /// What was tried.
        target: Box<Target>,
        /// The setting that limits it.
        setting: &'static str,
        /// The limit that passed.
        limit: Duration,
        /// How often it was tried.
        attempts: u32,
    },
    /// The store refused for another reason.
    #[error("{target}: refused ({answer}){advice}")]
    #[non_exhaustive]
    Refused {
        /// What was tried.
        target: Box<Target>,
        /// What the store said.
        answer: Box<Answer>,
        /// What to look at, where that is known; starts with a colon.
        advice: &'static str,
    },
    /// What answers is not an S3 service.
    #[error("{target}: the answer is not S3's ({reason}): check `endpoint`")]
    #[non_exhaustive]
    Protocol {
        /// What was tried.
        target: Box<Target>,
        /// What does not fit.
        reason: String,
    },
    /// Some objects of a deletion are still there.
    #[error("{target}: {} of {asked} not deleted, first {:?}: {}", failed.len(), failed[0].0.as_str(), failed[0].1)]
    #[non_exhaustive]
    Undeleted {
        /// What was tried.
        target: Box<Target>,
        /// How many were to be deleted.
        asked: usize,
        /// The keys that are still there, with S3's code and message for each; never empty.
        failed: Vec<(Key, Answer)>,
    },
}

fn tries(attempts: &u32) -> String {
    match attempts {
        1 => "1 attempt".into(),
        n => format!("{n} attempts"),
    }
}

fn size(bytes: &Option<u64>) -> String {
    bytes.map_or_else(String::new, |bytes| format!(": it has {bytes}"))
}

impl Error {
    /// Whether the same call can succeed later with nothing else changed: the store was not
    /// reachable, too slow, overloaded or broken inside. Such errors were already retried as
    /// [`Config::attempts`](crate::Config::attempts) says.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Timeout { .. } => true,
            Self::Unavailable { transient, .. } => *transient,
            Self::Undeleted { failed, .. } => failed.iter().all(|(_, answer)| answer.is_transient()),
            _ => false,
        }
    }

    /// Whether there is no such object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// What was tried; `None` for an error of the configuration or of the credentials.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        match self {
            Self::Config(_) | Self::Credentials { .. } => None,
            Self::Invalid { target, .. }
            | Self::NotFound { target, .. }
            | Self::NoBucket { target, .. }
            | Self::Exists { target, .. }
            | Self::TooLarge { target, .. }
            | Self::Denied { target, .. }
            | Self::Unavailable { target, .. }
            | Self::Timeout { target, .. }
            | Self::Refused { target, .. }
            | Self::Protocol { target, .. }
            | Self::Undeleted { target, .. } => Some(target),
        }
    }

    /// What the store said, if it said anything.
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::NotFound { answer, .. }
            | Self::NoBucket { answer, .. }
            | Self::Exists { answer, .. }
            | Self::Denied { answer, .. }
            | Self::Refused { answer, .. } => Some(answer),
            Self::Unavailable { answer, .. } => answer.as_deref(),
            Self::Undeleted { failed, .. } => failed.first().map(|(_, answer)| answer),
            _ => None,
        }
    }

    /// S3's code, such as `NoSuchKey`, if the store gave one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.answer().map(|answer| answer.code.as_str()).filter(|code| !code.is_empty())
    }

    /// The id under which the store logged the request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.answer()?.request_id.as_deref()
    }

    /// A short name of the kind for metric labels.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Config(_) | Self::Invalid { .. } => "invalid",
            Self::NotFound { .. } => "not_found",
            Self::NoBucket { .. } => "no_bucket",
            Self::Exists { .. } => "exists",
            Self::TooLarge { .. } => "too_large",
            Self::Denied { .. } | Self::Credentials { .. } => "denied",
            Self::Unavailable { .. } => "unavailable",
            Self::Timeout { .. } => "timeout",
            Self::Refused { .. } | Self::Undeleted { .. } => "refused",
            Self::Protocol { .. } => "protocol",
        }
    }

    /// Writes into the error how often the operation was tried.
    pub(crate) fn after(mut self, count: u32) -> Self {
        if let Self::Unavailable { attempts, .. } | Self::Timeout { attempts, .. } = &mut self {
            *attempts = count;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Box<Target> {
        Box::new(Target {
            operation: Operation::Get,
            endpoint: "http://store:9000".into(),
            bucket: "readings".into(),
            key: Some("cellar.csv".into()),
        })
    }

    #[test]
    fn a_message_says_what_where_why_and_under_which_id() {
        let answer = Answer {
            status: 404,
            code: "NoSuchKey".into(),
            message: "NoSuchKey".into(),
            request_id: Some("tx1".into()),
        };
        let error = Error::NotFound { target: target(), answer: Box::new(answer) };
        assert_eq!(
            error.to_string(),
            "get \"cellar.csv\" in bucket \"readings\" at http://store:9000: \
             no such object (HTTP 404 NoSuchKey, request id tx1)"
        );
        assert_eq!((error.code(), error.request_id()), (Some("NoSuchKey"), Some("tx1")));
        assert!(error.is_not_found() && !error.is_transient());
    }

    #[test]
    fn a_timeout_names_its_setting_and_counts_attempts() {
        let error = Error::Timeout {
            target: target(),
            setting: "timeout",
            limit: Duration::from_secs(3),
            attempts: 0,
        }
        .after(2);
        assert!(error.to_string().ends_with("no answer within 3s (`timeout`), after 2 attempts"), "{error}");
        assert!(error.is_transient());
    }

    #[test]
    fn errors_stay_small_enough_to_return() {
        assert!(size_of::<Error>() <= 96, "{}", size_of::<Error>());
    }
}
