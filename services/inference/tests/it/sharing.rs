//! Nodes share the frames.

use std::collections::HashMap;

use people_counter_events::{Delivery, FrameStored};

use crate::world::{Node, World, eventually, frame, street};

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_200_frames_and_none_is_analysed_twice() {
    let mut world = World::start().await;
    let nodes =
        [Node::start(world.config("one", |_| {})).await, Node::start(world.config("two", |_| {})).await];
    for sequence in 1..=200 {
        world.capture(&frame(&format!("cam-{}", sequence % 7), sequence), street()).await;
    }
    let mut seen: HashMap<u64, String> = HashMap::new();
    while seen.len() < 200 {
        let result = world.result().await;
        let before = seen.insert(result.sequence, result.analysis_metadata.node);
        assert_eq!(before, None, "frame {} was analysed twice", result.sequence);
    }
    let done = || nodes.each_ref().map(|node| node.ended("analysed"));
    eventually("all are confirmed", || done().iter().sum::<u64>() == 200).await;
    let done = done();
    assert!(done.iter().all(|done| *done > 20), "shared as {done:?}");
    assert!(world.results.try_recv().is_none(), "and nothing else was published");
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_a_newer_one_superseded_are_skipped_and_counted() {
    let mut world = World::start().await;
    let node = Node::start(world.config("one", |_| {})).await;
    let latest = |sequence| FrameStored { delivery: Delivery::Latest, ..frame("cam-1", sequence) };
    world.capture(&latest(5), street()).await;
    assert_eq!(world.result().await.sequence, 5);
    world.capture(&latest(4), street()).await;
    eventually("the late one is skipped", || node.ended("superseded") == 1).await;
    world.capture(&frame("cam-2", 4), street()).await;
    assert_eq!(world.result().await.device_id.as_str(), "cam-2", "every means every");
    eventually("both are confirmed", || node.ended("analysed") == 2).await;
    node.stop().await;
}
