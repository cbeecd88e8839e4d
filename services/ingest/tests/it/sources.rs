//! Folders as people leave them, and videos.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use people_counter_events::Delivery;
use people_counter_ingest::config::{Folder, Source, Video};

use crate::node::Node;
use crate::world::{Ingest, World, eventually, eventually_some, object, picture, write};

#[tokio::test(flavor = "multi_thread")]
async fn hostile_files_are_passed_over_and_counted() {
    let world = World::start().await;
    let folder = world.pictures(2);
    let good = picture(1);
    write(&folder, "0001-cut.jpg", &good[..good.len() / 2]);
    write(&folder, "0001-empty.jpg", b"");
    write(&folder, "0001-page.jpg", b"<html>");
    write(&folder, "0001-bomb.png", &png_bomb());
    let mut huge = good.clone();
    let size = huge.windows(2).position(|bytes| bytes == [0xff, 0xc0]).unwrap() + 5;
    huge[size..size + 4].fill(0xff);
    write(&folder, "0001-huge.jpg", &huge);
    let node = Node::online(&world).await.at_work();
    let ingest = Ingest::start(world.config(|_, _| {})).await;
    let refused =
        |reason: &str| ingest.metric("ingest_refused_pictures_total", &format!("reason=\"{reason}\""));
    // the cut and the nonsensical ones are given time to become whole
    eventually("all are counted", || ingest.metric("ingest_refused_pictures_total", "") == 5).await;
    assert_eq!((refused("truncated"), refused("not-a-picture"), refused("too-large")), (1, 2, 2));
    let settled = ingest.settled("analysed");
    eventually("the good ones go on", || ingest.settled("analysed") > settled + 4).await;
    assert_eq!(ingest.metric("ingest_refused_pictures_total", ""), 5, "each file is counted once");
    assert!(node.seen().iter().all(|frame| frame.width == 64));
    let status = eventually_some("the status tells", async || {
        world.status().await.filter(|status| status.dropped.len() == 3)
    })
    .await;
    assert_eq!(status.problem, None, "a camera with good pictures has no problem");
    ingest.stop().await;
}

/// A PNG of a few bytes that says it has 60,000 x 60,000 pixels.
fn png_bomb() -> Vec<u8> {
    let mut file = Vec::new();
    image::RgbImage::new(1, 1)
        .write_to(&mut std::io::Cursor::new(&mut file), image::ImageFormat::Png)
        .unwrap();
    file[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let sum = crc32(&file[12..29]).to_be_bytes();
    file[29..33].copy_from_slice(&sum);
    file
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(
            sum ^ u32::from(byte),
            |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 },
        )
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_folder_is_told_in_the_status() {
    let world = World::start().await;
    let folder = world.pictures(0);
    let ingest = Ingest::start(world.config(|_, _| {})).await;
    let problem = async |words: &str| {
        eventually_some(words, async || {
            let problem = world.status().await?.problem.unwrap_or_default();
            problem.contains(words).then_some(())
        })
        .await;
    };
    problem("no picture in the folder").await;
    std::fs::remove_dir(&folder).unwrap();
    problem("the folder cannot be read").await;
    world.pictures(1);
    eventually("a picture is taken", || ingest.captured() > 0).await;
    eventually_some("the problem is gone", async || {
        world.status().await.filter(|status| status.problem.is_none())
    })
    .await;
    ingest.stop().await;
}

/// A clip of two seconds at ten pictures a second.
fn clip(world: &World) -> PathBuf {
    let path = world.dir.path().join("clip.avi");
    let made = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10", "-t", "2", "-y"])
        .arg(&path)
        .stdin(Stdio::null())
        .status()
        .expect("ffmpeg is missing, install it: apt-get install ffmpeg");
    assert!(made.success());
    path
}

/// Runs ffmpeg and notes its process id.
fn wrapper(world: &World) -> PathBuf {
    let path = world.dir.path().join("ffmpeg");
    let pids = world.dir.path().join("pids");
    std::fs::write(&path, format!("#!/bin/sh\necho $$ >> {}\nexec ffmpeg \"$@\"\n", pids.display())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn pids(world: &World) -> Vec<u32> {
    let text = std::fs::read_to_string(world.dir.path().join("pids")).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_is_played_once_at_its_pace() {
    let world = World::start().await;
    let node = Node::online(&world).await.at_work();
    let ingest = Ingest::start(world.config(|_, camera| {
        camera.source = Source::Video(Video { repeat: false, ..Video::new(clip(&world)) });
        camera.interval = Duration::from_millis(200);
        camera.delivery = Delivery::Every;
    }))
    .await;
    eventually_some("the end is told", async || {
        let problem = world.status().await?.problem?;
        problem.contains("played to its end").then_some(())
    })
    .await;
    eventually("all are settled", || ingest.depth() == 0).await;
    assert!((9..=11).contains(&ingest.captured()), "{} pictures of two seconds", ingest.captured());
    assert!(node.seen().iter().all(|frame| (frame.width, frame.height) == (160, 120)));
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_that_dies_is_started_again_and_none_stays_behind() {
    let world = World::start().await;
    let program = wrapper(&world);
    let ingest = Ingest::start(world.config(|_, camera| {
        camera.source = Source::Video(Video { ffmpeg: program, ..Video::new(clip(&world)) });
        camera.interval = Duration::from_millis(100);
    }))
    .await;
    eventually("more pictures than the clip has", || ingest.captured() > 25).await;
    // the first one was asked for its version
    let player = *pids(&world).last().unwrap();
    let killed = Command::new("kill").args(["-KILL", &player.to_string()]).status().unwrap();
    assert!(killed.success());
    eventually("another one is started", || *pids(&world).last().unwrap() != player).await;
    let captured = ingest.captured();
    eventually("pictures come again", || ingest.captured() > captured + 3).await;
    ingest.stop().await;
    for pid in pids(&world) {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} is still there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_video_is_told_in_the_status() {
    let world = World::start().await;
    let path = world.dir.path().join("clip.avi");
    std::fs::write(&path, "no video").unwrap();
    let ingest =
        Ingest::start(world.config(|_, camera| camera.source = Source::Video(Video::new(path)))).await;
    eventually_some("the problem is told", async || {
        let problem = world.status().await?.problem?;
        problem.contains("Invalid data").then_some(())
    })
    .await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_into_a_watched_folder_are_taken_when_they_are_whole() {
    let world = World::start().await;
    let folder = world.pictures(1);
    let mut node = Node::online(&world).await;
    let ingest = Ingest::start(world.config(|_, camera| {
        camera.source = Source::Folder(Folder { watch: true, ..Folder::new(&folder) });
        camera.delivery = Delivery::Every;
    }))
    .await;
    // as an FTP server does: the file is there from the start and grows
    let whole = picture(7);
    for part in [10, 100, whole.len() / 2] {
        write(&folder, "upload.jpg", &whole[..part]);
        tokio::task::yield_now().await;
    }
    write(&folder, "upload.jpg", &whole);
    assert_eq!(object(&world, &node.next().await).await, whole);
    write(&folder, "upload.jpg", &picture(8));
    assert_eq!(object(&world, &node.next().await).await, picture(8));
    assert_eq!(ingest.captured(), 2, "what was there is left alone, and the others come once");
    assert_eq!(ingest.metric("ingest_refused_pictures_total", ""), 0);
    ingest.stop().await;
}
