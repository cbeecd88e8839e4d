//! What the client promises while the network is well.

use std::time::Duration;

use iot_mqtt::{Message, Options, Presence, PublishError, Will};

use crate::brokers::{AnyBroker, next, publisher, subscriber, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_as_it_was_sent() {
    for broker in AnyBroker::all().await {
        println!("against {}", broker.name());
        let (_reader, mut inbox) = subscriber(broker.config(), "reader", "plant/+/reading").await;
        let writer = publisher(broker.config(), "writer").await;
        let message = Message::new("plant/a/reading", "21.5")
            .content_type("text/plain")
            .response_topic("plant/a/answers")
            .correlation("7");
        assert!(writer.publish(message).await.unwrap().had_subscribers, "{}", broker.name());
        let delivery = next(&mut inbox).await;
        assert_eq!(delivery.topic(), "plant/a/reading");
        assert_eq!(&delivery.payload()[..], b"21.5");
        assert_eq!(delivery.response_topic(), Some("plant/a/answers"));
        assert_eq!(&delivery.correlation().unwrap()[..], b"7");
        assert!(!delivery.retained());
        assert!(delivery.ack());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retained_messages_are_kept_replaced_and_cleared() {
    for broker in AnyBroker::all().await {
        println!("against {}", broker.name());
        let writer = publisher(broker.config(), "writer").await;
        for reading in ["1", "2"] {
            writer.publish(Message::new("plant/a/reading", reading).retained()).await.unwrap();
        }
        writer.publish(Message::new("plant/b/reading", "3").retained()).await.unwrap();
        writer.publish(Message::clear("plant/b/reading")).await.unwrap();
        let (_reader, mut inbox) = subscriber(broker.config(), "reader", "plant/#").await;
        let delivery = next(&mut inbox).await;
        assert!(delivery.retained());
        assert_eq!((delivery.topic(), &delivery.payload()[..]), ("plant/a/reading", &b"2"[..]));
        writer.publish(Message::new("plant/c/reading", "4")).await.unwrap();
        let delivery = next(&mut inbox).await;
        assert_eq!(delivery.topic(), "plant/c/reading", "b was cleared ({})", broker.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_subscription_gives_each_message_to_one_member() {
    for broker in AnyBroker::all().await {
        println!("against {}", broker.name());
        let filter = "$share/workers/jobs/+";
        let (_first, mut one) = subscriber(broker.config(), "one", filter).await;
        let (_second, mut two) = subscriber(broker.config(), "two", filter).await;
        let writer = publisher(broker.config(), "writer").await;
        for job in 0..20 {
            writer.publish(Message::new(format!("jobs/{job}"), "")).await.unwrap();
        }
        let mut seen = Vec::new();
        while seen.len() < 20 {
            let delivery = tokio::select! {
                delivery = next(&mut one) => delivery,
                delivery = next(&mut two) => delivery,
            };
            seen.push(delivery.topic().to_owned());
            delivery.ack();
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 20, "{}", broker.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_inbox_gets_what_its_filter_asks_for() {
    for broker in AnyBroker::all().await {
        println!("against {}", broker.name());
        let mut options = Options::new(broker.config(), "reader").unwrap();
        let mut warm = options.subscribe("warm/+");
        let mut cold = options.subscribe("cold/+");
        let client = options.connect();
        until(&client, |state| state.subscribed).await;
        for number in 0..50 {
            client.publish(Message::new(format!("warm/{number}"), "")).await.unwrap();
            client.publish(Message::new(format!("cold/{number}"), "")).await.unwrap();
        }
        for number in 0..50 {
            let (left, right) = (next(&mut warm).await, next(&mut cold).await);
            assert_eq!(left.topic(), format!("warm/{number}"));
            assert_eq!(right.topic(), format!("cold/{number}"));
            left.ack();
            right.ack();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_holds_back_what_is_not_acknowledged() {
    let broker = AnyBroker::embedded().await;
    let mut small = broker.config();
    small.receive_maximum = 3;
    let (_reader, mut inbox) = subscriber(small, "reader", "flood/#").await;
    let writer = publisher(broker.config(), "writer").await;
    for number in 0..100 {
        writer.publish(Message::new("flood/x", number.to_string())).await.unwrap();
    }
    let mut held = vec![next(&mut inbox).await, next(&mut inbox).await, next(&mut inbox).await];
    let more = tokio::time::timeout(Duration::from_millis(300), inbox.recv()).await;
    assert!(more.is_err(), "a fourth came unacknowledged ({})", broker.name());
    for number in 0..100 {
        let delivery = if held.is_empty() { next(&mut inbox).await } else { held.remove(0) };
        assert_eq!(delivery.payload(), number.to_string().as_bytes());
        delivery.ack();
    }
}

struct Lamp;

impl Presence for Lamp {
    fn will(&self, connection: u64) -> Will {
        Will::new("lamps/1", format!("off {connection}"))
    }

    fn birth(&self, connection: u64) -> Option<Message> {
        Some(Message::new("lamps/1", format!("on {connection}")).retained())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn birth_and_will_carry_the_number_of_their_connection() {
    for broker in AnyBroker::all().await {
        println!("against {}", broker.name());
        let (_reader, mut inbox) = subscriber(broker.config(), "reader", "lamps/1").await;
        let lamp = || {
            let mut options = Options::new(broker.config(), "lamp").unwrap();
            options.presence(Lamp);
            options.connect()
        };
        let client = lamp();
        assert_eq!(&next(&mut inbox).await.payload()[..], b"on 1");
        drop(client);
        assert_eq!(&next(&mut inbox).await.payload()[..], b"off 1", "no goodbye ({})", broker.name());
        let client = lamp();
        assert_eq!(&next(&mut inbox).await.payload()[..], b"on 1");
        assert!(client.close(Duration::from_secs(2)).await);
        client.publish(Message::new("lamps/1", "x")).await.unwrap_err();
        let silent = tokio::time::timeout(Duration::from_millis(300), inbox.recv()).await;
        assert!(silent.is_err(), "a clean goodbye fires no will ({})", broker.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_retained_messages_arrive_whole() {
    for broker in AnyBroker::plain_and_tls().await {
        println!("against {}", broker.name());
        retain_ten_thousand(broker.config()).await;
        let (_reader, mut inbox) = subscriber(broker.config(), "reader", "many/+").await;
        let mut seen = std::collections::HashSet::new();
        while seen.len() < 10_000 {
            let delivery = next(&mut inbox).await;
            seen.insert(delivery.topic().to_owned());
            delivery.ack();
        }
    }
}

/// With the limit that mosquitto has by default most of them are dropped; who watches the broker's count is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_drops_retained_messages_is_noticed() {
    let broker = AnyBroker::mosquitto("max_queued_messages 1000\nsys_interval 1").await;
    retain_ten_thousand(broker.config()).await;
    let mut watching = broker.config();
    watching.drops_topic = Some("$SYS/broker/publish/messages/dropped".into());
    let mut options = Options::new(watching, "reader").unwrap();
    let mut inbox = options.subscribe("many/+");
    let reader = options.connect();
    let reading = async {
        let mut count = 0;
        while let Some(delivery) = inbox.recv().await {
            delivery.ack();
            count += 1;
        }
        count
    };
    let told = async {
        let state = until(&reader, |state| state.broker_dropped > 0).await;
        reader.close(Duration::from_secs(5)).await;
        state.broker_dropped
    };
    let (count, dropped) = tokio::join!(reading, told);
    assert!(count < 10_000, "it was complete: {count}");
    assert!(dropped >= 1000, "{dropped} were dropped, {count} arrived");
}

async fn retain_ten_thousand(config: iot_mqtt::Config) {
    let wide = config.with(|config| {
        config.window = 500;
        config.outbox = 10_000;
    });
    let writer = publisher(wide, "writer").await;
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..10_000 {
        let writer = writer.clone();
        let message = Message::new(format!("many/{number}"), "x").retained();
        waiting.spawn(async move { writer.publish(message).await });
    }
    assert!(waiting.join_all().await.iter().all(Result::is_ok));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_larger_than_the_broker_takes_is_refused_before_it_is_sent() {
    let broker = AnyBroker::mosquitto("max_packet_size 2000").await;
    let writer = publisher(broker.config(), "writer").await;
    let refused = writer.publish(Message::new("big", vec![b'x'; 3000])).await.unwrap_err();
    assert!(matches!(refused, PublishError::TooLarge { limit: 2000, .. }), "{refused}");
    assert!(!refused.is_transient());
    writer.publish(Message::new("small", "x")).await.unwrap();
    assert_eq!(writer.connection(), 1, "the connection survived");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_larger_than_the_reader_takes_does_not_reach_it() {
    for broker in AnyBroker::plain_and_tls().await {
        println!("against {}", broker.name());
        let mut small = broker.config();
        small.max_packet_bytes = 2000;
        let (reader, mut inbox) = subscriber(small, "reader", "size/+").await;
        let writer = publisher(broker.config(), "writer").await;
        writer.publish(Message::new("size/large", vec![b'x'; 3000])).await.unwrap();
        writer.publish(Message::new("size/small", "x")).await.unwrap();
        assert_eq!(next(&mut inbox).await.topic(), "size/small", "{}", broker.name());
        assert_eq!(reader.connection(), 1, "the connection survived");
    }
}
