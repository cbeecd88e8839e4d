//! Home Assistant, imitated at the broker: what it would find out, and when it would be told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use iot_mqtt::{Client, Message, Options};
use people_counter_engage::Config;
use serde_json::{Value, json};

use crate::messages::{failure, result, status};
use crate::push::{CROWDED, is_active, with_rules};
use crate::stage::{Stage, eventually};

/// What it has heard, by topic; and how many messages on each.
#[derive(Debug, Default)]
struct Heard {
    last: BTreeMap<String, String>,
    times: BTreeMap<String, usize>,
}

/// Everything that Home Assistant hears.
pub struct HomeAssistant {
    heard: Arc<Mutex<Heard>>,
    client: Client,
}

impl HomeAssistant {
    pub async fn start(stage: &Stage) -> Self {
        let config = iot_mqtt::Config::default().with(|config| config.url = stage.broker.url());
        let mut options = Options::new(config, "home-assistant").unwrap();
        let mut discovery = options.subscribe("homeassistant/#");
        let mut states = options.subscribe("people-counter/v1/homeassistant/#");
        let client = options.connect();
        client.state().wait_for(|state| state.subscribed).await.unwrap();
        let heard = Arc::<Mutex<Heard>>::default();
        let hears = Arc::clone(&heard);
        tokio::spawn(async move {
            loop {
                let delivery = tokio::select! {
                    delivery = discovery.recv() => delivery,
                    delivery = states.recv() => delivery,
                };
                let Some(delivery) = delivery else { return };
                let mut heard = hears.lock().unwrap();
                let payload = String::from_utf8(delivery.payload().to_vec()).unwrap();
                *heard.times.entry(delivery.topic().to_owned()).or_default() += 1;
                heard.last.insert(delivery.topic().to_owned(), payload);
                drop(heard);
                delivery.ack();
            }
        });
        Self { heard, client }
    }

    pub fn last(&self, topic: &str) -> Option<String> {
        self.heard.lock().unwrap().last.get(topic).cloned()
    }

    fn times(&self, topic: &str) -> usize {
        self.heard.lock().unwrap().times.get(topic).copied().unwrap_or_default()
    }

    /// Waits for a message on a topic.
    async fn message(&self, topic: &str, fits: impl Fn(&Value) -> bool) -> Value {
        eventually(topic, async || {
            let value = serde_json::from_str(&self.last(topic)?).ok()?;
            fits(&value).then_some(value)
        })
        .await
    }

    pub async fn cleared(&self, topic: &str) {
        eventually(&format!("{topic} cleared"), async || self.last(topic)?.is_empty().then_some(())).await;
    }
}

fn configure(config: &mut Config, settings: &str) {
    config.push.homeassistant.insert("home".into(), toml::from_str(settings).unwrap());
    config.push.delivery.pause = Duration::from_millis(300);
}

pub fn discovery(device: &str) -> String {
    format!("homeassistant/device/people_counter/{device}/config")
}

