//! Ceph RGW, the production-grade S3 server that Debian packages.
//!
//! `STORAGE_TEST_ENDPOINT`, `STORAGE_TEST_ACCESS_KEY`, `STORAGE_TEST_SECRET_KEY` and
//! `STORAGE_TEST_REGION` name another server to test against; a bucket `readings-…` is made there.

use std::env;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use iot_sandbox::Certificates;
use iot_storage::{Config, Error, Store};
use tempfile::TempDir;

use crate::support::{config, key};
use crate::{suite, tls};

/// A gateway that ends when it is dropped.
struct Gateway {
    folder: TempDir,
    addr: SocketAddr,
}

const ACCESS_KEY: &str = "thermometer";
const SECRET_KEY: &str = "thermometers-secret";

impl Gateway {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let addr = SocketAddr::from(([127, 0, 0, 1], iot_sandbox::free_port()));
        let port = addr.port().to_string();
        let output = script(&["start", text(folder.path()), &port, ACCESS_KEY, SECRET_KEY]);
        let gateway = Self { folder, addr };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        gateway
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        script(&["stop", text(self.folder.path())]);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn script(arguments: &[&str]) -> Output {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/ceph-rgw");
    Command::new(&path).args(arguments).output().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rgw_passes_the_suite() {
    let variable = |name: &str| env::var(format!("STORAGE_TEST_{name}")).ok();
    if let Some(endpoint) = variable("ENDPOINT") {
        let given = |name| variable(name).unwrap_or_else(|| panic!("STORAGE_TEST_{name} is not set"));
        let config = config(&endpoint, &given("ACCESS_KEY"), &given("SECRET_KEY"));
        let region = variable("REGION").unwrap_or_else(|| config.region.clone());
        let bucket = format!("readings-{}", std::process::id());
        suite::run(&config.with(|config| {
            config.bucket = bucket;
            config.region = region;
        }))
        .await;
        return;
    }
    let gateway = tokio::task::spawn_blocking(Gateway::start).await.unwrap();
    let config = config(&format!("http://{}", gateway.addr), ACCESS_KEY, SECRET_KEY);
    // The region of RGW's own zone, and the one that is usual elsewhere.
    for (region, bucket) in [("us-east-1", "readings-1"), ("default", "readings-2")] {
        suite::run(&config.clone().with(|config| {
            config.region = region.into();
            config.bucket = bucket.into();
        }))
        .await;
    }
    // The bucket in the host's name.
    ("readings-4.localhost", 0)
        .to_socket_addrs()
        .expect("names below localhost are unknown: apt-get install libnss-myhostname");
    suite::run(&config.clone().with(|config| {
        config.endpoint = format!("http://localhost:{}", gateway.addr.port());
        config.path_style = false;
        config.bucket = "readings-4".into();
    }))
    .await;
    let certificates = Certificates::create().unwrap();
    let endpoint = tls::front(&certificates, gateway.addr).await;
    let ca_file = Some(certificates.ca());
    suite::run(&config.clone().with(|config| {
        config.endpoint = endpoint;
        config.ca_file = ca_file;
        config.bucket = "readings-3".into();
    }))
    .await;
    let config = config.with(|config| config.bucket = "readings-1".into());
    keeps_the_request_id(&config).await;
}

/// The embedded store gives none.
async fn keeps_the_request_id(config: &Config) {
    let store = Store::new(config).unwrap();
    let missing = store.get(&key("missing"), 10).await.unwrap_err();
    let unknown = store.head(&key("missing")).await.unwrap_err();
    let wrong = config.clone().with(|config| config.secret_key = Some("wrong".into()));
    let denied = Store::new(&wrong).unwrap().probe().await.unwrap_err();
    assert!(matches!(denied, Error::Denied { .. }), "{denied}");
    for error in [missing, unknown, denied] {
        let id = error.request_id().unwrap_or_default();
        assert!(id.starts_with("tx") && error.to_string().contains(id), "{error}");
    }
}
