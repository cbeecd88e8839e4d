//! Boot ids, presence and the healing of retained messages.

use std::time::Duration;

use people_counter_events::{Delivery, DeviceState, DeviceStatus};

use crate::node::{Node, now};
use crate::world::{Ingest, World, eventually_some, soon};

/// A status that another run of the device left behind.
fn left_behind(world: &World, boot_id: u64, connection: u64) -> Vec<u8> {
    let config = world.config(|_, _| {});
    let status = DeviceStatus {
        kind: Default::default(),
        device_id: config.cameras[0].device.clone(),
        state: DeviceState::Offline,
        boot_id,
        connection,
        version: "0".into(),
        source: "folder".into(),
        cadence_seconds: 1.0,
        delivery: Delivery::Latest,
        labels: Default::default(),
        spool_depth: 0,
        dropped: Default::default(),
        problem: None,
        unchanged: None,
    };
    world.topics.status.encode(&status).unwrap()
}

async fn status_in(world: &World, state: DeviceState) -> DeviceStatus {
    eventually_some("the device's status", async || {
        world.status().await.filter(|status| status.state == state)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_boot_id_rises_although_the_clock_was_set_back() {
    let world = World::start().await;
    world.pictures(3);
    let tomorrow = (now() * 1000.0) as u64 + 86_400_000;
    world.publish_retained(&world.status_topic(), left_behind(&world, tomorrow, 9)).await;
    let mut node = Node::online(&world).await;
    let ingest = Ingest::start(world.config(|_, _| {})).await;
    let frame = node.next().await;
    assert_eq!(frame.boot_id, tomorrow + 1);
    assert_eq!(status_in(&world, DeviceState::Online).await.boot_id, tomorrow + 1);

    // the last will stands under the new number too
    ingest.task.abort();
    let status = status_in(&world, DeviceState::Offline).await;
    assert_eq!(status.boot_id, tomorrow + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_last_will_of_an_older_session_is_answered() {
    let world = World::start().await;
    world.pictures(3);
    let ingest = Ingest::start(world.config(|_, _| {})).await;
    let online = status_in(&world, DeviceState::Online).await;
    world.publish_retained(&world.status_topic(), left_behind(&world, online.boot_id, 0)).await;
    let again = status_in(&world, DeviceState::Online).await;
    assert_eq!(again.session(), online.session());
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_start_has_a_higher_boot_id() {
    let world = World::start().await;
    world.pictures(3);
    let mut boots = Vec::new();
    for _ in 0..3 {
        let ingest = Ingest::start(world.config(|_, _| {})).await;
        boots.push(status_in(&world, DeviceState::Online).await.boot_id);
        ingest.stop().await;
        assert_eq!(world.status().await.unwrap().state, DeviceState::Offline);
    }
    assert!(boots[0] < boots[1] && boots[1] < boots[2], "{boots:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overtaken_result_is_published_again() {
    let world = World::start().await;
    world.pictures(5);
    let mut node = Node::online(&world).await;
    let ingest = Ingest::start(world.config(|_, camera| {
        camera.delivery = Delivery::Every;
        camera.window = 2;
    }))
    .await;
    let (older, newer) = (node.next().await, node.next().await);
    let (_listener, mut counts) = world.listen(&world.counts_topic()).await;
    let newest = node.answer(&newer).await;
    let late = node.answer(&older).await;
    for expected in [&newest, &late, &newest] {
        let delivery = soon("a result", counts.recv()).await.unwrap();
        assert_eq!(delivery.payload(), expected, "byte for byte");
        delivery.ack();
    }
    assert_eq!(world.retained(&world.counts_topic()).await.unwrap(), newest);
    crate::world::eventually("it is counted", || ingest.metric("ingest_healed_total", "") == 1).await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_forgot_the_result_is_told_again() {
    let mut world = World::start().await;
    world.pictures(1);
    let mut node = Node::online(&world).await;
    let ingest = Ingest::start(world.config(|_, camera| camera.interval = Duration::from_secs(3600))).await;
    let frame = node.next().await;
    let newest = node.answer(&frame).await;
    crate::world::eventually("it is settled", || ingest.settled("analysed") == 1).await;
    world.broker.restart().await.unwrap();
    let kept = eventually_some("the result", async || world.retained(&world.counts_topic()).await).await;
    assert_eq!(kept, newest);
    ingest.stop().await;
}