pub fn state(device: &str) -> String {
    format!("people-counter/v1/homeassistant/{device}/state")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_discovered_followed_and_removed() {
    let stage = Stage::set().await;
    let home = HomeAssistant::start(&stage).await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    configure(&mut config, "page = \"http://people.example.com:8080\"");
    let engage = stage.engage_with(config).await;
    stage.status(&status("cam-1", 1)).await;
    let found = home.message(&discovery("cam-1"), |_| true).await;
    assert_eq!(found["device"]["identifiers"], json!(["people_counter_cam-1"]));
    assert_eq!(found["origin"]["name"], "People Counter");
    let components = found["components"].as_object().unwrap();
    for (name, platform) in [("people", "sensor"), ("problem", "binary_sensor"), ("picture", "image")] {
        let component = &components[name];
        assert_eq!(component["platform"], platform);
        assert_eq!(component["unique_id"], format!("people_counter_cam-1_{name}"));
        let topic = if name == "picture" { "url_topic" } else { "state_topic" };
        assert!(component[topic].as_str().unwrap().starts_with("people-counter/v1/homeassistant/cam-1/"));
    }
    assert_eq!(components["people"]["expire_after"], 90);
    let unknown = home.message(&state("cam-1"), |_| true).await;
    assert_eq!(
        (&unknown["state"], &unknown["count"]),
        (&json!("unknown"), &Value::Null),
        "unknown is not zero"
    );

    let counted = result("cam-1", 1, 3);
    stage.counted(&counted).await;
    home.message(&state("cam-1"), |state| state["count"] == 3 && state["state"] == "live").await;
    let picture =
        eventually("the picture", async || home.last("people-counter/v1/homeassistant/cam-1/picture")).await;
    let frame = counted.frame_id;
    assert_eq!(picture, format!("http://people.example.com:8080/api/v1/devices/cam-1/image?frame={frame}"));
    stage.failed(&failure("cam-1", 2)).await;
    let failing = home.message(&state("cam-1"), |state| state["state"] == "failing").await;
    assert_eq!((&failing["count"], &failing["problem"]), (&Value::Null, &json!("the file is no picture")));

    stage.remove("cam-1").await;
    home.cleared(&discovery("cam-1")).await;
    home.cleared(&state("cam-1")).await;
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_again_when_it_has_started_and_while_nothing_changes() {
    let stage = Stage::set().await;
    let home = HomeAssistant::start(&stage).await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    configure(&mut config, "every = \"2s\"");
    let engage = stage.engage_with(config).await;
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 3)).await;
    let found = home.message(&discovery("cam-1"), |_| true).await;
    assert!(found["components"].get("picture").is_none(), "there is no page to get it from");
    home.message(&state("cam-1"), |state| state["count"] == 3).await;
    let before = home.times(&state("cam-1"));
    eventually("a repetition", async || (home.times(&state("cam-1")) > before).then_some(())).await;
    let before = home.times(&discovery("cam-1"));
    home.client.publish(Message::new("homeassistant/status", "online")).await.unwrap();
    eventually("discovery again", async || (home.times(&discovery("cam-1")) > before).then_some(())).await;
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_while_nobody_pushed_is_removed_and_others_devices_stay() {
    let stage = Stage::set().await;
    let home = HomeAssistant::start(&stage).await;
    stage.retain(discovery("gone"), "{\"device\":{}}").await;
    stage.retain("homeassistant/device/zigbee/lamp/config", "{}").await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    configure(&mut config, "max_devices = 1");
    let engage = stage.engage_with(config).await;
    is_active(&engage).await;
    for device in ["cam-1", "cam-2"] {
        stage.status(&status(device, 1)).await;
    }
    home.cleared(&discovery("gone")).await;
    home.message(&discovery("cam-1"), |_| true).await;
    stage.counted(&result("cam-1", 1, 3)).await;
    home.message(&state("cam-1"), |state| state["count"] == 3).await;
    assert_eq!(home.last(&discovery("cam-2")).unwrap_or_default(), "", "more than the limit");
    assert_eq!(home.last("homeassistant/device/zigbee/lamp/config").as_deref(), Some("{}"));
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_access_control_it_is_offered_no_picture_that_it_cannot_load() {
    let stage = Stage::set().await;
    let home = HomeAssistant::start(&stage).await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    configure(&mut config, "page = \"http://people.example.com:8080\"");
    config.access.tokens = vec![people_counter_engage::access::Token {
        name: "metrics".into(),
        sha256: "0".repeat(64),
        role: people_counter_engage::access::Role::Viewer,
        devices: vec!["*".into()],
    }];
    let engage = stage.engage_with(config).await;
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 3)).await;
    let found = home.message(&discovery("cam-1"), |_| true).await;
    let components: Vec<&String> = found["components"].as_object().unwrap().keys().collect();
    assert_eq!(components, ["people", "problem"]);
    assert_eq!(found["device"]["configuration_url"], "http://people.example.com:8080/");
    home.message(&state("cam-1"), |state| state["count"] == 3).await;
    assert_eq!(home.last("people-counter/v1/homeassistant/cam-1/picture"), None);
    engage.stop().await;
}
