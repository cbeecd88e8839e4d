//! What a store is, where it is, and its limits.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use url::{Host, Url};

/// The largest body one S3 put may have.
const MAX_OBJECT_BYTES: u64 = 5 << 30;

/// Where the bucket is, how to sign, and the limits of every request.
///
/// Durations are written as in `"1500ms"` or `"30s"`. Credentials come from the first of these that
/// is set: `access_key` with `secret_key` or `secret_key_file`; `credentials_file`;
/// `instance_role`; else the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
/// `AWS_SESSION_TOKEN`).
#[derive(Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The service, such as `https://s3.eu-west-1.amazonaws.com` or `http://minio:9000`.
    pub endpoint: String,
    /// The region that requests are signed for. MinIO: `us-east-1` unless changed there; Ceph RGW:
    /// any, `default` by custom; Garage: `garage`.
    pub region: String,
    /// The bucket. It has no default.
    pub bucket: String,
    /// Address the bucket as `endpoint/bucket` (default) and not as `bucket.endpoint`.
    pub path_style: bool,
    /// The access key's id.
    pub access_key: Option<String>,
    /// The secret of `access_key`. Never printed.
    #[serde(serialize_with = "redact")]
    pub secret_key: Option<String>,
    /// A file with nothing but the secret of `access_key`, read again when it changes.
    pub secret_key_file: Option<PathBuf>,
    /// The token of temporary credentials. Never printed.
    #[serde(serialize_with = "redact")]
    pub session_token: Option<String>,
    /// A file of the AWS command line's form (`[default]`, `aws_access_key_id = …`,
    /// `aws_secret_access_key = …`, `aws_session_token = …`), read again when it changes.
    pub credentials_file: Option<PathBuf>,
    /// The section of `credentials_file`.
    pub profile: String,
    /// Ask the platform for temporary credentials and renew them: web identity, container
    /// (ECS, EKS) or EC2 instance metadata.
    pub instance_role: bool,
    /// Certificate authorities in PEM to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The limit on making a connection, name lookup and TLS included.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// The limit from sending a request without a body (get, head, list, delete) to the first byte
    /// of its answer.
    #[serde(with = "humantime_serde")]
    pub first_byte_timeout: Duration,
    /// The limit on one attempt, bodies in both directions included.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// The limit on all attempts of one operation with the waits between them.
    #[serde(with = "humantime_serde")]
    pub total_timeout: Duration,
    /// How often an operation is tried while the errors are transient; 1 means no retry.
    pub attempts: u32,
    /// The wait before the second attempt. It doubles with each further one, and up to half of
    /// each wait is taken off at random.
    #[serde(with = "humantime_serde")]
    pub backoff_min: Duration,
    /// The longest wait between two attempts.
    #[serde(with = "humantime_serde")]
    pub backoff_max: Duration,
    /// The largest body that is put or fetched, in bytes.
    pub max_object_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: "http://127.0.0.1:9000".into(),
            region: "us-east-1".into(),
            bucket: String::new(),
            path_style: true,
            access_key: None,
            secret_key: None,
            secret_key_file: None,
            session_token: None,
            credentials_file: None,
            profile: "default".into(),
            instance_role: false,
            ca_file: None,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(15),
            timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(60),
            attempts: 5,
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
            max_object_bytes: 64 << 20,
        }
    }
}

/// A setting that cannot work: its name and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}`: {reason}")]
#[non_exhaustive]
pub struct ConfigError {
    /// The name of the setting in [`Config`].
    pub setting: &'static str,
    /// What is wrong with it and what to do.
    pub reason: String,
}

impl ConfigError {
    pub(crate) fn new(setting: &'static str, reason: impl Into<String>) -> Self {
        Self { setting, reason: reason.into() }
    }
}

