//! A broker that does what no good one does, byte by byte.

use std::net::SocketAddr;
use std::time::Duration;

use iot_mqtt::{Message, Metrics, Options, PublishError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::brokers::{config, eventually, next, publisher, until};

const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const SUBSCRIBE: u8 = 8;

/// Takes every connection and answers CONNECT; what comes then is answered by `answer`, given type and body.
async fn broker(answer: impl Fn(u8, &[u8]) -> Vec<u8> + Send + Sync + Clone + 'static) -> SocketAddr {
    broker_of_connections(
        move |_, kind, body| {
            if kind == CONNECT { connack(false) } else { answer(kind, body) }
        },
    )
    .await
}

/// Takes every connection; whatever comes is answered by `answer`, given the number of the connection, type and body.
async fn broker_of_connections(
    answer: impl Fn(usize, u8, &[u8]) -> Vec<u8> + Send + Sync + Clone + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 1.. {
            let Ok((mut client, _)) = listener.accept().await else { return };
            let answer = answer.clone();
            tokio::spawn(async move {
                while let Some((kind, body)) = read(&mut client).await {
                    if client.write_all(&answer(number, kind, &body)).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    addr
}

/// The next packet: its type and what follows the fixed header.
async fn read(client: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let kind = client.read_u8().await.ok()? >> 4;
    let (mut length, mut shift) = (0, 0);
    loop {
        let byte = client.read_u8().await.ok()?;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body).await.ok()?;
    Some((kind, body))
}

/// The packet id of a PUBLISH at QoS 1.
fn packet_id(body: &[u8]) -> [u8; 2] {
    let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
    [body[2 + topic], body[3 + topic]]
}

/// CONNACK that takes the connection.
fn connack(session_present: bool) -> Vec<u8> {
    vec![0x20, 3, session_present.into(), 0, 0]
}

/// SUBACK for one filter.
fn suback(body: &[u8]) -> Vec<u8> {
    vec![0x90, 4, body[0], body[1], 0, 1]
}

/// A PUBLISH to `topic`; at QoS 1 with a packet id, at QoS 0 without.
fn publish(topic: &str, id: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let mut body = (topic.len() as u16).to_be_bytes().to_vec();
    body.extend(topic.as_bytes());
    body.extend(id.iter().flat_map(|id| id.to_be_bytes()));
    body.push(0);
    body.extend(payload);
    let mut packet = vec![if id.is_some() { 0x32 } else { 0x30 }];
    let mut length = body.len();
    while length >= 0x80 {
        packet.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    packet.push(length as u8);
    packet.extend(body);
    packet
}

#[tokio::test]
async fn a_quota_that_is_exceeded_is_a_refusal_that_may_pass() {
    let addr = broker(|kind, body| {
        if kind != PUBLISH {
            return Vec::new();
        }
        let id = packet_id(body);
        vec![0x40, 3, id[0], id[1], 0x97]
    })
    .await;
    let writer = publisher(config(addr), "writer").await;
    let refused = writer.publish(Message::new("a", "")).await.unwrap_err();
    assert!(matches!(refused, PublishError::Refused { .. }) && refused.is_transient(), "{refused}");
    assert!(refused.to_string().contains("QuotaExceeded"), "{refused}");
    assert_eq!(writer.connection(), 1);
}

#[tokio::test]
async fn a_broker_that_overruns_the_receive_maximum_a_little_is_borne() {
    let addr = broker(|kind, body| {
        if kind != SUBSCRIBE {
            return Vec::new();
        }
        let flood = (1..=1000).flat_map(|id| publish("flood/x", Some(id), &id.to_be_bytes()));
        suback(body).into_iter().chain(flood).collect()
    })
    .await;
    let mut options = Options::new(config(addr).with(|config| config.receive_maximum = 4), "reader").unwrap();
    let mut inbox = options.subscribe("flood/+");
    let reader = options.connect();
    let mut held = Vec::new();
    for id in 1..=1000_u16 {
        let delivery = next(&mut inbox).await;
        assert_eq!(delivery.payload()[..], id.to_be_bytes());
        held.push(delivery);
    }
    // more at once than the request channel takes
    assert!(held.into_iter().all(iot_mqtt::Delivery::ack));
    assert_eq!(reader.connection(), 1);
}

/// Its window comes again in the same breath as CONNACK, while an unread one waits from before.
#[tokio::test]
async fn a_kept_session_is_subscribed_again_though_nobody_reads() {
    let window = || (1..=4).flat_map(|id| publish("flood/x", Some(id), b"x"));
    let addr = broker_of_connections(move |connection, kind, body| match (kind, connection) {
        (CONNECT, 1) => connack(false),
        (CONNECT, _) => connack(true).into_iter().chain(window()).collect(),
        (SUBSCRIBE, 1) => suback(body).into_iter().chain(window()).collect(),
        (SUBSCRIBE, _) => suback(body),
        // nonsense, which ends the connection
        (PUBLISH, 1) => vec![0; 64],
        (PUBLISH, _) => vec![0x40, 2, packet_id(body)[0], packet_id(body)[1]],
        _ => Vec::new(),
    })
    .await;
    let patient = config(addr).with(|config| {
        (config.receive_maximum, config.session_expiry) = (4, Duration::from_secs(600));
    });
    let metrics = Metrics::default();
    let mut options = Options::new(patient, "reader").unwrap();
    options.metrics(metrics.clone());
    let mut inbox = options.subscribe("flood/+");
    let reader = options.connect();
    eventually("a window waits", || text(&metrics).contains("mqtt_received_total 4")).await;
    reader.publish(Message::new("a", "")).await.unwrap();
    until(&reader, |state| state.subscribed && state.connection == 2).await;
    for connection in [1, 1, 1, 1, 2, 2, 2, 2] {
        assert_eq!(next(&mut inbox).await.connection(), connection);
    }
}

#[tokio::test]
async fn far_more_than_the_receive_maximum_ends_the_connection_and_memory_is_bounded() {
    let addr = broker(|kind, body| {
        if kind != SUBSCRIBE {
            return Vec::new();
        }
        let flood = (1..=300).flat_map(|id| publish("flood/x", Some(id), &[b'x'; 100_000]));
        suback(body).into_iter().chain(flood).collect()
    })
    .await;
    let mut options = Options::new(config(addr).with(|config| config.receive_maximum = 4), "reader").unwrap();
    let mut inbox = options.subscribe("flood/+");
    let reader = options.connect();
    let state = until(&reader, |state| state.last_error.is_some()).await;
    let error = state.last_error.unwrap();
    assert!(error.contains("far more than the receive maximum"), "{error}");
    // the next connection serves publishers; it subscribes again once there is room
    until(&reader, |state| state.connected && state.connection >= 2).await;
    let held = std::iter::from_fn(|| inbox.try_recv()).count();
    assert!((100..=170).contains(&held), "{held} messages of 100 KB are held");
}

#[tokio::test]
async fn a_flood_without_acknowledgements_is_bounded_and_leaves_room_for_the_rest() {
    let addr = broker(|kind, body| {
        if kind != SUBSCRIBE {
            return Vec::new();
        }
        let flood = (1..=100).flat_map(|_| publish("flood/x", None, b"x"));
        suback(body).into_iter().chain(flood).chain(publish("flood/last", Some(1), b"x")).collect()
    })
    .await;
    let metrics = Metrics::default();
    let mut options = Options::new(config(addr).with(|config| config.receive_maximum = 4), "reader").unwrap();
    options.metrics(metrics.clone());
    let mut inbox = options.subscribe("flood/+");
    let reader = options.connect();
    let mut seen = Vec::new();
    // nothing is read before all of it has arrived
    eventually("all have arrived", || text(&metrics).contains("mqtt_received_total 101")).await;
    while seen.last().is_none_or(|topic| topic != "flood/last") {
        seen.push(next(&mut inbox).await.topic().to_owned());
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
    assert!(text(&metrics).contains("mqtt_unrouted_total 96"), "{}", text(&metrics));
    assert_eq!(reader.connection(), 1);
}

#[tokio::test]
async fn a_packet_over_the_limit_that_was_told_is_named() {
    let addr = broker(|kind, body| {
        if kind != SUBSCRIBE {
            return Vec::new();
        }
        suback(body).into_iter().chain(publish("big/x", Some(1), &[b'x'; 5000])).collect()
    })
    .await;
    let mut options =
        Options::new(config(addr).with(|config| config.max_packet_bytes = 2000), "reader").unwrap();
    let _inbox = options.subscribe("big/+");
    let reader = options.connect();
    let state = until(&reader, |state| state.last_error.is_some()).await;
    let error = state.last_error.unwrap();
    assert!(error.contains("max_packet_bytes"), "{error}");
}

#[tokio::test]
async fn nonsense_ends_the_connection_and_the_next_one_is_tried() {
    let addr = broker(|kind, body| {
        if kind == SUBSCRIBE {
            suback(body).into_iter().chain([0xf5, 3, 1, 2, 3]).collect()
        } else {
            vec![0; 64]
        }
    })
    .await;
    let mut options = Options::new(config(addr), "reader").unwrap();
    let _inbox = options.subscribe("a/+");
    let reader = options.connect();
    let state = until(&reader, |state| state.connection >= 3 && state.last_error.is_some()).await;
    let error = state.last_error.unwrap();
    assert!(error.contains("broke"), "{error}");
}

/// The text that `/metrics` would show.
fn text(metrics: &Metrics) -> String {
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}
