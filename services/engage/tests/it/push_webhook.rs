//! Webhooks: what arrives, and what happens when the receiver misbehaves.

use std::time::Duration;

use people_counter_engage::Config;
use serde_json::json;

use crate::messages::{result, status};
use crate::process::file;
use crate::push::{CROWDED, until_alerts, with_rules};
use crate::receiver::{Receiver, Reply, Request};
use crate::stage::{Engage, Stage, eventually};

/// Adds a webhook with these settings.
fn webhook(config: &mut Config, name: &str, receiver: &Receiver, settings: &str) {
    let text = format!("url = \"{}hook?key=geheim\"\n{settings}", receiver.url());
    config.push.webhook.insert(name.into(), toml::from_str(&text).unwrap());
    let delivery = &mut config.push.delivery;
    delivery.backoff_min = Duration::from_millis(10);
    delivery.backoff_max = Duration::from_millis(50);
    delivery.timeout = Duration::from_secs(2);
    delivery.pause = Duration::from_millis(300);
}

async fn count(stage: &Stage, device: &str, sequence: u64, people: u32) {
    stage.status(&status(device, 1)).await;
    stage.counted(&result(device, sequence, people)).await;
}

async fn metric(engage: &Engage, name: &str, value: f64) {
    eventually(&format!("{name} = {value}"), async || (engage.metric(name).await >= value).then_some(()))
        .await;
}

