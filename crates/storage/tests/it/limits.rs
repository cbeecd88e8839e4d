//! Bodies without end and servers without haste.

use std::time::Duration;

use bytes::Bytes;
use iot_storage::{Config, Error, PutOptions, Store};
use tokio::net::{TcpSocket, TcpStream};

use crate::script::{Reply, Script, fine};
use crate::support::{config, key, metrics};

const SHORT: Duration = Duration::from_millis(200);

async fn impatient(replies: impl Into<Vec<Reply>>, change: impl FnOnce(&mut Config)) -> (Script, Store) {
    let script = Script::start(replies).await;
    let mut config = config(&script.endpoint(), "own", "secret").with(|config| config.attempts = 2);
    change(&mut config);
    (script, Store::new(&config).unwrap())
}

fn timed_out(error: &Error, expected: &str) {
    assert!(error.is_transient(), "{error}");
    assert!(matches!(error, Error::Timeout { setting, .. } if *setting == expected), "{error}");
}

#[tokio::test]
async fn a_body_without_end_is_cut_at_the_limit() {
    let (script, store) =
        impatient([Reply::Endless("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".into())], |_| {}).await;
    let error = store.get(&key("a"), 100_000).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 100_000, bytes: None, .. }), "{error}");
    assert!(!error.is_transient());
    assert_eq!(script.asked().len(), 1);
    // Beyond the limit there is only what was under way in the operating system's buffers.
    assert!(script.written() < 16 << 20, "{} bytes were taken", script.written());
    assert!(metrics(&store).contains("operation=\"get\",outcome=\"too_large\"} 1"));
    assert!(metrics(&store).contains("storage_received_bytes_total 0"));
}

#[tokio::test]
async fn an_announced_size_above_the_limit_is_refused_before_reading() {
    let huge = Reply::Stall("HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n".into());
    let (_script, store) = impatient([huge], |_| {}).await;
    let error = store.get(&key("a"), u64::MAX).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { bytes: Some(10_000_000_000), .. }), "{error}");
}

#[tokio::test]
async fn an_error_document_without_end_is_cut_too() {
    let endless = "HTTP/1.1 403 Forbidden\r\nx-amz-request-id: tx1\r\nconnection: close\r\n\r\n<Error>";
    let (script, store) = impatient([Reply::Endless(endless.into())], |_| {}).await;
    let error = store.get(&key("a"), 100).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }) && error.request_id() == Some("tx1"), "{error}");
    assert!(script.written() < 16 << 20);
}

#[tokio::test]
async fn a_silent_server_is_left_after_the_first_byte_timeout() {
    let (script, store) =
        impatient([Reply::Stall(String::new())], |config| config.first_byte_timeout = SHORT).await;
    timed_out(&store.get(&key("a"), 100).await.unwrap_err(), "first_byte_timeout");
    timed_out(&store.probe().await.unwrap_err(), "first_byte_timeout");
    assert_eq!(script.asked().len(), 4, "two attempts each");
    assert_eq!(script.connections(), 4, "a connection that may still answer is not used again");
}

#[tokio::test]
async fn a_body_that_stops_is_left_after_the_timeout() {
    let half = Reply::Stall("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".into());
    let (script, store) = impatient([half, fine("whole")], |config| config.timeout = SHORT).await;
    assert_eq!(store.get(&key("a"), 100).await.unwrap().body, "whole");
    assert_eq!(script.asked().len(), 2);
}

#[tokio::test]
async fn a_server_that_does_not_take_the_body_is_left_after_the_timeout() {
    let (_script, store) = impatient([Reply::Deaf], |config| {
        config.timeout = SHORT;
        config.max_object_bytes = 64 << 20;
    })
    .await;
    let body = Bytes::from(vec![0; 32 << 20]);
    let error = store.put(&key("a"), body, &PutOptions::default()).await.unwrap_err();
    timed_out(&error, "timeout");
    assert!(error.to_string().ends_with("after 2 attempts"), "{error}");
}

