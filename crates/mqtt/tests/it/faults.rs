//! What the client promises while things break.

use std::collections::HashSet;
use std::time::Duration;

use iot_mqtt::{Client, Config, Message, Options, PublishError};
use iot_sandbox::{Broker, BrokerOptions, Fault, Proxy, User};

use crate::brokers::{AnyBroker, config, eventually, next, publisher, subscriber, until};

/// Publishes `count` messages on `chaos/…` while `disturb` does its work, and returns what was confirmed.
async fn publish_while(config: Config, count: usize, disturb: impl Future<Output = ()>) -> HashSet<String> {
    let writer = publisher(config, "writer").await;
    let sending = async {
        let mut confirmed = HashSet::new();
        let mut waiting = tokio::task::JoinSet::new();
        for number in 0..count {
            let writer = writer.clone();
            waiting.spawn(async move {
                let topic = format!("chaos/{number}");
                writer.publish(Message::new(&topic, "").timeout(Duration::from_secs(60))).await.map(|_| topic)
            });
            if waiting.len() >= 20 {
                confirmed.extend(waiting.join_next().await.unwrap().unwrap().ok());
            }
        }
        while let Some(outcome) = waiting.join_next().await {
            confirmed.extend(outcome.unwrap().ok());
        }
        confirmed
    };
    tokio::join!(sending, disturb).0
}

