//! The embedded store.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use iot_sandbox::{ObjectStore, StoreOptions};
use iot_storage::{Error, PutOptions};

use crate::suite;
use crate::support::{config, key, metrics, ready, sandbox};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sandbox_passes_the_suite() {
    let (_server, config) = sandbox().await;
    suite::run(&config).await;
}

#[tokio::test]
async fn a_full_store_is_a_refusal_that_says_so() {
    let options = StoreOptions::default().with(|options| options.disk = Some(100_000));
    let server = ObjectStore::start(options).await.unwrap();
    let store = ready(&config(&server.endpoint(), server.access_key(), server.secret_key())).await;
    store.put(&key("a"), vec![0; 60_000].into(), &PutOptions::default()).await.unwrap();
    let error = store.put(&key("b"), vec![0; 60_000].into(), &PutOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }) && !error.is_transient(), "{error}");
    assert_eq!(store.list("", 10).await.unwrap().len(), 1);
}

/// What was confirmed is there with all its bytes, however often the store went away meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_confirmed_is_lost_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions::default().with(|options| options.dir = Some(folder.path().to_owned()));
    let mut server = ObjectStore::start(options).await.unwrap();
    let config = config(&server.endpoint(), server.access_key(), server.secret_key())
        .with(|config| config.attempts = 100);
    let store = ready(&config).await;

    let running = AtomicBool::new(true);
    let body = |i: u32| Bytes::from(vec![i as u8; 20_000 + i as usize]);
    let puts = async {
        let confirmed: BTreeSet<u32> = stream::iter(0..200)
            .map(async |i| {
                // Slow enough for several restarts in between.
                tokio::time::sleep(Duration::from_millis(10)).await;
                let name = key(&format!("restarts/{i:03}"));
                store.put(&name, body(i), &PutOptions::default()).await.map(|_| i)
            })
            .buffer_unordered(4)
            .filter_map(async |put| put.ok())
            .collect()
            .await;
        running.store(false, Ordering::Relaxed);
        confirmed
    };
    let restarts = async {
        let mut count = 0;
        while running.load(Ordering::Relaxed) {
            server.stop().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            server.restart().await.unwrap();
            count += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        count
    };
    let (confirmed, restarts) = tokio::join!(puts, restarts);
    assert!(restarts >= 2, "{restarts} restarts");
    assert_eq!(confirmed.len(), 200, "each put was repeated until it was confirmed");
    assert!(metrics(&store).contains("storage_retries_total{operation=\"put\"}"), "none was disturbed");
    for i in confirmed {
        let object = store.get(&key(&format!("restarts/{i:03}")), 1 << 20).await.unwrap();
        assert!(object.body == body(i), "object {i} is torn");
    }
}
