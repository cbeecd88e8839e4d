//! What must hold of every S3 service.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use iot_storage::{Config, Entry, Error, Key, PutOptions, Store};

use crate::support::{eventually, key, ready};

pub async fn run(config: &Config) {
    creates_its_bucket_once(config).await;
    let store = ready(config).await;
    store.probe().await.unwrap();
    keeps_bodies_types_and_metadata(&store).await;
    takes_any_valid_key(&store).await;
    limits_bodies(&store, config.max_object_bytes).await;
    puts_only_if_absent(&store).await;
    tells_missing_objects_apart(&store).await;
    lists_page_by_page_and_deletes_many(&store).await;
    prunes_by_time_and_never_what_is_protected(&store).await;
    serves_many_clones_at_once(&store).await;
    says_which_credentials_were_refused(config).await;
    says_which_bucket_is_missing(config).await;
}

async fn creates_its_bucket_once(config: &Config) {
    let store = Store::new(config).unwrap();
    assert!(matches!(store.probe().await, Err(Error::NoBucket { .. })));
    let all = futures_util::future::join_all((0..4).map(|_| store.ensure_bucket())).await;
    for result in all {
        result.unwrap();
    }
    store.ensure_bucket().await.unwrap();
}

async fn keeps_bodies_types_and_metadata(store: &Store) {
    let body: Bytes = (0..50_000u32).map(|i| (i % 251) as u8).collect();
    let name = key("kept/a.csv");
    let options = PutOptions::content_type("text/csv; charset=utf-8")
        .metadata("sensor", "cellar")
        .metadata("note", "a: b; \"c\" %20 + ~");
    let put = store.put(&name, body.clone(), &options).await.unwrap();
    assert!(!put.etag.is_empty() && !put.etag.contains('"'), "{put:?}");

    let object = store.get(&name, 50_000).await.unwrap();
    assert!(object.body == body, "the body changed");
    assert_eq!(object.content_type.as_deref(), Some("text/csv; charset=utf-8"));
    assert_eq!(object.metadata, options.metadata);
    assert_eq!(object.etag.as_deref(), Some(put.etag.as_str()));

    let head = store.head(&name).await.unwrap();
    assert_eq!(head.bytes, 50_000);
    assert_eq!(head.content_type, object.content_type);
    assert_eq!(head.metadata, object.metadata);
    assert_eq!((&head.etag, head.last_modified), (&object.etag, object.last_modified));
    let age = SystemTime::now().duration_since(head.last_modified.unwrap()).unwrap_or_default();
    assert!(age < Duration::from_secs(600), "put {age:?} ago");

    store.put(&name, Bytes::new(), &PutOptions::default()).await.unwrap();
    let empty = store.get(&name, 0).await.unwrap();
    assert!(empty.body.is_empty() && empty.metadata.is_empty());
    assert_eq!(store.head(&name).await.unwrap().bytes, 0);
}

async fn takes_any_valid_key(store: &Store) {
    let names = [
        "keys/plain.csv",
        "keys/deeper/and/deeper.csv",
        "keys/two  spaces and a +",
        "keys/ends with a space ",
        "keys/grüße-日本-🌡",
        "keys/!\"#$%&'()*+,-.:;<=>?@[\\]^_`{|}~",
        "keys/%2e%2e/%2F",
        "keys/...",
        "keys/&amp;",
    ];
    for name in names {
        let body = Bytes::from(name);
        store.put(&key(name), body.clone(), &PutOptions::default()).await.unwrap();
        assert_eq!(store.get(&key(name), 1000).await.unwrap().body, body, "{name}");
        assert_eq!(store.head(&key(name)).await.unwrap().bytes, body.len() as u64, "{name}");
        let listed = store.list(name, 10).await.unwrap();
        assert_eq!(listed.iter().map(|e| e.key.as_str()).collect::<Vec<_>>(), [name]);
    }
    let listed: BTreeSet<_> =
        store.list("keys/", 100).await.unwrap().into_iter().map(|e| e.key.to_string()).collect();
    assert_eq!(listed, names.iter().map(|n| (*n).to_owned()).collect());
    store.delete(&key(names[5])).await.unwrap();
    store.delete_many(&names.map(key)).await.unwrap();
    assert_eq!(store.list("keys/", 100).await.unwrap(), []);
}

