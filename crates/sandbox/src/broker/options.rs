use crate::Error;
use mqtt5::broker::BrokerConfig;
use mqtt5::broker::config::{StorageBackend, StorageConfig, TlsConfig, WebSocketConfig};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The path at which WebSocket clients ask for MQTT.
pub(super) const WEBSOCKET_PATH: &str = "/mqtt";

/// The smallest packet limit that the broker accepts, in bytes.
const MIN_PACKET: usize = 1024;

/// How often expired messages and sessions are swept out.
const SWEEP: Duration = Duration::from_secs(60);

/// How a [`Broker`](crate::Broker) is set up.
///
/// The limits are chosen so that 10,000 devices with retained messages arrive whole at a subscriber
/// that has just connected, which many brokers at their defaults do not manage.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BrokerOptions {
    /// The port of 127.0.0.1 for MQTT over TCP; 0 (the default) takes a free one.
    pub port: u16,
    /// The port for MQTT over WebSocket (path `/mqtt`, 0 for a free one); `None`: no WebSocket.
    pub websocket: Option<u16>,
    /// MQTT over TLS, beside the plain port; `None`: no TLS.
    pub tls: Option<BrokerTls>,
    /// Where sessions, queues and retained messages are kept. `None`: in memory, lost at a stop.
    pub dir: Option<PathBuf>,
    /// Who may connect. Empty: anybody, and everything is allowed.
    pub users: Vec<User>,
    /// The largest packet accepted and sent, in bytes (at least 1024); told to MQTT 5 clients.
    pub max_packet: usize,
    /// Connections at a time.
    pub max_clients: usize,
    /// Messages waiting for one client; above it the oldest is dropped.
    pub max_queued: usize,
    /// Bytes waiting for one client; above it the oldest message is dropped.
    pub max_queued_bytes: usize,
    /// Retained messages in all; above it a new one is delivered but not retained.
    pub max_retained: usize,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self {
            port: 0,
            websocket: None,
            tls: None,
            dir: None,
            users: Vec::new(),
            max_packet: 1 << 20,
            max_clients: 10_000,
            max_queued: 100_000,
            max_queued_bytes: 128 << 20,
            max_retained: 100_000,
        }
    }
}

/// How a [`Broker`](crate::Broker) does TLS.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BrokerTls {
    /// The port of 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Its certificate, PEM.
    pub cert: PathBuf,
    /// The key of the certificate, PEM.
    pub key: PathBuf,
    /// The authority that must have signed a client's certificate, PEM; `None`: clients need none.
    pub client_ca: Option<PathBuf>,
}

impl BrokerTls {
    /// TLS on a free port with this certificate and its key, both PEM, for clients with and without a certificate.
    pub fn new(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { port: 0, cert: cert.into(), key: key.into(), client_ca: None }
    }

    /// Only clients with a certificate that this authority (PEM) signed may connect.
    #[must_use]
    pub fn client_ca(mut self, ca: impl Into<PathBuf>) -> Self {
        self.client_ca = Some(ca.into());
        self
    }
}

/// Somebody who may connect, with what they may publish and what they may subscribe to.
///
/// A new user may do nothing but connect. In a filter `%u` stands for the user's name and `%c` for
/// the client's id.
///
/// ```
/// use iot_sandbox::User;
/// let sensor = User::new("sensor-7", "secret").publish("readings/%u/#").subscribe("commands/%u");
/// let admin = User::new("admin", "secret").publish("#").subscribe("#");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct User {
    /// The name given in CONNECT.
    pub name: String,
    /// The password given in CONNECT.
    pub password: String,
    /// Topic filters that may be published to.
    pub publish: Vec<String>,
    /// Topic filters that may be subscribed to. A subscription must not reach further than one of
    /// them; of a shared subscription the part after the group counts.
    pub subscribe: Vec<String>,
}

impl User {
    /// A user who may connect and nothing else.
    pub fn new(name: impl Into<String>, password: impl Into<String>) -> Self {
        Self { name: name.into(), password: password.into(), publish: Vec::new(), subscribe: Vec::new() }
    }

    /// Allows to publish what `filter` covers.
    pub fn publish(mut self, filter: impl Into<String>) -> Self {
        self.publish.push(filter.into());
        self
    }

    /// Allows to subscribe to what `filter` covers.
    pub fn subscribe(mut self, filter: impl Into<String>) -> Self {
        self.subscribe.push(filter.into());
        self
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .field("password", &"[redacted]")
            .field("publish", &self.publish)
            .field("subscribe", &self.subscribe)
            .finish()
    }
}

impl BrokerOptions {
    /// This with `change` made: what a struct expression would say if fields could not be added later.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong = |option, reason: String| Err(Error::Option { what: "broker", option, reason });
        if self.max_packet < MIN_PACKET {
            return wrong("max_packet", format!("{} bytes; at least {MIN_PACKET}", self.max_packet));
        }
        let counts = [
            ("max_clients", self.max_clients),
            ("max_queued", self.max_queued),
            ("max_queued_bytes", self.max_queued_bytes),
            ("max_retained", self.max_retained),
        ];
        for (option, value) in counts {
            if value == 0 {
                return wrong(option, "0; at least 1".into());
            }
        }
        Ok(())
    }

    pub(super) fn to_config(
        &self,
        tcp: SocketAddr,
        websocket: Option<SocketAddr>,
        tls: Option<SocketAddr>,
    ) -> BrokerConfig {
        let storage = match &self.dir {
            Some(dir) => StorageConfig::new().with_backend(StorageBackend::File).with_base_dir(dir.clone()),
            None => StorageConfig::new().with_backend(StorageBackend::Memory),
        };
        let mut config = BrokerConfig::default()
            .with_bind_address(tcp)
            .with_max_clients(self.max_clients)
            .with_max_packet_size(self.max_packet)
            .with_max_retained_messages(self.max_retained)
            .with_sys_topics_enabled(false)
            .with_storage(
                storage
                    .with_cleanup_interval(SWEEP)
                    .with_max_queued_messages_per_client(self.max_queued)
                    .with_max_queued_bytes_per_client(self.max_queued_bytes),
            );
        config.websocket_config =
            websocket.map(|addr| WebSocketConfig::new().with_bind_address(addr).with_path(WEBSOCKET_PATH));
        config.tls_config = self.tls.as_ref().zip(tls).map(|(tls, addr)| {
            let config = TlsConfig::new(tls.cert.clone(), tls.key.clone()).with_bind_address(addr);
            match &tls.client_ca {
                Some(ca) => config.with_ca_file(ca.clone()).with_require_client_cert(true),
                None => config,
            }
        });
        // With `false` the broker asks for a password file before it can be given our own check of
        // users, which decides about anonymous clients too.
        config.auth_config.allow_anonymous = true;
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        let options = BrokerOptions { users: vec![User::new("ann", "hunter2")], ..Default::default() };
        let printed = format!("{options:?}");
        assert!(printed.contains("ann") && !printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn limits_that_cannot_work_are_named() {
        let error = BrokerOptions { max_packet: 10, ..Default::default() }.check().unwrap_err();
        assert!(error.to_string().contains("max_packet") && error.to_string().contains("1024"), "{error}");
        let error = BrokerOptions { max_retained: 0, ..Default::default() }.check().unwrap_err();
        assert!(error.to_string().contains("max_retained"), "{error}");
    }
}