#[tokio::test]
async fn all_attempts_together_have_a_limit() {
    let (script, store) = impatient([Reply::Stall(String::new())], |config| {
        config.attempts = 100;
        config.timeout = Duration::from_millis(100);
        config.total_timeout = Duration::from_millis(450);
    })
    .await;
    let error = store.get(&key("a"), 100).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!((1..=5).contains(&script.asked().len()), "{} attempts", script.asked().len());
}

#[tokio::test]
async fn a_host_that_does_not_accept_is_left_after_the_connect_timeout() {
    // A listener that never accepts, its queue filled until it takes no more.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = tokio::time::timeout(SHORT, TcpStream::connect(addr)).await {
        queued.push(stream.unwrap());
    }
    let config = config(&format!("http://{addr}"), "own", "secret").with(|config| {
        config.attempts = 2;
        config.connect_timeout = SHORT;
    });
    timed_out(&Store::new(&config).unwrap().probe().await.unwrap_err(), "connect_timeout");
}

#[tokio::test]
async fn a_port_without_a_listener_is_unavailable() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let store = Store::new(&config(&format!("http://{free}"), "own", "secret")).unwrap();
    let error = store.put(&key("a"), "x".into(), &PutOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }) && error.is_transient(), "{error}");
    let text = error.to_string();
    assert!(text.contains("Connection refused") && text.ends_with("after 5 attempts"), "{text}");
    assert!(text.contains(&free.to_string()), "{text}");
}

#[tokio::test]
async fn one_connection_serves_one_request_after_the_other() {
    let (script, store) = impatient([fine("x")], |_| {}).await;
    for _ in 0..20 {
        store.put(&key("a"), "x".into(), &PutOptions::default()).await.unwrap();
        store.clone().get(&key("a"), 10).await.unwrap();
    }
    assert_eq!((script.asked().len(), script.connections()), (40, 1));
}

#[tokio::test]
async fn a_pooled_connection_that_was_closed_meanwhile_does_no_harm() {
    let Reply::Say(text) = fine("x") else { panic!("a whole answer") };
    let (script, store) = impatient([Reply::Break(text)], |_| {}).await;
    for _ in 0..20 {
        store.put(&key("a"), "x".into(), &PutOptions::default()).await.unwrap();
    }
    assert_eq!(script.asked().len(), 20, "none was sent twice");
}

#[tokio::test]
async fn a_put_sends_what_is_needed_to_check_it() {
    let (script, store) = impatient([fine("")], |_| {}).await;
    let options = PutOptions::content_type("text/csv").metadata("sensor", "cellar");
    store.put(&key("a b/ü"), "hello".into(), &options).await.unwrap();
    let asked = &script.asked()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("PUT", "/readings/a%20b/%C3%BC"));
    for (name, value) in [
        ("content-type", "text/csv"),
        ("content-length", "5"),
        ("x-amz-meta-sensor", "cellar"),
        ("x-amz-content-sha256", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
    ] {
        assert_eq!(asked.headers.get(name).map(String::as_str), Some(value), "{name}");
    }
    let authorization = &asked.headers["authorization"];
    assert!(authorization.contains("x-amz-content-sha256"), "the checksum is signed: {authorization}");
    assert!(!asked.headers.contains_key("if-none-match"));
}

#[tokio::test]
async fn virtual_host_style_puts_the_bucket_into_the_name() {
    let script = Script::start([fine("x")]).await;
    let port = script.endpoint().rsplit(':').next().unwrap().to_owned();
    let endpoint = format!("http://localhost:{port}");
    let config = config(&endpoint, "own", "secret").with(|config| config.path_style = false);
    // The resolver need not know names below localhost; what is asked for is what counts.
    match Store::new(&config).unwrap().get(&key("a"), 10).await {
        Ok(object) => {
            assert_eq!(object.body, "x");
            let asked = &script.asked()[0];
            assert_eq!(asked.headers["host"], format!("readings.localhost:{port}"));
            assert_eq!(asked.path, "/a");
        }
        Err(error) => panic!("{error}"),
    }
}
