//! What must not happen to a store: torn uploads, keys that point elsewhere, folders left behind.

use crate::s3_by_hand;
use crate::store::{self, create, status, store};
use crate::{eventually, is_refused, soon};
use iot_sandbox::{ObjectStore, StoreOptions};
use s3::serde_types::ObjectIdentifier;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn in_folder(dir: &Path) -> StoreOptions {
    StoreOptions::default().with(|options| options.dir = Some(dir.to_owned()))
}

/// Every file below a folder.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test]
async fn a_key_that_looks_like_a_path_stays_inside() {
    let outer = tempfile::tempdir().unwrap();
    let store = ObjectStore::start(in_folder(&outer.path().join("store"))).await.unwrap();
    let bucket = create(&store, "cage").await;
    for path in ["/cage/../../escape", "/cage/../other/key", "/cage//etc/passwd", "/cage/a/../../b"] {
        let put = s3_by_hand::request(&store, "PUT", path, &[], b"out").await;
        assert_eq!(put.status, 200, "{path}: {}", put.text());
        let got = s3_by_hand::request(&store, "GET", path, &[], b"").await;
        assert_eq!((got.status, got.text().as_str()), (200, "out"), "{path}");
    }
    let inside = outer.path().join("store/buckets/cage/objects");
    assert_eq!(files(&inside).len(), 4);
    assert_eq!(files(outer.path()).len(), 5, "four objects and the lock");
    let keys: Vec<_> = bucket.list(String::new(), None).await.unwrap().remove(0).contents;
    assert!(keys.iter().any(|object| object.key == "../../escape"), "{keys:?}");
    let dots = keys.into_iter().filter(|object| object.key.contains(".."));
    let dots: Vec<_> = dots.map(|object| ObjectIdentifier::new(object.key)).collect();
    assert_eq!(bucket.delete_objects(dots).await.unwrap().deleted.len(), 3);
    assert_eq!(s3_by_hand::request(&store, "DELETE", "/cage//etc/passwd", &[], b"").await.status, 204);
    assert_eq!(files(&inside).len(), 0);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = ObjectStore::start(in_folder(dir.path())).await.unwrap();
    let bucket = create(&store, "torn").await;
    bucket.put_object("key", b"the old one").await.unwrap();
    let uploads = dir.path().join("uploads");
    for sent in [0, 1000, 2_000_000] {
        let mut stream = TcpStream::connect(store.addr()).await.unwrap();
        let head = s3_by_hand::head(&store, "PUT", "/torn/key", &[], 3_000_000);
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![7; sent]).await.unwrap();
        if sent > 1_000_000 {
            eventually("it is on its way", async || !files(&uploads).is_empty()).await;
        }
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        soon("the end", stream.read_to_end(&mut answer)).await.ok();
        eventually("nothing is left of it", async || files(&uploads).is_empty()).await;
    }
    assert_eq!(bucket.get_object("key").await.unwrap().as_slice(), b"the old one");
    assert_eq!(bucket.list(String::new(), None).await.unwrap()[0].contents.len(), 1);
}

#[tokio::test]
async fn a_restart_on_the_same_port_keeps_what_is_in_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = ObjectStore::start(in_folder(dir.path())).await.unwrap();
    let (addr, secret) = (store.addr(), store.secret_key().to_owned());
    let bucket = create(&store, "kept").await;
    let large = vec![5; 700_000];
    bucket.put_object("large", &large).await.unwrap();
    bucket.put_object_with_content_type("small", b"x", "text/plain").await.unwrap();
    // leftovers of a process that was killed
    std::fs::write(dir.path().join("uploads/77"), b"half").unwrap();
    let damaged = dir.path().join("buckets/kept/objects/00");
    std::fs::create_dir_all(&damaged).unwrap();
    std::fs::write(damaged.join("0000"), b"torn").unwrap();
    let objects = files(&dir.path().join("buckets/kept/objects"));
    let misplaced = objects.iter().find(|path| !path.starts_with(&damaged)).unwrap();
    std::fs::copy(misplaced, damaged.join("0001")).unwrap();
    std::fs::write(dir.path().join("buckets/a-file"), b"").unwrap();
    std::fs::create_dir(dir.path().join("buckets/half-made")).unwrap();

    store.stop().await;
    assert!(is_refused(addr).await);
    store.restart().await.unwrap();
    assert_eq!((store.addr(), store.secret_key()), (addr, &*secret));
    assert_eq!(bucket.get_object("large").await.unwrap().as_slice(), large);
    let (head, _) = bucket.head_object("small").await.unwrap();
    assert_eq!(head.content_type.as_deref(), Some("text/plain"));
    assert_eq!(bucket.list(String::new(), None).await.unwrap()[0].contents.len(), 2);
    assert!(files(&dir.path().join("uploads")).is_empty());
    store::bucket(&store, "half-made").put_object("key", b"x").await.unwrap();

    let error = ObjectStore::start(in_folder(dir.path())).await.unwrap_err().to_string();
    assert!(error.contains("another object store"), "{error}");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_idle_or_silent_connections() {
    let mut store = store().await;
    let bucket = create(&store, "idle").await;
    bucket.put_object("key", b"x").await.unwrap(); // its connection stays in the pool
    let mut silent = TcpStream::connect(store.addr()).await.unwrap();
    let mut stuck = TcpStream::connect(store.addr()).await.unwrap();
    let head = s3_by_hand::head(&store, "PUT", "/idle/stuck", &[], 1000);
    stuck.write_all(head.as_bytes()).await.unwrap();

    soon("the stop", store.stop()).await;
    assert!(is_refused(store.addr()).await);
    for stream in [&mut silent, &mut stuck] {
        let read = soon("the end of a connection", stream.read(&mut [0; 1])).await;
        assert!(matches!(read, Ok(0) | Err(_)));
    }
    store.restart().await.unwrap();
    let (code, _) = status(bucket.get_object("key").await);
    assert_eq!(code, 404, "what was in a temporary folder is gone");
}

#[tokio::test]
async fn a_temporary_folder_goes_with_the_store() {
    let mut stopped = store().await;
    let dropped = store().await;
    create(&dropped, "data").await.put_object("key", b"x").await.unwrap();
    let folders = [&stopped, &dropped].map(|store| store.folder().unwrap().to_owned());
    assert_ne!(folders[0], folders[1]);
    assert!(folders.iter().all(|folder| folder.is_dir()));
    stopped.stop().await;
    assert!(!folders[0].exists() && stopped.folder().is_none());
    let addr = dropped.addr();
    drop(dropped);
    eventually("the folder is gone", async || !folders[1].exists()).await;
    eventually("the port is free", || is_refused(addr)).await;
}

#[tokio::test]
async fn what_does_not_work_is_said() {
    let first = store().await;
    let port = first.addr().port();
    let taken =
        ObjectStore::start(StoreOptions::default().with(|options| options.port = port)).await.unwrap_err();
    assert!(taken.to_string().contains(&port.to_string()), "{taken}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = ObjectStore::start(in_folder(&file.path().join("x"))).await.unwrap_err().to_string();
    assert!(error.contains(&file.path().display().to_string()), "{error}");
}
