//! What becomes of each answer that is not a success, and how often it is asked again.

use iot_storage::{Error, PutOptions, Store};

use crate::script::{Reply, Script, answer, fine, listing, refusal, refusing};
use crate::support::{config, key, metrics};

async fn scripted(replies: impl Into<Vec<Reply>>) -> (Script, Store) {
    let script = Script::start(replies).await;
    let store =
        Store::new(&config(&script.endpoint(), "own", "secret").with(|config| config.attempts = 4)).unwrap();
    (script, store)
}

#[tokio::test]
async fn a_permanent_refusal_is_final_at_once() {
    for (status, code) in [
        ("403 Forbidden", "AccessDenied"),
        ("403 Forbidden", "SignatureDoesNotMatch"),
        ("404 Not Found", "NoSuchKey"),
        ("404 Not Found", "NoSuchBucket"),
        ("400 Bad Request", "InvalidArgument"),
        ("400 Bad Request", "EntityTooLarge"),
        ("400 Bad Request", "ExpiredToken"),
        ("412 Precondition Failed", "PreconditionFailed"),
        ("301 Moved Permanently", "PermanentRedirect"),
        ("501 Not Implemented", "NotImplemented"),
        ("507 Insufficient Storage", "InsufficientStorage"),
    ] {
        let (script, store) = scripted([refusal(status, code)]).await;
        let error = store.get(&key("a"), 100).await.unwrap_err();
        assert!(!error.is_transient(), "{error}");
        assert_eq!((error.code(), error.request_id()), (Some(code), Some("tx42")), "{error}");
        let text = error.to_string();
        assert!(text.contains("get \"a\" in bucket \"readings\" at http://127.0.0.1:"), "{text}");
        let error = store.put(&key("a"), "x".into(), &PutOptions::default()).await.unwrap_err();
        assert!(!error.is_transient(), "{error}");
        assert_eq!(script.asked().len(), 2, "each was asked once, {code}");
    }
}

#[tokio::test]
async fn a_transient_refusal_is_asked_again_until_it_passes() {
    let (script, store) = scripted([
        refusal("500 Internal Server Error", "InternalError"),
        refusal("503 Service Unavailable", "SlowDown"),
        Reply::Say(answer("429 Too Many Requests", "retry-after: 0\r\n", "")),
        fine(""),
    ])
    .await;
    let put = store.put(&key("a"), "12:00,8.5".into(), &PutOptions::default()).await.unwrap();
    assert_eq!(put.etag, "e1");
    let asked = script.asked();
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|asked| asked.method == "PUT" && asked.body == b"12:00,8.5"));
    let text = metrics(&store);
    for line in [
        "storage_requests_total{operation=\"put\",outcome=\"ok\"} 1",
        "storage_retries_total{operation=\"put\"} 3",
        "storage_sent_bytes_total 9",
    ] {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
}

#[tokio::test]
async fn attempts_are_limited() {
    for (status, code) in [
        ("500 Internal Server Error", "InternalError"),
        ("503 Service Unavailable", "SlowDown"),
        ("400 Bad Request", "RequestTimeout"),
        ("502 Bad Gateway", ""),
        ("504 Gateway Timeout", ""),
    ] {
        let (script, store) = scripted([refusal(status, code)]).await;
        let error = store.get(&key("a"), 100).await.unwrap_err();
        assert!(error.is_transient() && matches!(error, Error::Unavailable { .. }), "{error}");
        assert_eq!(error.code().unwrap_or_default(), code);
        assert!(error.to_string().ends_with("after 4 attempts"), "{error}");
        assert_eq!(script.asked().len(), 4, "{code}");
        assert!(metrics(&store).contains("outcome=\"unavailable\"} 1"));
    }
}

#[tokio::test]
async fn a_head_is_refused_without_a_document() {
    let headers = "x-amz-request-id: tx43\r\n";
    for (status, not_found) in [("404 Not Found", true), ("403 Forbidden", false)] {
        let (_script, store) = scripted([Reply::Say(answer(status, headers, ""))]).await;
        let error = store.head(&key("a")).await.unwrap_err();
        assert_eq!(error.is_not_found(), not_found, "{error}");
        assert_eq!(matches!(error, Error::Denied { .. }), !not_found, "{error}");
        assert_eq!((error.code(), error.request_id()), (None, Some("tx43")));
    }
}

/// A server that answers and hangs up in the middle of an upload: the client may see its answer, or
/// no more than a connection that was reset.
#[tokio::test]
async fn an_upload_that_is_cut_by_a_refusal_is_refused() {
    for (status, code) in [("403 Forbidden", "SignatureDoesNotMatch"), ("404 Not Found", "NoSuchBucket")] {
        let (script, store) = scripted([Reply::Refuse(refusing(status, code)), refusal(status, code)]).await;
        let large = vec![0; 4 << 20].into();
        let error = store.put(&key("a"), large, &PutOptions::default()).await.unwrap_err();
        assert!(matches!(error, Error::Denied { .. } | Error::NoBucket { .. }), "{error}");
        assert_eq!(error.code(), Some(code));
        assert!(error.to_string().starts_with("put \"a\""), "{error}");
        let methods: Vec<_> = script.asked().iter().map(|asked| asked.method.clone()).collect();
        assert!(methods == ["PUT"] || methods == ["PUT", "GET"], "{methods:?}");
    }
}

