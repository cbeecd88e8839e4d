//! Commands and their answers.

use std::time::Duration;

use bytes::Bytes;
use iot_mqtt::{Client, Inbox, Message};
use people_counter_events::CommandReply;
use people_counter_ingest::config::{Gate, Source, Video};

use crate::node::Node;
use crate::world::{DEVICE, Ingest, LONG, World, eventually, eventually_some, soon};

/// Somebody who sends commands.
struct Operator {
    client: Client,
    answers: Inbox,
    topic: String,
    sent: u32,
}

const ANSWERS: &str = "people-counter/v1/devices/cam-1/responses/operator";

impl Operator {
    async fn new(world: &World) -> Self {
        let (client, answers) = world.listen(ANSWERS).await;
        Self { client, answers, topic: world.topics.commands.name(&[DEVICE]).unwrap(), sent: 0 }
    }

    async fn send(&mut self, command: impl Into<Bytes>, answer_to: Option<&str>) -> String {
        self.sent += 1;
        let correlation = format!("command-{}", self.sent);
        let mut message = Message::new(&self.topic, command).correlation(correlation.clone());
        if let Some(topic) = answer_to {
            message = message.response_topic(topic);
        }
        self.client.publish(message).await.unwrap();
        correlation
    }

    async fn ask(&mut self, command: impl Into<Bytes>) -> CommandReply {
        let correlation = self.send(command, Some(ANSWERS)).await;
        let delivery = soon("an answer", self.answers.recv()).await.unwrap();
        assert_eq!(delivery.correlation().unwrap(), &correlation);
        let reply = serde_json::from_slice(delivery.payload()).unwrap();
        delivery.ack();
        reply
    }

    async fn is_refused(&mut self, command: impl Into<Bytes>, words: &str) {
        let reply = self.ask(command).await;
        let error = reply.error.unwrap_or_default();
        assert!(!reply.ok && error.contains(words), "{error}");
    }
}

/// A device whose next picture is an hour away.
async fn slow(world: &World, commands: bool) -> Ingest {
    world.pictures(3);
    let ingest = Ingest::start(world.config(|_, camera| {
        camera.interval = Duration::from_secs(3600);
        camera.commands = commands;
    }))
    .await;
    eventually("the first picture is taken", || ingest.captured() == 1).await;
    ingest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_taken_on_demand() {
    let world = World::start().await;
    let node = Node::online(&world).await.at_work();
    let ingest = slow(&world, true).await;
    // a newer one would supersede it
    eventually("and sent", || ingest.settled("analysed") == 1).await;
    let mut operator = Operator::new(&world).await;
    for taken in 2..=4 {
        let reply = operator.ask(r#"{"command":"capture-now"}"#).await;
        assert_eq!(reply, CommandReply { ok: true, error: None });
        eventually("it is taken", || ingest.captured() == taken).await;
        eventually("and sent", || ingest.settled("analysed") == taken).await;
    }
    assert_eq!(node.first_seen(), [1, 2, 3, 4]);
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_still_scene_is_sent_on_demand() {
    let world = World::start().await;
    let node = Node::online(&world).await.at_work();
    world.pictures(1);
    let ingest = Ingest::start(world.config(|_, camera| {
        camera.gate = Some(Gate { silence: Duration::from_secs(3600), ..Gate::default() });
        camera.commands = true;
    }))
    .await;
    eventually("the first picture is sent", || ingest.settled("analysed") == 1).await;
    eventually("the scene is still", || ingest.settled("unchanged") > 3).await;
    let mut operator = Operator::new(&world).await;
    assert!(operator.ask(r#"{"command":"capture-now"}"#).await.ok);
    eventually("another one is sent", || ingest.settled("analysed") == 2).await;
    assert_eq!(node.orders().len(), 2);
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_interval_changes_and_is_told() {
    let world = World::start().await;
    let ingest = slow(&world, true).await;
    let mut operator = Operator::new(&world).await;
    assert!(operator.ask(r#"{"command":"set-interval","intervalSeconds":0.05}"#).await.ok);
    eventually("pictures come", || ingest.captured() > 10).await;
    eventually_some("the cadence is told", async || {
        world.status().await.filter(|status| status.cadence_seconds == 0.05)
    })
    .await;
    assert!(operator.ask(r#"{"command":"set-interval","intervalSeconds":3600}"#).await.ok);
    eventually_some("the cadence is told", async || {
        world.status().await.filter(|status| status.cadence_seconds == 3600.0)
    })
    .await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_commands_are_refused_with_a_reason() {
    let world = World::start().await;
    let ingest = slow(&world, true).await;
    let mut operator = Operator::new(&world).await;
    operator.is_refused("{not json", "").await;
    operator.is_refused(r#"{"command":"format-disk"}"#, "format-disk").await;
    operator.is_refused(r#"{"command":"set-interval"}"#, "intervalSeconds").await;
    operator.is_refused(r#"{"command":"set-interval","intervalSeconds":-1}"#, "intervalSeconds").await;
    operator.is_refused(r#"{"command":"set-interval","intervalSeconds":0.001}"#, "interval must be").await;
    operator.is_refused(vec![b'x'; 100_000], "limit").await;
    assert_eq!(ingest.captured(), 1);
    assert_eq!(world.status().await.unwrap().cadence_seconds, 3600.0);
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_keeps_its_own_pace_says_so() {
    let world = World::start().await;
    let path = world.dir.path().join("clip.avi");
    std::fs::write(&path, "no video").unwrap();
    let ingest = Ingest::start(world.config(|_, camera| {
        camera.source = Source::Video(Video::new(path));
        camera.commands = true;
    }))
    .await;
    eventually_some("the device is there", async || world.status().await).await;
    let mut operator = Operator::new(&world).await;
    operator.is_refused(r#"{"command":"capture-now"}"#, "pace of its own").await;
    operator.is_refused(r#"{"command":"set-interval","intervalSeconds":5}"#, "pace of its own").await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_off_unless_switched_on() {
    let world = World::start().await;
    let ingest = slow(&world, false).await;
    let mut operator = Operator::new(&world).await;
    operator.is_refused(r#"{"command":"capture-now"}"#, "commands are switched off").await;
    assert_eq!(ingest.captured(), 1);
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_never_passes_for_another_message() {
    let world = World::start().await;
    let (_client, mut counts) = world.listen(&world.counts_topic()).await;
    let ingest = slow(&world, true).await;
    let mut operator = Operator::new(&world).await;
    let rejected = |reason: &str| ingest.metric("ingest_rejected_messages_total", reason);
    operator.send(r#"{"command":"capture-now"}"#, Some(&world.counts_topic())).await;
    eventually("it is counted", || rejected("response-topic") == 1).await;
    // nobody wants an answer
    operator.send(r#"{"command":"capture-now"}"#, None).await;
    eventually("both are carried out", || ingest.captured() == 3).await;
    assert!(counts.try_recv().is_none());
    // one that is kept would be carried out at every start
    let kept = Message::new(&operator.topic, r#"{"command":"capture-now"}"#).retained();
    operator.client.publish(kept).await.unwrap();
    eventually("the first time it is a command", || ingest.captured() == 4).await;
    ingest.stop().await;
    let ingest = slow(&world, true).await;
    eventually("a kept one is not", || ingest.metric("ingest_rejected_messages_total", "retained") == 1)
        .await;
    assert!(operator.ask(r#"{"command":"capture-now"}"#).await.ok);
    eventually("one picture for one command", || ingest.captured() == 2).await;
    operator.client.close(LONG).await;
    ingest.stop().await;
}
