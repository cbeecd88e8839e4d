//! The three services as processes, wired to [`Servers`].

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::process::Process;
use crate::rest::Rest;
use crate::servers::Servers;
use crate::wait::{eventually, free_port};

/// Ingest with some cameras, inference nodes, and engage.
pub struct System {
    /// Where configurations and logs are.
    pub folder: TempDir,
    /// Broker and store.
    pub servers: Servers,
    /// The cameras.
    pub ingest: Process,
    /// The nodes.
    pub inference: Vec<Process>,
    /// The page.
    pub engage: Process,
    /// What a viewer sees.
    pub rest: Rest,
}

/// Frames of the sample clip.
pub fn sample_frames() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../services/demo/sample")
}

impl System {
    /// Starts everything with `cameras` cameras that show `pictures` every half second.
    pub async fn start(servers: Servers, cameras: usize, pictures: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let common = format!("[mqtt]\nurl = \"{}\"\n{}", servers.broker_url(), servers.store_config());
        let http = |port: u16| format!("[http]\nlisten = \"127.0.0.1:{port}\"\n");

        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).expect("a temporary file");
        };
        write("engage.toml", format!("{common}{}", http(port)));
        for node in 1..=2 {
            write(
                &format!("inference-{node}.toml"),
                format!("node = \"node-{node}\"\nworkers = 1\n{common}"),
            );
        }
        let mut ingest = common.clone();
        for number in 1..=cameras {
            let start = number * 7;
            ingest += &format!(
                "[[cameras]]\ndevice = \"cam-{number}\"\ninterval = \"500ms\"\n\
                 source = {{ kind = \"folder\", path = \"{}\", start = {start} }}\n",
                pictures.display()
            );
        }
        write("ingest.toml", ingest);

        let start = |name: &str, config: &str| start(folder.path(), name, config);
        let system = Self {
            engage: start("people-counter-engage", "engage.toml"),
            inference: vec![
                start("people-counter-inference", "inference-1.toml"),
                start("people-counter-inference", "inference-2.toml"),
            ],
            ingest: start("people-counter-ingest", "ingest.toml"),
            rest: Rest::new(format!("http://127.0.0.1:{port}")),
            servers,
            folder,
        };
        system.until_live(cameras).await;
        system
    }

    /// Waits until exactly `cameras` cameras are live.
    pub async fn until_live(&self, cameras: usize) {
        eventually(&format!("{cameras} cameras are live"), || async {
            let all = self.rest.devices().await?;
            let live = all.devices.iter().filter(|device| device.state == "live").count();
            (live == cameras && all.devices.len() == cameras).then_some(())
        })
        .await;
    }

    /// Starts the killed ingest again.
    pub fn start_ingest(&mut self) {
        self.ingest = start(self.folder.path(), "people-counter-ingest", "ingest.toml");
    }

    /// Starts the killed engage again.
    pub fn start_engage(&mut self) {
        self.engage = start(self.folder.path(), "people-counter-engage", "engage.toml");
    }

    /// Starts a killed inference node (0 or 1) again.
    pub fn start_inference(&mut self, node: usize) {
        let config = format!("inference-{}.toml", node + 1);
        self.inference[node] = start(self.folder.path(), "people-counter-inference", &config);
    }
}

fn start(folder: &Path, name: &str, config: &str) -> Process {
    let config = folder.join(config);
    Process::start(name, &["--config", &config.display().to_string()], folder)
}
