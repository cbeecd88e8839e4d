//! The brokers under test, behind one face.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use iot_mqtt::{Client, Config, Delivery, Inbox, Options, State};
use iot_sandbox::{Broker, BrokerOptions, BrokerTls, Certificates, free_port};
use tempfile::TempDir;

/// How clients reach a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Tcp,
    /// With a certificate on both sides.
    Tls,
    WebSocket,
    /// With a certificate of the broker.
    SecureWebSocket,
}

/// A broker that can be stopped and started again, with its data unless said otherwise.
pub struct AnyBroker {
    server: Server,
    via: Via,
    certificates: Certificates,
}

enum Server {
    Embedded(Box<Broker>, #[expect(dead_code, reason = "the data goes with it")] TempDir),
    Mosquitto(Mosquitto),
}

pub struct Mosquitto {
    process: Option<Child>,
    folder: TempDir,
    port: u16,
}

impl AnyBroker {
    /// Both kinds over every transport, to run one test against each.
    pub async fn all() -> Vec<Self> {
        let mut all = Self::plain_and_tls().await;
        all.push(Self::embedded_via(Via::WebSocket).await);
        all.push(Self::mosquitto_via(Via::WebSocket, "").await);
        all.push(Self::mosquitto_via(Via::SecureWebSocket, "").await);
        all
    }

    /// Both kinds, in plain and over TLS.
    pub async fn plain_and_tls() -> Vec<Self> {
        let mut all = Vec::new();
        for via in [Via::Tcp, Via::Tls] {
            all.push(Self::embedded_via(via).await);
            all.push(Self::mosquitto_via(via, "").await);
        }
        all
    }

    /// Both kinds, in plain.
    pub async fn plain() -> Vec<Self> {
        vec![Self::embedded().await, Self::mosquitto("").await]
    }

    /// In memory.
    pub async fn embedded() -> Self {
        Self::embedded_via(Via::Tcp).await
    }

    pub async fn embedded_via(via: Via) -> Self {
        Self::start_embedded(via, false).await
    }

    /// With data that survives a restart.
    pub async fn durable() -> Self {
        Self::start_embedded(Via::Tcp, true).await
    }

    async fn start_embedded(via: Via, durable: bool) -> Self {
        let (folder, certificates) = (tempfile::tempdir().unwrap(), Certificates::create().unwrap());
        let tls = BrokerTls::new(certificates.server_cert(), certificates.server_key())
            .client_ca(certificates.ca());
        let options = BrokerOptions::default().with(|options| {
            options.dir = durable.then(|| folder.path().into());
            options.websocket = (via == Via::WebSocket).then_some(0);
            options.tls = (via == Via::Tls).then_some(tls);
        });
        let broker = Box::new(Broker::start(options).await.unwrap());
        Self { server: Server::Embedded(broker, folder), via, certificates }
    }

    /// mosquitto with `extra` lines of configuration.
    pub async fn mosquitto(extra: &str) -> Self {
        Self::mosquitto_via(Via::Tcp, extra).await
    }

    pub async fn mosquitto_via(via: Via, extra: &str) -> Self {
        let (folder, certificates) = (tempfile::tempdir().unwrap(), Certificates::create().unwrap());
        let port = free_port();
        let tls = format!(
            "cafile {}\ncertfile {}\nkeyfile {}\n",
            certificates.ca().display(),
            certificates.server_cert().display(),
            certificates.server_key().display(),
        );
        let listener = match via {
            Via::Tcp => String::new(),
            Via::Tls => format!("{tls}require_certificate true\n"),
            Via::WebSocket => "protocol websockets\n".into(),
            Via::SecureWebSocket => format!("protocol websockets\n{tls}"),
        };
        // mosquitto 2.0.11 does not start with nothing but WebSocket
        let beside = match via {
            Via::Tcp | Via::Tls => String::new(),
            Via::WebSocket | Via::SecureWebSocket => format!("listener {} 127.0.0.1\n", free_port()),
        };
        let queue = if extra.contains("max_queued_messages") { "" } else { "max_queued_messages 0\n" };
        let config = format!(
            "user root\n{beside}listener {port} 127.0.0.1\n{listener}allow_anonymous true\npersistence true\n\
             persistence_location {}/\n{extra}\n{queue}",
            folder.path().display(),
        );
        std::fs::write(folder.path().join("mosquitto.conf"), config).unwrap();
        let mut broker = Mosquitto { process: None, folder, port };
        broker.start().await;
        Self { server: Server::Mosquitto(broker), via, certificates }
    }

