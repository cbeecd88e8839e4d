//! Closing: what was taken is flushed within the grace period, or its publisher learns that it was not.

use std::time::Duration;

use iot_mqtt::{Message, Options, PublishError};
use iot_sandbox::{Fault, Proxy};

use crate::brokers::{AnyBroker, config, eventually, next, publisher, subscriber};

#[tokio::test(flavor = "multi_thread")]
async fn closing_flushes_what_waits() {
    for broker in AnyBroker::all().await {
        println!("against {}", broker.name());
        let (_reader, mut inbox) = subscriber(broker.config(), "reader", "last/#").await;
        let writer = publisher(broker.config(), "writer").await;
        let waiting = publish_many(&writer, 100);
        for _ in 0..100 {
            next(&mut inbox).await.ack();
        }
        assert!(writer.close(Duration::from_secs(5)).await, "{}", broker.name());
        assert!(waiting.join_all().await.iter().all(Result::is_ok));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_flushes_over_a_broken_connection_too() {
    for broker in AnyBroker::plain_and_tls().await {
        println!("against {}", broker.name());
        let proxy = Proxy::start(broker.addr()).await.unwrap();
        let (_reader, mut inbox) = subscriber(broker.config(), "reader", "last/#").await;
        let mut config = broker.config_through(proxy.addr());
        config.window = 10;
        let writer = publisher(config, "writer").await;
        proxy.set(Fault::HalfOpen).await;
        let waiting = publish_many(&writer, 100);
        let closing = {
            let writer = writer.clone();
            tokio::spawn(async move { writer.close(Duration::from_secs(60)).await })
        };
        eventually("it takes no more", || is_closed(&writer)).await;
        proxy.set(Fault::Drop).await;
        proxy.set(Fault::None).await;
        assert!(closing.await.unwrap(), "{}", broker.name());
        assert!(waiting.join_all().await.iter().all(Result::is_ok));
        let mut seen = std::collections::HashSet::new();
        while seen.len() < 100 {
            let delivery = next(&mut inbox).await;
            seen.insert(delivery.topic().to_owned());
            delivery.ack();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_closing_ends_with_the_grace_period_and_tells_everybody() {
    let mut options = Options::new(config(([127, 0, 0, 1], 1).into()), "alone").unwrap();
    let mut inbox = options.subscribe("a/+");
    let client = options.connect();
    let waiting = publish_many(&client, 10);
    assert!(!client.close(Duration::from_millis(200)).await);
    for outcome in waiting.join_all().await {
        assert!(matches!(outcome, Err(PublishError::Closed { .. })), "{outcome:?}");
    }
    assert!(inbox.recv().await.is_none(), "its readers learn it too");
}

/// Hands all of them over before it returns.
fn publish_many(
    client: &iot_mqtt::Client,
    count: usize,
) -> tokio::task::JoinSet<Result<iot_mqtt::Confirmation, PublishError>> {
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..count {
        let mut publish = Box::pin({
            let client = client.clone();
            async move { client.publish(Message::new(format!("last/{number}"), "")).await }
        });
        // the first poll takes a place in the outbox, so that closing comes after it
        let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
        match std::future::Future::poll(publish.as_mut(), context) {
            // the broker was quicker than this thread
            std::task::Poll::Ready(outcome) => waiting.spawn(std::future::ready(outcome)),
            std::task::Poll::Pending => waiting.spawn(publish),
        };
    }
    waiting
}

fn is_closed(client: &iot_mqtt::Client) -> bool {
    let mut publish = Box::pin(client.publish(Message::new("probe", "")));
    let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
    std::future::Future::poll(publish.as_mut(), context).is_ready()
}