/// Reads until every one of `expected` has come.
async fn expect_all(inbox: &mut iot_mqtt::Inbox, mut expected: HashSet<String>) {
    while !expected.is_empty() {
        let delivery = next(inbox).await;
        expected.remove(delivery.topic());
        delivery.ack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_confirmed_survives_cut_connections() {
    for broker in AnyBroker::plain_and_tls().await {
        println!("against {}", broker.name());
        let proxy = Proxy::start(broker.addr()).await.unwrap();
        let (_reader, mut inbox) = subscriber(broker.config(), "reader", "chaos/+").await;
        let disturb = async {
            for fault in [Fault::CutAfter(5_000), Fault::Drop, Fault::Refuse, Fault::CutAfter(100)] {
                let before = proxy.accepted();
                proxy.set(fault).await;
                if fault != Fault::Refuse {
                    eventually("the fault has hit", || proxy.accepted() > before).await;
                }
                proxy.set(Fault::None).await;
                eventually("the client is back", || proxy.accepted() > before).await;
            }
        };
        let confirmed = publish_while(broker.config_through(proxy.addr()), 2000, disturb).await;
        assert_eq!(confirmed.len(), 2000, "{}", broker.name());
        expect_all(&mut inbox, confirmed).await;
    }
}

/// Restarts the broker and waits for `reader` to be back.
async fn restart(broker: &mut AnyBroker, reader: &Client) {
    let before = reader.connection();
    broker.restart().await;
    until(reader, |state| state.subscribed && state.connection > before).await;
}

/// Of the embedded broker and mosquitto, both of which keep sessions, with a client's configuration that does.
async fn durable() -> [(AnyBroker, Config); 2] {
    [AnyBroker::durable().await, AnyBroker::mosquitto("").await].map(|broker| {
        let patient = broker.config().with(|config| config.session_expiry = Duration::from_secs(600));
        (broker, patient)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_confirmed_survives_restarts_of_the_broker_under_load() {
    for (mut broker, patient) in durable().await {
        println!("against {}", broker.name());
        let config = broker.config();
        let (reader, mut inbox) = subscriber(patient, "reader", "chaos/+").await;
        let disturb = async {
            for _ in 0..3 {
                restart(&mut broker, &reader).await;
            }
        };
        let confirmed = publish_while(config, 2000, disturb).await;
        assert_eq!(confirmed.len(), 2000);
        expect_all(&mut inbox, confirmed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_confirmed_for_a_reader_that_takes_nothing_survives_restarts_of_the_broker() {
    for (mut broker, patient) in durable().await {
        println!("against {}", broker.name());
        let (reader, mut inbox) = subscriber(patient, "reader", "chaos/+").await;
        let confirmed = publish_while(broker.config(), 500, std::future::ready(())).await;
        assert_eq!(confirmed.len(), 500);
        for _ in 0..3 {
            restart(&mut broker, &reader).await;
        }
        expect_all(&mut inbox, confirmed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_confirmed_for_a_reader_that_is_away_survives_a_restart_of_the_broker() {
    for (mut broker, patient) in durable().await {
        println!("against {}", broker.name());
        let (reader, _) = subscriber(patient.clone(), "reader", "chaos/+").await;
        reader.close(Duration::from_secs(5)).await;
        let confirmed = publish_while(broker.config(), 500, std::future::ready(())).await;
        assert_eq!(confirmed.len(), 500);
        broker.restart().await;
        let (_reader, mut inbox) = subscriber(patient, "reader", "chaos/+").await;
        expect_all(&mut inbox, confirmed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_and_a_narrow_line_slow_down_and_lose_nothing() {
    for broker in AnyBroker::plain_and_tls().await {
        println!("against {}", broker.name());
        let proxy = Proxy::start(broker.addr()).await.unwrap();
        let (_reader, mut inbox) = subscriber(broker.config(), "reader", "chaos/+").await;
        for fault in [Fault::Latency(Duration::from_millis(40)), Fault::Bandwidth(50_000)] {
            proxy.set(fault).await;
            let confirmed =
                publish_while(broker.config_through(proxy.addr()), 200, std::future::ready(())).await;
            assert_eq!(confirmed.len(), 200, "{}", broker.name());
            expect_all(&mut inbox, confirmed).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_swallows_everything_is_noticed_and_replaced() {
    for broker in AnyBroker::plain_and_tls().await {
        println!("against {}", broker.name());
        let proxy = Proxy::start(broker.addr()).await.unwrap();
        let writer = publisher(broker.config_through(proxy.addr()), "writer").await;
        proxy.set(Fault::HalfOpen).await;
        let sending = {
            let writer = writer.clone();
            tokio::spawn(async move { writer.publish(Message::new("a", "")).await })
        };
        let state = until(&writer, |state| !state.connected).await;
        assert!(state.last_error.unwrap().contains("confirmed nothing"));
        proxy.set(Fault::None).await;
        sending.await.unwrap().unwrap();
        assert!(writer.connection() > 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_without_data_everything_is_subscribed_again() {
    let mut broker = AnyBroker::embedded().await;
    let (reader, mut inbox) = subscriber(broker.config(), "reader", "again/+").await;
    let before = reader.connection();
    broker.restart().await;
    until(&reader, |state| state.subscribed && state.connection > before).await;
    let writer = publisher(broker.config(), "writer").await;
    writer.publish(Message::new("again/1", "")).await.unwrap();
    assert_eq!(next(&mut inbox).await.topic(), "again/1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_for_an_older_connection_goes_nowhere() {
    let mut broker = AnyBroker::durable().await;
    let mut patient = broker.config();
    patient.session_expiry = Duration::from_secs(600);
    let (reader, mut inbox) = subscriber(patient, "reader", "late/+").await;
    let writer = publisher(broker.config(), "writer").await;
    writer.publish(Message::new("late/1", "")).await.unwrap();
    let first = next(&mut inbox).await;
    let before = reader.connection();
    broker.restart().await;
    until(&reader, |state| state.subscribed && state.connection > before).await;
    assert!(!first.ack(), "its connection is gone");
    let again = next(&mut inbox).await;
    assert_eq!(again.topic(), "late/1", "it comes again");
    assert!(again.ack());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_publishers_wait_their_time_and_memory_is_bounded() {
    let mut nowhere = config(([127, 0, 0, 1], 1).into());
    nowhere.outbox = 10;
    let client = Options::new(nowhere, "alone").unwrap().connect();
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..1000 {
        let client = client.clone();
        let message = Message::new(format!("x/{number}"), "").timeout(Duration::from_millis(300));
        waiting.spawn(async move { client.publish(message).await });
    }
    for outcome in waiting.join_all().await {
        let error = outcome.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("no connection"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_say_so_and_do_not_spin() {
    let users = vec![User::new("t-7", "right").publish("own/%u/#").subscribe("own/%u/#")];
    let options = BrokerOptions::default().with(|options| options.users = users);
    let broker = Broker::start(options).await.unwrap();
    let wrong = config(broker.addr()).with(|config| {
        config.username = Some("t-7".into());
        config.password = Some("wrong".into());
    });
    let client = Options::new(wrong.clone(), "t-7").unwrap().connect();
    let state = until(&client, |state| state.last_error.is_some()).await;
    let problem = state.last_error.unwrap();
    assert!(problem.contains("refused the credentials") && problem.contains("username"), "{problem}");
    assert!(!problem.contains("wrong"), "no secret in messages");
    until(&client, |state| state.connection >= 4).await;

    let right = wrong.with(|config| config.password = Some("right".into()));
    let client = publisher(right.clone(), "t-7").await;
    client.publish(Message::new("own/t-7/reading", "1")).await.unwrap();
    let refused = client.publish(Message::new("own/t-8/reading", "1")).await.unwrap_err();
    assert!(matches!(refused, PublishError::Refused { .. }), "{refused}");
    assert!(refused.to_string().contains("access rules"));

    let mut options = Options::new(right, "t-7-reader").unwrap();
    let _inbox = options.subscribe("own/t-8/#");
    let reader = options.connect();
    let state = until(&reader, |state| state.last_error.is_some()).await;
    assert!(state.last_error.unwrap().contains("refused the subscription to own/t-8/#"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_client_with_the_same_id_takes_over_and_the_fight_is_slow() {
    let broker = AnyBroker::mosquitto("").await;
    let first = publisher(broker.config(), "twin").await;
    let second = publisher(broker.config(), "twin").await;
    let state = until(&first, |state| state.last_error.is_some() || state.connection > 1).await;
    assert!(state.connection >= 1);
    until(&first, |state| state.connection >= 4).await;
    second.close(Duration::from_secs(1)).await;
    until(&first, |state| state.connected).await;
    first.publish(Message::new("x", "")).await.unwrap();
}
