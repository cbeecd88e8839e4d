//! Full windows and full channels: everybody moves on.

use std::collections::HashSet;
use std::time::Duration;

use iot_mqtt::{Delivery, Inbox, Message, Options};
use iot_sandbox::{Fault, Proxy};

use crate::brokers::{AnyBroker, next, publisher, subscriber, until};

/// Many publishers, a full outbox, handlers that publish from within, all through one client.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_channel_deadlocks_nobody() {
    for broker in AnyBroker::all().await {
        println!("against {}", broker.name());
        let mut narrow = broker.config();
        (narrow.outbox, narrow.window, narrow.receive_maximum) = (4, 2, 2);
        let (client, mut inbox) = subscriber(narrow, "echo", "in/+").await;
        let (_other, mut answers) = subscriber(broker.config(), "listener", "out/+").await;
        let echo = {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..200 {
                    let delivery = next(&mut inbox).await;
                    let answer = Message::new(delivery.topic().replace("in/", "out/"), "");
                    client.publish(answer).await.unwrap();
                    delivery.ack();
                }
            })
        };
        let mut waiting = tokio::task::JoinSet::new();
        for number in 0..200 {
            let client = client.clone();
            waiting.spawn(async move { client.publish(Message::new(format!("in/{number}"), "")).await });
        }
        for _ in 0..200 {
            next(&mut answers).await.ack();
        }
        echo.await.unwrap();
        assert!(waiting.join_all().await.iter().all(Result::is_ok));
    }
}

/// A handler that waits for a publish while its inbox is full and connections break: the publish must get through
/// although nobody reads the inbox.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_publishes_is_not_held_up_by_its_own_full_inbox() {
    for broker in AnyBroker::plain().await {
        for session in [Duration::ZERO, Duration::from_secs(600)] {
            println!("against {}, session {session:?}", broker.name());
            let proxy = Proxy::start(broker.addr()).await.unwrap();
            let writer = publisher(broker.config(), "writer").await;
            for number in 0..30 {
                let retained = Message::new(format!("full/{number}"), "x").retained();
                writer.publish(retained).await.unwrap();
            }
            let mut narrow = broker.config_through(proxy.addr());
            (narrow.receive_maximum, narrow.session_expiry) = (4, session);
            let (client, mut inbox) = subscriber(narrow, "slow", "full/+").await;
            // nobody reads: each connection brings as many as its window allows
            for _ in 0..4 {
                let before = client.connection();
                proxy.set(Fault::Drop).await;
                proxy.set(Fault::None).await;
                until(&client, |state| state.connected && state.connection > before).await;
                client.publish(Message::new("alive", "")).await.unwrap();
            }
            let mut seen = HashSet::new();
            while seen.len() < 30 {
                let delivery = next(&mut inbox).await;
                seen.insert(delivery.topic().to_owned());
                delivery.ack();
            }
            client.close(Duration::from_secs(5)).await;
        }
    }
}

/// A client that holds as many messages unacknowledged as its receive maximum allows, over a reconnect.
#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_was_full_over_a_reconnect_moves_on() {
    for broker in AnyBroker::plain_and_tls().await {
        for maximum in [1, 4, 20] {
            println!("against {}, receive maximum {maximum}", broker.name());
            let proxy = Proxy::start(broker.addr()).await.unwrap();
            let config = broker.config_through(proxy.addr()).with(|config| {
                config.receive_maximum = maximum;
                config.session_expiry = Duration::from_secs(600);
            });
            let filter = format!("held/{maximum}/+");
            let (client, mut inbox) = subscriber(config, &format!("holder-{maximum}"), &filter).await;
            let writer = publisher(broker.config(), "writer").await;
            let all = 5 * maximum;
            for number in 0..all {
                writer.publish(Message::new(format!("held/{maximum}/{number}"), "")).await.unwrap();
            }
            let held = hold(&mut inbox, maximum).await;
            let before = client.connection();
            proxy.set(Fault::Drop).await;
            proxy.set(Fault::None).await;
            until(&client, |state| state.subscribed && state.connection > before).await;
            assert!(held.into_iter().all(|delivery| !delivery.ack()), "their connection is gone");
            expect(&mut inbox, all).await;
            client.close(Duration::from_secs(5)).await;
        }
    }
}

/// The same in a shared group, without a session, with acknowledgements out of order: how a pool of workers does it.
#[tokio::test(flavor = "multi_thread")]
async fn small_windows_of_a_shared_group_move_on_whatever_the_order_of_acknowledgements() {
    for broker in AnyBroker::plain_and_tls().await {
        for maximum in [1_u16, 2, 4] {
            println!("against {}, receive maximum {maximum}", broker.name());
            let config = broker.config().with(|config| config.receive_maximum = maximum);
            let mut options = Options::new(config, format!("worker-{maximum}")).unwrap();
            let mut inbox = options.subscribe(format!("$share/pool/jobs/{maximum}/+"));
            let worker = options.connect();
            until(&worker, |state| state.subscribed).await;
            let writer = publisher(broker.config(), "writer").await;
            let all = 100;
            let sending = async {
                for number in 0..all {
                    writer.publish(Message::new(format!("jobs/{maximum}/{number}"), "")).await.unwrap();
                }
            };
            let working = async {
                let mut done = 0;
                while done < all {
                    let wanted = maximum.min(all - done);
                    let mut held = hold(&mut inbox, wanted).await;
                    held.reverse();
                    done += wanted;
                    assert!(held.into_iter().all(Delivery::ack));
                }
            };
            tokio::join!(sending, working);
        }
    }
}

async fn hold(inbox: &mut Inbox, count: u16) -> Vec<Delivery> {
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(next(inbox).await);
    }
    held
}

/// Reads and acknowledges until that many different messages have come.
async fn expect(inbox: &mut Inbox, count: u16) {
    let mut seen = HashSet::new();
    while seen.len() < usize::from(count) {
        let delivery = next(inbox).await;
        seen.insert(delivery.topic().to_owned());
        delivery.ack();
    }
}
