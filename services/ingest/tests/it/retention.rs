//! Which pictures stay in the store.

use std::time::Duration;

use iot_storage::{Key, PutOptions};
use people_counter_events::{Delivery, FrameStored};
use people_counter_ingest::config::{Folder, Source};

use crate::node::Node;
use crate::world::{Ingest, World, eventually_some};

async fn start(world: &World, pictures: u32, keep: usize, window: usize) -> Ingest {
    world.pictures(pictures);
    Ingest::start(world.config(|_, camera| {
        let path = world.dir.path().join("pictures");
        camera.source = Source::Folder(Folder { repeat: false, ..Folder::new(path) });
        camera.delivery = Delivery::Every;
        camera.keep = keep;
        camera.window = window;
        // one more picture at the end of the test starts another round of pruning
        camera.interval = Duration::from_millis(50);
    }))
    .await
}

fn names(frames: &[&FrameStored], previews: bool) -> Vec<String> {
    let mut names: Vec<_> = frames.iter().map(|frame| frame.file_path.key().to_owned()).collect();
    if previews {
        names.extend(frames.iter().map(|f| people_counter_events::preview_key(&f.device_id, f.frame_id)));
    }
    names.sort();
    names
}

async fn only_these_stay(world: &World, names: &[String]) {
    eventually_some(&format!("nothing but {names:?} in the store"), async || {
        (world.object_names().await == names).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_stay_with_their_previews() {
    let world = World::start().await;
    let mut node = Node::online(&world).await;
    let ingest = start(&world, 30, 3, 4).await;
    let foreign = Key::new("cam-2.00000000-0000-7000-8000-000000000000.jpg").unwrap();
    world.objects().put(&foreign, "x".into(), &PutOptions::default()).await.unwrap();
    let mut frames = Vec::new();
    for _ in 0..30 {
        let frame = node.next().await;
        node.preview(&frame).await;
        node.answer(&frame).await;
        frames.push(frame);
    }
    let newest: Vec<_> = frames.iter().skip(27).collect();
    let mut expected = names(&newest, true);
    expected.push(foreign.to_string());
    only_these_stay(&world, &expected).await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unsettled_and_what_is_current_stays() {
    let world = World::start().await;
    let mut node = Node::online(&world).await;
    let ingest = start(&world, 20, 1, 20).await;
    let mut frames = Vec::new();
    for _ in 0..20 {
        frames.push(node.next().await);
    }
    assert_eq!(world.object_names().await.len(), 20, "all are unsettled");
    node.answer(&frames[2]).await;
    for frame in frames.iter().filter(|frame| frame.sequence != 3) {
        node.fail(frame).await;
    }
    // the current result's and the newest
    only_these_stay(&world, &names(&[&frames[2], &frames[19]], false)).await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_current_results_picture_stays_while_the_broker_is_away() {
    let mut world = World::start().await;
    let mut node = Node::online(&world).await;
    let ingest = start(&world, 1, 1, 4).await;
    let current = node.next().await;
    node.preview(&current).await;
    node.answer(&current).await;
    crate::world::eventually("it is settled", || ingest.settled("analysed") == 1).await;
    ingest.stop().await;

    world.broker.stop().await;
    let ingest = start(&world, 10, 1, 4).await;
    let uploaded = || ingest.metric("ingest_uploaded_total", "") == 10;
    crate::world::eventually("newer pictures are in the store", uploaded).await;
    // nobody can tell yet whose result is the current one
    let kept = names(&[&current], true);
    let all = world.object_names().await;
    assert!(kept.iter().all(|name| all.contains(name)), "{all:?}");
    world.broker.restart().await.unwrap();
    // now it can, but the broker has forgotten: nothing is current, and nothing is unsettled in the end
    let busy = Node::online(&world).await.at_work();
    crate::world::eventually("all are settled", || ingest.settled("analysed") == 10).await;
    let newest = busy.seen().into_iter().max_by_key(FrameStored::order).unwrap();
    only_these_stay(&world, &names(&[&newest], false)).await;
    ingest.stop().await;
}
