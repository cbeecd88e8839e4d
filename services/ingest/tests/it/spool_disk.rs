//! Disks that are full or read-only.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use people_counter_events::Delivery;

use crate::node::Node;
use crate::world::{Ingest, World, eventually, eventually_some};

/// A small disk; it is gone at the end of the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf) -> Self {
        std::fs::create_dir_all(&path).unwrap();
        mount(&["-t", "tmpfs", "-o", "size=256k", "none"], &path);
        Self(path)
    }

    fn remount(&self, mode: &str) {
        mount(&["-o", &format!("remount,{mode}")], &self.0);
    }

    /// Fills it but for `left` bytes.
    fn fill(&self, left: usize) {
        let mut size = 256 * 1024 - left;
        // the folder itself takes some
        while std::fs::write(self.0.join("ballast"), vec![0; size]).is_err() {
            size -= 4096;
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

fn mount(arguments: &[&str], path: &Path) {
    let output = Command::new("mount").args(arguments).arg(path).output().expect("mount is missing");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "this test mounts a small disk: run it as root ({complaint})");
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // lazily, since the service may still have its lock open
        let done = Command::new("umount").arg("-l").arg(&self.0).status();
        let gone = done.is_ok_and(|status| status.success());
        assert!(gone || std::thread::panicking(), "{} stays mounted", self.0.display());
    }
}

async fn problem(world: &World, words: &str) {
    eventually_some(words, async || {
        let problem = world.status().await?.problem.unwrap_or_default();
        problem.contains(words).then_some(())
    })
    .await;
}

async fn start(world: &World, count: u32) -> Ingest {
    Ingest::start(world.config(|config, camera| {
        config.spool.folder = Some(world.spool());
        camera.source = world.pictures_once(count);
        camera.delivery = Delivery::Every;
        camera.interval = Duration::from_millis(20);
    }))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_memory_until_there_is_room() {
    let mut world = World::start().await;
    let disk = SmallDisk::mount(world.spool());
    disk.fill(16 * 1024);
    world.store.stop().await;
    let ingest = start(&world, 60).await;
    problem(&world, "the disk is full").await;
    eventually("all are captured", || ingest.captured() == 60).await;
    assert!(ingest.metric("ingest_spool_write_failures_total", "") > 0);
    assert!(!world.spooled().is_empty(), "what fits is there");
    assert!(ingest.metric("ingest_spool_memory_bytes", "") > 0, "the rest waits in memory");
    assert_eq!(ingest.depth(), 60);

    disk.free();
    eventually("all are on disk", || ingest.metric("ingest_spool_memory_bytes", "") == 0).await;
    assert_eq!(world.spooled().len(), 60);
    eventually_some("the problem is over", async || {
        let problem = world.status().await?.problem.unwrap_or_default();
        (!problem.contains("disk")).then_some(())
    })
    .await;
    world.store.restart().await.unwrap();
    let node = Node::online(&world).await.at_work();
    eventually("all are settled", || ingest.settled("analysed") == 60).await;
    node.assert_all_in_order(60, 4);
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_is_read_and_otherwise_left_alone() {
    let mut world = World::start().await;
    let disk = SmallDisk::mount(world.spool());
    world.store.stop().await;
    let ingest = start(&world, 5).await;
    eventually("all are on disk", || world.spooled().len() == 5).await;
    ingest.stop().await;

    disk.remount("ro");
    world.store.restart().await.unwrap();
    let node = Node::online(&world).await.at_work();
    let ingest = start(&world, 7).await;
    problem(&world, "the disk is read-only").await;
    eventually("what is there and what comes is settled", || ingest.settled("analysed") == 12).await;
    assert_eq!(node.orders().len(), 12);
    ingest.assert_nothing_lost().await;
    ingest.stop().await;
    assert_eq!(world.spooled().len(), 5, "it could not be removed, and comes again, which changes nothing");
}
