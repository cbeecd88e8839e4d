//! Occupancy reports over HTTP.

use serde_json::{Value, json};

use crate::messages::{now, result, status};
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_report_has_steps_with_what_is_known() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    let start = now().floor() - 200.0;
    for device in ["cam-1", "cam-2"] {
        stage.status(&status(device, 1)).await;
    }
    for (sequence, at, people) in [(1, 100.0, 2), (2, 160.0, 4)] {
        let mut counted = result("cam-1", sequence, people);
        counted.analysed_timestamp = start + at;
        stage.counted(&counted).await;
        engage.until("cam-1", "count", people).await;
    }
    let query = format!("from={}&to={}&step=40", start + 60.0, start + 180.0);
    let report = engage.json(&format!("/api/v1/reports/occupancy?{query}")).await;
    assert_eq!(report["step"], 40.0);
    let devices = report["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 2);
    assert_eq!(devices[0]["since"], start + 100.0);
    let step = |from: f64, minimum: Value, mean: Value, maximum: Value, share: f64| {
        json!({"from": start + from, "to": start + from + 40.0, "minimum": minimum, "mean": mean,
               "maximum": maximum, "share": share})
    };
    let none = || Value::Null;
    assert_eq!(
        devices[0]["steps"],
        json!([
            step(60.0, none(), none(), none(), 0.0),
            step(100.0, json!(2), json!(2.0), json!(2), 1.0),
            step(140.0, json!(2), json!(3.0), json!(4), 1.0),
        ])
    );
    assert_eq!((&devices[1]["deviceID"], &devices[1]["since"]), (&json!("cam-2"), &Value::Null));
    assert_eq!(devices[1]["steps"][0]["share"], 0.0);

    let csv = engage.get(&format!("/api/v1/reports/occupancy?{query}&format=csv&q=cam-1")).await;
    assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8; header=present");
    let text = csv.text().await.unwrap();
    let lines: Vec<&str> = text.split("\r\n").collect();
    let since = start + 100.0;
    assert_eq!(lines[0], "deviceID,since,from,to,minimum,mean,maximum,share");
    assert_eq!(lines[1], format!("cam-1,{since},{},{since},,,,0", start + 60.0));
    assert_eq!(lines[3], format!("cam-1,{since},{},{},2,3,4,1", start + 140.0, start + 180.0));
    assert_eq!(lines.len(), 5);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_makes_no_sense_is_refused() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    for n in 0..20 {
        stage.status(&status(&format!("cam-{n}"), 1)).await;
    }
    engage.until("cam-19", "state", "unknown").await;
    for (query, words) in [
        ("from=2&to=1", "from has to be before to"),
        ("step=0", "at least one second"),
        ("from=0", "more than 10000 steps"),
        ("from=0&to=9000&step=1", "100000 steps"),
        ("format=pdf", "json or csv"),
        ("from=soon", "from is not a time"),
        ("colour=red", "not a parameter"),
    ] {
        let answer = engage.get(&format!("/api/v1/reports/occupancy?{query}")).await;
        assert_eq!(answer.status(), 400, "{query}");
        let problem: Value = answer.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(words), "{query}: {problem}");
    }
    assert_eq!(engage.get("/api/v1/reports/occupancy").await.status(), 200);
    engage.stop().await;
}