    /// Where it listens for the transport it was started with.
    pub fn addr(&self) -> SocketAddr {
        match &self.server {
            Server::Mosquitto(broker) => SocketAddr::from(([127, 0, 0, 1], broker.port)),
            Server::Embedded(broker, _) => match self.via {
                Via::Tcp => broker.addr(),
                Via::Tls => broker.tls_addr().unwrap(),
                Via::WebSocket | Via::SecureWebSocket => {
                    let url = broker.websocket_url().unwrap();
                    url.trim_start_matches("ws://").trim_end_matches("/mqtt").parse().unwrap()
                }
            },
        }
    }

    /// What a client needs to reach it.
    pub fn config(&self) -> Config {
        self.config_through(self.addr())
    }

    /// The same through a proxy.
    pub fn config_through(&self, addr: SocketAddr) -> Config {
        let url = match self.via {
            Via::Tcp => format!("mqtt://{addr}"),
            Via::Tls => format!("mqtts://{addr}"),
            Via::WebSocket => format!("ws://{addr}/mqtt"),
            Via::SecureWebSocket => format!("wss://{addr}/mqtt"),
        };
        let tls = matches!(self.via, Via::Tls | Via::SecureWebSocket);
        let file = |path| tls.then_some(path);
        config(addr).with(|config| {
            config.url = url;
            config.ca_file = file(self.certificates.ca());
            config.cert_file = file(self.certificates.client_cert());
            config.key_file = file(self.certificates.client_key());
        })
    }

    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    pub async fn restart(&mut self) {
        self.stop().await;
        match &mut self.server {
            Server::Embedded(broker, _) => broker.restart().await.unwrap(),
            Server::Mosquitto(broker) => broker.start().await,
        }
    }

    pub async fn stop(&mut self) {
        match &mut self.server {
            Server::Embedded(broker, _) => broker.stop().await,
            Server::Mosquitto(broker) => broker.stop().await,
        }
    }

    pub fn name(&self) -> String {
        let kind = match self.server {
            Server::Embedded(..) => "embedded",
            Server::Mosquitto(_) => "mosquitto",
        };
        format!("{kind}, {:?}", self.via)
    }
}

impl Mosquitto {
    async fn start(&mut self) {
        let program = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"]
            .into_iter()
            .find(|path| Path::new(path).exists())
            .expect("mosquitto is missing: apt-get install mosquitto");
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let process = Command::new(program)
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(process);
        let port = self.port;
        eventually("mosquitto listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    }

    async fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        Command::new("kill").arg(process.id().to_string()).status().unwrap();
        process.wait().unwrap();
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

/// Quick to notice, quick to come back.
pub fn config(addr: SocketAddr) -> Config {
    Config::default().with(|config| {
        config.url = format!("mqtt://{addr}");
        config.keep_alive = Duration::from_secs(5);
        config.ack_timeout = Duration::from_secs(2);
        config.backoff_min = Duration::from_millis(50);
        config.backoff_max = Duration::from_millis(300);
    })
}

/// A client that subscribes to `filter`, connected and subscribed.
pub async fn subscriber(config: Config, id: &str, filter: &str) -> (Client, Inbox) {
    let mut options = Options::new(config, id).unwrap();
    let inbox = options.subscribe(filter);
    let client = options.connect();
    until(&client, |state| state.subscribed).await;
    (client, inbox)
}

pub async fn publisher(config: Config, id: &str) -> Client {
    let client = Options::new(config, id).unwrap().connect();
    until(&client, |state| state.connected).await;
    client
}

pub async fn until(client: &Client, wanted: impl FnMut(&State) -> bool) -> State {
    let mut states = client.state();
    let state = tokio::time::timeout(Duration::from_secs(20), states.wait_for(wanted)).await;
    let state = state.map(|state| state.expect("the client is closed").clone());
    state.unwrap_or_else(|_| panic!("the state did not come within 20 s: {:?}", client.state().borrow()))
}

pub async fn next(inbox: &mut Inbox) -> Delivery {
    let next = tokio::time::timeout(Duration::from_secs(20), inbox.recv());
    next.await.expect("no message within 20 s").expect("the client is closed")
}

pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
