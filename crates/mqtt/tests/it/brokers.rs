//! The brokers under test, behind one face.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use iot_mqtt::{Client, Config, Delivery, Inbox, Options, State};
use iot_sandbox::{Broker, BrokerOptions};
use tempfile::TempDir;

/// A broker that can be stopped and started again with its data.
pub enum AnyBroker {
    Embedded(Box<Broker>, #[expect(dead_code, reason = "the data goes with it")] TempDir),
    Mosquitto(Mosquitto),
}

pub struct Mosquitto {
    process: Option<Child>,
    folder: TempDir,
    port: u16,
}

impl AnyBroker {
    /// Both kinds, to run one test against each.
    pub async fn all() -> Vec<Self> {
        vec![Self::embedded().await, Self::mosquitto("").await]
    }

    /// In memory.
    pub async fn embedded() -> Self {
        let broker = Broker::start(BrokerOptions::default()).await.unwrap();
        Self::Embedded(Box::new(broker), tempfile::tempdir().unwrap())
    }

    /// With data that survives a restart.
    pub async fn durable() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = BrokerOptions { dir: Some(folder.path().into()), ..BrokerOptions::default() };
        Self::Embedded(Box::new(Broker::start(options).await.unwrap()), folder)
    }

    /// mosquitto with `extra` lines of configuration.
    pub async fn mosquitto(extra: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {}/\n\
             {extra}\n",
            folder.path().display(),
        );
        let queue = if extra.contains("max_queued_messages") { "" } else { "max_queued_messages 0\n" };
        std::fs::write(folder.path().join("mosquitto.conf"), format!("{config}{queue}")).unwrap();
        let mut broker = Mosquitto { process: None, folder, port };
        broker.start().await;
        Self::Mosquitto(broker)
    }

    pub fn addr(&self) -> SocketAddr {
        match self {
            Self::Embedded(broker, _) => broker.addr(),
            Self::Mosquitto(broker) => SocketAddr::from(([127, 0, 0, 1], broker.port)),
        }
    }

    pub async fn restart(&mut self) {
        match self {
            Self::Embedded(broker, _) => broker.restart().await.unwrap(),
            Self::Mosquitto(broker) => {
                broker.stop().await;
                broker.start().await;
            }
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Embedded(..) => "embedded",
            Self::Mosquitto(_) => "mosquitto",
        }
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

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Quick to notice, quick to come back.
pub fn config(addr: SocketAddr) -> Config {
    Config {
        url: format!("mqtt://{addr}"),
        keep_alive: Duration::from_secs(5),
        ack_timeout: Duration::from_secs(2),
        backoff_min: Duration::from_millis(50),
        backoff_max: Duration::from_millis(300),
        ..Config::default()
    }
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
    let state = tokio::time::timeout(Duration::from_secs(20), states.wait_for(wanted));
    state.await.expect("the state did not come within 20 s").unwrap().clone()
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
