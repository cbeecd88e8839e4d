//! What becomes of a frame that can be analysed.

use people_counter_events::{Picture, ServiceState, ServiceStatus, decode, frame_key, preview_key};
use people_counter_inference::Originals;

use crate::world::{Node, World, eventually, frame, soon, street};

#[tokio::test(flavor = "multi_thread")]
async fn a_result_stays_for_those_who_come_later() {
    let mut world = World::start().await;
    let node = Node::start(world.config("one", |config| config.model.folder = None)).await;
    let announced = frame("cam-1", 3);
    world.capture(&announced, street()).await;
    let result = world.result().await;
    assert_eq!((result.frame_id, result.order()), (announced.frame_id, announced.order()));
    assert_eq!((result.width, result.height), (640, 480));
    assert!(result.count() >= 3, "{result:?}");
    assert_eq!(result.analysis_metadata.model.name, "person-nanodet-g-416x416");
    assert_eq!((result.picture, &result.preview_path), (Picture::Original, &None), "it is small enough");
    node.stop().await;

    let (_client, mut inbox) = world.listen("later", &world.topics.counts.filter()).await;
    let delivery = soon("the retained result", inbox.recv()).await.unwrap();
    assert!(delivery.retained());
    assert_eq!(decode(&world.topics.counts, delivery.topic(), delivery.payload()).unwrap(), result);
}

#[tokio::test(flavor = "multi_thread")]
async fn originals_can_go_while_previews_stay() {
    let mut world = World::start().await;
    let node = Node::start(world.config("one", |config| {
        config.picture.originals = Some(Originals::Delete);
    }))
    .await;
    let announced = frame("cam-1", 1);
    world.capture(&announced, street()).await;
    let result = world.result().await;
    let preview = preview_key(&announced.device_id, announced.frame_id);
    assert_eq!(result.picture, Picture::Original);
    assert_eq!(result.preview_path.unwrap().key(), preview);
    assert!(world.has(&preview).await);
    let original = frame_key(&announced.device_id, announced.frame_id);
    let gone = async {
        while world.has(&original).await {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    soon("the original is deleted", gone).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_says_how_long_frames_take_and_how_many_wait() {
    let mut world = World::start().await;
    let (_client, mut inbox) = world.listen("watcher", &world.topics.nodes.filter()).await;
    let node = Node::start(world.config("one", |_| {})).await;
    world.capture(&frame("cam-1", 1), street()).await;
    world.result().await;
    eventually("it is counted", || node.ended("analysed") == 1).await;
    let status: ServiceStatus = loop {
        let delivery = soon("a status with figures", inbox.recv()).await.unwrap();
        let status = decode(&world.topics.nodes, delivery.topic(), delivery.payload()).unwrap();
        delivery.ack();
        if status.duration_ms.is_some() {
            break status;
        }
    };
    let durations = status.duration_ms.unwrap();
    assert!(durations.p50 > 0.0 && durations.p50 <= durations.p99, "{status:?}");
    assert_eq!((status.queue, status.failures), (Some(0), Some(0)));
    assert!(status.frames_per_second.unwrap() > 0.0 && status.mean_duration_ms.unwrap() > 0.0);
    assert_eq!(status.model.unwrap().name, "test-yolov8");
    node.stop().await;
    loop {
        let delivery = soon("the goodbye", inbox.recv()).await.unwrap();
        let status = decode(&world.topics.nodes, delivery.topic(), delivery.payload()).unwrap();
        delivery.ack();
        if status.state == ServiceState::Offline {
            break;
        }
    }
}
