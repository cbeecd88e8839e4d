//! Frames that wait in a folder, for longer than an outage and longer than the process.

use std::collections::BTreeSet;
use std::time::Duration;

use iot_storage::Key;
use people_counter_events::{Delivery, DeviceState, Order};
use people_counter_ingest::config::{Camera, Config, Folder, Limits, Results, Source};

use crate::node::{Busy, Node, now};
use crate::world::{Ingest, LONG, World, eventually, picture};

/// A configuration with a spool on disk and `count` pictures that are taken once.
fn config(world: &World, count: u32, change: impl FnOnce(&mut Config, &mut Camera)) -> Config {
    world.config(|config, camera| {
        config.spool.folder = Some(world.spool());
        camera.source = world.pictures_once(count);
        camera.delivery = Delivery::Every;
        camera.interval = Duration::from_millis(20);
        change(config, camera);
    })
}

async fn all_captured(ingest: &Ingest, count: u64) {
    eventually("all are captured", || ingest.captured() == count).await;
}

/// Waits until each frame in memory is on disk.
async fn all_written(ingest: &Ingest) {
    eventually("all are on disk", || ingest.metric("ingest_spool_memory_bytes", "") == 0).await;
}

/// Each picture that was announced is in the store as it was taken.
async fn assert_whole(world: &World, node: &Busy, pictures: u32) {
    let originals: BTreeSet<_> = (1..=pictures).map(picture).collect();
    for frame in node.seen() {
        let key = Key::new(frame.file_path.key()).unwrap();
        let stored = world.objects().get(&key, 1 << 20).await.unwrap();
        assert!(originals.contains(&stored.body[..]), "{frame:?} is not what was taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_outlives_the_service_and_comes_first() {
    let mut world = World::start().await;
    world.broker.stop().await;
    world.store.stop().await;
    let ingest = Ingest::start(config(&world, 10, |_, _| {})).await;
    all_captured(&ingest, 10).await;
    all_written(&ingest).await;
    assert_eq!(world.spooled().len(), 10);
    let telemetry = ingest.stop().await;
    assert!(!telemetry.metrics.render().unwrap().contains("ingest_dropped_total{"), "nothing is given up");

    world.broker.restart().await.unwrap();
    world.store.restart().await.unwrap();
    let node = Node::online(&world).await.at_work();
    let ingest = Ingest::start(config(&world, 5, |_, camera| camera.keep = 100)).await;
    all_captured(&ingest, 5).await;
    eventually("all are settled", || ingest.settled("analysed") == 15).await;
    assert_eq!(ingest.metric("ingest_restored_total", ""), 10);
    let orders = node.orders();
    let boots: Vec<_> = orders.iter().map(|order| order.boot_id).collect();
    assert_eq!(orders.len(), 15);
    assert!(boots[..10].iter().all(|&boot| boot == boots[0]) && boots[10] > boots[0], "{boots:?}");
    assert!(orders.is_sorted(), "{orders:?}");
    eventually("settled frames leave the disk", || world.spooled().is_empty()).await;
    assert_whole(&world, &node, 10).await;
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_broker_longer_than_the_spool_leaves_exactly_the_newest() {
    let mut world = World::start().await;
    world.broker.stop().await;
    let ingest = Ingest::start(config(&world, 50, |config, _| config.spool.frames = 20)).await;
    all_captured(&ingest, 50).await;
    eventually("the oldest are given up", || ingest.dropped("spool-frames") == 30).await;
    all_written(&ingest).await;
    eventually("and leave the disk", || world.spooled().len() == 20).await;
    world.broker.restart().await.unwrap();
    let node = Node::online(&world).await.at_work();
    eventually("the others are settled", || ingest.settled("analysed") == 20).await;
    let mut seen = node.first_seen();
    seen.sort_unstable();
    assert_eq!(seen, (31..=50).collect::<Vec<_>>());
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folder_is_bounded_by_bytes() {
    let mut world = World::start().await;
    world.broker.stop().await;
    const MAX: u64 = 20_000;
    let ingest = Ingest::start(config(&world, 40, |config, _| {
        config.limits = Limits { bytes: 4_000, ..Limits::default() };
        config.spool.bytes = MAX;
    }))
    .await;
    all_captured(&ingest, 40).await;
    let sizes: Vec<_> = (1..=40).map(|number| picture(number).len() as u64).collect();
    let fits = |first: usize| sizes[first - 1..].iter().sum::<u64>() <= MAX;
    let first = (1..=40).find(|&first| fits(first)).unwrap();
    assert!((2..40).contains(&first), "the limit cuts somewhere: {sizes:?}");
    eventually("the oldest are given up", || ingest.dropped("spool-bytes") == first as u64 - 1).await;
    all_written(&ingest).await;
    assert!(ingest.metric("ingest_spool_disk_bytes", "") <= MAX);
    world.broker.restart().await.unwrap();
    let node = Node::online(&world).await.at_work();
    eventually("the others are settled", || ingest.depth() == 0).await;
    let mut seen = node.first_seen();
    seen.sort_unstable();
    assert_eq!(seen, (first as u64..=40).collect::<Vec<_>>());
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_waits_for_longer_than_its_age() {
    let mut world = World::start().await;
    world.broker.stop().await;
    let ingest =
        Ingest::start(config(&world, 5, |config, _| config.spool.age = Duration::from_secs(1))).await;
    eventually("all are too old", || ingest.dropped("spool-age") == 5).await;
    assert_eq!(ingest.depth(), 0);
    eventually("and leave the disk", || world.spooled().is_empty()).await;
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_both_in_the_middle_costs_no_more_than_is_counted() {
    let mut world = World::start().await;
    let node = Node::online(&world).await.at_work();
    let ingest = Ingest::start(config(&world, 120, |config, _| config.spool.frames = 30)).await;
    eventually("some frames are settled", || ingest.settled("analysed") >= 10).await;
    world.broker.stop().await;
    world.store.stop().await;
    all_captured(&ingest, 120).await;
    let dropped = || ingest.dropped("spool-frames");
    eventually("the oldest are given up", || ingest.depth() <= 30 + 4 && dropped() > 40).await;
    world.store.restart().await.unwrap();
    world.broker.restart().await.unwrap();
    eventually("all have ended", || ingest.depth() == 0).await;
    let seen: BTreeSet<_> = node.first_seen().into_iter().collect();
    let missing = (1..=120).filter(|sequence| !seen.contains(sequence)).count() as u64;
    assert_eq!(missing, dropped(), "each that is missing is counted");
    assert_eq!(ingest.metric("ingest_dropped_total", ""), dropped());
    // one may have been under way to the store when its turn came, so the next one went
    assert!((92..=120).all(|sequence| seen.contains(&sequence)), "the newest are there: {seen:?}");
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn latest_keeps_the_newest_picture_over_a_restart() {
    let mut world = World::start().await;
    world.broker.stop().await;
    world.store.stop().await;
    let ingest = Ingest::start(config(&world, 30, |_, camera| camera.delivery = Delivery::Latest)).await;
    all_captured(&ingest, 30).await;
    let telemetry = ingest.stop().await;
    assert!(!telemetry.metrics.render().unwrap().contains("reason=\"stopped\""));
    assert_eq!(world.spooled().len(), 1);
    world.broker.restart().await.unwrap();
    world.store.restart().await.unwrap();
    let mut node = Node::online(&world).await;
    let nothing = world.dir.path().join("nothing");
    std::fs::create_dir(&nothing).unwrap();
    let ingest = Ingest::start(config(&world, 0, |_, camera| {
        camera.delivery = Delivery::Latest;
        camera.source = Source::Folder(Folder::new(nothing));
    }))
    .await;
    let frame = node.next().await;
    assert_eq!(frame.sequence, 30);
    node.answer(&frame).await;
    eventually("it is settled", || ingest.settled("analysed") == 1).await;
    eventually("and leaves the disk", || world.spooled().is_empty()).await;
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_came_while_the_service_was_down_settles_its_frame() {
    let world = World::start().await;
    let mut node = Node::hidden(&world).await;
    let ingest = Ingest::start(config(&world, 1, |_, _| {})).await;
    let frame = node.next().await;
    all_written(&ingest).await;
    ingest.stop().await;
    assert_eq!(world.status().await.unwrap().spool_depth, 1, "the last status tells what waits");
    node.answer(&frame).await;
    let ingest = Ingest::start(config(&world, 0, |_, _| {})).await;
    eventually("it is settled", || ingest.settled("analysed") == 1).await;
    assert!(world.spooled().is_empty() || ingest.depth() == 0);
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
    assert!(world.spooled().is_empty(), "a stop leaves nothing that is settled");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_counted_on_after_a_restart() {
    let world = World::start().await;
    // it hears announcements, and dies of them as far as anybody can tell
    let mut node = Node::online(&world).await;
    let mut last = 0;
    for pictures in [1, 0] {
        let patience = Duration::from_millis(200);
        let ingest = Ingest::start(config(&world, pictures, |config, _| {
            config.results = Results { patience, patience_max: patience };
        }))
        .await;
        all_captured(&ingest, pictures.into()).await;
        // one may still be on its way from before the restart
        let enough = last + 3;
        while last < enough {
            let frame = node.next().await;
            assert_eq!((frame.sequence, frame.attempt), (1, last + 1), "a picture of the same boot");
            last = frame.attempt;
        }
        ingest.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_does_not_mix_up_boots() {
    let mut world = World::start().await;
    world.broker.stop().await;
    let ingest = Ingest::start(config(&world, 3, |_, _| {})).await;
    all_captured(&ingest, 3).await;
    all_written(&ingest).await;
    ingest.stop().await;
    // as if these had been taken tomorrow, before the clock was set back
    let tomorrow = (now() * 1000.0) as u64 + 86_400_000;
    for path in world.spooled() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let (_, sequence) = name.split_once('-').unwrap();
        std::fs::rename(&path, path.with_file_name(format!("{tomorrow:016}-{sequence}"))).unwrap();
    }
    world.broker.restart().await.unwrap();
    let node = Node::online(&world).await.at_work();
    let ingest = Ingest::start(config(&world, 2, |_, _| {})).await;
    eventually("all are settled", || ingest.settled("analysed") == 5).await;
    let order = Order::new;
    let expected = [(tomorrow, 1), (tomorrow, 2), (tomorrow, 3), (tomorrow + 1, 1), (tomorrow + 1, 2)];
    assert_eq!(node.orders(), expected.map(|(boot, sequence)| order(boot, sequence)));
    ingest.stop().await;
    assert_eq!(world.status().await.unwrap().boot_id, tomorrow + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_counted_and_never_sent() {
    let mut world = World::start().await;
    world.broker.stop().await;
    world.store.stop().await;
    let ingest = Ingest::start(config(&world, 4, |_, _| {})).await;
    all_captured(&ingest, 4).await;
    all_written(&ingest).await;
    ingest.stop().await;
    let frames = world.spooled();
    let mut content = std::fs::read(&frames[1]).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 0x10;
    std::fs::write(&frames[1], content).unwrap();
    std::fs::write(&frames[2], "torn").unwrap();
    world.broker.restart().await.unwrap();
    world.store.restart().await.unwrap();
    let node = Node::online(&world).await.at_work();
    let ingest = Ingest::start(config(&world, 0, |_, camera| camera.keep = 100)).await;
    eventually("the whole ones are settled", || ingest.settled("analysed") == 2).await;
    assert_eq!(ingest.dropped("spool-damaged"), 2);
    assert_eq!(node.first_seen(), [1, 4]);
    assert_whole(&world, &node, 4).await;
    assert_eq!(world.object_names().await.len(), 2);
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_an_outage_is_quick_and_loses_nothing() {
    let mut world = World::start().await;
    let node = Node::online(&world).await.at_work();
    let ingest = Ingest::start(config(&world, 500, |config, _| config.grace = LONG)).await;
    eventually("some frames are settled", || ingest.settled("analysed") >= 3).await;
    world.store.stop().await;
    eventually("frames wait", || ingest.depth() > 30).await;
    // well before the grace period ends: all is safe on disk, and the store is away
    let text = ingest.stop().await.metrics.render().unwrap();
    assert!(!text.contains("ingest_dropped_total{"), "{text}");
    let status = world.status().await.unwrap();
    assert_eq!(status.state, DeviceState::Offline);
    assert_eq!(status.spool_depth, world.spooled().len() as u64);
    assert!(status.spool_depth > 10);

    world.store.restart().await.unwrap();
    let waiting = status.spool_depth;
    let ingest = Ingest::start(config(&world, 0, |_, _| {})).await;
    eventually("what waited is settled", || ingest.settled("analysed") == waiting).await;
    assert!(node.orders().is_sorted());
    ingest.stop().await;
}
