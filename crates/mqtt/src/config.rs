//! [`Config`]: where the broker is and how patient the client is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use crate::{ConfigError, tls};

/// Settings of a client; every key has a default, unknown keys are refused.
#[derive(Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// `mqtt://host:port` or, with TLS, `mqtts://host:port`; over WebSocket `ws://host:port/path` or
    /// `wss://host:port/path`.
    pub url: String,
    /// User name, if the broker wants one.
    pub username: Option<String>,
    /// Password or token.
    #[serde(serialize_with = "redacted", skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// File with the password or token; read again for each connection, so it may rotate: a broker ends the
    /// connection of a token that has expired, and the next one uses the new token.
    pub password_file: Option<PathBuf>,
    /// Certificate authority that signed the broker's certificate, PEM; the system's roots if absent. This and
    /// the two files below are read again for each connection.
    pub ca_file: Option<PathBuf>,
    /// Client certificate chain, PEM, for mutual TLS.
    pub cert_file: Option<PathBuf>,
    /// Key of the client certificate, PEM.
    pub key_file: Option<PathBuf>,
    /// Longest silence before the connection is probed; at least 5 s.
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    /// Time limit for TCP, TLS and MQTT connect together.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// A publish without confirmation for this long breaks the connection, and a new one is tried.
    #[serde(with = "humantime_serde")]
    pub ack_timeout: Duration,
    /// First wait after a failed connection.
    #[serde(with = "humantime_serde")]
    pub backoff_min: Duration,
    /// Longest wait after failed connections.
    #[serde(with = "humantime_serde")]
    pub backoff_max: Duration,
    /// How long the broker keeps the session of an absent client; 0: not at all.
    #[serde(with = "humantime_serde")]
    pub session_expiry: Duration,
    /// Most messages that the broker may deliver ahead of their acknowledgement.
    pub receive_maximum: u16,
    /// Largest packet taken from the broker, in bytes.
    pub max_packet_bytes: u32,
    /// Most messages that wait to be sent or confirmed; further publishers wait.
    pub outbox: usize,
    /// Most messages sent and not confirmed yet.
    pub window: u16,
    /// Topic where the broker counts the messages that it dropped because somebody's queue was full; mosquitto:
    /// `$SYS/broker/publish/messages/dropped`. A rise is logged, counted and part of the state. Not watched if
    /// absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drops_topic: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "mqtt://127.0.0.1:1883".into(),
            username: None,
            password: None,
            password_file: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
            keep_alive: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(10),
            ack_timeout: Duration::from_secs(10),
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(10),
            session_expiry: Duration::ZERO,
            receive_maximum: 256,
            max_packet_bytes: 256 * 1024,
            outbox: 256,
            window: 64,
            drops_topic: None,
        }
    }
}

/// Where the broker is and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// A host for TCP, the whole URL for WebSocket.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) websocket: bool,
}

impl Config {
    /// This with `change` made: what a struct expression would say if fields could not be added later.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Checks everything that can be said without I/O.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let setting = |name, problem| Err(ConfigError::Setting { name, problem });
        self.address()?;
        if self.keep_alive < Duration::from_secs(5) {
            return setting("keep_alive", "must be at least 5s");
        }
        if self.receive_maximum == 0 || self.window == 0 || self.outbox == 0 {
            return setting("receive_maximum, window, outbox", "must be at least 1");
        }
        if self.connect_timeout < Duration::from_secs(1) || self.ack_timeout < Duration::from_secs(1) {
            return setting("connect_timeout, ack_timeout", "must be at least 1s");
        }
        if self.backoff_min.is_zero() {
            return setting("backoff_min", "must not be zero");
        }
        if self.password.is_some() && self.password_file.is_some() {
            return setting("password", "is given twice, keep either password or password_file");
        }
        if (self.password.is_some() || self.password_file.is_some()) && self.username.is_none() {
            return setting("username", "is missing although a password is given");
        }
        if self.cert_file.is_some() != self.key_file.is_some() {
            return setting("cert_file, key_file", "belong together, give both or none");
        }
        Ok(())
    }

    /// What the URL says.
    pub(crate) fn address(&self) -> Result<Address, ConfigError> {
        let wrong = |problem: &str| ConfigError::Url { url: self.url.clone(), problem: problem.into() };
        let url = Url::parse(&self.url).map_err(|error| wrong(&error.to_string()))?;
        let (tls, websocket, default_port) = match url.scheme() {
            "mqtt" => (false, false, 1883),
            "mqtts" => (true, false, 8883),
            "ws" => (false, true, 80),
            "wss" => (true, true, 443),
            other => return Err(wrong(&format!("scheme {other} is not known"))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("credentials belong into username and password"));
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("no host"))?;
        // IPv6 addresses stand in brackets in a URL, not in a socket address that is resolved by name
        let host = if websocket { url.as_str() } else { host };
        Ok(Address { host: host.into(), port: url.port().unwrap_or(default_port), tls, websocket })
    }

    /// User name and password as of now.
    pub(crate) fn credentials(&self) -> Result<Option<(String, String)>, ConfigError> {
        let Some(username) = &self.username else { return Ok(None) };
        let password = match &self.password_file {
            Some(path) => {
                let bytes = read("password_file", path)?;
                String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned()
            }
            None => self.password.clone().unwrap_or_default(),
        };
        Ok(Some((username.clone(), password)))
    }

    /// The certificates as they are now, if the address wants TLS.
    pub(crate) fn tls(&self) -> Result<Option<Arc<ClientConfig>>, ConfigError> {
        if self.address()?.tls { tls::client(self).map(Some) } else { Ok(None) }
    }
}

