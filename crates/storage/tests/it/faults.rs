//! A network that breaks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use iot_sandbox::{Fault, ObjectStore, Proxy};
use iot_storage::{Config, Error, PutOptions, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{eventually, key, metrics, ready, sandbox};

const BODY: usize = 1 << 20;

fn body() -> Bytes {
    (0..BODY).map(|i| (i % 253) as u8).collect()
}

/// A store behind a faulty network, with one object of a MiB in it.
async fn behind_a_proxy(change: impl FnOnce(&mut Config)) -> (ObjectStore, Arc<Proxy>, Store) {
    let (server, mut config) = sandbox().await;
    ready(&config).await.put(&key("one"), body(), &PutOptions::default()).await.unwrap();
    let proxy = Arc::new(Proxy::start(server.addr()).await.unwrap());
    config.endpoint = format!("http://{}", proxy.addr());
    change(&mut config);
    (server, proxy, Store::new(&config).unwrap())
}

#[tokio::test]
async fn refused_connections_are_tried_again_until_they_are_accepted() {
    let (_server, proxy, store) = behind_a_proxy(|config| config.attempts = 100).await;
    proxy.set(Fault::Refuse).await;
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.get(&key("one"), u64::MAX).await }
    });
    eventually("a retry", async || metrics(&store).contains("storage_retries_total")).await;
    proxy.set(Fault::None).await;
    assert!(waiting.await.unwrap().unwrap().body == body());
}

#[tokio::test]
async fn connections_that_are_hung_up_are_unavailable() {
    let (_server, proxy, store) = behind_a_proxy(|_| {}).await;
    store.probe().await.unwrap();
    proxy.set(Fault::Drop).await;
    let error = store.get(&key("one"), u64::MAX).await.unwrap_err();
    assert!(error.is_transient() && matches!(error, Error::Unavailable { .. }), "{error}");
    proxy.set(Fault::None).await;
    store.probe().await.unwrap();
}

#[tokio::test]
async fn a_get_cut_in_the_middle_of_its_body_is_never_half_a_body() {
    let (_server, proxy, store) = behind_a_proxy(|config| config.attempts = 3).await;
    proxy.set(Fault::CutAfter(BODY as u64 / 2)).await;
    let error = store.get(&key("one"), u64::MAX).await.unwrap_err();
    assert!(error.is_transient() && matches!(error, Error::Unavailable { .. }), "{error}");
    assert!(error.to_string().ends_with("after 3 attempts"), "{error}");
    proxy.set(Fault::None).await;
    assert!(store.get(&key("one"), u64::MAX).await.unwrap().body == body());
}

#[tokio::test]
async fn a_put_cut_in_the_middle_of_its_body_leaves_nothing_and_is_repeated() {
    let (_server, proxy, store) = behind_a_proxy(|config| config.attempts = 100).await;
    proxy.set(Fault::CutAfter(BODY as u64 / 2)).await;
    let putting = tokio::spawn({
        let store = store.clone();
        async move { store.put(&key("two"), body(), &PutOptions::default()).await }
    });
    eventually("two retries", async || {
        let retries = "storage_retries_total{operation=\"put\"} ";
        metrics(&store)
            .lines()
            .any(|line| line.strip_prefix(retries).is_some_and(|count| count.parse::<u32>().unwrap() >= 2))
    })
    .await;
    assert!(!putting.is_finished());
    assert_eq!(store.list("two", 10).await.unwrap(), [], "half a body was kept");
    proxy.set(Fault::None).await;
    putting.await.unwrap().unwrap();
    assert!(store.get(&key("two"), u64::MAX).await.unwrap().body == body());
}

#[tokio::test]
async fn a_network_slower_than_the_limit_times_out_and_recovers() {
    let (_server, proxy, store) = behind_a_proxy(|config| {
        config.attempts = 2;
        config.timeout = Duration::from_millis(500);
    })
    .await;
    proxy.set(Fault::Latency(Duration::from_secs(2))).await;
    let error = store.get(&key("one"), u64::MAX).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { setting: "timeout", .. }), "{error}");
    let error = store.put(&key("two"), body(), &PutOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    proxy.set(Fault::None).await;
    eventually("recovery", async || store.get(&key("one"), u64::MAX).await.is_ok()).await;
}

#[tokio::test]
async fn a_narrow_network_times_out_in_the_middle_of_the_body() {
    let (_server, proxy, store) = behind_a_proxy(|config| {
        config.attempts = 1;
        config.timeout = Duration::from_millis(500);
    })
    .await;
    proxy.set(Fault::Bandwidth(100_000)).await;
    let error = store.get(&key("one"), u64::MAX).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { setting: "timeout", .. }), "{error}");
}

#[tokio::test]
async fn a_network_that_falls_silent_is_noticed() {
    let (_server, proxy, store) = behind_a_proxy(|config| {
        config.attempts = 1;
        config.first_byte_timeout = Duration::from_millis(300);
    })
    .await;
    store.probe().await.unwrap();
    proxy.set(Fault::HalfOpen).await;
    let error = store.probe().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { setting: "first_byte_timeout", .. }), "{error}");
    proxy.set(Fault::None).await;
    store.probe().await.unwrap();
}

#[tokio::test]
async fn many_puts_over_a_line_that_keeps_breaking_all_arrive() {
    let (_server, proxy, store) = behind_a_proxy(|config| config.attempts = 100).await;
    // Room for a few puts on each connection.
    proxy.set(Fault::CutAfter(70_000)).await;
    for i in 0..40 {
        let name = key(&format!("broken/{i:02}"));
        store.put(&name, vec![i; 20_000].into(), &PutOptions::default()).await.unwrap();
    }
    for i in 0..40 {
        let object = store.get(&key(&format!("broken/{i:02}")), 20_000).await.unwrap();
        assert!(object.body.iter().all(|byte| *byte == i) && object.body.len() == 20_000);
    }
    assert!(proxy.accepted() > 10, "{} connections", proxy.accepted());
}

/// Passes everything on but turns one byte value of what the client sends into another.
async fn corrupting(upstream: std::net::SocketAddr) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let server = TcpStream::connect(upstream).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let back = tokio::io::copy(&mut from_server, &mut to_client);
                let forth = async {
                    let mut buffer = vec![0; 16 * 1024];
                    while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
                        for byte in &mut buffer[..count] {
                            if *byte == 0xf7 {
                                *byte = 0xf6;
                            }
                        }
                        to_server.write_all(&buffer[..count]).await?;
                    }
                    to_server.shutdown().await
                };
                // Either side may go away first.
                let _ends = tokio::join!(back, forth);
            });
        }
    });
    endpoint
}

#[tokio::test]
async fn a_body_damaged_on_the_way_is_not_stored() {
    let (server, config) = sandbox().await;
    let direct = ready(&config).await;
    let endpoint = corrupting(server.addr()).await;
    let store = Store::new(&config.with(|config| {
        config.endpoint = endpoint;
        config.attempts = 2;
    }))
    .unwrap();
    store.put(&key("intact"), vec![0; 1000].into(), &PutOptions::default()).await.unwrap();
    let damaged = Bytes::from(vec![0xf7; 1000]);
    let error = store.put(&key("damaged"), damaged, &PutOptions::default()).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(direct.head(&key("damaged")).await.unwrap_err().is_not_found());
}
