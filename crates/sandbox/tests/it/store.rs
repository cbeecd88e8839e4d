//! What an application does with a store, with `rust-s3` as it would.

use crate::s3_by_hand;
use iot_sandbox::{ObjectStore, StoreOptions};
use s3::creds::Credentials;
use s3::error::S3Error;
use s3::serde_types::ObjectIdentifier;
use s3::{Bucket, BucketConfiguration, Region};

pub async fn store() -> ObjectStore {
    ObjectStore::start(StoreOptions::default()).await.unwrap()
}

pub fn region(store: &ObjectStore) -> Region {
    Region::Custom { region: "anywhere".into(), endpoint: store.endpoint() }
}

pub fn credentials(store: &ObjectStore, secret: &str) -> Credentials {
    Credentials::new(Some(store.access_key()), Some(secret), None, None, None).unwrap()
}

pub fn bucket(store: &ObjectStore, name: &str) -> Box<Bucket> {
    Bucket::new(name, region(store), credentials(store, store.secret_key())).unwrap().with_path_style()
}

pub async fn create(store: &ObjectStore, name: &str) -> Box<Bucket> {
    let credentials = credentials(store, store.secret_key());
    let created =
        Bucket::create_with_path_style(name, region(store), credentials, BucketConfiguration::default());
    assert_eq!(created.await.unwrap().response_code, 200);
    bucket(store, name)
}

/// The HTTP status of an answer that must not be a success.
pub fn status<T>(answer: Result<T, S3Error>) -> (u16, String) {
    match answer {
        Err(S3Error::HttpFailWithBody(status, body)) => (status, body),
        Err(other) => panic!("no answer: {other}"),
        Ok(_) => panic!("it must fail"),
    }
}

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let store = store().await;
    let bucket = create(&store, "readings").await;
    let put = bucket
        .put_object_builder("2026/11/oven.csv", b"celsius\n180\n")
        .with_content_type("text/csv")
        .with_metadata("room", "kitchen")
        .unwrap()
        .execute()
        .await
        .unwrap();
    let etag = put.headers()["etag"].trim_matches('"').to_owned();

    let got = bucket.get_object("2026/11/oven.csv").await.unwrap();
    assert_eq!(got.as_slice(), b"celsius\n180\n");
    let (head, _) = bucket.head_object("2026/11/oven.csv").await.unwrap();
    assert_eq!(head.content_length, Some(12));
    assert_eq!(head.content_type.as_deref(), Some("text/csv"));
    assert_eq!(head.e_tag.unwrap().trim_matches('"'), etag);
    assert_eq!(head.metadata.unwrap()["room"], "kitchen");

    bucket.put_object("2026/11/oven.csv", b"other").await.unwrap();
    assert_eq!(bucket.get_object("2026/11/oven.csv").await.unwrap().as_slice(), b"other");
    bucket.delete_object("2026/11/oven.csv").await.unwrap();
    assert_eq!(status(bucket.get_object("2026/11/oven.csv").await).0, 404);
    bucket.delete_object("2026/11/oven.csv").await.unwrap();
}

#[tokio::test]
async fn keys_of_every_kind_are_just_names() {
    let store = store().await;
    let bucket = create(&store, "names").await;
    let keys = ["a b", "ä/ö", "a+b&c=d?e#f", "100%", "trailing/", "a//b", "q\"uote<tag>'", "..."];
    for key in keys {
        bucket.put_object(key, key.as_bytes()).await.unwrap();
    }
    for key in keys {
        assert_eq!(bucket.get_object(key).await.unwrap().as_slice(), key.as_bytes(), "{key}");
    }
    let mut listed: Vec<String> = bucket
        .list(String::new(), None)
        .await
        .unwrap()
        .remove(0)
        .contents
        .into_iter()
        .map(|o| o.key)
        .collect();
    let mut keys = keys.map(str::to_owned);
    keys.sort();
    listed.sort();
    assert_eq!(listed, keys);
}

