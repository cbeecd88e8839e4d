//! A replica is killed while others are still to be told, or while a rule waits: the next one goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use iot_mqtt::{Client, Inbox, Options};
use people_counter_events::Topics;
use serde_json::Value;

use crate::messages::{now, result, status};
use crate::process::{Process, file};
use crate::push::{CROWDED, with_rules};
use crate::receiver::{Receiver, Reply, Request};
use crate::stage::{Stage, eventually};

/// A system that answers 503 until it is well.
async fn ailing(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Receiver, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&well);
    let receiver =
        Receiver::start(
            move |_, request| {
                if is_well.load(Ordering::Relaxed) { answer(request) } else { Reply::status(503) }
            },
        )
        .await;
    (receiver, well)
}

/// What the broker keeps of alerts, by topic.
struct Kept {
    inbox: Inbox,
    _client: Client,
    topics: std::collections::BTreeMap<String, Value>,
}

impl Kept {
    async fn of(stage: &Stage) -> Self {
        let config = iot_mqtt::Config::default().with(|config| config.url = stage.broker.url());
        let mut options = Options::new(config, format!("kept-{}", uuid::Uuid::new_v4())).unwrap();
        let inbox = options.subscribe(format!("{}/alerts/#", Topics::DEFAULT_ROOT));
        let client = options.connect();
        client.state().wait_for(|state| state.subscribed).await.unwrap();
        Self { inbox, _client: client, topics: Default::default() }
    }

    fn follow(&mut self) {
        while let Some(delivery) = self.inbox.try_recv() {
            let topic = delivery.topic().to_owned();
            match serde_json::from_slice(&delivery.payload()[..]) {
                Ok(message) => self.topics.insert(topic, message),
                Err(_) => self.topics.remove(&topic),
            };
            delivery.ack();
        }
    }

    /// Waits until the broker keeps what fits.
    async fn until(&mut self, what: &str, fits: impl Fn(&[&str], &[&Value]) -> bool) {
        eventually(what, async || {
            self.follow();
            let topics: Vec<&str> = self.topics.keys().map(String::as_str).collect();
            let messages: Vec<&Value> = self.topics.values().collect();
            fits(&topics, &messages).then_some(())
        })
        .await;
    }

    /// Waits until so many events are still to be told.
    async fn events(&mut self, number: usize) {
        self.until(&format!("{number} events"), |topics, _| {
            topics.iter().filter(|topic| topic.contains("/events/")).count() == number
        })
        .await;
    }
}

const PATIENT: &str = "[push.delivery]\nbackoff_min = \"50ms\"\nbackoff_max = \"100ms\"\nattempts = 100000\n\
                       breaker = 100000\n";

#[tokio::test(flavor = "multi_thread")]
async fn events_that_were_not_told_at_a_kill_are_told_by_the_next_replica() {
    let stage = Stage::set().await;
    let (webhook, webhook_well) = ailing(|_| Reply::status(200)).await;
    let (other, other_well) = ailing(|_| Reply::status(200)).await;
    other_well.store(true, Ordering::Relaxed);
    let (folder, _config) = with_rules(&stage, CROWDED);
    let push = format!(
        "{PATIENT}[push.webhook.ops]\nurl = \"{}\"\nhandshake = false\n\
         [push.webhook.well]\nurl = \"{}\"\nhandshake = false\n",
        webhook.url(),
        other.url(),
    );
    let config = file(&stage, &folder.path().join("rules.toml"), &push);
    let mut kept = Kept::of(&stage).await;
    let process = Process::start(&config);
    // one alert stays, another one is over before anybody could be told
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 9)).await;
    webhook.nth(1).await;
    stage.status(&status("cam-2", 1)).await;
    stage.counted(&result("cam-2", 1, 9)).await;
    other.nth(2).await;
    stage.counted(&result("cam-2", 2, 0)).await;
    other.nth(3).await;
    let told = ids(&other);
    // the one that answers is no longer waited for
    kept.until("three events for one sink alone", |_, messages| {
        let events: Vec<_> = messages.iter().filter(|message| message["type"] == "event").collect();
        events.len() == 3 && events.iter().all(|event| event["sinks"] == serde_json::json!(["ops"]))
    })
    .await;
    process.kill();
    let tried = webhook.requests().len();
    webhook_well.store(true, Ordering::Relaxed);

    let process = Process::start(&config);
    webhook.nth(tried + 3).await;
    kept.events(0).await;
    let after: Vec<Value> =
        webhook.requests().split_off(tried).iter().map(|request| request.json()["id"].clone()).collect();
    assert_eq!(after, told, "each once, under its id, in order");
    let kinds: Vec<Value> =
        webhook.requests().split_off(tried).iter().map(|request| request.json()["type"].clone()).collect();
    let kind = |name: &str| Value::from(format!("people-counter.alert.{name}"));
    assert_eq!(kinds, [kind("raised"), kind("raised"), kind("cleared")]);
    assert_eq!(other.requests().len(), 3, "who knew is not told again");
    process.kill();

    // nothing is left to be told
    let process = Process::start(&config);
    stage.status(&status("cam-3", 1)).await;
    stage.counted(&result("cam-3", 1, 9)).await;
    assert_eq!(webhook.nth(tried + 4).await.json()["subject"], "crowded/cam-3");
    process.kill();
}

