//! Devices by state, label and text, in order, by pages, and what changed.

use reqwest::StatusCode;
use serde_json::Value;

use crate::messages::{failure, result, status};
use crate::stage::{Engage, Stage, eventually};
use crate::viewer::ids;

async fn labelled(stage: &Stage, name: &str, floor: &str, count: Option<u32>) {
    let mut status = status(name, 1);
    status.labels = [("floor".to_owned(), floor.to_owned())].into();
    stage.status(&status).await;
    if let Some(count) = count {
        stage.counted(&result(name, 1, count)).await;
    }
}

fn order(all: &Value) -> String {
    let devices = all["devices"].as_array().unwrap().iter();
    devices.map(|device| device["deviceID"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_filtered_sorted_and_paged() {
    let stage = Stage::set().await;
    labelled(&stage, "lobby", "1", Some(4)).await;
    labelled(&stage, "door", "1", Some(9)).await;
    labelled(&stage, "roof", "3", None).await;
    labelled(&stage, "yard", "0", Some(4)).await;
    stage.failed(&failure("yard", 2)).await;
    let engage = stage.engage().await;
    for (query, expected, total) in [
        ("", "door lobby roof yard", 4),
        ("sort=-deviceID", "yard roof lobby door", 4),
        ("sort=-count", "door lobby yard roof", 4),
        ("sort=count&limit=2", "lobby yard", 4),
        ("sort=count&offset=2&limit=5", "door roof", 4),
        ("offset=9", "", 4),
        ("limit=0", "", 4),
        ("state=live", "door lobby", 2),
        ("state=live,failing&sort=-deviceID", "yard lobby door", 3),
        ("label=floor:1", "door lobby", 2),
        ("label=floor:1&label=room:2", "", 0),
        ("q=OOF", "roof", 1),
        ("q=FLOOR", "door lobby roof yard", 4),
        ("q=3", "roof", 1),
        ("state=live&q=lob&label=floor%3A1", "lobby", 1),
    ] {
        let answer = engage.json(&format!("/api/v1/devices?{query}")).await;
        assert_eq!((order(&answer).as_str(), &answer["total"]), (expected, &total.into()), "{query}");
        assert_eq!(answer["summary"]["people"], 13, "the sums are over all devices");
    }
    engage.stop().await;
}

async fn tagged(engage: &Engage, path: &str, tag: &str) -> reqwest::Response {
    let request = engage.http.get(format!("http://{}{path}", engage.addr));
    request.header("if-none-match", tag).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_change_is_not_sent_again() {
    let mut stage = Stage::set().await;
    labelled(&stage, "cam-1", "1", Some(1)).await;
    let engage = stage.engage().await;
    let first = engage.get("/api/v1/devices").await;
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    let all: Value = first.json().await.unwrap();
    let expected = format!("W/\"{}.{}\"", all["epoch"].as_str().unwrap(), all["version"]);
    assert_eq!(tag, expected);
    assert_eq!(tagged(&engage, "/api/v1/devices", &tag).await.status(), StatusCode::NOT_MODIFIED);
    // a lost broker is a change too, for then all of it is in doubt
    stage.broker.stop().await;
    eventually("the loss of the broker", async || {
        let answer = tagged(&engage, "/api/v1/devices", &tag).await;
        (answer.status() == StatusCode::OK).then_some(answer)
    })
    .await;
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_since_a_version() {
    let stage = Stage::set().await;
    for name in ["cam-1", "cam-2", "cam-3"] {
        labelled(&stage, name, "1", Some(1)).await;
    }
    let engage = stage.engage().await;
    let all = engage.json("/api/v1/devices").await;
    let (epoch, version) = (all["epoch"].as_str().unwrap(), all["version"].as_u64().unwrap());
    assert!(all.get("since").is_none() && all.get("removed").is_none());
    let since = format!("/api/v1/devices?since={version}&epoch={epoch}");
    let nothing = engage.json(&since).await;
    assert_eq!((ids(&nothing).len(), &nothing["since"]), (0, &version.into()));
    stage.counted(&result("cam-2", 2, 5)).await;
    stage.remove("cam-3").await;
    eventually("the removal", async || engage.device("cam-3").await.is_null().then_some(())).await;
    engage.until("cam-2", "count", 5).await;
    let delta = engage.json(&since).await;
    assert_eq!((ids(&delta), &delta["removed"]), (vec!["cam-2"], &serde_json::json!(["cam-3"])));
    assert_eq!((&delta["total"], &delta["summary"]["people"]), (&2.into(), &6.into()));
    // a version of another run, or one that never was: everything
    let selected = format!("since={version}&epoch={epoch}&limit=2");
    for other in [format!("since={version}&epoch=other"), "since=999999".to_owned(), selected] {
        let all = engage.json(&format!("/api/v1/devices?{other}")).await;
        assert!(all.get("since").is_none() && ids(&all).len() == 2, "{other}: {all}");
    }
    engage.stop().await;
}
