//! `kill -9` while frames are written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use iot_storage::Key;
use people_counter_events::Delivery;
use people_counter_ingest::config::{Folder, Source};

use crate::node::Node;
use crate::process::{Process, order, write_config};
use crate::world::{World, eventually, picture};

/// How often, unless `KILLS` says otherwise.
const KILLS: u32 = 5;

const PICTURES: u32 = 40;

fn config(world: &World) -> PathBuf {
    let config = world.config(|config, camera| {
        config.spool.folder = Some(world.spool());
        camera.source = Source::Folder(Folder::new(world.pictures(PICTURES)));
        camera.delivery = Delivery::Every;
        camera.interval = Duration::from_millis(10);
        camera.keep = 100_000;
    });
    write_config(world, &config)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_torn_frame_is_ever_sent_and_no_written_one_is_lost() {
    let kills = std::env::var("KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let mut world = World::start().await;
    world.store.stop().await;
    world.broker.stop().await;
    let config = config(&world);
    let mut written = 0;
    for round in 0..kills {
        let process = Process::start(&config, []);
        // between one and a good many writes later, at any point of one
        let more = 1 + (round as usize * 7) % 23;
        eventually("frames are written", || world.spooled().len() >= written + more).await;
        process.kill();
        let now = world.spooled().len();
        assert!(now > written, "what was there stays there");
        written = now;
    }
    let names: BTreeSet<_> = world.spooled().iter().map(|path| order(path)).collect();
    assert_eq!(names.len(), written);

    world.store.restart().await.unwrap();
    world.broker.restart().await.unwrap();
    let node = Node::online(&world).await.at_work();
    std::fs::remove_dir_all(world.dir.path().join("pictures")).unwrap();
    std::fs::create_dir(world.dir.path().join("pictures")).unwrap();
    let process = Process::start(&config, []);
    eventually("all that was written is settled", || world.spooled().is_empty()).await;
    process.kill();

    let frames: BTreeMap<_, _> =
        node.seen().into_iter().map(|frame| ((frame.boot_id, frame.sequence), frame)).collect();
    assert_eq!(frames.keys().copied().collect::<BTreeSet<_>>(), names, "each written one, and no other");
    assert!(node.orders().is_sorted(), "in order");
    let originals: BTreeSet<_> = (1..=PICTURES).map(picture).collect();
    for frame in frames.values() {
        let key = Key::new(frame.file_path.key()).unwrap();
        let stored = world.objects().get(&key, 1 << 20).await.unwrap();
        assert!(originals.contains(&stored.body[..]), "{frame:?} is not what was taken");
    }
    assert_eq!(world.object_names().await.len(), frames.len(), "nothing else was put into the store");
}