fn ids(receiver: &Receiver) -> Vec<Value> {
    receiver.requests().iter().map(|request| request.json()["id"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn vrops_hears_of_the_end_of_an_alert_after_a_kill_and_after_its_rule_went() {
    let stage = Stage::set().await;
    let (operations, well) = ailing(|request| match request.path.as_str() {
        path if path.ends_with("/token/acquire") => {
            Reply::json(200, serde_json::json!({"token": "t", "validity": (now() + 3600.0) * 1000.0}))
        }
        path if path.contains("resourceKind=") => Reply::json(200, serde_json::json!({"resourceList": []})),
        path if path.contains("/adapterkinds/") => {
            let key = request.json()["resourceKey"].clone();
            let id = format!("{}-{}", key["resourceKindKey"], key["name"]).replace('"', "");
            Reply::json(201, serde_json::json!({"identifier": id, "resourceKey": key}))
        }
        _ => Reply::status(201),
    })
    .await;
    well.store(true, Ordering::Relaxed);
    let sum = "[[rule]]\nname = \"full\"\ndevices = \"*\"\nsum = \"house\"\nabove = 5\n";
    let (folder, _config) = with_rules(&stage, sum);
    let rules = folder.path().join("rules.toml");
    let push = format!(
        "{PATIENT}[push.vrops.main]\nurl = \"{}\"\nusername = \"people\"\npassword = \"x\"\nevery = \"1h\"\n",
        operations.url()
    );
    let config = file(&stage, &rules, &push);
    let event = async |number: usize| {
        eventually(&format!("event {number}"), async || {
            let events =
                operations.requests().into_iter().filter(|request| request.path.ends_with("/events"));
            events.map(|request| request.json()).nth(number - 1)
        })
        .await
    };
    let mut kept = Kept::of(&stage).await;
    let process = Process::start(&config);
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 9)).await;
    let raised = event(1).await;
    assert_eq!((&raised["resourceId"], &raised["cancelTimeUTC"]), (&"Group-house".into(), &0.into()));
    kept.events(0).await;
    process.kill();

    // the rule goes, and the server is away while its alert ends
    well.store(false, Ordering::Relaxed);
    std::fs::write(&rules, "").unwrap();
    let process = Process::start(&config);
    kept.events(1).await;
    kept.until("no alert", |topics, _| topics.iter().all(|topic| topic.contains("/events/"))).await;
    process.kill();
    well.store(true, Ordering::Relaxed);
    let process = Process::start(&config);
    let cancelled = event(2).await;
    assert_eq!(cancelled["resourceId"], raised["resourceId"], "of the sum, not of a camera of its name");
    assert_eq!(cancelled["startTimeUTC"], raised["startTimeUTC"]);
    assert!(cancelled["cancelTimeUTC"].as_u64().unwrap() > 0, "{cancelled}");
    kept.events(0).await;
    process.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_goes_on_after_a_kill() {
    let stage = Stage::set().await;
    let rules = CROWDED.replace("clear = 2\n", "clear = 2\nfor = \"12s\"\n");
    let (folder, _config) = with_rules(&stage, &rules);
    let config = file(&stage, &folder.path().join("rules.toml"), "");
    let mut kept = Kept::of(&stage).await;
    let process = Process::start(&config);
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 9)).await;
    kept.until("a wait", |topics, _| topics.iter().any(|topic| topic.ends_with("/crowded/cam-1/wait"))).await;
    let since = kept.topics.values().next().unwrap()["sinceTimestamp"].clone();
    process.kill();
    let process = Process::start(&config);
    kept.until("the alert", |topics, _| topics.iter().any(|topic| topic.ends_with("/crowded/cam-1"))).await;
    let alert = &kept.topics["people-counter/v1/alerts/crowded/cam-1"];
    assert_eq!(alert["sinceTimestamp"], since, "as if nobody had been killed");
    kept.until("no wait", |topics, _| topics.len() == 1).await;
    process.kill();
}
