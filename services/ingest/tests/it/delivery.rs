//! From the source to the result.

use std::time::Duration;

use people_counter_events::{Delivery, DeviceState};
use people_counter_ingest::config::{Folder, Results, Source};

use crate::node::Node;
use crate::world::{DEVICE, Ingest, World, eventually, eventually_some, picture};

fn once(world: &World) -> Source {
    Source::Folder(Folder { repeat: false, ..Folder::new(world.dir.path().join("pictures")) })
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_come_in_order_after_their_pictures() {
    let world = World::start().await;
    world.pictures(8);
    let mut node = Node::online(&world).await;
    let ingest = Ingest::start(world.config(|_, camera| {
        camera.source = once(&world);
        camera.delivery = Delivery::Every;
        camera.labels.insert("site".into(), "bonn".into());
    }))
    .await;
    for number in 1..=8 {
        let frame = node.next().await;
        assert_eq!((frame.sequence, frame.attempt), (number, 1));
        assert_eq!((frame.width, frame.height), (64, 48));
        let key = iot_storage::Key::new(frame.file_path.key()).unwrap();
        let stored = world.objects().get(&key, 1 << 20).await.unwrap();
        assert_eq!(stored.body, picture(number as u32), "the file passes through untouched");
        assert_eq!(stored.content_type.as_deref(), Some("image/jpeg"));
        node.answer(&frame).await;
    }
    eventually("all are settled", || ingest.settled("analysed") == 8).await;
    ingest.assert_nothing_lost().await;
    assert!(ingest.telemetry.health.ready().is_ok());

    let status = eventually_some("the status of an ended source", async || {
        world.status().await.filter(|status| status.problem.is_some())
    })
    .await;
    assert_eq!((status.device_id.as_str(), status.state), (DEVICE, DeviceState::Online));
    assert_eq!((status.source.as_str(), status.delivery), ("folder", Delivery::Every));
    assert_eq!(status.labels["site"], "bonn");
    assert!(status.problem.unwrap().contains("read to its end"));
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_node_the_window_holds_and_the_newest_picture_waits() {
    let world = World::start().await;
    world.pictures(3);
    let mut listener = Node::hidden(&world).await;
    let ingest = Ingest::start(world.config(|_, _| {})).await;
    let mut sequences = Vec::new();
    for _ in 0..4 {
        sequences.push(listener.next().await.sequence);
    }
    assert!(sequences.is_sorted());
    eventually("many pictures are superseded", || ingest.settled("superseded") > 30).await;
    assert_eq!(ingest.metric("ingest_announced_total", ""), 4);
    assert!(listener.try_next().is_none());
    assert_eq!(ingest.depth(), 5, "four are announced and the newest waits");

    // a node comes: it gets the newest picture, not what was announced to nobody long ago
    let waiting = ingest.captured();
    let mut node = Node::online(&world).await;
    let frame = node.next().await;
    assert!(frame.sequence >= waiting, "{} of {waiting}", frame.sequence);
    assert_eq!(frame.attempt, 1);
    node.answer(&frame).await;
    eventually("it is settled", || ingest.settled("analysed") == 1).await;
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_without_a_result_is_announced_again_and_counted_while_a_node_is_there() {
    let world = World::start().await;
    world.pictures(2);
    let mut listener = Node::hidden(&world).await;
    let ingest = Ingest::start(world.config(|config, camera| {
        config.results =
            Results { patience: Duration::from_millis(300), patience_max: Duration::from_millis(600) };
        camera.source = once(&world);
        camera.delivery = Delivery::Every;
        camera.window = 1;
    }))
    .await;
    for _ in 0..4 {
        let frame = listener.next().await;
        assert_eq!((frame.sequence, frame.attempt), (1, 1), "no node, no attempt");
    }
    let node = Node::online(&world).await;
    let mut attempts = Vec::new();
    let late = loop {
        let frame = listener.next().await;
        assert_eq!(frame.sequence, 1, "a window of one holds");
        if attempts.last() != Some(&frame.attempt) {
            attempts.push(frame.attempt);
        }
        if frame.attempt == 3 {
            break frame;
        }
    };
    assert_eq!(attempts, [1, 2, 3]);
    node.answer(&late).await;
    node.answer(&late).await;
    let second = loop {
        let frame = listener.next().await;
        if frame.sequence == 2 {
            break frame;
        }
    };
    node.fail(&second).await;
    eventually("both are settled", || (ingest.settled("analysed"), ingest.settled("failed")) == (1, 1)).await;
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_took_with_it_goes_to_the_next() {
    let world = World::start().await;
    world.pictures(1);
    let mut first = Node::online(&world).await;
    let mut second = Node::online(&world).await;
    let ingest = Ingest::start(world.config(|_, camera| {
        camera.source = once(&world);
        camera.delivery = Delivery::Every;
    }))
    .await;
    for node in [&mut first, &mut second] {
        assert_eq!(node.next().await.attempt, 1);
    }
    first.leave().await;
    // long before its patience ends
    let busy = second.at_work();
    eventually("it is announced again", || busy.seen().iter().any(|frame| frame.attempt == 2)).await;
    eventually("it is settled", || ingest.settled("analysed") == 1).await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_from_others_is_counted_and_survived() {
    let world = World::start().await;
    world.pictures(3);
    let ingest = Ingest::start(world.config(|_, _| {})).await;
    for topic in [world.counts_topic(), world.status_topic(), world.topics.failure.name(&[DEVICE]).unwrap()] {
        world.publish_retained(&topic, "{not json").await;
        world.publish_retained(&topic, vec![b'x'; 100_000]).await;
    }
    world.publish_retained(&world.topics.nodes.name(&["inference", "x"]).unwrap(), "[]").await;
    eventually("all are counted", || ingest.metric("ingest_rejected_messages_total", "") >= 7).await;
    let node = Node::online(&world).await.at_work();
    eventually("frames are settled all the same", || ingest.settled("analysed") > 3).await;
    assert!(!node.seen().is_empty());
    ingest.stop().await;
}
