//! The last counts and failures of a device.

use crate::messages::{failure, now, result, status};
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn the_last_counts_are_remembered_and_not_more() {
    let stage = Stage::set().await;
    let mut config = stage.config();
    config.limits.history = 5;
    let engage = stage.engage_with(config).await;
    stage.status(&status("cam-1", 1)).await;
    engage.until("cam-1", "state", "unknown").await;
    let none = engage.json("/api/v1/devices/cam-1/history").await;
    assert_eq!(none, serde_json::json!({"deviceID": "cam-1", "since": null, "points": [], "failures": []}));
    // whole seconds, so that no digit is lost on the way
    let start = now().floor() - 100.0;
    for n in 1..=8 {
        let mut result = result("cam-1", n, n as u32);
        result.analysed_timestamp = start + n as f64;
        stage.counted(&result).await;
        // a late one is no count of its own
        stage.counted(&crate::messages::result("cam-1", n - 1, 99)).await;
    }
    engage.until("cam-1", "count", 8).await;
    let all = engage.json("/api/v1/devices/cam-1/history").await;
    let counts = |history: &serde_json::Value| -> Vec<u64> {
        history["points"].as_array().unwrap().iter().map(|point| point["count"].as_u64().unwrap()).collect()
    };
    assert_eq!(counts(&all), [4, 5, 6, 7, 8]);
    assert_eq!(all["since"], start + 4.0, "so far back this replica knows");
    assert_eq!(all["points"][0]["timestamp"], start + 4.0);
    let later = engage.json(&format!("/api/v1/devices/cam-1/history?since={}", start + 6.5)).await;
    assert_eq!(counts(&later), [7, 8]);
    assert_eq!(later["since"], all["since"]);
    // a device that went and came back has none
    stage.remove("cam-1").await;
    stage.status(&status("cam-1", 2)).await;
    let gone = crate::stage::eventually("no history", async || {
        let history = engage.get("/api/v1/devices/cam-1/history").await;
        let history: serde_json::Value = history.error_for_status().ok()?.json().await.unwrap();
        history["since"].is_null().then_some(history)
    });
    assert!(counts(&gone.await).is_empty());
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_stay_known_after_a_good_result_and_the_retained_one_after_a_restart() {
    let stage = Stage::set().await;
    let mut config = stage.config();
    config.limits.failures = 2;
    let engage = stage.engage_with(config).await;
    stage.status(&status("cam-1", 1)).await;
    let start = now().floor() - 100.0;
    for n in 1..=3 {
        let mut failure = failure("cam-1", n);
        (failure.failed_timestamp, failure.message) = (start + n as f64, format!("number {n}"));
        stage.failed(&failure).await;
    }
    stage.counted(&result("cam-1", 4, 2)).await;
    engage.until("cam-1", "count", 2).await;
    assert!(engage.device("cam-1").await["failure"].is_null(), "the newest picture is well");
    let failures = async |engage: &crate::stage::Engage, query: &str| {
        engage.json(&format!("/api/v1/devices/cam-1/history{query}")).await["failures"].take()
    };
    let all = failures(&engage, "").await;
    let messages: Vec<_> = all.as_array().unwrap().iter().map(|failure| &failure["message"]).collect();
    assert_eq!(messages, ["number 2", "number 3"], "as many as are to be remembered");
    assert_eq!(
        (&all[1]["reason"], &all[1]["failedTimestamp"]),
        (&"undecodable".into(), &(start + 3.0).into())
    );
    assert_eq!(failures(&engage, &format!("?since={}", start + 2.0)).await, serde_json::json!([all[1]]));
    engage.stop().await;
    let engage = stage.engage().await;
    assert_eq!(failures(&engage, "").await, serde_json::json!([all[1]]), "the broker keeps the last one");
    engage.stop().await;
}
