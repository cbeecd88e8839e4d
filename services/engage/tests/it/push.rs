//! Alerts from rules: at the broker, over REST and on the stream; restarts and replicas.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use iot_mqtt::{Client, Message, Options};
use people_counter_engage::Config;
use people_counter_events::{Alert, AlertState, Topics};
use serde_json::Value;
use tempfile::TempDir;

use crate::messages::{now, result, status};
use crate::stage::{Engage, Stage, eventually};
use crate::viewer::Viewer;

pub const CROWDED: &str = "[[rule]]\nname = \"crowded\"\ndevices = \"cam-*\"\nabove = 5\nclear = 2\n";

/// A folder with a file of rules, and a configuration that names it.
pub fn with_rules(stage: &Stage, rules: &str) -> (TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("rules.toml");
    std::fs::write(&path, rules).unwrap();
    let mut config = stage.config();
    (config.push.enabled, config.push.rules) = (true, Some(path));
    (folder, config)
}

/// What was said about an alert, by rule and target; `None` where it was cleared.
type Said = (String, Option<Alert>);

/// Everything that was ever said about alerts, in order.
struct Record {
    said: Arc<Mutex<Vec<Said>>>,
    _client: Client,
}

impl Record {
    async fn of(stage: &Stage) -> Self {
        let config = iot_mqtt::Config::default().with(|config| config.url = stage.broker.url());
        let mut options = Options::new(config, format!("record-{}", uuid::Uuid::new_v4())).unwrap();
        let topics = Topics::new(Topics::DEFAULT_ROOT).unwrap();
        let mut inbox = options.subscribe(topics.alerts.filter());
        let client = options.connect();
        let said = Arc::<Mutex<Vec<_>>>::default();
        let recorded = Arc::clone(&said);
        let mut state = client.state();
        state.wait_for(|state| state.subscribed).await.unwrap();
        tokio::spawn(async move {
            while let Some(delivery) = inbox.recv().await {
                let target = topics.alerts.parse(delivery.topic()).unwrap().join("/");
                let alert = (!delivery.payload().is_empty()).then(|| {
                    people_counter_events::decode(&topics.alerts, delivery.topic(), delivery.payload())
                        .unwrap()
                });
                recorded.lock().unwrap().push((target, alert));
                delivery.ack();
            }
        });
        Self { said, _client: client }
    }

    fn all(&self) -> Vec<Said> {
        self.said.lock().unwrap().clone()
    }

    /// Waits until so much was said, and gives the last of it.
    async fn nth(&self, number: usize) -> Said {
        eventually(&format!("message {number} about an alert"), async || self.all().get(number - 1).cloned())
            .await
    }
}

pub async fn is_active(engage: &Engage) {
    eventually("the replica that pushes", async || {
        (engage.metric("engage_push_active").await == 1.0).then_some(())
    })
    .await;
}

async fn alerts(engage: &Engage) -> Vec<Value> {
    engage.json("/api/v1/alerts").await["alerts"].as_array().unwrap().clone()
}

