//! Alertmanager, the real one.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::messages::{result, status};
use crate::push::{CROWDED, with_rules};
use crate::stage::{Stage, eventually};

const BINARY: &str = "/usr/bin/prometheus-alertmanager";

struct Alertmanager {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // ignored: it may have ended
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Alertmanager {
    fn start() -> Self {
        assert!(
            Path::new(BINARY).exists(),
            "{BINARY} is missing: apt-get install --no-install-recommends prometheus-alertmanager"
        );
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("alertmanager.yml");
        std::fs::write(&config, "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n").unwrap();
        let port = iot_sandbox::free_port();
        let child = Command::new(BINARY)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port, _folder: folder }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The alerts it holds as active.
    async fn alerts(&self) -> Vec<Value> {
        let asked = reqwest::get(format!("{}/api/v2/alerts", self.url())).await;
        let Ok(answer) = asked.and_then(reqwest::Response::error_for_status) else { return Vec::new() };
        answer.json().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_arrive_are_kept_alive_and_end() {
    let stage = Stage::set().await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    let alertmanager = Alertmanager::start();
    let text = format!("url = \"{}\"\nevery = \"1s\"\nlabels = {{ site = \"bonn\" }}", alertmanager.url());
    config.push.alertmanager.insert("main".into(), toml::from_str(&text).unwrap());
    config.push.delivery.backoff_min = std::time::Duration::from_millis(50);
    let engage = stage.engage_with(config).await;
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 9)).await;
    let alert = eventually("the alert", async || alertmanager.alerts().await.into_iter().next()).await;
    for (label, value) in [
        ("alertname", "crowded"),
        ("target", "cam-1"),
        ("severity", "warning"),
        ("service", "people-counter"),
        ("site", "bonn"),
    ] {
        assert_eq!(alert["labels"][label], value, "{alert}");
    }
    assert_eq!(alert["annotations"]["summary"], "cam-1: 9 people, more than 5");
    assert_eq!(alert["status"]["state"], "active");
    // sent again and again: its end moves on
    eventually("a later end", async || {
        let later = alertmanager.alerts().await.into_iter().next()?;
        (later["endsAt"].as_str() > alert["endsAt"].as_str() && later["startsAt"] == alert["startsAt"])
            .then_some(())
    })
    .await;
    stage.counted(&result("cam-1", 2, 0)).await;
    eventually("its end", async || alertmanager.alerts().await.is_empty().then_some(())).await;
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_engage_an_alert_ends_by_itself() {
    let stage = Stage::set().await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    let alertmanager = Alertmanager::start();
    let text = format!("url = \"{}\"\nevery = \"1s\"", alertmanager.url());
    config.push.alertmanager.insert("main".into(), toml::from_str(&text).unwrap());
    let engage = stage.engage_with(config.clone()).await;
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 9)).await;
    let first = eventually("the alert", async || alertmanager.alerts().await.into_iter().next()).await;
    engage.stop().await;
    eventually("its end", async || alertmanager.alerts().await.is_empty().then_some(())).await;
    // it was never over here, and the next engage says so
    let engage = stage.engage_with(config).await;
    let again = eventually("the alert again", async || alertmanager.alerts().await.into_iter().next()).await;
    assert_eq!(again["startsAt"], first["startsAt"]);
    engage.stop().await;
}