#[tokio::test]
async fn parts_of_large_and_small_objects() {
    let store = store().await;
    let bucket = create(&store, "parts").await;
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    bucket.put_object("large", &large).await.unwrap();
    assert_eq!(bucket.get_object("large").await.unwrap().as_slice(), large);
    for (from, to) in
        [(0, 0), (100, 199), (1_000_000, 2_500_000), (2_999_999, 2_999_999), (2_999_000, 9_999_999)]
    {
        let part = bucket.get_object_range("large", from as u64, Some(to as u64)).await.unwrap();
        assert_eq!(part.status_code(), 206);
        assert_eq!(part.as_slice(), &large[from..=to.min(large.len() - 1)]);
    }
    let rest = bucket.get_object_range("large", 2_999_990, None).await.unwrap();
    assert_eq!(rest.as_slice(), &large[2_999_990..]);
    assert_eq!(status(bucket.get_object_range("large", 3_000_000, None).await).0, 416);
    bucket.put_object("empty", b"").await.unwrap();
    assert_eq!(bucket.get_object("empty").await.unwrap().as_slice(), b"");
    let suffix = s3_by_hand::request(&store, "GET", "/parts/large", &[("range", "bytes=-5")], b"").await;
    assert_eq!((suffix.status, &suffix.body[..]), (206, &large[2_999_995..]));
    assert!(suffix.head.contains("content-range: bytes 2999995-2999999/3000000"), "{}", suffix.head);
}

#[tokio::test]
async fn conditions_hold() {
    let store = store().await;
    let bucket = create(&store, "conditions").await;
    let new = || bucket.put_object_builder("once", b"1").with_header("if-none-match", "*").unwrap();
    new().execute().await.unwrap();
    let (code, body) = status(new().execute().await);
    assert_eq!(code, 412);
    assert!(body.contains("PreconditionFailed"), "{body}");

    let (head, _) = bucket.head_object("once").await.unwrap();
    let etag = head.e_tag.unwrap();
    let get = async |header: &str, value: &str| {
        s3_by_hand::request(&store, "GET", "/conditions/once", &[(header, value)], b"").await
    };
    let same = get("if-none-match", &etag).await;
    assert_eq!((same.status, same.text()), (304, String::new()));
    assert_eq!(get("if-none-match", "\"other\"").await.status, 200);
    assert_eq!(get("if-match", "\"other\"").await.status, 412);
    assert_eq!(get("if-match", &etag).await.status, 200);
    let modified = head.last_modified.unwrap();
    assert_eq!(get("if-modified-since", &modified).await.status, 304);
    assert_eq!(get("if-modified-since", "Sat, 01 Jan 2000 00:00:00 GMT").await.status, 200);
    assert_eq!(get("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT").await.status, 412);
}

#[tokio::test]
async fn a_digest_that_does_not_fit_is_refused() {
    let store = store().await;
    let bucket = create(&store, "digests").await;
    let put = async |md5: &str| {
        s3_by_hand::request(&store, "PUT", "/digests/key", &[("content-md5", md5)], b"hello").await
    };
    let wrong = put("1B2M2Y8AsgTpgAmY7PhCfg==").await;
    assert_eq!((wrong.status, wrong.text().contains("BadDigest")), (400, true), "{}", wrong.text());
    let nonsense = put("no digest").await;
    assert_eq!(
        (nonsense.status, nonsense.text().contains("InvalidDigest")),
        (400, true),
        "{}",
        nonsense.text()
    );
    assert_eq!(status(bucket.get_object("key").await).0, 404);
    assert_eq!(put("XUFAKrxLKna5cZ2REBfFkg==").await.status, 200);
    assert_eq!(bucket.get_object("key").await.unwrap().as_slice(), b"hello");
}

