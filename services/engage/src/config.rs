//! What can be configured.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use iot_chassis::Log;
use ipnet::IpNet;
use people_counter_events::Topics;
use serde::{Deserialize, Serialize};

use crate::http::is_own_host;
use crate::{access, push};

/// Settings of the service.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Name of this instance, unique among engage nodes; by default the host's name and a random number.
    pub node: Option<String>,
    /// Root of all topics.
    pub root: String,
    /// The broker.
    pub mqtt: iot_mqtt::Config,
    /// The object store that holds the pictures.
    pub store: iot_storage::Config,
    /// The web server.
    pub http: Http,
    /// Who may see what.
    pub access: access::Settings,
    /// The stream to viewers.
    pub live: Live,
    /// What is kept, and how much of it.
    pub limits: Limits,
    /// Alerts, and whom to tell.
    pub push: push::Config,
    /// The log.
    pub log: Log,
}

/// The web server.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Listen on an address that other machines can reach even without access control.
    pub allow_unprotected: bool,
    /// Certificate chain, PEM; read again when it changes.
    pub cert_file: Option<PathBuf>,
    /// Key of the certificate, PEM.
    pub key_file: Option<PathBuf>,
    /// Where `/healthz`, `/readyz` and `/metrics` are served a second time, without TLS and access control.
    pub health_listen: Option<SocketAddr>,
    /// Further names by which browsers reach this service, for example those of a reverse proxy.
    pub hosts: Vec<String>,
    /// Networks of reverse proxies, which are believed in `X-Forwarded-For` whom they ask for.
    pub proxies: Vec<IpNet>,
    /// Serve the page's files from this folder instead of those in the program, to work on them.
    pub assets_dir: Option<PathBuf>,
    /// Most connections at once; one more is closed.
    pub max_connections: usize,
    /// Most new connections per second; more wait their turn, for `request_timeout` at most.
    pub connections_per_second: u32,
    /// Longest time that writing to a client may make no progress.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    /// Longest wait for the head of a request, and for the next one on an idle connection.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
}

/// The stream to viewers.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Live {
    /// Most messages per second and viewer.
    pub max_rate: u32,
    /// Longest wait for a viewer's acknowledgement.
    #[serde(with = "humantime_serde")]
    pub ack_timeout: Duration,
    /// A message is sent at least this often.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    /// Most viewers at once.
    pub max_viewers: usize,
    /// Memory for large messages that are on their way to viewers, bytes; what is more waits.
    pub burst_bytes: usize,
}

/// What is kept, and how much of it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most devices.
    pub devices: usize,
    /// Most inference and engage nodes.
    pub nodes: usize,
    /// How many removed devices are remembered, so that viewers can be told.
    pub tombstones: usize,
    /// How many counts of each device are remembered for its history.
    pub history: usize,
    /// How many failures of each device are remembered for its history.
    pub failures: usize,
    /// Largest picture that is read from the store, bytes.
    pub picture_bytes: u64,
    /// Largest picture that is scaled, pixels.
    pub picture_pixels: u64,
    /// Memory for pictures that were read, bytes.
    pub cache_bytes: u64,
    /// Most pictures that are read from the store at once.
    pub fetches: usize,
    /// Most pictures that are scaled at once.
    pub scalers: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: None,
            root: Topics::DEFAULT_ROOT.into(),
            // a start reads everything that is retained, so more is taken at a time than by others
            mqtt: iot_mqtt::Config::default().with(|config| config.receive_maximum = 1024),
            store: iot_storage::Config::default(),
            http: Http::default(),
            access: access::Settings::default(),
            live: Live::default(),
            limits: Limits::default(),
            push: push::Config::default(),
            log: Log::default(),
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            allow_unprotected: false,
            cert_file: None,
            key_file: None,
            health_listen: None,
            hosts: Vec::new(),
            proxies: Vec::new(),
            assets_dir: None,
            max_connections: 25_000,
            connections_per_second: 2_000,
            write_timeout: Duration::from_secs(20),
            request_timeout: Duration::from_secs(10),
        }
    }
}

impl Default for Live {
    fn default() -> Self {
        Self {
            max_rate: 10,
            ack_timeout: Duration::from_secs(15),
            heartbeat: Duration::from_secs(4),
            max_viewers: 20_000,
            burst_bytes: 64 << 20,
        }
    }
}

impl Live {
    /// Shortest time between two messages to a viewer.
    pub fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.max_rate.max(1)
    }

    /// Memory for large messages that are on their way, in KiB.
    pub fn burst_kib(&self) -> usize {
        (self.burst_bytes / 1024).max(1)
    }

    /// Most frames a second that a viewer has reason to send: acknowledgements and a few pings.
    pub fn frames_per_second(&self) -> u32 {
        self.max_rate.saturating_mul(4).saturating_add(20)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            devices: 50_000,
            nodes: 1_000,
            tombstones: 10_000,
            history: 360,
            failures: 10,
            picture_bytes: 8 << 20,
            picture_pixels: 25_000_000,
            cache_bytes: 64 << 20,
            fetches: 32,
            scalers: 2,
        }
    }
}