impl Config {
    /// This with `change` made: what a struct expression would say if fields could not be added later.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Checks everything that can be said without reading a file or opening a connection.
    ///
    /// # Errors
    /// [`ConfigError`] names the first setting that cannot work.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.check_place()?;
        self.check_credentials()?;
        self.check_limits()
    }

    /// The endpoint, parsed.
    pub(crate) fn endpoint_url(&self) -> Result<Url, ConfigError> {
        let wrong = |reason: &str| {
            ConfigError::new(
                "endpoint",
                format!("{:?} {reason}: write it as in \"http://minio:9000\"", self.endpoint),
            )
        };
        let url = Url::parse(&self.endpoint).map_err(|e| wrong(&format!("is not a URL ({e})")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ConfigError::new(
                "endpoint",
                "must not have credentials in it: use access_key and secret_key",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("has a query or a fragment"));
        }
        Ok(url)
    }

    fn check_place(&self) -> Result<(), ConfigError> {
        let url = self.endpoint_url()?;
        if self.region.is_empty() || self.region.contains(|c: char| !c.is_ascii_alphanumeric() && c != '-') {
            return Err(ConfigError::new("region", "must be letters, digits and '-', as in \"us-east-1\""));
        }
        check_bucket(&self.bucket)?;
        if !self.path_style && !matches!(url.host(), Some(Host::Domain(_))) {
            return Err(ConfigError::new(
                "path_style",
                "must be true, because the endpoint is an address and not a name",
            ));
        }
        Ok(())
    }

    fn check_credentials(&self) -> Result<(), ConfigError> {
        let secrets = usize::from(self.secret_key.is_some()) + usize::from(self.secret_key_file.is_some());
        match (&self.access_key, secrets) {
            (None, 0) => {}
            (None, _) => return Err(ConfigError::new("access_key", "is missing beside the secret key")),
            (Some(_), 1) => {}
            (Some(_), _) => {
                return Err(ConfigError::new(
                    "access_key",
                    "needs exactly one of secret_key and secret_key_file",
                ));
            }
        }
        if [&self.access_key, &self.secret_key].into_iter().flatten().any(|s| s.trim().is_empty()) {
            return Err(ConfigError::new("access_key", "and its secret key must not be blank"));
        }
        if self.session_token.is_some() && self.access_key.is_none() {
            return Err(ConfigError::new("session_token", "belongs to an access_key, which is missing"));
        }
        let sources = usize::from(self.access_key.is_some())
            + usize::from(self.credentials_file.is_some())
            + usize::from(self.instance_role);
        if sources > 1 {
            return Err(ConfigError::new(
                "access_key",
                "use one source of credentials: access_key, credentials_file or instance_role",
            ));
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), ConfigError> {
        for (setting, value) in [
            ("connect_timeout", self.connect_timeout),
            ("first_byte_timeout", self.first_byte_timeout),
            ("timeout", self.timeout),
            ("total_timeout", self.total_timeout),
            ("backoff_min", self.backoff_min),
        ] {
            if value < Duration::from_millis(1) {
                return Err(ConfigError::new(setting, "must be at least 1ms"));
            }
        }
        if self.backoff_max < self.backoff_min {
            return Err(ConfigError::new("backoff_max", "must not be less than backoff_min"));
        }
        if !(1..=100).contains(&self.attempts) {
            return Err(ConfigError::new("attempts", "must be 1 to 100"));
        }
        if !(1..=MAX_OBJECT_BYTES).contains(&self.max_object_bytes) {
            return Err(ConfigError::new("max_object_bytes", "must be 1 to 5368709120 (5 GiB)"));
        }
        Ok(())
    }
}

/// The rules of AWS for a bucket's name, which every S3 service accepts.
fn check_bucket(name: &str) -> Result<(), ConfigError> {
    if name.is_empty() {
        return Err(ConfigError::new("bucket", "is not set"));
    }
    let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    let good = (3..=63).contains(&bytes.len())
        && bytes.iter().all(|&b| edge(b) || b == b'-' || b == b'.')
        && edge(bytes[0])
        && edge(bytes[bytes.len() - 1])
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err();
    if good {
        Ok(())
    } else {
        Err(ConfigError::new(
            "bucket",
            format!(
                "{name:?} is no bucket name: 3 to 63 of a-z, 0-9, '-' and '.', a letter or digit at both ends"
            ),
        ))
    }
}

fn redact<S: Serializer>(secret: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(_) => serializer.serialize_some("[redacted]"),
        None => serializer.serialize_none(),
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let redacted = |secret: &Option<String>| secret.as_ref().map(|_| "[redacted]");
        f.debug_struct("Config")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("bucket", &self.bucket)
            .field("path_style", &self.path_style)
            .field("access_key", &self.access_key)
            .field("secret_key", &redacted(&self.secret_key))
            .field("secret_key_file", &self.secret_key_file)
            .field("session_token", &redacted(&self.session_token))
            .field("credentials_file", &self.credentials_file)
            .field("profile", &self.profile)
            .field("instance_role", &self.instance_role)
            .field("ca_file", &self.ca_file)
            .field("connect_timeout", &self.connect_timeout)
            .field("first_byte_timeout", &self.first_byte_timeout)
            .field("timeout", &self.timeout)
            .field("total_timeout", &self.total_timeout)
            .field("attempts", &self.attempts)
            .field("backoff_min", &self.backoff_min)
            .field("backoff_max", &self.backoff_max)
            .field("max_object_bytes", &self.max_object_bytes)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Config {
        Config {
            bucket: "readings".into(),
            access_key: Some("thermometer".into()),
            secret_key: Some("hunter2hunter2".into()),
            ..Config::default()
        }
    }

    fn refused(change: impl FnOnce(&mut Config)) -> &'static str {
        let mut config = good();
        change(&mut config);
        config.validate().expect_err("the configuration should be refused").setting
    }

    #[test]
    fn the_default_lacks_only_the_bucket() {
        assert_eq!(Config::default().validate().unwrap_err().setting, "bucket");
        good().validate().unwrap();
    }

    #[test]
    fn each_bad_setting_is_named() {
        for endpoint in ["", "minio:9000", "ftp://minio", "http://", "http://minio/?x=1", "http://a:b@minio"]
        {
            assert_eq!(refused(|c| c.endpoint = endpoint.into()), "endpoint", "{endpoint:?}");
        }
        for bucket in ["", "ab", "Readings", "read_ings", "-readings", "a..b", "10.0.0.1", "a/b"] {
            assert_eq!(refused(|c| c.bucket = bucket.into()), "bucket", "{bucket:?}");
        }
        assert_eq!(refused(|c| c.region = String::new()), "region");
        assert_eq!(refused(|c| c.path_style = false), "path_style");
        assert_eq!(refused(|c| c.access_key = None), "access_key");
        assert_eq!(refused(|c| c.secret_key = None), "access_key");
        assert_eq!(refused(|c| c.secret_key = Some(" ".into())), "access_key");
        assert_eq!(refused(|c| c.secret_key_file = Some("f".into())), "access_key");
        assert_eq!(refused(|c| c.credentials_file = Some("f".into())), "access_key");
        assert_eq!(refused(|c| c.instance_role = true), "access_key");
        assert_eq!(refused(|c| c.timeout = Duration::ZERO), "timeout");
        assert_eq!(refused(|c| c.attempts = 0), "attempts");
        assert_eq!(refused(|c| c.backoff_max = Duration::from_millis(1)), "backoff_max");
        assert_eq!(refused(|c| c.max_object_bytes = 0), "max_object_bytes");
        let token =
            Config { session_token: Some("t".into()), bucket: "readings".into(), ..Config::default() };
        assert_eq!(token.validate().unwrap_err().setting, "session_token");
    }

    #[test]
    fn virtual_host_style_wants_a_name() {
        let config = Config { endpoint: "http://store.local:9000".into(), path_style: false, ..good() };
        config.validate().unwrap();
    }

    #[test]
    fn secrets_are_never_printed() {
        let config = Config { session_token: Some("tokentoken".into()), ..good() };
        let printed = format!("{config:?} {}", serde_json::to_string(&config).unwrap());
        assert!(!printed.contains("hunter2") && !printed.contains("tokentoken"), "{printed}");
        assert_eq!(printed.matches("[redacted]").count(), 4);
        assert!(printed.contains("thermometer"));
    }

    #[test]
    fn unknown_keys_are_refused_and_durations_are_readable() {
        let config: Config = serde_json::from_str(r#"{"timeout": "1500ms", "bucket": "readings"}"#).unwrap();
        assert_eq!(config.timeout, Duration::from_millis(1500));
        let error = serde_json::from_str::<Config>(r#"{"buckett": "x"}"#).unwrap_err().to_string();
        assert!(error.contains("buckett"), "{error}");
    }
}