pub(crate) fn read(name: &'static str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|source| ConfigError::File { name, path: path.into(), source })
}

fn redacted<S: Serializer>(_secret: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("[redacted]")
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("url", &self.url)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "[redacted]"))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(change: impl FnOnce(&mut Config)) -> Result<(), ConfigError> {
        let mut config = Config::default();
        change(&mut config);
        config.validate()
    }

    #[test]
    fn addresses_are_checked_before_anything_connects() {
        for (url, host, port, tls, websocket) in [
            ("mqtt://broker", "broker", 1883, false, false),
            ("mqtt://broker:1884", "broker", 1884, false, false),
            ("mqtts://10.0.0.1", "10.0.0.1", 8883, true, false),
            ("ws://broker/mqtt", "ws://broker/mqtt", 80, false, true),
            ("wss://broker:8443/mqtt", "wss://broker:8443/mqtt", 8443, true, true),
        ] {
            let config = Config { url: url.into(), ..Config::default() };
            let address = config.address().unwrap();
            assert_eq!(address, Address { host: host.into(), port, tls, websocket });
        }
        for url in ["", "broker:1883", "http://broker", "mqtt://", "mqtt://user:pass@broker"] {
            let error = with(|config| config.url = url.into()).unwrap_err().to_string();
            assert!(error.contains("mqtt://host:1883"), "{error}");
        }
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        let name = |result: Result<(), ConfigError>| result.unwrap_err().to_string();
        assert!(name(with(|c| c.keep_alive = Duration::from_secs(1))).contains("keep_alive"));
        assert!(name(with(|c| c.window = 0)).contains("window"));
        assert!(name(with(|c| c.ack_timeout = Duration::ZERO)).contains("ack_timeout"));
        assert!(name(with(|c| c.password = Some("p".into()))).contains("username"));
        assert!(name(with(|c| c.cert_file = Some("x".into()))).contains("key_file"));
        assert!(name(with(|c| c.backoff_min = Duration::ZERO)).contains("backoff_min"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let config = Config { password: Some("hunter2".into()), ..Config::default() };
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn a_password_file_may_rotate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let config =
            Config { username: Some("u".into()), password_file: Some(path.clone()), ..Config::default() };
        assert!(config.credentials().unwrap_err().to_string().contains("token"));
        for token in ["first", "second"] {
            std::fs::write(&path, format!("{token}\n")).unwrap();
            assert_eq!(config.credentials().unwrap(), Some(("u".into(), token.into())));
        }
    }

    proptest! {
        /// Whatever the address is: it is refused in one sentence that shows how to write one, or it names a host.
        #[test]
        fn fuzz_addresses(url in "((mqtts?|wss?|[a-z]{0,4})://)?.{0,40}") {
            let config = Config { url, ..Config::default() };
            match config.address() {
                Ok(address) => prop_assert!(!address.host.is_empty() && config.validate().is_ok()),
                Err(error) => prop_assert!(error.to_string().contains("mqtt://host:1883")),
            }
        }
    }
}
