use crate::mqtt::{Client, options};
use crate::{eventually, is_refused, soon};
use futures_util::{SinkExt, StreamExt};
use iot_sandbox::{Broker, BrokerOptions, User};
use rumqttc::v5::ConnectionError;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, LastWill, PubAckReason, SubscribeReasonCode};
use std::collections::HashSet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Bytes, Message};

async fn broker() -> Broker {
    Broker::start(BrokerOptions::default()).await.unwrap()
}

fn retained(topic: &str, payload: &str) -> (String, String, bool) {
    (topic.into(), payload.into(), true)
}

#[tokio::test]
async fn a_retained_message_reaches_whoever_comes_later() {
    let broker = broker().await;
    let mut kettle = Client::connect(broker.addr(), "kettle").await;
    assert_eq!(kettle.publish("kitchen/kettle", "93", true).await, PubAckReason::Success);
    let mut display = Client::connect(broker.addr(), "display").await;
    assert_eq!(display.subscribe("kitchen/+").await, SubscribeReasonCode::Success(QoS::AtLeastOnce));
    assert_eq!(display.message().await, retained("kitchen/kettle", "93"));
    assert_eq!(kettle.publish("kitchen/kettle", "94", true).await, PubAckReason::Success);
    assert_eq!(display.message().await, ("kitchen/kettle".into(), "94".into(), false));
}

#[tokio::test]
async fn version_4_clients_use_the_same_port() {
    use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
    let broker = broker().await;
    let mut kettle = Client::connect(broker.addr(), "kettle").await;
    kettle.publish("kitchen/kettle", "93", true).await;

    let options = MqttOptions::new("old", "127.0.0.1", broker.addr().port());
    let (client, mut events) = AsyncClient::new(options, 10);
    client.subscribe("kitchen/#", QoS::AtLeastOnce).await.unwrap();
    let message = soon("the retained message", async {
        loop {
            if let Event::Incoming(Packet::Publish(message)) = events.poll().await.unwrap() {
                return message;
            }
        }
    })
    .await;
    assert_eq!(
        (message.topic.as_str(), &message.payload[..], message.retain),
        ("kitchen/kettle", &b"93"[..], true)
    );
}

#[tokio::test]
async fn ten_thousand_retained_messages_arrive_whole_at_a_new_subscriber() {
    const DEVICES: usize = 10_000;
    let broker = broker().await;
    let mut publisher = Client::connect(broker.addr(), "publisher").await;
    for device in 0..DEVICES {
        publisher.publish(&format!("devices/{device}/state"), &"x".repeat(500), true).await;
    }
    let mut subscriber = Client::connect(broker.addr(), "subscriber").await;
    subscriber.subscribe("devices/+/state").await;
    let mut topics = HashSet::new();
    for _ in 0..DEVICES {
        topics.insert(subscriber.message().await.0);
    }
    assert_eq!(topics.len(), DEVICES);
}

#[tokio::test]
async fn the_last_will_of_a_broken_connection_is_published() {
    let broker = broker().await;
    let mut watcher = Client::connect(broker.addr(), "watcher").await;
    watcher.subscribe("status/#").await;
    let mut mortal = options(broker.addr(), "mortal");
    mortal.set_last_will(LastWill::new("status/mortal", "gone", QoS::AtLeastOnce, true, None));
    drop(Client::try_connect(mortal).await.unwrap());
    assert_eq!(watcher.message().await, ("status/mortal".into(), "gone".into(), false));
}

fn guarded() -> BrokerOptions {
    let ann = User::new("ann", "right").publish("rooms/%u/#").subscribe("rooms/#");
    BrokerOptions::default().with(|options| options.users = vec![ann])
}

#[tokio::test]
async fn strangers_and_wrong_passwords_are_refused() {
    let broker = Broker::start(guarded()).await.unwrap();
    for credentials in [None, Some(("ann", "wrong")), Some(("bob", "right")), Some(("ann", ""))] {
        let mut options = options(broker.addr(), "client");
        if let Some((name, password)) = credentials {
            options.set_credentials(name, password);
        }
        match Client::try_connect(options).await {
            Err(ConnectionError::ConnectionRefused(ConnectReturnCode::BadUserNamePassword)) => {}
            Err(other) => panic!("{credentials:?}: {other}"),
            Ok(_) => panic!("{credentials:?} may connect"),
        }
    }
}

#[tokio::test]
async fn a_user_does_what_is_allowed_and_nothing_else() {
    let broker = Broker::start(guarded()).await.unwrap();
    let mut options = options(broker.addr(), "client");
    options.set_credentials("ann", "right");
    let mut ann = Client::try_connect(options).await.unwrap();
    assert_eq!(ann.subscribe("rooms/+/light").await, SubscribeReasonCode::Success(QoS::AtLeastOnce));
    assert_eq!(ann.subscribe("$share/group/rooms/#").await, SubscribeReasonCode::Success(QoS::AtLeastOnce));
    assert_eq!(ann.subscribe("#").await, SubscribeReasonCode::NotAuthorized);
    assert_eq!(ann.publish("rooms/ann/light", "on", false).await, PubAckReason::Success);
    assert_eq!(ann.publish("rooms/bob/light", "on", false).await, PubAckReason::NotAuthorized);
    assert_eq!(ann.message().await.0, "rooms/ann/light");
}

