//! Puts with `if_absent` whose answer is lost: has somebody else put the object, or we?

use iot_storage::{Error, PutOptions, Store};

use crate::script::{Asked, Reply, Script, answer, refusal};
use crate::support::{config, key};

const MARK: &str = "x-amz-meta-iot-storage-put";

fn head_of_the_first_put(asked: &[Asked]) -> String {
    let mark = &asked[0].headers[MARK];
    answer("200 OK", &format!("etag: \"e7\"\r\n{MARK}: {mark}\r\n"), "")
}

fn head_of_another_put(_: &[Asked]) -> String {
    answer("200 OK", &format!("etag: \"e8\"\r\n{MARK}: 0123456789abcdef\r\n"), "")
}

async fn put_whose_first_answer_is_lost(head: fn(&[Asked]) -> String) -> (Script, Result<String, Error>) {
    let script = Script::start([
        Reply::Break(String::new()),
        // a cut upload is followed by the question why; here nobody knows
        refusal("503 Slow Down", "SlowDown"),
        refusal("412 Precondition Failed", "PreconditionFailed"),
        Reply::Think(head),
    ])
    .await;
    let store = Store::new(&config(&script.endpoint(), "own", "secret")).unwrap();
    let options = PutOptions::content_type("text/plain").if_absent();
    let put = store.put(&key("a"), "x".into(), &options).await.map(|put| put.etag);
    (script, put)
}

#[tokio::test]
async fn our_own_earlier_attempt_is_a_success() {
    let (script, put) = put_whose_first_answer_is_lost(head_of_the_first_put).await;
    assert_eq!(put.unwrap(), "e7");
    let asked = script.asked();
    assert_eq!(asked.iter().map(|a| a.method.as_str()).collect::<Vec<_>>(), ["PUT", "GET", "PUT", "HEAD"]);
    assert!([&asked[0], &asked[2]].iter().all(|put| put.headers["if-none-match"] == "*"));
    assert_eq!(
        asked[0].headers["x-amz-meta-iot-storage-put"],
        asked[2].headers["x-amz-meta-iot-storage-put"]
    );
}

#[tokio::test]
async fn somebody_elses_object_is_not() {
    let (script, put) = put_whose_first_answer_is_lost(head_of_another_put).await;
    assert!(matches!(put, Err(Error::Exists { .. })), "{put:?}");
    assert_eq!(script.asked().len(), 4);
}

#[tokio::test]
async fn without_a_lost_answer_nobody_looks() {
    let script = Script::start([refusal("412 Precondition Failed", "PreconditionFailed")]).await;
    let store = Store::new(&config(&script.endpoint(), "own", "secret")).unwrap();
    let put = store.put(&key("a"), "x".into(), &PutOptions::default().if_absent()).await;
    assert!(matches!(put, Err(Error::Exists { .. })), "{put:?}");
    assert_eq!(script.asked().len(), 1);
}
