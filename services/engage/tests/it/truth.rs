//! What is shown is what the broker has, in every order and after every restart.

use iot_mqtt::{Message, Options, Presence, Will};
use iot_sandbox::{Fault, Proxy};
use people_counter_events::{DeviceState, DeviceStatus, Topics};

use crate::messages::{failure, now, result, status};
use crate::stage::{Engage, Stage, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_device_from_unknown_to_counted_to_failing() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    stage.status(&status("cam-1", 1)).await;
    let unknown = engage.until("cam-1", "state", "unknown").await;
    assert!(unknown["count"].is_null(), "unknown is not zero");
    stage.counted(&result("cam-1", 1, 3)).await;
    let live = engage.until("cam-1", "count", 3).await;
    assert_eq!(live["state"], "live");
    stage.failed(&failure("cam-1", 2)).await;
    let failing = engage.until("cam-1", "state", "failing").await;
    assert_eq!((&failing["count"], &failing["failure"]["reason"]), (&3.into(), &"undecodable".into()));
    let all = engage.json("/api/v1/devices").await;
    assert_eq!(all["summary"]["people"], 0, "a total adds live devices only");
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_and_repeated_messages_do_not_roll_back() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    stage.status(&status("cam-1", 1)).await;
    let (old, new) = (result("cam-1", 4, 9), result("cam-1", 5, 2));
    for result in [&new, &old, &new, &old, &old] {
        stage.counted(result).await;
    }
    stage.failed(&failure("cam-1", 3)).await;
    stage.status(&status("cam-2", 1)).await;
    // one connection delivers in order, so when the last message has its effect all others had theirs
    engage.until("cam-2", "state", "unknown").await;
    let seen = eventually("all results", async || {
        let superseded = engage.metric(r#"engage_messages_total{kind="Counts",outcome="superseded"}"#).await;
        (superseded == 3.0).then_some(())
    });
    seen.await;
    let device = engage.device("cam-1").await;
    assert_eq!((&device["count"], &device["state"]), (&2.into(), &"live".into()));
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_every_device_is_there_with_its_true_age() {
    let stage = Stage::set().await;
    for (n, name) in ["fresh", "old", "never"].into_iter().enumerate() {
        stage.status(&status(name, n as u64 + 1)).await;
    }
    let (mut fresh, mut old) = (result("fresh", 1, 3), result("old", 1, 5));
    fresh.analysed_timestamp = now() - 100.0;
    old.analysed_timestamp = now() - 7200.0;
    stage.counted(&fresh).await;
    stage.counted(&old).await;
    let engage = stage.engage().await;
    // no waiting: ready means that everything is there
    let check = async |engage: &Engage| {
        let all = engage.json("/api/v1/devices").await;
        assert_eq!(all["connected"], true);
        assert_eq!(all["summary"]["people"], 3);
        let age = |device: &serde_json::Value| device["ageSeconds"].as_f64();
        for device in all["devices"].as_array().unwrap() {
            match device["deviceID"].as_str().unwrap() {
                "fresh" => assert!(device["state"] == "live" && age(device).unwrap() >= 100.0, "{device}"),
                "old" => assert!(device["state"] == "stale" && age(device).unwrap() >= 7200.0, "{device}"),
                "never" => assert!(device["state"] == "unknown" && age(device).is_none(), "{device}"),
                other => panic!("{other} is unexpected"),
            }
        }
        assert_eq!(all["devices"].as_array().unwrap().len(), 3);
        all["epoch"].clone()
    };
    let first = check(&engage).await;
    engage.stop().await;
    let engage = stage.engage().await;
    assert_ne!(check(&engage).await, first, "another instance is another epoch");
    engage.stop().await;
}

struct Camera {
    topics: Topics,
    status: DeviceStatus,
}

impl Camera {
    fn payload(&self, state: DeviceState, connection: u64) -> Vec<u8> {
        let status = DeviceStatus { state, connection, ..self.status.clone() };
        self.topics.status.encode(&status).unwrap()
    }

    fn topic(&self) -> String {
        self.topics.status.name(&[self.status.device_id.as_str()]).unwrap()
    }
}

impl Presence for Camera {
    fn will(&self, connection: u64) -> Will {
        Will::new(self.topic(), self.payload(DeviceState::Offline, connection))
    }

    fn birth(&self, connection: u64) -> Option<Message> {
        Some(Message::new(self.topic(), self.payload(DeviceState::Online, connection)).retained())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_will_fires_is_offline() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    let config = iot_mqtt::Config::default().with(|config| config.url = stage.broker.url());
    let mut options = Options::new(config, "cam-1").unwrap();
    options.presence(Camera { topics: stage.topics.clone(), status: status("cam-1", 0) });
    let camera = options.connect();
    engage.until("cam-1", "state", "unknown").await;
    stage.counted(&result("cam-1", 1, 3)).await;
    engage.until("cam-1", "state", "live").await;
    drop(camera);
    let offline = engage.until("cam-1", "state", "offline").await;
    assert_eq!(offline["count"], 3, "the last count stays, as what it is");
    assert_eq!(engage.json("/api/v1/devices").await["summary"]["people"], 0);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_device_goes_also_while_nobody_listens() {
    let stage = Stage::set().await;
    let network = Proxy::start(stage.broker.addr()).await.unwrap();
    for name in ["here", "gone", "away"] {
        stage.status(&status(name, 1)).await;
        stage.counted(&result(name, 1, 3)).await;
    }
    let mut config = stage.config();
    config.mqtt.url = format!("mqtt://{}", network.addr());
    let engage = stage.engage_with(config).await;
    assert_eq!(engage.json("/api/v1/devices").await["summary"]["people"], 9);
    stage.remove("gone").await;
    eventually("the removal", async || engage.device("gone").await.is_null().then_some(())).await;

    network.set(Fault::Refuse).await;
    eventually("the loss of the broker", async || {
        (engage.json("/api/v1/devices").await["connected"] == false).then_some(())
    })
    .await;
    assert_eq!(engage.get("/readyz").await.status(), 503);
    assert_eq!(engage.device("away").await["count"], 3, "what is known stays known");
    stage.remove("away").await;
    network.set(Fault::None).await;
    eventually("the removal", async || engage.device("away").await.is_null().then_some(())).await;
    engage.ready().await;
    assert_eq!(engage.device("here").await["count"], 3);
    assert_eq!(engage.json("/api/v1/devices").await["summary"]["people"], 3);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_lost_everything_is_believed() {
    let mut stage = Stage::set().await;
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 3)).await;
    let engage = stage.engage().await;
    assert_eq!(engage.device("cam-1").await["count"], 3);
    stage.broker.restart().await.unwrap();
    eventually("the end of the device", async || engage.device("cam-1").await.is_null().then_some(())).await;
    stage.status(&status("cam-1", 2)).await;
    let unknown = engage.until("cam-1", "state", "unknown").await;
    assert!(unknown["count"].is_null());
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_messages_are_counted_and_survived() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 3)).await;
    let topic = |device: &str, kind: &str| format!("people-counter/v1/devices/{device}/{kind}");
    let good = String::from_utf8(stage.topics.counts.encode(&result("cam-1", 2, 7)).unwrap()).unwrap();
    let other = String::from_utf8(stage.topics.counts.encode(&result("cam-2", 2, 7)).unwrap()).unwrap();
    for (device, kind, payload) in [
        ("cam-1", "counts", "{".to_owned()),
        ("cam-1", "counts", "[1]".to_owned()),
        ("cam-1", "counts", "{\"type\":\"result\"}".to_owned()),
        ("cam-1", "counts", "\u{0}\u{1b}[31m".to_owned()),
        ("cam-1", "counts", other),
        ("cam-1", "counts", good.replace("0.1", "-5")),
        ("cam-1", "counts", good.replace("\"count\":7", "\"count\":-1")),
        ("cam-1", "counts", good.replace(":640", ":0")),
        ("cam-1", "counts", format!("{good}{}", " ".repeat(70_000))),
        ("cam-1", "failure", "null".to_owned()),
        ("cam-1", "status", "true".to_owned()),
        ("<script>alert(1)", "status", "x".to_owned()),
        ("<b>", "counts", good.replace("cam-1", "<b>")),
        ("..", "status", String::new()),
        ("a b", "status", String::new()),
    ] {
        stage.publish(Message::new(topic(device, kind), payload)).await;
    }
    stage.publish(Message::new("people-counter/v1/nodes/inference/x/status", "{}")).await;
    stage.publish(Message::new(topic("cam-1", "frames"), "not for us")).await;
    eventually("all of them counted", async || {
        let text = engage.get("/metrics").await.text().await.unwrap();
        let rejected = text.lines().filter(|line| line.starts_with("engage_rejected_total"));
        let sum: f64 = rejected.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum();
        (sum == 16.0).then_some(())
    })
    .await;
    for code in ["json", "device", "invalid", "too-large"] {
        let name = format!(r#"engage_rejected_total{{kind="Counts",code="{code}"}}"#);
        assert!(engage.metric(&name).await >= 1.0, "{code}");
    }
    let all = engage.json("/api/v1/devices").await;
    assert_eq!(all["devices"].as_array().unwrap().len(), 1, "{all}");
    assert_eq!(all["devices"][0]["count"], 3);
    stage.counted(&result("cam-1", 3, 4)).await;
    engage.until("cam-1", "count", 4).await;
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_without_a_device_is_counted_but_not_shown() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    stage.counted(&result("ghost", 1, 3)).await;
    eventually("the result", async || (engage.metric("engage_devices_hidden").await == 1.0).then_some(()))
        .await;
    assert!(engage.device("ghost").await.is_null());
    stage.status(&status("ghost", 1)).await;
    engage.until("ghost", "count", 3).await;
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_over_the_limit_are_refused_and_counted() {
    let stage = Stage::set().await;
    let mut config = stage.config();
    config.limits.devices = 3;
    let engage = stage.engage_with(config).await;
    for n in 0..5 {
        stage.status(&status(&format!("cam-{n}"), 1)).await;
    }
    let refused = r#"engage_messages_total{kind="Status",outcome="refused"}"#;
    eventually("two refusals", async || (engage.metric(refused).await == 2.0).then_some(())).await;
    assert_eq!(engage.json("/api/v1/devices").await["devices"].as_array().unwrap().len(), 3);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_whose_clock_jumps_makes_nothing_fresh() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    let mut device = status("cam-1", 1);
    device.cadence_seconds = 1.0;
    stage.status(&device).await;
    // an hour back: counted just now, but nobody can tell from what it says
    let mut back = result("cam-1", 1, 1);
    back.analysed_timestamp = now() - 3600.0;
    stage.counted(&back).await;
    let seen = engage.until("cam-1", "sequence", 1).await;
    assert_eq!(seen["state"], "stale", "an hour old is what it says: {seen}");
    // an hour ahead: live as long as it came just now, and it is said
    let mut ahead = result("cam-1", 2, 2);
    ahead.analysed_timestamp = now() + 3600.0;
    stage.counted(&ahead).await;
    let seen = engage.until("cam-1", "sequence", 2).await;
    assert!(seen["gatewayAheadSeconds"].as_f64().unwrap() > 3000.0, "{seen}");
    assert!(seen["ageSeconds"].as_f64().unwrap() < 60.0, "{seen}");
    let stale = engage.until("cam-1", "state", "stale").await;
    assert!(stale["ageSeconds"].as_f64().unwrap() >= 4.9, "{stale}");
    // after a restart nobody knows how old that is, so it is not fresh
    engage.stop().await;
    let engage = stage.engage().await;
    let seen = engage.device("cam-1").await;
    assert!(seen["state"] == "stale" && seen["ageSeconds"].is_null(), "{seen}");
    // and the clock is right again: an older time, but a newer frame
    stage.counted(&result("cam-1", 3, 3)).await;
    let seen = engage.until("cam-1", "count", 3).await;
    assert!(seen["gatewayAheadSeconds"].is_null() && seen["ageSeconds"].is_f64(), "{seen}");
    engage.stop().await;
}
