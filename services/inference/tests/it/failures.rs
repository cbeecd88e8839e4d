//! What becomes of frames that cannot be analysed, and of messages that are none.

use std::time::Duration;

use iot_mqtt::Message;
use iot_storage::Key;
use people_counter_events::{FailureReason, FrameStored};
use serde_json::json;

use crate::world::{Node, World, eventually, frame, street};

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_a_frame_that_has_a_result_is_not_told() {
    let mut world = World::start().await;
    let node = Node::start(world.config("one", |_| {})).await;
    let first = frame("cam-1", 1);
    world.capture(&first, street()).await;
    world.result().await;
    eventually("the node has heard of it", || node.metric("inference_heard_results_total", "") >= 1).await;
    world.objects.delete(&Key::new(first.file_path.key()).unwrap()).await.unwrap();
    world.announce(&FrameStored { attempt: 2, ..first.clone() }).await;
    eventually("the failure is discarded", || node.ended("answered") == 1).await;

    // another frame without a picture, to see that nothing was told before it
    world.announce(&frame("cam-1", 2)).await;
    let failure = world.failure().await;
    assert_eq!((failure.sequence, failure.reason), (2, FailureReason::Missing));

    // above the limit of attempts there is an answer in any case, so that the frame ends
    world.announce(&FrameStored { attempt: 9, ..first }).await;
    let failure = world.failure().await;
    assert_eq!((failure.sequence, failure.reason), (1, FailureReason::Quarantined));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_takes_too_long_costs_its_worker_alone() {
    let mut world = World::start().await;
    let node = Node::start(world.config("one", |config| {
        // the real network takes longer in any case
        config.model.folder = None;
        config.limits.analysis = Duration::from_nanos(1);
        config.limits.attempts = 2;
    }))
    .await;
    let slow = frame("cam-1", 1);
    world.capture(&slow, street()).await;
    eventually("it is left to be announced again", || node.ended("abandoned") == 1).await;
    world.announce(&FrameStored { attempt: 2, ..slow }).await;
    let failure = world.failure().await;
    assert_eq!((failure.attempt, failure.reason), (2, FailureReason::Timeout));
    assert_eq!(node.metric("inference_replaced_workers_total", ""), 2);
    assert!(node.telemetry.health.ready().is_ok());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_messages_by_the_hundred_are_counted_and_survived() {
    let mut world = World::start().await;
    let node = Node::start(world.config("one", |_| {})).await;
    let good = serde_json::to_value(frame("cam-1", 1)).unwrap();
    let with = |key: &str, value: serde_json::Value| {
        let mut bad = good.clone();
        bad[key] = value;
        bad.to_string().into_bytes()
    };
    let hostile = [
        b"{".to_vec(),
        Vec::new(),
        vec![0xff; 200],
        vec![b'['; 20_000],
        vec![b'x'; 70_000],
        with("filePath", json!("../../etc/passwd")),
        with("filePath", json!("frames/cam-2.00000000-0000-0000-0000-000000000001.jpg")),
        with("deviceID", json!("<script>")),
        with("deviceID", json!("cam-2")),
        with("type", json!("result")),
        with("attempt", json!(0)),
        with("width", json!(0)),
        with("sequence", json!(-1)),
        with("creationTimestamp", json!(1e300)),
        with("delivery", json!("never")),
    ];
    let topic = world.topics.frames.name(&["cam-1"]).unwrap();
    for number in 0..300 {
        world.client.publish(Message::new(&topic, hostile[number % hostile.len()].clone())).await.unwrap();
    }
    eventually("each of them is counted", || node.ended("rejected") == 300).await;
    world.capture(&frame("cam-1", 1), street()).await;
    assert_eq!(world.result().await.sequence, 1);
    assert!(world.failures.try_recv().is_none(), "nobody is blamed");
    node.stop().await;
}
