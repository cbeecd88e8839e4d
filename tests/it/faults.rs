//! Whatever is killed or restarted, what a viewer sees stays true.

use std::time::Duration;

use people_counter_tests::observer::Observer;
use people_counter_tests::servers::Servers;
use people_counter_tests::system::{System, sample_frames};
use people_counter_tests::wait::eventually;

const CAMERAS: usize = 2;

struct Watched {
    system: System,
    observer: Observer,
}

impl Watched {
    async fn start() -> Self {
        let servers = Servers::embedded().await;
        let observer = Observer::start(servers.broker_url()).await;
        let system = System::start(servers, CAMERAS, &sample_frames()).await;
        Self { system, observer }
    }

    /// Waits until twenty more frames have been analysed and every camera is live.
    async fn goes_on(&self) {
        let before = self.observer.len();
        eventually("counting goes on", || async { (self.observer.len() >= before + 20).then_some(()) }).await;
        self.system.until_live(CAMERAS).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_restarted() {
    let mut run = Watched::start().await;
    let watcher = run.observer.watch(run.system.rest.clone());
    for _ in 0..2 {
        run.system.servers.restart_broker(tokio::time::sleep(Duration::from_millis(500))).await;
        run.goes_on().await;
    }
    watcher.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_restarted() {
    let mut run = Watched::start().await;
    let watcher = run.observer.watch(run.system.rest.clone());
    run.system.servers.restart_store(tokio::time::sleep(Duration::from_millis(500))).await;
    run.goes_on().await;
    watcher.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_store_counts_go_stale_and_come_back() {
    let mut run = Watched::start().await;
    let watcher = run.observer.watch(run.system.rest.clone());
    let rest = run.system.rest.clone();
    let stale = eventually_no_camera_is_live(rest);
    run.system.servers.restart_store(stale).await;
    run.goes_on().await;
    watcher.finish().await;
}

async fn eventually_no_camera_is_live(rest: people_counter_tests::rest::Rest) {
    eventually("no camera is called live", || async {
        let all = rest.devices().await?;
        assert_eq!(all.devices.len(), CAMERAS, "the cameras are still there");
        (all.summary.live == 0 && all.summary.people == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn engage_is_killed_and_rebuilds_its_state() {
    let mut run = Watched::start().await;
    let watcher = run.observer.watch(run.system.rest.clone());
    let epoch = run.system.rest.devices().await.unwrap().epoch;
    // nobody counts meanwhile: what comes back is what the broker retained, as old as it is
    for node in &mut run.system.inference {
        node.kill();
    }
    run.system.engage.kill();
    run.system.start_engage();
    let rest = run.system.rest.clone();
    let all = eventually("engage is ready again", || async {
        (rest.get("/readyz").await?.0 == 200).then_some(())?;
        rest.devices().await
    })
    .await;
    assert_ne!(all.epoch, epoch);
    assert_eq!(all.devices.len(), CAMERAS);
    for device in &all.devices {
        assert!(device.count.is_some() && device.age_seconds.is_some_and(|age| age > 0.0), "{device:?}");
    }
    run.system.start_inference(0);
    run.system.start_inference(1);
    run.goes_on().await;
    watcher.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inference_node_is_killed() {
    let mut run = Watched::start().await;
    let watcher = run.observer.watch(run.system.rest.clone());
    run.system.inference[0].kill();
    run.goes_on().await;
    run.system.start_inference(0);
    run.goes_on().await;
    watcher.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_is_killed_its_cameras_are_offline_and_come_back() {
    let mut run = Watched::start().await;
    let watcher = run.observer.watch(run.system.rest.clone());
    run.system.ingest.kill();
    let rest = run.system.rest.clone();
    eventually("the wills fire", || async {
        let all = rest.devices().await?;
        let offline = all.devices.iter().filter(|device| device.state == "offline").count();
        (offline == CAMERAS && all.summary.people == 0).then_some(())
    })
    .await;
    run.system.start_ingest();
    run.goes_on().await;
    watcher.finish().await;
}
