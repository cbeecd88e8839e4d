//! The broker and the store behind the system: the embedded ones, or mosquitto and Ceph RGW.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use iot_sandbox::{Broker, BrokerOptions, ObjectStore, StoreOptions};
use iot_storage::Store;
use tempfile::TempDir;

use crate::wait::{eventually, free_port};

/// The bucket for the pictures.
pub const BUCKET: &str = "people-counter";

/// A broker and a store.
pub enum Servers {
    /// In this process, with data that survives a restart.
    Embedded {
        /// The broker.
        broker: Box<Broker>,
        /// The store.
        store: Box<ObjectStore>,
        /// The data of both.
        folder: TempDir,
    },
    /// mosquitto and Ceph RGW.
    Real {
        /// The broker.
        broker: Mosquitto,
        /// The store.
        store: Ceph,
    },
}

impl Servers {
    /// The embedded ones.
    ///
    /// # Panics
    /// When they cannot be started.
    pub async fn embedded() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = BrokerOptions::default().with(|options| options.dir = Some(folder.path().into()));
        let broker = Broker::start(options).await.expect("the embedded broker starts");
        let options =
            StoreOptions::default().with(|options| options.dir = Some(folder.path().join("objects")));
        let store = ObjectStore::start(options).await.expect("the embedded store starts");
        Self::Embedded { broker: Box::new(broker), store: Box::new(store), folder }
    }

    /// mosquitto and Ceph RGW.
    ///
    /// # Panics
    /// When one is not installed or cannot be started.
    pub async fn real() -> Self {
        Self::Real { broker: Mosquitto::start().await, store: Ceph::start() }
    }

    /// Address of the broker.
    pub fn broker_url(&self) -> String {
        match self {
            Self::Embedded { broker, .. } => broker.url(),
            Self::Real { broker, .. } => broker.url(),
        }
    }

    /// Endpoint, region, access key and secret of the store.
    fn store_access(&self) -> (String, &str, &str, &str) {
        match self {
            Self::Embedded { store, .. } => {
                (store.endpoint(), "us-east-1", store.access_key(), store.secret_key())
            }
            Self::Real { store, .. } => {
                (format!("http://127.0.0.1:{}", store.port), "default", Ceph::ACCESS, Ceph::SECRET)
            }
        }
    }

    /// The bucket of the pictures, which exists from then on.
    ///
    /// # Panics
    /// When the store does not take it.
    pub async fn bucket(&self) -> Store {
        let (endpoint, region, access, secret) = self.store_access();
        let config = iot_storage::Config::default().with(|config| {
            config.endpoint = endpoint;
            config.region = region.into();
            config.bucket = BUCKET.into();
            config.access_key = Some(access.into());
            config.secret_key = Some(secret.into());
        });
        let store = Store::new(&config).expect("the configuration is valid");
        store.ensure_bucket().await.expect("the store takes a bucket");
        store
    }

    /// The `[store]` table of a service's configuration.
    pub fn store_config(&self) -> String {
        let (endpoint, region, access, secret) = self.store_access();
        format!(
            "[store]\nendpoint = \"{endpoint}\"\nregion = \"{region}\"\nbucket = \"{BUCKET}\"\n\
             access_key = \"{access}\"\nsecret_key = \"{secret}\"\n"
        )
    }

    /// Stops the broker and starts it again, with its data, after `pause` has ended.
    ///
    /// # Panics
    /// When it does not start again.
    pub async fn restart_broker(&mut self, pause: impl Future<Output = ()>) {
        match self {
            Self::Embedded { broker, .. } => {
                broker.stop().await;
                pause.await;
                broker.restart().await.expect("the broker starts again");
            }
            Self::Real { broker, .. } => {
                broker.stop();
                pause.await;
                broker.launch().await;
            }
        }
    }

    /// Stops the store and starts it again, with its data, after `pause` has ended.
    ///
    /// # Panics
    /// When it does not start again, or is Ceph, whose data is in memory.
    pub async fn restart_store(&mut self, pause: impl Future<Output = ()>) {
        let Self::Embedded { store, .. } = self else { panic!("the test cluster forgets its data") };
        store.stop().await;
        pause.await;
        store.restart().await.expect("the store starts again");
    }
}

/// A mosquitto of our own.
pub struct Mosquitto {
    process: Option<Child>,
    folder: TempDir,
    port: u16,
}

impl Mosquitto {
    /// One that takes anybody.
    async fn start() -> Self {
        Self::start_with(tempfile::tempdir().expect("a temporary folder"), "allow_anonymous true\n").await
    }

    /// One that takes `users` (name and password) alone and grants what the rules in the file `acl` grant.
    ///
    /// # Panics
    /// When it is not installed or cannot be started.
    pub async fn with_rights(acl: &Path, users: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let passwords = folder.path().join("passwords");
        std::fs::write(&passwords, "").expect("a temporary file");
        for (name, password) in users {
            let added = Command::new("mosquitto_passwd")
                .arg("-b")
                .arg(&passwords)
                .args([name, password])
                .stdin(Stdio::null())
                .status()
                .expect("mosquitto_passwd is missing: apt-get install mosquitto");
            assert!(added.success(), "mosquitto_passwd refuses {name}");
        }
        let rights = format!(
            "allow_anonymous false\npassword_file {}\nacl_file {}\n",
            passwords.display(),
            acl.display()
        );
        Self::start_with(folder, &rights).await
    }

    async fn start_with(folder: TempDir, rights: &str) -> Self {
        let port = free_port();
        // `user`: who the test runs as may be the only one that can read the folder
        let config = format!(
            "user root\nlistener {port} 127.0.0.1\n{rights}max_queued_messages 0\npersistence true\n\
             persistence_location {}/\n",
            folder.path().display()
        );
        std::fs::write(folder.path().join("mosquitto.conf"), config).expect("a temporary file");
        let mut broker = Self { process: None, folder, port };
        broker.launch().await;
        broker
    }

    /// Address of the broker.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    async fn launch(&mut self) {
        let program = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"]
            .into_iter()
            .find(|path| Path::new(path).exists())
            .expect("mosquitto is missing: apt-get install mosquitto");
        let process = Command::new(program)
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto starts");
        self.process = Some(process);
        let port = self.port;
        eventually(
            "mosquitto listens",
            || async move { std::net::TcpStream::connect(("127.0.0.1", port)).ok() },
        )
        .await;
    }

    fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let told = Command::new("kill").arg(process.id().to_string()).status();
        assert!(told.is_ok_and(|status| status.success()), "mosquitto could not be told to stop");
        process.wait().expect("mosquitto ends");
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

/// A one-node Ceph cluster with its S3 gateway.
pub struct Ceph {
    folder: TempDir,
    port: u16,
}

impl Ceph {
    const ACCESS: &'static str = "testaccess";
    const SECRET: &'static str = "testsecret123";

    fn start() -> Self {
        let ceph = Self { folder: tempfile::tempdir().expect("a temporary folder"), port: free_port() };
        ceph.script("start");
        ceph
    }

    fn script(&self, what: &str) {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/ceph-rgw");
        let output = Command::new(path)
            .arg(what)
            .arg(self.folder.path())
            .arg(self.port.to_string())
            .args([Self::ACCESS, Self::SECRET])
            .output()
            .expect("scripts/ceph-rgw can be run");
        assert!(
            output.status.success(),
            "scripts/ceph-rgw {what}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Ceph {
    fn drop(&mut self) {
        self.script("stop");
    }
}