impl Config {
    /// Whether browsers may send the session cookie over TLS alone. Without certificate and without the name of
    /// a proxy, a service on loopback is reached without TLS.
    pub fn secure_cookies(&self) -> bool {
        let reached = self.http.hosts.is_empty() && self.http.cert_file.is_none();
        let local = self.http.listen.ip().is_loopback() && reached;
        !self.access.plain_cookies && !local
    }

    /// Checks everything that can be said without I/O.
    ///
    /// # Errors
    /// One sentence that names the key and says what to do.
    pub fn check(&self) -> anyhow::Result<()> {
        self.mqtt.validate().context("[mqtt]")?;
        self.store.validate().context("[store]")?;
        let topics = Topics::new(&self.root).context("root")?;
        if let Some(node) = &self.node {
            topics.nodes.name(&["engage", node]).context("node")?;
            ensure!(node.len() <= 64, "node: {node:?} is longer than 64 bytes, give it a shorter name");
        }
        self.access.check()?;
        self.http.check(self.access.is_on())?;
        self.check_public_url()?;
        self.live.check()?;
        self.limits.check()?;
        self.push.check()
    }

    /// Checks that browsers can come back from the OpenID provider, and keep the cookie that they are given then.
    fn check_public_url(&self) -> anyhow::Result<()> {
        let Some(provider) = &self.access.oidc else { return Ok(()) };
        let host = provider.public_host();
        ensure!(
            is_own_host(host, &self.http.hosts, self.http.listen.ip().is_loopback()),
            "[access.oidc] public_url: this service is not known as {host}, add that to [http] hosts"
        );
        ensure!(
            !provider.is_public_without_tls() || !self.secure_cookies(),
            "[access.oidc] public_url: browsers keep no session without TLS, use https:// or set [access] \
             plain_cookies = true where nobody else can listen"
        );
        Ok(())
    }
}

impl Http {
    fn check(&self, access_control: bool) -> anyhow::Result<()> {
        let listen = self.listen;
        ensure!(
            listen.ip().is_loopback() || access_control || self.allow_unprotected,
            "[http] listen: {listen} can be reached by other machines, but there is no access control: name \
             [[access.users]], [[access.tokens]] or [access.oidc], listen on 127.0.0.1, or set allow_unprotected = true"
        );
        ensure!(
            self.cert_file.is_some() == self.key_file.is_some(),
            "[http] cert_file and key_file go together, set both or none"
        );
        if let Some(listen) = self.health_listen {
            ensure!(
                listen.ip().is_loopback() || self.allow_unprotected,
                "[http] health_listen: {listen} can be reached by other machines and has no access control: use \
                 127.0.0.1, or set allow_unprotected = true"
            );
        }
        ensure!(self.max_connections > 0, "[http] max_connections must be at least 1");
        ensure!(self.connections_per_second > 0, "[http] connections_per_second must be at least 1");
        for (key, value) in [("write_timeout", self.write_timeout), ("request_timeout", self.request_timeout)]
        {
            ensure!(value >= Duration::from_secs(1), "[http] {key} must be at least 1s");
        }
        Ok(())
    }
}

impl Live {
    fn check(&self) -> anyhow::Result<()> {
        ensure!((1..=1000).contains(&self.max_rate), "[live] max_rate must be 1 to 1000");
        ensure!(self.max_viewers > 0, "[live] max_viewers must be at least 1");
        ensure!(self.burst_bytes >= 1 << 20, "[live] burst_bytes must be at least 1048576");
        for (key, value) in [("ack_timeout", self.ack_timeout), ("heartbeat", self.heartbeat)] {
            ensure!(value >= Duration::from_millis(100), "[live] {key} must be at least 100ms");
        }
        Ok(())
    }
}

