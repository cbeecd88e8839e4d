//! Options of single devices.

use people_counter_inference::DeviceConfig;

use crate::world::{Node, World, frame, street};

#[tokio::test(flavor = "multi_thread")]
async fn each_device_is_counted_by_its_own_options() {
    let mut world = World::start().await;
    let left = vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]];
    let right = vec![[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]];
    let device = |device: &str| DeviceConfig { device: device.into(), ..DeviceConfig::default() };
    let node = Node::start(world.config("one", |config| {
        config.model.folder = None;
        config.devices = vec![
            DeviceConfig { regions: vec![left], ..device("left-*") },
            DeviceConfig { regions: vec![right], ..device("right-*") },
            DeviceConfig { threshold: Some(0.99), ..device("strict") },
            DeviceConfig { fuse: true, tiles: Some("2x2".into()), ..device("close") },
        ];
    }))
    .await;
    let mut counts = Vec::new();
    for (n, device) in ["usual", "left-1", "right-1", "strict", "close"].into_iter().enumerate() {
        world.capture(&frame(device, 1 + n as u64), street()).await;
        let result = world.result().await;
        assert_eq!(result.device_id.as_str(), device);
        assert_eq!(result.analysis_metadata.results.people.len(), result.count() as usize);
        counts.push((result.count(), result.analysis_metadata.model.name));
    }
    let [usual, left, right, strict, close]: [(u32, String); 5] = counts.try_into().unwrap();
    assert!(usual.0 >= 3 && left.0 > 0 && right.0 > 0);
    assert_eq!((left.0 + right.0, strict.0), (usual.0, 0));
    assert!(close.0 >= 3, "{close:?}");
    assert_eq!(close.1, "person-nanodet-g-416x416+person-nanodet-g-384x640");
    node.stop().await;
}