pub async fn until_alerts(engage: &Engage, number: usize) -> Vec<Value> {
    eventually(&format!("{number} alerts"), async || {
        let alerts = alerts(engage).await;
        (alerts.len() == number).then_some(alerts)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_raised_shown_and_cleared() {
    let stage = Stage::set().await;
    let (_folder, config) = with_rules(&stage, CROWDED);
    let engage = stage.engage_with(config).await;
    let record = Record::of(&stage).await;
    is_active(&engage).await;
    let mut viewer = Viewer::of(&engage).await;
    assert_eq!(viewer.take().await["alerts"], serde_json::json!([]), "a snapshot says that there are none");

    let before = now();
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 6)).await;
    let (target, alert) = record.nth(1).await;
    let alert = alert.unwrap();
    assert_eq!((target.as_str(), alert.value), ("crowded/cam-1", Some(6)));
    assert_eq!(alert.message, "cam-1: 6 people, more than 5");
    assert!(alert.since_timestamp >= before - 0.001 && alert.since_timestamp <= now(), "{alert:?}");
    let shown = until_alerts(&engage, 1).await;
    assert_eq!(shown[0], serde_json::to_value(&alert).unwrap());
    let on_the_stream =
        |message: &Value| message["alerts"].as_array().filter(|alerts| alerts.len() == 1).cloned();
    assert_eq!(viewer.until(on_the_stream).await, shown);
    assert_eq!(engage.metric(r#"engage_alerts{severity="warning",state="active"}"#).await, 1.0);
    let other = Viewer::of(&engage).await.take().await;
    assert_eq!(other["alerts"].as_array().unwrap(), &shown);

    stage.counted(&result("cam-1", 2, 3)).await;
    stage.counted(&result("cam-1", 3, 2)).await;
    assert_eq!(record.nth(2).await, ("crowded/cam-1".to_owned(), None));
    until_alerts(&engage, 0).await;
    viewer.until(|message| message["alerts"].as_array().filter(|alerts| alerts.is_empty()).map(drop)).await;
    assert_eq!(engage.metric(r#"engage_alert_changes_total{happened="cleared"}"#).await, 1.0);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_neither_repeats_nor_forgets_an_alert() {
    let stage = Stage::set().await;
    let (_folder, config) = with_rules(&stage, CROWDED);
    let engage = stage.engage_with(config.clone()).await;
    let record = Record::of(&stage).await;
    for device in ["cam-1", "cam-2"] {
        stage.status(&status(device, 1)).await;
        stage.counted(&result(device, 1, 9)).await;
    }
    let first = until_alerts(&engage, 2).await;
    engage.stop().await;
    // one is over while nobody looks
    stage.counted(&result("cam-2", 2, 0)).await;

    let mut passive = config.clone();
    passive.push.enabled = false;
    let engage = stage.engage_with(passive).await;
    assert_eq!(alerts(&engage).await, first, "known as soon as it is ready");
    engage.stop().await;
    let engage = stage.engage_with(config).await;
    let cleared = record.nth(3).await;
    assert_eq!(cleared, ("crowded/cam-2".to_owned(), None));
    // what a repeated alert would have come before
    stage.status(&status("cam-3", 1)).await;
    stage.counted(&result("cam-3", 1, 9)).await;
    assert_eq!(record.nth(4).await.0, "crowded/cam-3");
    let now_known = until_alerts(&engage, 2).await;
    assert_eq!(now_known[0], first[0]);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_one_pushes_and_the_other_takes_over() {
    let stage = Stage::set().await;
    let (_folder, config) = with_rules(&stage, CROWDED);
    let first = stage.engage_with(config.clone()).await;
    is_active(&first).await;
    let second = stage.engage_with(config).await;
    let record = Record::of(&stage).await;
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 9)).await;
    let (_, alert) = record.nth(1).await;
    // the passive one shows it as well
    assert_eq!(until_alerts(&second, 1).await[0], serde_json::to_value(&alert).unwrap());
    assert_eq!(second.metric("engage_push_active").await, 0.0);
    first.stop().await;
    is_active(&second).await;
    stage.counted(&result("cam-1", 2, 0)).await;
    assert_eq!(record.nth(2).await, ("crowded/cam-1".to_owned(), None));
    assert_eq!(record.all().len(), 2, "nobody repeated anything");
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_was_away_changes_nothing_that_nobody_knows() {
    let mut stage = Stage::set().await;
    let rules =
        format!("{CROWDED}[[rule]]\nname = \"away\"\ndevices = \"*\"\nstate = [\"stale\", \"offline\"]\n");
    let (_folder, config) = with_rules(&stage, &rules);
    let engage = stage.engage_with(config).await;
    let mut device = status("cam-1", 1);
    // stale after five seconds without a result
    device.cadence_seconds = 1.0;
    stage.status(&device).await;
    stage.counted(&result("cam-1", 1, 9)).await;
    let raised = eventually("the alert about people", async || {
        alerts(&engage).await.into_iter().find(|alert| alert["rule"] == "crowded")
    })
    .await;
    let stale = eventually("the alert about its state", async || {
        alerts(&engage).await.into_iter().find(|alert| alert["rule"] == "away")
    })
    .await;
    assert_eq!(stale["message"], "cam-1 is stale");
    let unknown = eventually("that it is unknown whether it is crowded", async || {
        alerts(&engage)
            .await
            .into_iter()
            .find(|alert| alert["rule"] == "crowded" && alert["state"] == "unknown")
    })
    .await;
    assert_eq!((&unknown["eventID"], &unknown["value"]), (&raised["eventID"], &Value::Null));
    // the broker forgets everything; what comes back is all there is
    stage.broker.restart().await.unwrap();
    until_alerts(&engage, 0).await;
    is_active(&engage).await;
    stage.status(&status("cam-1", 2)).await;
    stage.counted(&result("cam-1", 2, 9)).await;
    let again = until_alerts(&engage, 1).await;
    assert_eq!(again[0]["rule"], "crowded");
    assert_ne!(again[0]["eventID"], raised["eventID"]);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_alerts_are_checked_bounded_and_orphans_cleared() {
    let stage = Stage::set().await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    config.push.max_alerts = 2;
    config.push.enabled = false;
    let engage = stage.engage_with(config.clone()).await;
    let topics = Topics::new(Topics::DEFAULT_ROOT).unwrap();
    let alert = |rule: &str, target: &str| {
        let golden = include_str!("../../../../crates/events/tests/golden/alert.json");
        let mut alert: Alert = serde_json::from_str(golden).unwrap();
        (alert.rule, alert.target) = (rule.into(), target.into());
        alert.state = AlertState::Unknown;
        String::from_utf8(topics.alerts.encode(&alert).unwrap()).unwrap()
    };
    for (topic, payload) in [
        ("a/b", alert("a", "c")),
        ("a/b", alert("b", "b")),
        ("a/b", "{".to_owned()),
        ("a/b", alert("a", "b").replace("unknown", "cleared")),
        ("a/<script>", alert("a", "<script>")),
    ] {
        stage.retain(format!("people-counter/v1/alerts/{topic}"), payload).await;
    }
    for target in ["x", "y", "z"] {
        stage.retain(format!("people-counter/v1/alerts/gone/{target}"), alert("gone", target)).await;
    }
    eventually("the refusal of the third", async || {
        let refused = engage.metric(r#"engage_messages_total{kind="Alert",outcome="refused"}"#).await;
        (refused == 1.0).then_some(())
    })
    .await;
    for (code, number) in [("topic", 2.0), ("json", 2.0), ("invalid", 1.0)] {
        let name = format!(r#"engage_rejected_total{{kind="Alert",code="{code}"}}"#);
        assert_eq!(engage.metric(&name).await, number, "{code}");
    }
    assert_eq!(alerts(&engage).await.len(), 2);
    engage.stop().await;

    // a rule that is no more clears what it once raised
    config.push.enabled = true;
    config.push.max_alerts = 10;
    for topic in ["a/b", "a/<script>"] {
        stage.publish(Message::clear(format!("people-counter/v1/alerts/{topic}"))).await;
    }
    let record = Record::of(&stage).await;
    record.nth(3).await;
    let engage = stage.engage_with(config).await;
    assert_eq!(record.nth(6).await.1, None);
    until_alerts(&engage, 0).await;
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_make_no_sense_stop_the_start() {
    use iot_chassis::{Service as _, Telemetry};
    let stage = Stage::set().await;
    let (_folder, config) =
        with_rules(&stage, "[[rule]]\nname = \"a\"\ndevices = \"*\"\nabove = 1\nclear = 2\n");
    let error = people_counter_engage::Service::start(config, &Telemetry::default()).await.err().unwrap();
    let message = format!("{error:#}");
    assert!(message.contains("rules.toml, line 5: clear must be at most above"), "{message}");
}
