//! Crop, mask, limits and the change gate, from the source to the status.

use std::time::Duration;

use image::RgbImage;
use people_counter_events::{Delivery, FrameStored};
use people_counter_ingest::config::{Gate, Preparation};

use crate::node::Node;
use crate::world::{Ingest, World, eventually, eventually_some, picture, write};

async fn pixels(world: &World, frame: &FrameStored) -> RgbImage {
    let key = iot_storage::Key::new(frame.file_path.key()).unwrap();
    let stored = world.objects().get(&key, 1 << 20).await.unwrap();
    assert_eq!(stored.body.len() as u64, frame.bytes);
    let pixels = image::load_from_memory(&stored.body).unwrap().into_rgb8();
    assert_eq!(pixels.dimensions(), (frame.width, frame.height));
    pixels
}

#[tokio::test(flavor = "multi_thread")]
async fn a_masked_part_never_leaves_the_box() {
    let world = World::start().await;
    let mut node = Node::online(&world).await;
    let ingest = Ingest::start(world.config(|_, camera| {
        camera.source = world.pictures_once(4);
        camera.delivery = Delivery::Every;
        let left = vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]];
        camera.picture =
            Preparation { mask: vec![left], crop: Some([0.0, 0.0, 1.0, 0.5]), ..Preparation::default() };
    }))
    .await;
    for number in 1..=4 {
        let frame = node.next().await;
        assert_eq!(frame.sequence, number);
        let pixels = pixels(&world, &frame).await;
        assert_eq!(pixels.dimensions(), (64, 24));
        for y in 0..24 {
            assert!((0..28).all(|x| pixels.get_pixel(x, y).0.iter().all(|&level| level < 24)));
        }
        assert!(pixels.pixels().any(|pixel| pixel.0.iter().any(|&level| level > 40)), "the rest is there");
        node.answer(&frame).await;
    }
    eventually("all are settled", || ingest.settled("analysed") == 4).await;
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_change_what_is_over_them_alone() {
    let world = World::start().await;
    let folder = world.pictures(0);
    let wide = RgbImage::from_fn(200, 100, |x, y| image::Rgb([x as u8, y as u8, 7]));
    wide.save(folder.join("1-wide.jpg")).unwrap();
    write(&folder, "2-small.jpg", &picture(5));
    // whole by its outer form, and not to be decoded
    let mut damaged = std::fs::read(folder.join("1-wide.jpg")).unwrap();
    let tables = damaged.windows(2).position(|bytes| bytes == [0xff, 0xc4]).unwrap();
    damaged[tables + 5..tables + 21].fill(0xff);
    write(&folder, "3-damaged.jpg", &damaged);
    write(&folder, "4-small.jpg", &picture(6));
    let node = Node::online(&world).await.at_work();
    let ingest = Ingest::start(world.config(|_, camera| {
        let people_counter_ingest::config::Source::Folder(folder) = &mut camera.source else {
            unreachable!()
        };
        folder.repeat = false;
        camera.delivery = Delivery::Every;
        camera.picture = Preparation { width: Some(100), ..Preparation::default() };
    }))
    .await;
    eventually("all have ended", || ingest.settled("analysed") == 3 && ingest.dropped("damaged") == 1).await;
    let frames = node.seen();
    let sizes: Vec<_> = frames.iter().map(|frame| (frame.width, frame.height)).collect();
    assert_eq!(sizes, [(100, 50), (64, 48), (64, 48)]);
    pixels(&world, &frames[0]).await;
    let key = iot_storage::Key::new(frames[1].file_path.key()).unwrap();
    assert_eq!(world.objects().get(&key, 1 << 20).await.unwrap().body, picture(5), "untouched");
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_still_scene_is_confirmed_instead_of_sent() {
    let world = World::start().await;
    let folder = world.pictures(1);
    let mut node = Node::online(&world).await;
    let ingest = Ingest::start(world.config(|_, camera| {
        camera.gate = Some(Gate { silence: Duration::from_secs(3600), ..Gate::default() });
    }))
    .await;
    let frame = node.next().await;
    eventually("pictures are held back", || ingest.settled("unchanged") > 20).await;
    assert_eq!(ingest.metric("ingest_uploaded_total", ""), 1);
    assert_eq!(world.status().await.unwrap().unchanged, None, "there is no count to confirm yet");
    node.answer(&frame).await;
    let first = eventually_some("the heartbeat", async || world.status().await?.unchanged).await;
    assert_eq!(first.order(), frame.order());
    eventually_some("another one", async || {
        world.status().await?.unchanged.filter(|beat| beat.timestamp > first.timestamp)
    })
    .await;
    assert_eq!(ingest.metric("ingest_uploaded_total", ""), 1);

    std::fs::write(folder.join("0001.jpg"), picture(9)).unwrap();
    let changed = node.next().await;
    assert!(changed.sequence == 2 && changed.boot_id == frame.boot_id);
    // an analysis that fails says nothing about the scene
    node.fail(&changed).await;
    let again = node.next().await;
    node.answer(&again).await;
    eventually_some("its heartbeat", async || {
        world.status().await?.unchanged.filter(|beat| beat.order() == again.order())
    })
    .await;
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_silence_of_a_still_scene_is_bounded() {
    let world = World::start().await;
    world.pictures(1);
    let node = Node::online(&world).await.at_work();
    let ingest = Ingest::start(world.config(|_, camera| {
        camera.gate = Some(Gate { silence: Duration::from_millis(500), ..Gate::default() });
    }))
    .await;
    eventually("some are sent all the same", || node.seen().len() >= 3).await;
    let (sent, held_back) = (node.orders().len() as u64, ingest.settled("unchanged"));
    assert!(held_back > sent, "{sent} sent, {held_back} held back");
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}