impl Limits {
    fn check(&self) -> anyhow::Result<()> {
        for (key, value) in [
            ("devices", self.devices as u64),
            ("nodes", self.nodes as u64),
            ("tombstones", self.tombstones as u64),
            ("picture_bytes", self.picture_bytes),
            ("picture_pixels", self.picture_pixels),
            ("fetches", self.fetches as u64),
            ("scalers", self.scalers as u64),
        ] {
            ensure!(value > 0, "[limits] {key} must be at least 1");
        }
        ensure!(self.history <= 10_000, "[limits] history is held in memory, set at most 10000");
        ensure!(self.failures <= 1_000, "[limits] failures is held in memory, set at most 1000");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Config {
        let store = iot_storage::Config::default().with(|config| config.bucket = "frames".into());
        Config { store, ..Config::default() }
    }

    fn refused(change: impl FnOnce(&mut Config)) -> String {
        let mut config = good();
        change(&mut config);
        format!("{:#}", config.check().unwrap_err())
    }

    #[test]
    fn each_bad_setting_is_named() {
        good().check().unwrap();
        for (message, key) in [
            (refused(|c| c.mqtt.url = "http://broker".into()), "[mqtt]"),
            (refused(|c| c.store.bucket = String::new()), "[store]"),
            (refused(|c| c.root = "a/+/b".into()), "root"),
            (refused(|c| c.node = Some("a/b".into())), "node"),
            (refused(|c| c.node = Some("x".repeat(65))), "node"),
            (refused(|c| c.http.max_connections = 0), "max_connections"),
            (refused(|c| c.http.connections_per_second = 0), "connections_per_second"),
            (refused(|c| c.access.session_key = Some("short".into())), "session_key"),
            (refused(|c| c.http.cert_file = Some("cert.pem".into())), "key_file"),
            (refused(|c| c.http.health_listen = Some("0.0.0.0:9000".parse().unwrap())), "access control"),
            (refused(|c| c.http.write_timeout = Duration::ZERO), "write_timeout"),
            (refused(|c| c.live.max_rate = 0), "max_rate"),
            (refused(|c| c.live.max_viewers = 0), "max_viewers"),
            (refused(|c| c.live.ack_timeout = Duration::ZERO), "ack_timeout"),
            (refused(|c| c.live.burst_bytes = 1), "burst_bytes"),
            (refused(|c| c.limits.devices = 0), "devices"),
            (refused(|c| c.limits.history = 100_000), "history"),
            (refused(|c| c.limits.failures = 100_000), "failures"),
            (refused(|c| c.limits.picture_pixels = 0), "picture_pixels"),
            (refused(|c| c.limits.scalers = 0), "scalers"),
            (refused(|c| c.push.max_alerts = 0), "max_alerts"),
            (refused(|c| c.push.rules = Some("nowhere.toml".into())), "nowhere.toml"),
        ] {
            assert!(message.contains(key), "{message}");
        }
    }

    #[test]
    fn without_access_control_only_this_machine_is_served_unless_told() {
        let open: SocketAddr = "0.0.0.0:8080".parse().unwrap();
        let message = refused(|c| c.http.listen = open);
        assert!(message.contains("access control") && message.contains("allow_unprotected"), "{message}");
        let mut config = good();
        (config.http.listen, config.http.allow_unprotected) = (open, true);
        config.check().unwrap();
        config.http = Http { listen: "[::1]:0".parse().unwrap(), ..Http::default() };
        config.check().unwrap();
        assert!(!config.secure_cookies(), "a browser on this machine has no TLS");
        let token = "name = 'a'\nrole = 'viewer'\nsha256 = '0000000000000000000000000000000000000000000000000000000000000000'";
        config.access.tokens = vec![toml::from_str(token).unwrap()];
        config.http.listen = open;
        config.check().unwrap();
        assert!(config.secure_cookies());
        config.access.plain_cookies = true;
        assert!(!config.secure_cookies());
    }

    #[cfg(feature = "oidc")]
    #[test]
    fn browsers_come_back_from_the_provider_to_a_name_of_this_service() {
        let provider = |public: &str| {
            let text = format!(
                "issuer = 'https://sso.example.com'\nclient_id = 'a'\npublic_url = '{public}'\n\
                 groups = [{{ group = 'g', role = 'viewer' }}]"
            );
            Some(toml::from_str(&text).unwrap())
        };
        let (named, plain) = ("https://people.example.com", "http://people.example.com");
        let message = refused(|c| c.access.oidc = provider(named));
        assert!(message.contains("add that to [http] hosts"), "{message}");
        let message = refused(|c| {
            c.http.hosts = vec!["people.example.com".into()];
            c.access.oidc = provider(plain);
        });
        assert!(message.contains("plain_cookies"), "{message}");
        let mut config = good();
        config.http.hosts = vec!["people.example.com".into()];
        for (public, plain_cookies) in [(named, false), (plain, true)] {
            (config.access.oidc, config.access.plain_cookies) = (provider(public), plain_cookies);
            config.check().unwrap();
        }
        config.http.listen = "0.0.0.0:8080".parse().unwrap();
        config.check().unwrap();
        assert!(config.access.is_on(), "a provider is access control");
    }

    #[test]
    fn the_sample_for_operators_is_valid_and_says_what_the_defaults_are() {
        let text = include_str!("../../../deploy/config/engage.toml");
        let sample: Config = toml::from_str(text).unwrap();
        sample.check().unwrap();
        let values = |config: &Config| {
            let Config { http, access, live, limits, push, .. } = config;
            serde_json::to_value((http, access, live, limits, push)).unwrap()
        };
        assert_eq!(
            values(&sample),
            values(&Config::default()),
            "the sample shows other values than the defaults"
        );
    }
}
