//! What is measured: engage, or a peer of it.

use std::path::{Path, PathBuf};

use iot_sandbox::Broker;
use people_counter_tests::process::Process;
use people_counter_tests::viewer::{Ended, Kind, Message, Seen, Subscription, Viewer};
use people_counter_tests::wait::eventually;

use super::peer;

/// A service that shows counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Ours.
    Engage,
    /// Flask-SocketIO in this mode.
    Peer(&'static str),
}

/// What a viewer was told.
pub struct Told<'a> {
    /// All of it, or what changed.
    pub kind: Kind,
    /// The devices.
    pub devices: Vec<Seen<'a>>,
}

/// A viewer of either.
pub enum Connection {
    /// Of engage.
    Engage(Viewer),
    /// Of a peer.
    Peer(peer::Viewer),
}

impl Service {
    /// Its name in the table.
    pub fn name(self) -> String {
        match self {
            Self::Engage => String::new(),
            Self::Peer(mode) => format!(", Flask-SocketIO ({mode})"),
        }
    }

    /// Starts it at `port` and waits until it shows what the broker has.
    pub async fn start(self, folder: &Path, broker: &Broker, port: u16, max_rate: u32) -> Process {
        let (process, asked) = match self {
            Self::Engage => (start_engage(folder, broker, port, max_rate), "readyz"),
            Self::Peer(mode) => (start_peer(folder, broker, port, mode), peer::POLLING),
        };
        let http = reqwest::Client::new();
        let url = format!("http://127.0.0.1:{port}/{asked}");
        eventually("the service is ready", || async {
            http.get(&url).send().await.ok()?.status().is_success().then_some(())
        })
        .await;
        process
    }

    /// Opens a stream of these devices; a peer has none but that of all.
    pub async fn open(self, port: u16, devices: &[String]) -> Option<Connection> {
        let address = format!("127.0.0.1:{port}");
        match self {
            Self::Engage => {
                let mut viewer = Viewer::connect(&address, None).await.ok()?;
                viewer.subscribe(&Subscription::of(devices)).await.ok()?;
                Some(Connection::Engage(viewer))
            }
            Self::Peer(_) => peer::Viewer::connect(&address).await.map(Connection::Peer),
        }
    }
}

impl Connection {
    /// Whether it is told what there is before it is told what changes.
    pub fn has_snapshots(&self) -> bool {
        matches!(self, Self::Engage(_))
    }

    /// The next message is given to `look`, and acknowledged where that is asked for.
    pub async fn next<T>(&mut self, look: impl FnOnce(Told<'_>) -> T) -> Result<T, Ended> {
        match self {
            Self::Engage(viewer) => {
                let text = viewer.next().await?;
                let Message { kind, devices, version, .. } =
                    serde_json::from_str(&text).expect("a message of the stream");
                let looked = look(Told { kind, devices });
                viewer.acknowledge(version).await?;
                Ok(looked)
            }
            Self::Peer(viewer) => {
                let text = viewer.next().await?;
                let devices = vec![peer::count(&text)];
                Ok(look(Told { kind: Kind::Delta, devices }))
            }
        }
    }
}

fn start_engage(folder: &Path, broker: &Broker, port: u16, max_rate: u32) -> Process {
    let config = folder.join("engage.toml");
    let text = format!(
        "[mqtt]\nurl = \"{}\"\n[store]\nendpoint = \"http://127.0.0.1:9\"\nbucket = \"bench\"\naccess_key = \"a\"\n\
         secret_key = \"b\"\n[http]\nlisten = \"127.0.0.1:{port}\"\n[live]\nmax_rate = {max_rate}\n\
         [log]\nfilter = \"warn\"\n",
        broker.url(),
    );
    std::fs::write(&config, text).unwrap();
    Process::start_program(
        &built("target/edge/people-counter-engage"),
        &["--config", config.to_str().unwrap()],
        &[],
        folder,
    )
}

/// What `scripts/bench engage` has made.
fn built(path: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    assert!(path.exists(), "{} is missing: scripts/bench engage makes it", path.display());
    path
}

fn start_peer(folder: &Path, broker: &Broker, port: u16, mode: &str) -> Process {
    let python = built("target/bench-python/bin/python");
    let script = built("scripts/engage-peer/peer.py");
    let broker = broker.addr().port().to_string();
    let arguments = [script.to_str().unwrap(), mode, &broker, &port.to_string()];
    Process::start_program(&python, &arguments, &[], folder)
}
