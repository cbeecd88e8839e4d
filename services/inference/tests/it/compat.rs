//! Together with the reference implementation's Python services.

use iot_mqtt::Message;
use iot_storage::{Key, PutOptions};
use serde_json::{Value, json};

use crate::world::{BUCKET, Node, World, eventually, soon, street};

const TOPIC: &str = "image/latest";

#[tokio::test(flavor = "multi_thread")]
async fn its_announcements_are_answered_on_its_topic() {
    let mut world = World::start().await;
    let node = Node::start(world.config("one", |config| config.compat.topic = TOPIC.into())).await;
    let key = Key::new("2026-11/img-17.jpg").unwrap();
    world.objects.put(&key, street().into(), &PutOptions::content_type("image/jpeg")).await.unwrap();
    let (client, mut inbox) = world.listen("engagement", TOPIC).await;
    let send = async |message: Value| {
        client.publish(Message::new(TOPIC, message.to_string())).await.unwrap();
    };
    let path = format!("{BUCKET}/{key}");
    send(json!({ "type": "text", "message": "not for us" })).await;
    send(json!({ "type": "data", "deviceID": "pi 1", "filePath": path, "creationTimestamp": 1.0 })).await;
    send(
        json!({ "type": "data", "deviceID": "pi-1", "filePath": path, "creationTimestamp": 1_789_000_000.5 }),
    )
    .await;
    let result: Value = loop {
        let delivery = soon("the result", inbox.recv()).await.unwrap();
        let message: Value = serde_json::from_slice(delivery.payload()).unwrap();
        delivery.ack();
        if message["type"] == "result" {
            break message;
        }
    };
    assert_eq!((&result["deviceID"], &result["filePath"]), (&json!("pi-1"), &json!(path)));
    assert_eq!(result["creationTimestamp"], 1_789_000_000.5);
    assert_eq!(result["message"], format!("The analysis of image '{path}' completed"));
    assert!(result["analysisMetadata"]["results"]["count"].is_u64(), "{result}");
    eventually("the one with a wrong name is counted", || node.ended("rejected") == 1).await;
    eventually("the result is confirmed", || node.ended("analysed") == 1).await;
    assert!(world.has(key.as_str()).await, "the original stays");
    assert!(world.results.try_recv().is_none(), "our own topics know nothing of it");
    node.stop().await;
}
