//! Starting, becoming ready, stopping.

use std::collections::BTreeSet;
use std::net::TcpListener;

use futures_util::StreamExt;
use iot_chassis::{Service as _, Telemetry};
use people_counter_engage::{PortTaken, Service};

use crate::messages::{result, status};
use crate::stage::{Engage, Stage, eventually};
use crate::viewer::Viewer;

/// So many devices' messages are retained; more with the environment variable `DEVICES`.
fn devices() -> usize {
    std::env::var("DEVICES").map_or(2_000, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_means_that_every_retained_message_has_been_read() {
    let stage = Stage::set().await;
    let names: Vec<String> = (0..devices()).map(|n| format!("cam-{n:05}")).collect();
    let publish = futures_util::stream::iter(&names).for_each_concurrent(64, async |name| {
        stage.status(&status(name, 1)).await;
        stage.counted(&result(name, 1, 2)).await;
    });
    publish.await;
    let engage = stage.engage().await;
    let all = engage.json("/api/v1/devices").await;
    let seen: BTreeSet<&str> =
        all["devices"].as_array().unwrap().iter().map(|d| d["deviceID"].as_str().unwrap()).collect();
    assert_eq!(seen.len(), names.len());
    assert_eq!(all["summary"]["people"], 2 * names.len());
    println!("{} devices read in {} s", names.len(), engage.metric("engage_sync_seconds").await);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_it_serves_and_says_that_it_is_not_ready() {
    let mut stage = Stage::set().await;
    stage.broker.stop().await;
    let engage = Engage::start(stage.config()).await;
    assert_eq!(engage.get("/healthz").await.status(), 200);
    let answer = eventually("a reason", async || {
        let answer = engage.get("/readyz").await;
        assert_eq!(answer.status(), 503);
        let text = answer.text().await.unwrap();
        text.contains("no connection to the broker").then_some(text)
    })
    .await;
    assert!(answer.starts_with("broker: "), "{answer}");
    // a viewer is told at once that what it sees is not what the broker has
    let mut viewer = Viewer::of(&engage).await;
    assert_eq!(viewer.take().await["connected"], false);
    stage.broker.restart().await.unwrap();
    engage.ready().await;
    viewer.until(|message| (message["connected"] == true).then_some(())).await;
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_told_apart_from_other_errors() {
    let stage = Stage::set().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = stage.config();
    config.http.listen = taken.local_addr().unwrap();
    let error = Service::start(config, &Telemetry::default()).await.err().unwrap();
    assert!(error.downcast_ref::<PortTaken>().is_some(), "{error:#}");
    assert!(error.to_string().contains(&taken.local_addr().unwrap().port().to_string()), "{error:#}");

    let mut config = stage.config();
    config.http.listen = "0.0.0.0:0".parse().unwrap();
    let error = Service::start(config, &Telemetry::default()).await.err().unwrap();
    assert!(error.downcast_ref::<PortTaken>().is_none());
    assert!(error.to_string().contains("access control"), "{error:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counts_can_be_followed_without_mqtt() {
    let stage = Stage::set().await;
    let service = Service::start(stage.config(), &Telemetry::default()).await.unwrap();
    let mut watch = service.watch();
    let stop = iot_chassis::Stop::new();
    let task = tokio::spawn(service.run(stop.clone()));
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 3)).await;
    loop {
        let changes = watch.next().await.unwrap();
        if changes.devices.iter().any(|device| device.id().as_str() == "cam-1" && device.count() == Some(3)) {
            break;
        }
    }
    stop.cancel();
    task.await.unwrap().unwrap();
    while watch.next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn this_node_is_online_while_it_runs_and_offline_after() {
    let stage = Stage::set().await;
    let mut config = stage.config();
    config.node = Some("engage-test".into());
    let engage = stage.engage_with(config).await;
    let nodes = r#"engage_nodes_online{service="engage"}"#;
    eventually("the own node", async || (engage.metric(nodes).await == 1.0).then_some(())).await;
    let other = stage.engage().await;
    eventually("both nodes", async || (other.metric(nodes).await == 2.0).then_some(())).await;
    engage.stop().await;
    eventually("the other's goodbye", async || (other.metric(nodes).await == 1.0).then_some(())).await;
    other.stop().await;
}
