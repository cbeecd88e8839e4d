//! Viewers that follow some of the devices.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::messages::{result, status};
use crate::stage::{Engage, Stage, eventually};
use crate::viewer::{Viewer, device, ids};

/// Engage with devices of these names and counts.
async fn with(stage: &Stage, devices: &[(&str, u32)]) -> Engage {
    for (name, count) in devices {
        stage.status(&status(name, 1)).await;
        stage.counted(&result(name, 1, *count)).await;
    }
    stage.engage().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_brings_its_devices_alone_and_the_sums_of_all() {
    let stage = Stage::set().await;
    let engage = with(&stage, &[("a", 1), ("b", 2), ("c", 3)]).await;
    let mut viewer = Viewer::of(&engage).await;
    assert_eq!(ids(&viewer.take().await), ["a", "b", "c"], "without a word it is everything");
    let snapshot = viewer.subscribe(json!({"devices": ["c", "a", "not-there-yet"]})).await;
    assert_eq!((ids(&snapshot), &snapshot["total"]), (vec!["a", "c"], &2.into()));
    assert_eq!(snapshot["summary"]["people"], 6);
    stage.counted(&result("b", 2, 7)).await;
    stage.counted(&result("c", 2, 9)).await;
    let mut people = Value::Null;
    let delta = viewer
        .until(|message| {
            assert!(device(message, "b").is_none(), "{message}");
            people = message["summary"]["people"].clone();
            device(message, "c").filter(|c| c["count"] == 9).map(|_| message.clone())
        })
        .await;
    assert_eq!((&delta["type"], ids(&delta)), (&"delta".into(), vec!["c"]));
    // the sums come even when none of its own devices changes
    stage.counted(&result("b", 3, 0)).await;
    viewer.until(|message| (message["summary"]["people"] == 10).then_some(())).await;
    // one that comes later and one that goes
    stage.status(&status("not-there-yet", 1)).await;
    viewer.until(|message| device(message, "not-there-yet").cloned()).await;
    stage.remove("a").await;
    viewer.until(|message| (message["removed"] == json!(["a"])).then_some(())).await;
    // and back to everything
    let all = viewer.subscribe(json!({"devices": "all"})).await;
    assert_eq!((ids(&all), &all["total"]), (vec!["b", "c", "not-there-yet"], &3.into()));
    let nothing = viewer.subscribe(json!({"devices": []})).await;
    assert_eq!((ids(&nothing).len(), &nothing["total"]), (0, &0.into()));
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_says_at_once_what_it_follows_is_told_nothing_else() {
    let stage = Stage::set().await;
    let engage = with(&stage, &[("a", 1), ("b", 2)]).await;
    let mut alone = false;
    // on a busy machine the word of one may come too late
    for _ in 0..10 {
        let mut viewer = Viewer::of(&engage).await;
        viewer.say(json!({"type": "subscribe", "devices": ["b"]}).to_string()).await;
        let first = viewer.take().await;
        assert_eq!(first["type"], "snapshot");
        alone |= ids(&first) == ["b"] && first["total"] == 1;
    }
    assert!(alone, "each was sent everything first");
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_follows_its_filter_and_its_order() {
    let stage = Stage::set().await;
    let engage = with(&stage, &[("a", 1), ("b", 5), ("c", 3), ("d", 4)]).await;
    let mut viewer = Viewer::of(&engage).await;
    viewer.take().await;
    let page = viewer.subscribe(json!({"filter": {"state": ["live"]}, "sort": "-count", "limit": 2})).await;
    assert_eq!((&page["order"], &page["total"]), (&json!(["b", "d"]), &4.into()));
    assert_eq!(ids(&page), ["b", "d"]);
    // one overtakes: it comes, another goes, and the order says where
    stage.counted(&result("a", 2, 9)).await;
    let delta = viewer.until(|message| message.get("order").map(|_| message.clone())).await;
    assert_eq!((&delta["order"], &delta["removed"]), (&json!(["a", "b"]), &json!(["d"])));
    assert_eq!((delta["type"].as_str(), ids(&delta)), (Some("delta"), vec!["a"]));
    // what is on the page changes without a new order
    stage.counted(&result("b", 2, 6)).await;
    let delta = viewer.until(|message| device(message, "b").map(|_| message.clone())).await;
    assert!(delta.get("order").is_none() && delta["total"] == 4, "{delta}");
    // one leaves the filter
    stage.failed(&crate::messages::failure("b", 3)).await;
    let delta = viewer.until(|message| message.get("order").map(|_| message.clone())).await;
    assert_eq!(
        (&delta["order"], &delta["removed"], &delta["total"]),
        (&json!(["a", "d"]), &json!(["b"]), &3.into())
    );
    // the next page
    let page = viewer
        .subscribe(json!({"filter": {"state": ["live"]}, "sort": "-count", "offset": 2, "limit": 2}))
        .await;
    assert_eq!((&page["order"], ids(&page)), (&json!(["c"]), vec!["c"]));
    let page = viewer.subscribe(json!({"filter": {"q": "nobody"}})).await;
    assert_eq!((&page["order"], &page["total"]), (&json!([]), &0.into()));
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_on_its_way_does_not_disturb_a_new_subscription() {
    let stage = Stage::set().await;
    let engage = with(&stage, &[("a", 1), ("b", 2)]).await;
    let mut viewer = Viewer::of(&engage).await;
    let first = viewer.next().await.unwrap();
    viewer.say(json!({"type": "subscribe", "devices": ["b"]}).to_string()).await;
    viewer.say(json!({"type": "subscribe", "devices": ["a"]}).to_string()).await;
    viewer.ack(&first).await;
    let snapshot = viewer.next().await.unwrap();
    assert_eq!((snapshot["type"].as_str(), ids(&snapshot)), (Some("snapshot"), vec!["a"]));
    // an acknowledgement of the first one is none of this one: nothing more comes
    viewer.ack(&first).await;
    viewer.ack(&snapshot).await;
    stage.counted(&result("a", 2, 8)).await;
    let delta = viewer.until(|message| device(message, "a").map(|_| message.clone())).await;
    assert_eq!(delta["type"], "delta");
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn much_comes_in_parts_and_none_is_missing() {
    let stage = Stage::set().await;
    let many = 1_000;
    for n in 0..many {
        let mut status = status(&format!("cam-{n:04}"), 1);
        status.labels = [("text".to_owned(), "x".repeat(n % 200))].into();
        stage.status(&status).await;
    }
    let engage = stage.engage().await;
    let mut viewer = Viewer::of(&engage).await;
    let mut seen: BTreeMap<String, Value> = BTreeMap::new();
    let mut parts = 0;
    let mut version = 0;
    while seen.len() < many {
        let part = viewer.take().await;
        let text = part.to_string();
        assert!(text.len() < 400 << 10, "{} bytes", text.len());
        if parts == 0 {
            assert_eq!((&part["type"], &part["total"]), (&"snapshot".into(), &many.into()));
        } else {
            assert_eq!((&part["type"], &part["since"]), (&"delta".into(), &version.into()));
        }
        let sums = &part["summary"];
        let devices = sums["unknown"].as_u64().unwrap() + sums["live"].as_u64().unwrap();
        assert_eq!(devices, many as u64, "the sums are right from the beginning");
        version = part["version"].as_u64().unwrap();
        for device in part["devices"].as_array().unwrap() {
            seen.insert(device["deviceID"].as_str().unwrap().to_owned(), device.clone());
        }
        // while it goes on, more happens to what was sent and to what was not
        for n in [0, many - 1] {
            stage.counted(&result(&format!("cam-{n:04}"), parts + 1, parts as u32)).await;
        }
        parts += 1;
    }
    assert!((4..40).contains(&parts), "{parts} parts");
    let last = parts as u32 - 1;
    let mut due = BTreeSet::from(["cam-0000".to_owned(), format!("cam-{:04}", many - 1)]);
    due.retain(|name| seen[name]["count"] != last);
    while !due.is_empty() {
        let delta = viewer.take().await;
        due.retain(|name| device(&delta, name).is_none_or(|device| device["count"] != last));
    }
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_subscriptions_share_their_messages() {
    let stage = Stage::set().await;
    let engage = with(&stage, &[("a", 1), ("b", 2)]).await;
    let mut viewers = Vec::new();
    for n in 0..20 {
        let mut viewer = Viewer::of(&engage).await;
        viewer.take().await;
        let what = if n % 2 == 0 { json!({"devices": ["a"]}) } else { json!({"filter": {"q": "a"}}) };
        viewer.subscribe(what).await;
        viewers.push(viewer);
    }
    let made = engage.metric("engage_stream_messages_made_total").await;
    let sent = engage.metric("engage_stream_messages_total").await;
    for n in 2..=30 {
        stage.counted(&result("a", n, n as u32)).await;
    }
    // all at once: one that is read late asks for what nobody else needs any more
    let last = viewers
        .iter_mut()
        .map(|viewer| viewer.until(|message| device(message, "a").filter(|a| a["count"] == 30).cloned()));
    futures_util::future::join_all(last).await;
    let made = engage.metric("engage_stream_messages_made_total").await - made;
    let sent = engage.metric("engage_stream_messages_total").await - sent;
    assert!(made <= sent / 2.0, "{made} messages made for {sent} that were sent");
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_different_filters_than_can_be_followed_are_refused() {
    let stage = Stage::set().await;
    let engage = with(&stage, &[("a", 1)]).await;
    let mut viewers = Vec::new();
    for n in 0..128 {
        let mut viewer = Viewer::of(&engage).await;
        let text = format!("text {n}");
        viewer.say(json!({"type": "subscribe", "filter": {"q": text}}).to_string()).await;
        // everything may come before, but has no order
        viewer.until(|message| message.get("order").map(|_| ())).await;
        viewers.push(viewer);
    }
    let mut refused = Viewer::of(&engage).await;
    refused.say(json!({"type": "subscribe", "filter": {"q": "one more"}}).to_string()).await;
    assert_eq!(refused.closed().await.0, 1013);
    assert_eq!(engage.metric(r#"engage_viewers_ended_total{reason="Refused"}"#).await, 1.0);
    // a filter that is followed already can be shared, and one that nobody follows any more frees its place
    viewers[0].subscribe(json!({"filter": {"q": "text 1"}})).await;
    viewers[0].subscribe(json!({"filter": {"q": "one more"}})).await;
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_large_messages_at_once_wait_for_each_other() {
    let stage = Stage::set().await;
    for n in 0..300 {
        let mut status = status(&format!("cam-{n}"), 1);
        status.labels = (0..32).map(|k| (format!("label-{k}"), "x".repeat(200))).collect();
        stage.status(&status).await;
    }
    let mut config = stage.config();
    // room for three parts of a quarter of a megabyte each
    (config.live.burst_bytes, config.live.ack_timeout) = (1 << 20, Duration::from_secs(60));
    let engage = stage.engage_with(config).await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut viewer = Viewer::of(&engage).await;
        viewer.next().await.unwrap();
        waiting.push(viewer);
    }
    let sent = engage.metric("engage_stream_messages_total").await;
    let mut late = Viewer::of(&engage).await;
    eventually("its session", async || (engage.metric("engage_viewers").await == 4.0).then_some(())).await;
    assert_eq!((sent, engage.metric("engage_stream_messages_total").await), (3.0, 3.0));
    drop(waiting.pop());
    let first = late.take().await;
    assert_eq!(first["type"], "snapshot");
    engage.stop().await;
}
