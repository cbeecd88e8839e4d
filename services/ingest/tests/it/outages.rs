//! Broker and store away, at the start and in the middle.

use std::time::Duration;

use iot_sandbox::{Fault, Proxy};
use people_counter_events::Delivery;
use people_counter_ingest::config::{Folder, Source, Spool};

use crate::node::Node;
use crate::world::{Ingest, World, eventually, eventually_some};

/// The default of a camera.
const WINDOW: usize = 4;

fn once(world: &World) -> Source {
    Source::Folder(Folder { repeat: false, ..Folder::new(world.dir.path().join("pictures")) })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_loses_nothing_when_the_broker_restarts() {
    let mut world = World::start().await;
    world.pictures(60);
    let node = Node::online(&world).await.at_work();
    let ingest = Ingest::start(world.config(|_, camera| {
        camera.source = once(&world);
        camera.delivery = Delivery::Every;
        camera.interval = Duration::from_millis(30);
    }))
    .await;
    eventually("some frames are settled", || ingest.settled("analysed") >= 5).await;
    world.broker.stop().await;
    eventually("frames wait", || ingest.depth() >= 12).await;
    assert!(ingest.telemetry.health.ready().is_err());
    world.broker.restart().await.unwrap();
    eventually("all are settled", || ingest.settled("analysed") == 60).await;
    node.assert_all_in_order(60, WINDOW);
    assert_eq!(ingest.metric("ingest_dropped_total", ""), 0);
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_loses_no_more_than_its_spool_cannot_hold_when_the_store_is_away() {
    let mut world = World::start().await;
    world.pictures(80);
    let node = Node::online(&world).await.at_work();
    let ingest = Ingest::start(world.config(|config, camera| {
        config.spool = Spool { frames: 20, ..Spool::default() };
        camera.source = once(&world);
        camera.delivery = Delivery::Every;
        camera.interval = Duration::from_millis(30);
    }))
    .await;
    eventually("some frames are settled", || ingest.settled("analysed") >= 5).await;
    world.store.stop().await;
    eventually("frames are given up", || ingest.dropped("spool-frames") >= 5).await;
    assert!(ingest.telemetry.health.ready().is_err());
    world.store.restart().await.unwrap();
    eventually("all have ended", || ingest.captured() == 80 && ingest.depth() == 0).await;
    let dropped = ingest.dropped("spool-frames");
    assert_eq!(ingest.settled("analysed") + dropped, 80, "each is analysed or counted");
    let seen = node.first_seen();
    assert!(seen.is_sorted() && seen.len() as u64 == 80 - dropped, "{seen:?}");
    let status = eventually_some("what was given up is told", async || {
        world.status().await.filter(|status| status.dropped.get("spool-frames") == Some(&dropped))
    })
    .await;
    assert!(!status.problem.unwrap_or_default().contains("cannot be stored"), "it is over");
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn latest_goes_on_with_the_newest_picture_after_an_outage_of_both() {
    let mut world = World::start().await;
    world.pictures(5);
    let node = Node::online(&world).await.at_work();
    let ingest = Ingest::start(world.config(|_, _| {})).await;
    eventually("some frames are settled", || ingest.settled("analysed") >= 3).await;
    world.broker.stop().await;
    world.store.stop().await;
    let away = ingest.captured();
    eventually("pictures are taken all the same", || ingest.captured() > away + 50).await;
    assert!(ingest.depth() <= 6, "nothing piles up");
    let back = ingest.captured();
    world.store.restart().await.unwrap();
    world.broker.restart().await.unwrap();
    eventually("new frames are announced", || node.seen().iter().any(|frame| frame.sequence > back)).await;
    let old: Vec<_> =
        node.first_seen().into_iter().filter(|sequence| (away + 5..back - 5).contains(sequence)).collect();
    assert!(old.is_empty(), "{old:?} were taken in the outage, {away} to {back}");
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_need_be_there_at_the_start() {
    let mut world = World::start().await;
    world.pictures(5);
    world.broker.stop().await;
    world.store.stop().await;
    let ingest = Ingest::start(world.config(|_, camera| {
        camera.source = once(&world);
        camera.delivery = Delivery::Every;
    }))
    .await;
    eventually("pictures wait", || ingest.depth() == 5).await;
    assert_eq!(ingest.telemetry.health.ready().unwrap_err().len(), 2);
    world.broker.restart().await.unwrap();
    world.store.restart().await.unwrap();
    let node = Node::online(&world).await.at_work();
    eventually("all are settled", || ingest.settled("analysed") == 5).await;
    node.assert_all_in_order(5, WINDOW);
    assert!(ingest.telemetry.health.ready().is_ok());
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_falls_silent_does_not_delay_the_camera() {
    let world = World::start().await;
    world.pictures(5);
    let proxy = Proxy::start(world.store.addr()).await.unwrap();
    let node = Node::online(&world).await.at_work();
    let ingest = Ingest::start(world.config(|config, _| {
        config.store.endpoint = format!("http://{}", proxy.addr());
    }))
    .await;
    eventually("some frames are settled", || ingest.settled("analysed") >= 3).await;
    proxy.set(Fault::HalfOpen).await;
    let (captured, uploaded) = (ingest.captured(), ingest.metric("ingest_uploaded_total", ""));
    eventually("pictures are taken all the same", || ingest.captured() > captured + 50).await;
    assert!(ingest.metric("ingest_uploaded_total", "") <= uploaded + 1);
    proxy.set(Fault::None).await;
    let settled = ingest.settled("analysed");
    eventually("frames are settled again", || ingest.settled("analysed") > settled + 3).await;
    assert!(node.first_seen().is_sorted());
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}
