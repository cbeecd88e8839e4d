//! The three services do their work, whichever broker and store they have.

use people_counter_tests::observer::Observer;
use people_counter_tests::servers::Servers;
use people_counter_tests::system::{System, sample_frames};
use people_counter_tests::wait::eventually;

const CAMERAS: usize = 3;

async fn counts_real_people(servers: Servers) {
    let observer = Observer::start(servers.broker_url()).await;
    let system = System::start(servers, CAMERAS, &sample_frames()).await;
    let watcher = observer.watch(system.rest.clone());
    eventually("sixty frames are analysed", || async { (observer.len() >= 60).then_some(()) }).await;

    let all = system.rest.devices().await.unwrap();
    assert_eq!(all.summary.live, CAMERAS as u64);
    assert_eq!(all.summary.people, all.devices.iter().filter_map(|device| device.count).sum::<u64>());
    for device in &all.devices {
        // the scene never has fewer than three people in it, nor more than nine
        let count = device.count.unwrap();
        assert!((1..=12).contains(&count), "{device:?}");
        assert_eq!(device.people.as_ref().unwrap().len() as u64, count);
        let (status, picture) = system.rest.get(device.image.as_ref().unwrap()).await.unwrap();
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&picture));
        let picture = image::load_from_memory(&picture).unwrap();
        assert_eq!((picture.width(), picture.height()), (640, 480));
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(system.rest.get(path).await.unwrap().0, 200, "{path}");
    }
    watcher.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_embedded_broker_and_store() {
    counts_real_people(Servers::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_mosquitto_and_ceph() {
    counts_real_people(Servers::real().await).await;
}
