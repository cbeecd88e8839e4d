use crate::s3_by_hand;
use crate::store::{create, status};
use iot_sandbox::{ObjectStore, StoreOptions};

#[tokio::test]
async fn an_object_above_the_limit_is_refused() {
    let store =
        ObjectStore::start(StoreOptions::default().with(|options| options.max_object = 1000)).await.unwrap();
    let bucket = create(&store, "limit").await;
    bucket.put_object("fits", &[7; 1000]).await.unwrap();
    let (code, body) = status(bucket.put_object("large", &[7; 1001]).await);
    assert_eq!((code, body.contains("EntityTooLarge")), (400, true), "{body}");
    let keys = bucket.list(String::new(), None).await.unwrap().remove(0).contents;
    assert_eq!(keys.len(), 1);
}

#[tokio::test]
async fn above_the_total_the_oldest_go_first_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions::default().with(|options| {
        options.dir = Some(dir.path().to_owned());
        options.max_total = Some(1000);
    });
    let mut store = ObjectStore::start(options).await.unwrap();
    let bucket = create(&store, "total").await;
    let keys = async || -> Vec<String> {
        let page = bucket.list(String::new(), None).await.unwrap().remove(0);
        page.contents.into_iter().map(|object| object.key).collect()
    };
    for key in ["a", "b", "c"] {
        bucket.put_object(key, &[7; 300]).await.unwrap();
    }
    bucket.put_object("a", &[8; 300]).await.unwrap(); // now the youngest
    bucket.put_object("d", &[7; 300]).await.unwrap();
    assert_eq!(keys().await, ["a", "c", "d"]);
    store.restart().await.unwrap();
    bucket.put_object("e", &[7; 700]).await.unwrap();
    assert_eq!(keys().await, ["d", "e"]);
    let (code, _) = status(bucket.put_object("f", &[7; 1001]).await);
    assert_eq!(code, 400, "an object above the total would push out all others");
    assert_eq!(keys().await, ["d", "e"]);
}

#[tokio::test]
async fn a_full_disk_is_answered_as_such() {
    let store =
        ObjectStore::start(StoreOptions::default().with(|options| options.disk = Some(1000))).await.unwrap();
    let bucket = create(&store, "disk").await;
    bucket.put_object("a", &[7; 900]).await.unwrap();
    let (code, body) = status(bucket.put_object("b", &[7; 200]).await);
    assert_eq!((code, body.contains("InsufficientStorage")), (507, true), "{body}");
    bucket.put_object("a", &[7; 1000]).await.unwrap();
    bucket.delete_object("a").await.unwrap();
    bucket.put_object("b", &[7; 200]).await.unwrap();
}

#[tokio::test]
async fn a_key_above_the_limit_is_refused() {
    let store = ObjectStore::start(StoreOptions::default()).await.unwrap();
    create(&store, "keys").await;
    for (length, code) in [(1024, 200), (1025, 400)] {
        let path = format!("/keys/{}", "k".repeat(length));
        assert_eq!(s3_by_hand::request(&store, "PUT", &path, &[], b"x").await.status, code, "{length}");
    }
}