#[tokio::test]
async fn a_stop_closes_connections_and_port_and_a_restart_forgets_everything() {
    let mut broker = broker().await;
    let (addr, url) = (broker.addr(), broker.url());
    assert_eq!(url, format!("mqtt://{addr}"));
    let mut client = Client::connect(addr, "client").await;
    client.publish("a", "1", true).await;
    // connected, but silent: it never learns of the end by a packet
    let mut silent = TcpStream::connect(addr).await.unwrap();

    broker.stop().await;
    assert!(!broker.is_running());
    assert!(is_refused(addr).await);
    client.end().await;
    let read = soon("the silent connection's end", silent.read(&mut [0; 1])).await;
    assert!(matches!(read, Ok(0) | Err(_)));
    broker.stop().await;

    for _ in 0..3 {
        broker.restart().await.unwrap();
        assert_eq!((broker.addr(), broker.is_running()), (addr, true));
    }
    let mut client = Client::connect(addr, "client").await;
    client.subscribe("#").await;
    client.publish("b", "2", false).await;
    assert_eq!(client.message().await.0, "b", "and not the retained message of before");
}

#[tokio::test]
async fn with_a_folder_retained_messages_and_sessions_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let folder = BrokerOptions::default().with(|options| options.dir = Some(dir.path().join("data")));
    let mut broker = Broker::start(folder.clone()).await.unwrap();
    let durable = || {
        let mut options = options(broker.addr(), "durable");
        options.set_clean_start(false).set_session_expiry_interval(Some(3600));
        options
    };
    let mut subscriber = Client::try_connect(durable()).await.unwrap();
    subscriber.subscribe("readings/#").await;
    drop(subscriber);
    let mut publisher = Client::connect(broker.addr(), "publisher").await;
    publisher.publish("state", "on", true).await;
    publisher.publish("readings/1", "queued", false).await;

    let again = durable();
    broker.restart().await.unwrap();
    let mut late = Client::connect(broker.addr(), "late").await;
    late.subscribe("state").await;
    assert_eq!(late.message().await, retained("state", "on"));
    let mut subscriber = Client::try_connect(again).await.unwrap();
    assert_eq!(subscriber.message().await.1, "queued");

    let error = Broker::start(folder).await.unwrap_err().to_string();
    assert!(error.contains("in use"), "{error}");
}

/// CONNECT, version 5, clean start, keep-alive 60 s, no properties, client id "by"
const CONNECT: &[u8] = b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x02by";

#[tokio::test]
async fn the_packet_limit_is_announced_and_enforced() {
    let small = BrokerOptions::default().with(|options| options.max_packet = 2048);
    let broker = Broker::start(small).await.unwrap();
    let mut client = TcpStream::connect(broker.addr()).await.unwrap();
    client.write_all(CONNECT).await.unwrap();
    let mut connack = [0; 100];
    let length = soon("CONNACK", client.read(&mut connack)).await.unwrap();
    let maximum_packet_size = b"\x27\x00\x00\x08\x00";
    assert!(connack[..length].windows(5).any(|window| window == maximum_packet_size), "{connack:x?}");

    // PUBLISH to "a" with 5000 bytes in all
    client.write_all(b"\x30\x88\x27\x00\x01a\x00").await.unwrap();
    client.write_all(&[b'x'; 4996]).await.ok(); // it may be cut off in the middle
    let mut rest = Vec::new();
    // an end or a reset
    soon("the end", client.read_to_end(&mut rest)).await.ok();
    assert!(rest.is_empty() || rest.starts_with(b"\xe0"), "a DISCONNECT at most: {rest:x?}");
}

#[tokio::test]
async fn no_more_clients_than_allowed() {
    let few = BrokerOptions::default().with(|options| options.max_clients = 2);
    let broker = Broker::start(few).await.unwrap();
    let _first = Client::connect(broker.addr(), "first").await;
    let second = Client::connect(broker.addr(), "second").await;
    assert!(Client::try_connect(options(broker.addr(), "third")).await.is_err());
    drop(second);
    eventually("there is room again", async || {
        Client::try_connect(options(broker.addr(), "third")).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn websocket_clients_are_served_on_a_port_of_their_own() {
    let options = BrokerOptions::default().with(|options| options.websocket = Some(0));
    let mut broker = Broker::start(options).await.unwrap();
    let url = broker.websocket_url().unwrap();
    broker.restart().await.unwrap();
    assert_eq!(broker.websocket_url().unwrap(), url);

    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", "mqtt".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    socket.send(Message::Binary(Bytes::from_static(CONNECT))).await.unwrap();
    let answer = soon("CONNACK", socket.next()).await.unwrap().unwrap().into_data();
    assert_eq!((answer[0], answer[3]), (0x20, 0), "CONNACK with success: {answer:?}");
}

#[tokio::test]
async fn a_port_in_use_is_said_with_its_number() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Broker::start(BrokerOptions::default().with(|options| options.port = port))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains(&port.to_string()) && error.contains("broker"), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let dir = Some(file.path().join("below-a-file"));
    let error = Broker::start(BrokerOptions::default().with(|options| options.dir = dir))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("below-a-file"), "{error}");
}

#[tokio::test]
async fn a_dropped_broker_leaves_nothing_running() {
    let broker = broker().await;
    let addr = broker.addr();
    let mut client = Client::connect(addr, "client").await;
    drop(broker);
    client.end().await;
    eventually("the port is free", || is_refused(addr)).await;
}
