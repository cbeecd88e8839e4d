//! Prometheus, the real one: each device's gauges, the dashboard's queries, the rules.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::messages::{result, status};
use crate::push::{CROWDED, until_alerts, with_rules};
use crate::stage::{Engage, Stage, eventually};

fn grafana(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/grafana").join(file)
}

fn program(name: &str) -> Command {
    let path = Path::new("/usr/bin").join(name);
    assert!(
        path.exists(),
        "{} is missing: apt-get install --no-install-recommends prometheus",
        path.display()
    );
    Command::new(path)
}

struct Prometheus {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // ignored: it may have ended
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Prometheus {
    /// With the configuration for operators, but for where engage is and how often it looks.
    fn start(engage: &Engage) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(grafana("alert-rules.yml"), folder.path().join("alert-rules.yml")).unwrap();
        let config = std::fs::read_to_string(grafana("prometheus.yml")).unwrap();
        let config = config.replace("engage:8080", &engage.addr.to_string()).replace("15s", "1s");
        let path = folder.path().join("prometheus.yml");
        std::fs::write(&path, config).unwrap();
        let port = iot_sandbox::free_port();
        let child = program("prometheus")
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port, _folder: folder }
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.port);
        let answer = reqwest::Client::new().get(url).query(query).send().await.ok()?;
        answer.json().await.ok()
    }

    /// The samples of a query, as labels and value.
    async fn query(&self, query: &str) -> Option<Vec<Value>> {
        let answer = self.get("query", &[("query", query)]).await?;
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].as_array().cloned()
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_rules_are_valid_and_fire_when_they_should() {
    for arguments in [["check", "rules", "alert-rules.yml"], ["test", "rules", "alert-rules-test.yml"]] {
        let output = program("promtool").args(arguments).current_dir(grafana("")).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
    let output =
        program("promtool").args(["check", "config", "prometheus.yml"]).current_dir(grafana("")).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_devices_rules_and_every_query_of_the_dashboard() {
    let stage = Stage::set().await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    (config.push.gauges.enabled, config.push.gauges.limit) = (true, 2);
    let engage = stage.engage_with(config).await;
    for device in ["cam-1", "cam-2", "cam-3"] {
        stage.status(&status(device, 1)).await;
    }
    stage.counted(&result("cam-1", 1, 9)).await;
    until_alerts(&engage, 1).await;
    let prometheus = Prometheus::start(&engage);
    let people = eventually("the people of a device", async || {
        prometheus.query("engage_device_people").await?.into_iter().next()
    })
    .await;
    assert_eq!((&people["metric"]["device"], &people["value"][1]), (&"cam-1".into(), &"9".into()));
    let people = prometheus.query("engage_device_people").await.unwrap();
    assert_eq!(people.len(), 1, "a device that was never counted has no people, not even none: {people:?}");
    assert_eq!(prometheus.query("engage_device_live").await.unwrap().len(), 2, "more than the limit");
    assert_eq!(prometheus.query("engage_device_gauges_left_out").await.unwrap()[0]["value"][1], "1");

    let dashboard: Value =
        serde_json::from_str(&std::fs::read_to_string(grafana("dashboard.json")).unwrap()).unwrap();
    let mut queries = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            prometheus.query(target["expr"].as_str().unwrap()).await.unwrap();
            queries += 1;
        }
    }
    assert!(queries > 10);
    for query in ["max(engage_people)", "sum(engage_push_active)", "engage_alerts{severity=\"warning\"}"] {
        assert!(!prometheus.query(query).await.unwrap().is_empty(), "{query}");
    }
    let rules = eventually("rules that were looked at", async || {
        let rules = prometheus.get("rules", &[]).await?["data"]["groups"][0]["rules"].as_array()?.clone();
        rules.iter().all(|rule| rule["health"] != "unknown").then_some(rules)
    })
    .await;
    assert_eq!(rules.len(), 8);
    assert!(rules.iter().all(|rule| rule["health"] == "ok"), "{rules:?}");
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_rules_and_dashboard_name_exists() {
    let stage = Stage::set().await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    config.push.gauges.enabled = true;
    let nobody = "url = \"http://127.0.0.1:9/\"";
    config.push.webhook.insert("nobody".into(), toml::from_str(nobody).unwrap());
    let engage = stage.engage_with(config).await;
    // what is counted by kind is there once there is one of its kind
    stage.status(&status("cam-1", 1)).await;
    stage.retain("people-counter/v1/devices/cam-1/counts", "{").await;
    let metrics = eventually("a rejected message", async || {
        let metrics = engage.get("/metrics").await.text().await.unwrap();
        metrics.contains("engage_rejected_total{").then_some(metrics)
    })
    .await;
    let named: String = ["dashboard.json", "alert-rules.yml"]
        .map(|file| std::fs::read_to_string(grafana(file)).unwrap())
        .concat();
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names: Vec<&str> =
        named.split(|c| !letter(c)).filter(|word| word.starts_with("engage_")).collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let plain = name.strip_suffix("_total").unwrap_or(name);
        assert!(metrics.contains(&format!("# TYPE {plain} ")), "{name} is no metric");
    }
    engage.stop().await;
}