async fn limits_bodies(store: &Store, most: u64) {
    let name = key("limits/thousand");
    store.put(&name, Bytes::from(vec![7; 1000]), &PutOptions::default()).await.unwrap();
    assert_eq!(store.get(&name, 1000).await.unwrap().body.len(), 1000);
    let error = store.get(&name, 999).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 999, bytes: Some(1000), .. }), "{error}");

    let most = usize::try_from(most).unwrap();
    store.put(&name, Bytes::from(vec![7; most]), &PutOptions::default()).await.unwrap();
    assert_eq!(store.get(&name, u64::MAX).await.unwrap().body.len(), most);
    let error = store.put(&name, Bytes::from(vec![8; most + 1]), &PutOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    assert_eq!(store.head(&name).await.unwrap().bytes, most as u64, "nothing was overwritten");
}

async fn puts_only_if_absent(store: &Store) {
    let name = key("absent/one");
    let options = PutOptions::content_type("text/plain").metadata("by", "first").if_absent();
    store.put(&name, "first".into(), &options).await.unwrap();
    let error = store.put(&name, "second".into(), &options).await.unwrap_err();
    assert!(matches!(error, Error::Exists { .. }) && !error.is_transient(), "{error}");
    let object = store.get(&name, 100).await.unwrap();
    assert_eq!((object.body, object.metadata), ("first".into(), options.metadata.clone()));

    // Of many at once exactly one wins.
    let name = key("absent/raced");
    let race = (0..8).map(|i| wins(store, &name, format!("{i}"), &options));
    let won = futures_util::future::join_all(race).await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
}