#[tokio::test]
async fn listings_have_prefixes_delimiters_and_pages() {
    let store = store().await;
    let bucket = create(&store, "lists").await;
    for n in 0..25 {
        bucket.put_object(format!("a/{n:02}"), b"x").await.unwrap();
    }
    bucket.put_object("b", b"four").await.unwrap();

    let whole = bucket.list(String::new(), None).await.unwrap();
    assert_eq!(whole.iter().map(|page| page.contents.len()).sum::<usize>(), 26);
    let top = bucket.list(String::new(), Some("/".into())).await.unwrap().remove(0);
    assert_eq!(top.contents.len(), 1);
    assert_eq!((top.contents[0].key.as_str(), top.contents[0].size), ("b", 4));
    assert_eq!(top.common_prefixes.unwrap()[0].prefix, "a/");

    let mut keys = Vec::new();
    let mut token = None;
    loop {
        let (page, _) = bucket.list_page("a/".into(), None, token, None, Some(10)).await.unwrap();
        keys.extend(page.contents.into_iter().map(|object| object.key));
        assert_eq!(page.is_truncated, page.next_continuation_token.is_some());
        token = page.next_continuation_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(keys, (0..25).map(|n| format!("a/{n:02}")).collect::<Vec<_>>());

    let (after, _) = bucket.list_page(String::new(), None, None, Some("a/23".into()), None).await.unwrap();
    assert_eq!(after.contents.iter().map(|o| o.key.as_str()).collect::<Vec<_>>(), ["a/24", "b"]);
    let (page, code) = bucket.list_page("nothing".into(), None, None, None, None).await.unwrap();
    assert_eq!((page.contents.len(), code), (0, 200));
    assert_eq!(s3_by_hand::request(&store, "GET", "/lists", &[], b"").await.status, 501, "version 1");
}

#[tokio::test]
async fn many_are_deleted_at_once() {
    let store = store().await;
    let bucket = create(&store, "many").await;
    for n in 0..20 {
        bucket.put_object(format!("{n}"), b"x").await.unwrap();
    }
    let keys: Vec<_> = (0..15).chain([99]).map(|n| ObjectIdentifier::new(n.to_string())).collect();
    let result = bucket.delete_objects(keys).await.unwrap();
    assert_eq!((result.deleted.len(), result.errors.len()), (16, 0), "a key that is not there is no error");
    assert_eq!(bucket.list(String::new(), None).await.unwrap()[0].contents.len(), 5);
}

#[tokio::test]
async fn buckets_are_made_found_and_deleted() {
    let store = store().await;
    let bucket = create(&store, "one").await;
    create(&store, "two").await;
    assert!(bucket.exists().await.unwrap());
    assert!(!super::store::bucket(&store, "three").exists().await.unwrap());
    let listed = Bucket::list_buckets(region(&store), credentials(&store, store.secret_key())).await.unwrap();
    assert_eq!(listed.bucket_names().collect::<Vec<_>>(), ["one", "two"]);
    let location = s3_by_hand::request(&store, "GET", "/one?location=", &[], b"").await;
    assert_eq!((location.status, location.text().contains("LocationConstraint")), (200, true));
    for (path, code) in [("/one", 200), ("/three", 404)] {
        assert_eq!(s3_by_hand::request(&store, "HEAD", path, &[], b"").await.status, code, "{path}");
    }
    let again = s3_by_hand::request(&store, "PUT", "/one", &[], b"").await;
    assert_eq!((again.status, again.text().contains("BucketAlreadyOwnedByYou")), (409, true));
    for name in ["/UPPER", "/a..b", "/..", "/x"] {
        let answer = s3_by_hand::request(&store, "PUT", name, &[], b"").await;
        assert!((400..500).contains(&answer.status), "{name}: {}", answer.status);
    }

    bucket.put_object("key", b"x").await.unwrap();
    assert_eq!(status(bucket.delete().await).0, 409);
    bucket.delete_object("key").await.unwrap();
    bucket.delete().await.unwrap();
    let (code, body) = status(bucket.put_object("key", b"x").await);
    assert_eq!((code, body.contains("NoSuchBucket")), (404, true));
}

#[tokio::test]
async fn signatures_are_checked() {
    let store = store().await;
    create(&store, "safe").await;
    let wrong = Bucket::new("safe", region(&store), credentials(&store, "wrong")).unwrap().with_path_style();
    let (code, body) = status(wrong.put_object("key", b"x").await);
    assert_eq!((code, body.contains("SignatureDoesNotMatch")), (403, true));
    let stranger = Credentials::new(Some("stranger"), Some(store.secret_key()), None, None, None).unwrap();
    let stranger = Bucket::new("safe", region(&store), stranger).unwrap().with_path_style();
    assert_eq!(status(stranger.get_object("key").await).0, 403);
    let nobody = Bucket::new_public("safe", region(&store)).unwrap().with_path_style();
    assert_eq!(status(nobody.get_object("key").await).0, 403);
}

#[tokio::test]
async fn presigned_addresses_work() {
    let store = store().await;
    let bucket = create(&store, "signed").await;
    bucket.put_object("key", b"hello").await.unwrap();
    let url = bucket.presign_get("key", 60, None).await.unwrap();
    let answer = bucket.http_client().get(&url).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.bytes().await.unwrap()[..]), (200, &b"hello"[..]));
    let forged = url.replace("/key?", "/other?");
    assert_eq!(bucket.http_client().get(forged).send().await.unwrap().status().as_u16(), 403);
}