fn welcome(_: usize, request: &Request) -> Reply {
    match request.method.as_str() {
        "OPTIONS" => {
            Reply::Answer(200, vec![("webhook-allowed-origin", "people.example.com".into())], String::new())
        }
        _ => Reply::status(202),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_structured_event_is_announced_signed_and_the_alerts() {
    let stage = Stage::set().await;
    let receiver = Receiver::start(welcome).await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    let settings = "origin = \"people.example.com\"\nsecret = \"whsec_aHVudGVyMg==\"\ntoken = \"t0ken\"";
    webhook(&mut config, "ops", &receiver, settings);
    let engage = stage.engage_with(config).await;
    count(&stage, "cam-1", 1, 9).await;
    let asked = receiver.nth(1).await;
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("OPTIONS", "/hook?key=geheim"));
    assert_eq!(asked.header("webhook-request-origin"), "people.example.com");
    let told = receiver.nth(2).await;
    assert_eq!((told.method.as_str(), told.header("authorization")), ("POST", "Bearer t0ken"));
    assert_eq!(told.header("content-type"), "application/cloudevents+json; charset=utf-8");
    let alert = until_alerts(&engage, 1).await.remove(0);
    let event = told.json();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["type"], "people-counter.alert.raised");
    assert_eq!(event["source"], "urn:people-counter:people-counter:v1");
    assert_eq!(event["subject"], "crowded/cam-1");
    assert_eq!((&event["id"], &event["data"]), (&alert["eventID"], &alert));
    assert_eq!(
        (&event["severity"], &event["datacontenttype"]),
        (&json!("warning"), &json!("application/json"))
    );
    assert!(event["time"].as_str().unwrap().ends_with('Z'), "{event}");

    // the signature, checked as a receiver would
    use base64::Engine as _;
    let (id, time) = (told.header("webhook-id"), told.header("webhook-timestamp"));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"hunter2");
    let tag = told.header("webhook-signature").strip_prefix("v1,").unwrap();
    let tag = base64::prelude::BASE64_STANDARD.decode(tag).unwrap();
    let signed = [format!("{id}.{time}.").as_bytes(), &told.body].concat();
    ring::hmac::verify(&key, &signed, &tag).unwrap();
    assert_eq!(id, event["id"]);

    count(&stage, "cam-1", 2, 0).await;
    let over = receiver.nth(3).await.json();
    assert_eq!(over["type"], "people-counter.alert.cleared");
    assert_ne!(over["id"], event["id"]);
    assert_eq!(over["data"], alert);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binary_event_has_its_attributes_in_headers() {
    let stage = Stage::set().await;
    let receiver = Receiver::start(|_, _| Reply::status(200)).await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    webhook(&mut config, "ops", &receiver, "mode = \"binary\"\nhandshake = false");
    let engage = stage.engage_with(config).await;
    count(&stage, "cam-1", 1, 9).await;
    let told = receiver.nth(1).await;
    let alert = until_alerts(&engage, 1).await.remove(0);
    assert_eq!(told.header("content-type"), "application/json");
    assert_eq!(told.json(), alert);
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-id", alert["eventID"].as_str().unwrap()),
        ("ce-type", "people-counter.alert.raised"),
        ("ce-subject", "crowded/cam-1"),
        ("ce-source", "urn:people-counter:people-counter:v1"),
        ("ce-severity", "warning"),
        ("webhook-signature", ""),
    ] {
        assert_eq!(told.header(name), value, "{name}");
    }
    assert!(!told.header("ce-time").is_empty());
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_permission_nothing_is_sent() {
    let stage = Stage::set().await;
    // the third time it agrees
    let receiver = Receiver::start(|before, request| match (before, request.method.as_str()) {
        (0, _) => Reply::status(405),
        (1, _) => Reply::Answer(200, vec![("webhook-allowed-origin", "somebody.else".into())], String::new()),
        (_, "OPTIONS") => Reply::Answer(200, vec![("webhook-allowed-origin", "*".into())], String::new()),
        _ => Reply::status(200),
    })
    .await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    webhook(&mut config, "ops", &receiver, "");
    let engage = stage.engage_with(config).await;
    count(&stage, "cam-1", 1, 9).await;
    receiver.nth(4).await;
    let methods: Vec<String> = receiver.requests().into_iter().map(|request| request.method).collect();
    assert_eq!(methods, ["OPTIONS", "OPTIONS", "OPTIONS", "POST"]);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_tried_again_with_the_same_id() {
    let stage = Stage::set().await;
    let receiver = Receiver::start(|before, _| match before {
        0 => Reply::status(500),
        1 => Reply::Half,
        2 => Reply::Close,
        3 => Reply::Silence,
        4 => Reply::Answer(503, vec![("retry-after", "1".into())], "busy".into()),
        _ => Reply::status(200),
    })
    .await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    webhook(&mut config, "ops", &receiver, "handshake = false");
    config.push.delivery.breaker = 100;
    let engage = stage.engage_with(config).await;
    count(&stage, "cam-1", 1, 9).await;
    receiver.nth(5).await;
    let waited = std::time::Instant::now();
    receiver.nth(6).await;
    assert!(waited.elapsed() > Duration::from_millis(800), "Retry-After is respected");
    let ids: std::collections::BTreeSet<String> =
        receiver.requests().iter().map(|request| request.json()["id"].to_string()).collect();
    assert_eq!(ids.len(), 1);
    metric(&engage, r#"engage_push_attempts_total{sink="ops",outcome="delivered"}"#, 1.0).await;
    metric(&engage, r#"engage_push_attempts_total{sink="ops",outcome="failed"}"#, 5.0).await;
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_sink_holds_up_nobody_and_a_refusal_is_not_repeated() {
    let stage = Stage::set().await;
    let silent = Receiver::start(|_, _| Reply::Silence).await;
    let refusing = Receiver::start(|_, _| Reply::Answer(422, Vec::new(), "no such thing".into())).await;
    let good = Receiver::start(|_, _| Reply::status(200)).await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    webhook(&mut config, "silent", &silent, "handshake = false");
    webhook(&mut config, "refusing", &refusing, "handshake = false");
    webhook(&mut config, "good", &good, "handshake = false");
    // a port where nobody listens
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!("url = \"http://{nobody}/\"\nhandshake = false");
    config.push.webhook.insert("nobody".into(), toml::from_str(&text).unwrap());
    config.push.delivery.timeout = Duration::from_secs(600);
    config.push.delivery.breaker = 3;
    config.push.delivery.queue = 2;
    let engage = stage.engage_with(config).await;
    for n in 1..=5 {
        count(&stage, &format!("cam-{n}"), 1, 9).await;
        // the good one has everything although the others have not
        good.nth(n).await;
    }
    refusing.nth(5).await;
    assert_eq!(silent.requests().len(), 1);
    for name in [
        r#"engage_push_dropped_total{sink="refusing",reason="refused"}"#,
        r#"engage_push_attempts_total{sink="good",outcome="delivered"}"#,
    ] {
        metric(&engage, name, 5.0).await;
    }
    metric(&engage, r#"engage_push_dropped_total{sink="silent",reason="full"}"#, 3.0).await;
    metric(&engage, r#"engage_push_circuit_open{sink="nobody"}"#, 1.0).await;
    assert_eq!(engage.metric(r#"engage_push_queue{sink="silent"}"#).await, 2.0);
    assert_eq!(engage.metric(r#"engage_push_circuit_open{sink="good"}"#).await, 0.0);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_circuit_opens_and_closes_again() {
    let stage = Stage::set().await;
    let receiver = Receiver::start(|before, _| Reply::status(if before < 4 { 500 } else { 200 })).await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    webhook(&mut config, "ops", &receiver, "handshake = false");
    config.push.delivery.breaker = 3;
    let engage = stage.engage_with(config).await;
    count(&stage, "cam-1", 1, 9).await;
    receiver.nth(3).await;
    let opened = std::time::Instant::now();
    receiver.nth(4).await;
    assert!(opened.elapsed() > Duration::from_millis(200), "left alone for a while");
    receiver.nth(5).await;
    eventually("the closed circuit", async || {
        (engage.metric(r#"engage_push_circuit_open{sink="ops"}"#).await == 0.0).then_some(())
    })
    .await;
    metric(&engage, r#"engage_push_attempts_total{sink="ops",outcome="delivered"}"#, 1.0).await;
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gone_means_stop() {
    let stage = Stage::set().await;
    let receiver = Receiver::start(|_, _| Reply::status(410)).await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    webhook(&mut config, "ops", &receiver, "handshake = false");
    let engage = stage.engage_with(config).await;
    count(&stage, "cam-1", 1, 9).await;
    metric(&engage, r#"engage_push_gone{sink="ops"}"#, 1.0).await;
    count(&stage, "cam-2", 1, 9).await;
    metric(&engage, r#"engage_push_dropped_total{sink="ops",reason="gone"}"#, 2.0).await;
    assert_eq!(receiver.requests().len(), 1);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_does_not_tell_a_receiver_again() {
    let stage = Stage::set().await;
    let receiver = Receiver::start(|_, _| Reply::status(200)).await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    webhook(&mut config, "ops", &receiver, "handshake = false");
    let engage = stage.engage_with(config.clone()).await;
    count(&stage, "cam-1", 1, 9).await;
    receiver.nth(1).await;
    engage.stop().await;
    let engage = stage.engage_with(config).await;
    count(&stage, "cam-2", 1, 9).await;
    let told = receiver.nth(2).await.json();
    assert_eq!(told["subject"], "crowded/cam-2", "what was told before comes first if it is repeated");
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_can_send_a_test() {
    let stage = Stage::set().await;
    let receiver = Receiver::start(|before, _| Reply::status(if before == 0 { 200 } else { 500 })).await;
    let (folder, _config) = with_rules(&stage, CROWDED);
    let push = format!("[push.webhook.ops]\nurl = \"{}\"\nhandshake = false\n", receiver.url());
    let path = folder.path().join("engage.toml");
    std::fs::write(&path, file(&stage, &folder.path().join("rules.toml"), &push)).unwrap();
    let test = async |sink: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_people-counter-engage"));
        command.args(["push", "test", "--sink", sink, "--config"]).arg(&path);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    let output = test("ops").await;
    assert!(output.status.success(), "{output:?}");
    let event = receiver.nth(1).await.json();
    assert_eq!(
        (&event["type"], &event["subject"]),
        (&json!("people-counter.alert.test"), &json!("test/test"))
    );
    assert!(String::from_utf8(output.stdout).unwrap().contains(event["id"].as_str().unwrap()));
    let failed = test("ops").await;
    let words = String::from_utf8(failed.stderr).unwrap();
    assert!(failed.status.code() == Some(1) && words.contains("500"), "{words}");
    let unknown = test("nobody").await;
    let words = String::from_utf8(unknown.stderr).unwrap();
    assert!(words.contains("no sink \"nobody\", but ops"), "{words}");
}
