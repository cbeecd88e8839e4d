//! A stop finishes what has set off, and says goodbye.

use std::time::Duration;

use people_counter_events::{Delivery, DeviceState};

use crate::node::Node;
use crate::world::{Ingest, World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_announces_all_that_was_captured() {
    let world = World::start().await;
    world.pictures(5);
    let node = Node::online(&world).await.at_work();
    let ingest = Ingest::start(world.config(|config, camera| {
        config.grace = crate::world::LONG;
        camera.delivery = Delivery::Every;
    }))
    .await;
    eventually("some frames are settled", || ingest.settled("analysed") >= 5).await;
    let telemetry = ingest.stop().await;
    let text = telemetry.metrics.render().unwrap();
    assert!(!text.contains("reason=\"stopped\""), "{text}");
    let captured =
        text.lines().find_map(|line| line.strip_prefix("ingest_captured_total{device=\"cam-1\"} "));
    let captured: u64 = captured.unwrap().parse().unwrap();
    eventually("all were announced", || node.first_seen().len() as u64 == captured).await;
    assert_eq!(world.status().await.unwrap().state, DeviceState::Offline);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_in_time_and_counts_what_it_leaves_behind() {
    let mut world = World::start().await;
    world.pictures(5);
    let ingest = Ingest::start(world.config(|config, camera| {
        config.grace = Duration::from_millis(1500);
        camera.delivery = Delivery::Every;
    }))
    .await;
    eventually("frames wait", || ingest.depth() > 10).await;
    world.store.stop().await;
    let waiting = ingest.depth();
    let telemetry = ingest.stop().await;
    let text = telemetry.metrics.render().unwrap();
    let sum = |name: &str| -> u64 {
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    assert!(sum("ingest_dropped_total") >= waiting);
    assert_eq!(sum("ingest_dropped_total") + sum("ingest_settled_total"), sum("ingest_captured_total"));
    let status = world.status().await.unwrap();
    assert_eq!(status.state, DeviceState::Offline);
    assert_eq!(status.dropped.values().sum::<u64>(), sum("ingest_dropped_total"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_without_a_broker_ends_too() {
    let mut world = World::start().await;
    world.pictures(5);
    let ingest = Ingest::start(world.config(|config, _| config.grace = Duration::from_secs(1))).await;
    eventually("frames wait", || ingest.depth() > 1).await;
    world.broker.stop().await;
    world.store.stop().await;
    ingest.stop().await;
}
