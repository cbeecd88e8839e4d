//! TLS, certificates, tokens and WebSocket: what is refused says why.

use std::time::Duration;

use iot_mqtt::{Client, Config, Message, Options};
use iot_sandbox::{Broker, BrokerOptions, Certificates, User};

use crate::brokers::{AnyBroker, Via, config, publisher, until};

/// Why a client with this configuration does not get through.
async fn refusal(config: Config) -> String {
    let client = Options::new(config, "stranger").unwrap().connect();
    until(&client, |state| state.last_error.is_some()).await.last_error.unwrap()
}

async fn works(client: &Client) {
    client.publish(Message::new("a", "")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_told_what_is_wrong_with_their_certificates() {
    let other = Certificates::create().unwrap();
    for broker in [AnyBroker::embedded_via(Via::Tls).await, AnyBroker::mosquitto_via(Via::Tls, "").await] {
        println!("against {}", broker.name());
        works(&publisher(broker.config(), "friend").await).await;
        let error = refusal(broker.config().with(|config| config.ca_file = Some(other.ca()))).await;
        assert!(error.contains("no TLS connection") && error.contains("ca_file"), "{error}");
        let bare = broker.config().with(|config| {
            config.cert_file = None;
            config.key_file = None;
        });
        let error = refusal(bare).await;
        assert!(error.contains("broker at mqtts://"), "{error}");
        let foreign = broker.config().with(|config| {
            config.cert_file = Some(other.client_cert());
            config.key_file = Some(other.client_key());
        });
        let error = refusal(foreign).await;
        assert!(error.contains("broker at mqtts://"), "{error}");
        let plain = config(broker.addr()).with(|config| config.url = format!("mqtt://{}", broker.addr()));
        let error = refusal(plain).await;
        assert!(error.contains("broker at mqtt://"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_read_again_for_each_connection() {
    let mut broker = AnyBroker::mosquitto_via(Via::Tls, "").await;
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let other = Certificates::create().unwrap();
    std::fs::copy(other.client_cert(), &cert).unwrap();
    std::fs::copy(other.client_key(), &key).unwrap();
    let config = broker.config().with(|config| {
        config.cert_file = Some(cert.clone());
        config.key_file = Some(key.clone());
    });
    let client = Options::new(config, "rotating").unwrap().connect();
    until(&client, |state| state.last_error.is_some()).await;
    std::fs::copy(broker.certificates().client_cert(), &cert).unwrap();
    std::fs::copy(broker.certificates().client_key(), &key).unwrap();
    until(&client, |state| state.connected).await;
    // and one that cannot be read any more is a problem that says so, not the end
    std::fs::remove_file(&cert).unwrap();
    broker.restart().await;
    let named = |error: &Option<String>| error.as_ref().is_some_and(|error| error.contains("cert.pem"));
    until(&client, |state| named(&state.last_error)).await;
    std::fs::copy(broker.certificates().client_cert(), &cert).unwrap();
    until(&client, |state| state.connected).await;
    works(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_file_is_read_again_for_each_connection() {
    let users = vec![User::new("t-7", "fresh").publish("#")];
    let broker = Broker::start(BrokerOptions::default().with(|options| options.users = users)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "stale").unwrap();
    let config = config(broker.addr()).with(|config| {
        config.username = Some("t-7".into());
        config.password_file = Some(token.clone());
    });
    let client = Options::new(config, "t-7").unwrap().connect();
    let state = until(&client, |state| state.last_error.is_some()).await;
    assert!(state.ready().unwrap_err().contains("refused the credentials"), "{state:?}");
    std::fs::write(&token, "fresh\n").unwrap();
    let state = until(&client, |state| state.connected).await;
    assert_eq!(state.ready(), Ok(()));
    works(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_that_is_none_says_so() {
    let broker = AnyBroker::embedded_via(Via::WebSocket).await;
    let wrong = broker.config().with(|config| config.url = format!("ws://{}/elsewhere", broker.addr()));
    let error = refusal(wrong).await;
    assert!(error.contains("no WebSocket") && error.contains("path"), "{error}");
    works(&publisher(broker.config(), "right").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_has_expired_is_not_delivered() {
    for broker in AnyBroker::plain().await {
        println!("against {}", broker.name());
        let writer = publisher(broker.config(), "writer").await;
        let short = Message::new("short/lived", "x").retained().expires(Duration::from_secs(1));
        writer.publish(short).await.unwrap();
        writer.publish(Message::new("short/marker", "x").retained()).await.unwrap();
        // until a new subscriber gets the marker alone
        loop {
            let mut options = Options::new(broker.config(), "reader").unwrap();
            let mut inbox = options.subscribe("short/+");
            let reader = options.connect();
            let mut seen = Vec::new();
            while !seen.contains(&"short/marker".to_owned()) {
                seen.push(crate::brokers::next(&mut inbox).await.topic().to_owned());
            }
            writer.publish(Message::new("short/end", "")).await.unwrap();
            while !seen.contains(&"short/end".to_owned()) {
                seen.push(crate::brokers::next(&mut inbox).await.topic().to_owned());
            }
            reader.close(Duration::from_secs(2)).await;
            if !seen.contains(&"short/lived".to_owned()) {
                break;
            }
        }
    }
}