/// Whoever may not list may still be allowed to put: that a listing is denied proves nothing.
#[tokio::test]
async fn an_upload_that_is_cut_for_another_reason_is_repeated() {
    let (script, store) =
        scripted([Reply::Refuse(String::new()), refusal("403 Forbidden", "AccessDenied"), fine("")]).await;
    store.put(&key("a"), vec![0; 4 << 20].into(), &PutOptions::default()).await.unwrap();
    let methods: Vec<_> = script.asked().iter().map(|asked| asked.method.clone()).collect();
    assert_eq!(methods, ["PUT", "GET", "PUT"]);
}

#[tokio::test]
async fn a_redirect_is_not_followed_but_explained() {
    let elsewhere = "location: http://127.0.0.1:1/\r\n";
    let (script, store) = scripted([Reply::Say(answer("307 Temporary Redirect", elsewhere, ""))]).await;
    let error = store.get(&key("a"), 100).await.unwrap_err();
    assert!(error.to_string().contains("check `region` and `endpoint`"), "{error}");
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn what_is_no_s3_service_is_told_so() {
    let html = "<!doctype html><html><head><title>Welcome</title></head><body>Hello</body></html>";
    let (_script, store) = scripted([Reply::Say(answer("200 OK", "", html))]).await;
    for error in [
        store.probe().await.unwrap_err(),
        store.list("a", 10).await.unwrap_err(),
        store.ensure_bucket().await.unwrap_err(),
        store.delete_many(&[key("a")]).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Protocol { .. }), "{error}");
        assert!(error.to_string().contains("check `endpoint`"), "{error}");
    }
    let (_script, store) = scripted([Reply::Say(answer("404 Not Found", "", html))]).await;
    let error = store.probe().await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn a_listing_that_leads_nowhere_ends() {
    let (script, store) = scripted([listing(&["a"], Some("t1"))]).await;
    let error = store.list("", 10).await.unwrap_err();
    assert!(error.to_string().contains("does not say where"), "{error}");
    assert_eq!(script.asked().len(), 2, "the same place twice is enough");
    assert!(script.asked()[1].path.contains("continuation-token=t1"));
}

#[tokio::test]
async fn names_that_are_no_keys_are_passed_over() {
    let (_script, store) = scripted([listing(&["folder/", "/a", "a&amp;b", "x//y"], None)]).await;
    let listed = store.list("", 10).await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["a&b"]);
}

#[tokio::test]
async fn a_prefix_that_cannot_be_sent_is_refused_before_sending() {
    let (script, store) = scripted([listing(&[], None)]).await;
    assert!(matches!(store.list("a\n", 10).await, Err(Error::Invalid { .. })));
    let options = PutOptions::default().metadata("Ü", "x");
    assert!(matches!(store.put(&key("a"), "".into(), &options).await, Err(Error::Invalid { .. })));
    assert_eq!(script.asked().len(), 0);
}

fn deletion(code: &str) -> Reply {
    Reply::Say(answer(
        "200 OK",
        "",
        &format!(
            "<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>{code}</Code>\
             <Message>because</Message></Error><Deleted><Key>c</Key></Deleted></DeleteResult>"
        ),
    ))
}

#[tokio::test]
async fn keys_that_are_not_deleted_are_named() {
    let (script, store) = scripted([deletion("AccessDenied")]).await;
    let error = store.delete_many(&[key("a"), key("b"), key("c")]).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("1 of 3 not deleted, first \"b\"") && text.contains("AccessDenied"), "{text}");
    let Error::Undeleted { failed, .. } = error else { panic!("{text}") };
    assert_eq!(failed.len(), 1);
    assert_eq!(script.asked().len(), 1);
    let asked = &script.asked()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/readings/?delete"));
    assert!(asked.headers.contains_key("content-md5"), "AWS insists on it");
}

#[tokio::test]
async fn keys_that_are_not_deleted_for_now_are_tried_again() {
    let all = Reply::Say(answer("200 OK", "", "<DeleteResult/>"));
    let (script, store) = scripted([deletion("InternalError"), deletion("SlowDown"), all]).await;
    store.delete_many(&[key("a"), key("b"), key("c")]).await.unwrap();
    assert_eq!(script.asked().len(), 3);
}

#[tokio::test]
async fn a_bucket_that_another_client_just_created_is_fine() {
    for code in ["BucketAlreadyOwnedByYou", "BucketAlreadyExists"] {
        let (script, store) = scripted([
            refusal("404 Not Found", "NoSuchBucket"),
            refusal("409 Conflict", code),
            listing(&[], None),
        ])
        .await;
        store.ensure_bucket().await.unwrap();
        let asked = script.asked();
        assert_eq!((asked[1].method.as_str(), asked[1].path.as_str()), ("PUT", "/readings"));
        assert!(asked[1].body.is_empty(), "no location constraint at first");
    }
}

#[tokio::test]
async fn a_bucket_of_someone_else_is_denied() {
    let (_script, store) = scripted([
        refusal("404 Not Found", "NoSuchBucket"),
        refusal("409 Conflict", "BucketAlreadyExists"),
        refusal("403 Forbidden", "AccessDenied"),
    ])
    .await;
    assert!(matches!(store.ensure_bucket().await, Err(Error::Denied { .. })));
}

#[tokio::test]
async fn a_region_that_must_be_named_is_named() {
    let script = Script::start([
        refusal("404 Not Found", "NoSuchBucket"),
        refusal("400 Bad Request", "IllegalLocationConstraintException"),
        fine(""),
    ])
    .await;
    let config =
        config(&script.endpoint(), "own", "secret").with(|config| config.region = "eu-west-1".into());
    Store::new(&config).unwrap().ensure_bucket().await.unwrap();
    let body = String::from_utf8(script.asked()[2].body.clone()).unwrap();
    assert!(body.contains("<LocationConstraint>eu-west-1</LocationConstraint>"), "{body}");
}