/// Whether the put was the first; else it must have failed with "exists".
async fn wins(store: &Store, name: &Key, body: String, options: &PutOptions) -> bool {
    match store.put(name, body.into(), options).await {
        Ok(_) => true,
        Err(Error::Exists { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

async fn tells_missing_objects_apart(store: &Store) {
    let name = key("missing/one");
    let error = store.get(&name, 100).await.unwrap_err();
    assert!(error.is_not_found() && error.code() == Some("NoSuchKey"), "{error}");
    assert!(error.to_string().contains("\"missing/one\" in bucket"), "{error}");
    assert!(store.head(&name).await.unwrap_err().is_not_found());
    store.delete(&name).await.unwrap();
    assert_eq!(store.delete_many(&[name]).await.unwrap(), 1);
    assert_eq!(store.delete_many(&[]).await.unwrap(), 0);
    assert_eq!(store.list("missing/", 100).await.unwrap(), []);
    assert_eq!(store.prune("missing/", 0, |_| false).await.unwrap(), 0);
}

async fn lists_page_by_page_and_deletes_many(store: &Store) {
    const COUNT: usize = 2_050;
    let names: Vec<Key> = (0..COUNT).map(|i| key(&format!("pages/{i:05}"))).collect();
    stream::iter(&names)
        .for_each_concurrent(16, async |name| {
            store.put(name, Bytes::from_static(b"x"), &PutOptions::default()).await.unwrap();
        })
        .await;
    let listed = store.list("pages/", usize::MAX).await.unwrap();
    assert!(listed.iter().map(|e| &e.key).eq(&names), "{} of {COUNT}, in order", listed.len());
    assert!(listed.iter().all(|e| e.bytes == 1));
    let listed = store.list("pages/", 1_001).await.unwrap();
    assert!(listed.iter().map(|e| &e.key).eq(&names[..1_001]));
    assert_eq!(store.list("pages/", 0).await.unwrap(), []);
    assert_eq!(store.list("pages/0200", 100).await.unwrap().len(), 10);

    assert_eq!(store.delete_many(&names).await.unwrap(), COUNT);
    assert_eq!(store.list("pages/", 1).await.unwrap(), []);
}

async fn prunes_by_time_and_never_what_is_protected(store: &Store) {
    // The last has the least name but one, so that order by name would keep the wrong ones. The
    // times of those before may be the same, or not.
    let put = async |name: &str| {
        store.put(&key(name), Bytes::from_static(b"x"), &PutOptions::default()).await.unwrap();
    };
    for name in ["prune/1", "prune/9", "prune/8", "prune/7"] {
        put(name).await;
    }
    let before = newest(&store.list("prune/", 10).await.unwrap());
    eventually("the store's clock moving on", async || {
        put("prune/5").await;
        newest(&store.list("prune/", 10).await.unwrap()) > before
    })
    .await;
    let deleted = store.prune("prune/", 2, |name| name.as_str() == "prune/1").await.unwrap();
    assert_eq!(deleted, 2);
    let mut left = names(&store.list("prune/", 10).await.unwrap());
    left.retain(|name| !["prune/1", "prune/5"].contains(&name.as_str()));
    assert_eq!(left.len(), 1, "the protected, the newest and one of the older: {left:?}");

    assert_eq!(store.prune("prune/", 3, |_| false).await.unwrap(), 0);
    assert_eq!(store.prune("prune/", 0, |_| true).await.unwrap(), 0);
    assert_eq!(store.prune("prune/", 0, |_| false).await.unwrap(), 3);
    assert_eq!(store.list("prune/", 10).await.unwrap(), []);
}

fn newest(entries: &[Entry]) -> SystemTime {
    entries.iter().map(|entry| entry.last_modified).max().unwrap()
}

fn names(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.key.to_string()).collect()
}

async fn serves_many_clones_at_once(store: &Store) {
    let tasks = (0..64).map(|i| {
        let store = store.clone();
        tokio::spawn(async move {
            let name = key(&format!("clones/{i}"));
            let body = Bytes::from(vec![i; 10_000]);
            store.put(&name, body.clone(), &PutOptions::default()).await.unwrap();
            assert!(store.get(&name, 10_000).await.unwrap().body == body);
            store.delete(&name).await.unwrap();
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

async fn says_which_credentials_were_refused(config: &Config) {
    let wrong_secret = config.clone().with(|config| config.secret_key = Some("wrong-secret-wrong".into()));
    let error = Store::new(&wrong_secret).unwrap().get(&key("a"), 10).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }) && !error.is_transient(), "{error}");
    assert_eq!(error.code(), Some("SignatureDoesNotMatch"));
    let text = error.to_string();
    assert!(
        text.contains(config.access_key.as_deref().unwrap()) && text.contains("check the secret"),
        "{text}"
    );
    assert!(!text.contains("wrong-secret"), "{text}");

    let wrong_key = config.clone().with(|config| config.access_key = Some("nobody".into()));
    let store = Store::new(&wrong_key).unwrap();
    let error = store.put(&key("a"), "x".into(), &PutOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("does not know access key \"nobody\""), "{error}");
    // A server may refuse a large body before it has read it.
    let large = Bytes::from(vec![0; usize::try_from(config.max_object_bytes).unwrap()]);
    let error = store.put(&key("a"), large, &PutOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error}");
    assert!(matches!(store.ensure_bucket().await, Err(Error::Denied { .. })));
    assert!(matches!(store.head(&key("a")).await, Err(Error::Denied { .. })));
}

async fn says_which_bucket_is_missing(config: &Config) {
    let store = Store::new(&config.clone().with(|config| config.bucket = "not-there".into())).unwrap();
    let errors = [
        store.probe().await.unwrap_err(),
        store.put(&key("a"), "x".into(), &PutOptions::default()).await.unwrap_err(),
        store.get(&key("a"), 10).await.unwrap_err(),
        store.list("", 10).await.unwrap_err(),
        store.delete_many(&[key("a")]).await.unwrap_err(),
        store.prune("", 1, |_| false).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, Error::NoBucket { .. }) && !error.is_transient(), "{error}");
        let text = error.to_string();
        assert!(text.contains("no such bucket") && text.contains("\"not-there\""), "{text}");
    }
}
