//! A device is taken away, everywhere.

use std::time::Duration;

use iot_mqtt::Options;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::messages::{failure, now, result, status};
use crate::push_homeassistant::{HomeAssistant, discovery, state};
use crate::stage::{Engage, Stage, eventually};
use crate::viewer::Viewer;

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_removed_from_every_replica_the_broker_and_the_store() {
    let stage = Stage::set().await;
    for name in ["cam-1", "cam-10"] {
        stage.status(&status(name, 1)).await;
        for sequence in 1..=3 {
            let result = result(name, sequence, 2);
            stage.put(result.file_path.key(), b"\xFF\xD8\xFF\xE0 a picture".as_slice()).await;
            stage.counted(&result).await;
        }
        stage.failed(&failure(name, 4)).await;
    }
    let (engage, other) = (stage.engage().await, stage.engage().await);
    let mut viewer = Viewer::of(&other).await;
    viewer.take().await;
    let gone = engage.ask(&Method::DELETE, "/api/v1/devices/cam-1", None).await;
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    viewer.until(|message| (message["removed"][0] == "cam-1").then_some(())).await;
    for replica in [&engage, &other] {
        eventually("the removal", async || replica.device("cam-1").await.is_null().then_some(())).await;
        eventually("no trace", async || (replica.metric("engage_devices_hidden").await == 0.0).then_some(()))
            .await;
        assert_eq!(replica.device("cam-10").await["count"], 2, "the name of another begins like it");
    }
    let left = stage.bucket.list("cam-1", 100).await.unwrap();
    assert_eq!(left.len(), 3, "those of cam-10");
    assert!(left.iter().all(|object| object.key.as_str().starts_with("cam-10.")));
    let late = stage.engage().await;
    assert!(late.device("cam-1").await.is_null(), "the broker keeps nothing of it");
    assert_eq!(late.metric("engage_devices_hidden").await, 0.0);
    late.stop().await;
    let again = engage.ask(&Method::DELETE, "/api/v1/devices/cam-1", None).await;
    assert_eq!(again.status(), StatusCode::NOT_FOUND);
    // one that runs is back with its next birth
    stage.status(&status("cam-1", 2)).await;
    engage.until("cam-1", "state", "unknown").await;
    engage.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_of_a_device_goes_with_it_though_nobody_pushes() {
    let stage = Stage::set().await;
    let home = HomeAssistant::start(&stage).await;
    let mqtt = iot_mqtt::Config::default().with(|config| config.url = stage.broker.url());
    let mut options = Options::new(mqtt, "waits").unwrap();
    let mut waits = options.subscribe(stage.topics.waits.filter());
    let listener = options.connect();
    listener.state().wait_for(|state| state.subscribed).await.unwrap();
    let waiting = |name: &str| stage.topics.waits.name(&["busy", name]).unwrap();
    for name in ["cam-1", "cam-10"] {
        stage.status(&status(name, 1)).await;
        let wait = json!({
            "type": "wait", "rule": "busy", "target": name, "sinceTimestamp": now(), "untilTimestamp": now() + 60.0
        });
        stage.retain(waiting(name), wait.to_string()).await;
        for rule in ["crowded", "quiet"] {
            let alert = json!({
                "type": "alert", "rule": rule, "target": name, "state": "active", "severity": "warning",
                "message": "as it was when somebody pushed", "sinceTimestamp": now(), "value": 7,
                "eventID": "01926f3e-0000-7000-8000-000000000001"
            });
            let topic = stage.topics.alerts.name(&[rule, name]).unwrap();
            stage.retain(topic, alert.to_string()).await;
        }
        for topic in [discovery(name), state(name)] {
            stage.retain(topic, "{}").await;
        }
    }
    let mut config = stage.config();
    config.push.homeassistant.insert("home".into(), toml::from_str("").unwrap());
    let engage = stage.engage_with(config).await;
    let targets = async |engage: &Engage| -> Vec<String> {
        let all = engage.json("/api/v1/alerts").await;
        let all = all["alerts"].as_array().unwrap().iter();
        all.map(|alert| alert["target"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(targets(&engage).await, ["cam-1", "cam-10", "cam-1", "cam-10"]);
    let gone = engage.ask(&Method::DELETE, "/api/v1/devices/cam-1", None).await;
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    home.cleared(&discovery("cam-1")).await;
    home.cleared(&state("cam-1")).await;
    for topic in [discovery("cam-10"), state("cam-10")] {
        assert_eq!(home.last(&topic).as_deref(), Some("{}"), "{topic} is another device's");
    }
    let ended = async {
        loop {
            let delivery = waits.recv().await.expect("the listener is there");
            let (topic, ended) = (delivery.topic().to_owned(), delivery.payload().is_empty());
            delivery.ack();
            if ended {
                return topic;
            }
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
    assert_eq!(ended.expect("a wait is left"), waiting("cam-1"));
    let late = stage.engage().await;
    assert_eq!(targets(&late).await, ["cam-10", "cam-10"], "what the broker keeps");
    engage.stop().await;
    late.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_removed_is_said() {
    let mut stage = Stage::set().await;
    stage.status(&status("cam-1", 1)).await;
    let mut config = stage.config();
    (config.store.attempts, config.store.timeout) = (1, Duration::from_secs(2));
    let engage = stage.engage_with(config).await;
    stage.store.stop().await;
    let answer = engage.ask(&Method::DELETE, "/api/v1/devices/cam-1", None).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("its pictures are not"), "{problem}");
    eventually("the removal", async || engage.device("cam-1").await.is_null().then_some(())).await;
    engage.stop().await;
}
