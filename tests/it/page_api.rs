//! The page that shows the description of the API.

use people_counter_tests::browser::Browser;
use people_counter_tests::stage::{Stage, result, status};
use people_counter_tests::wait::eventually;
use serde_json::{Value, json};

use crate::page_access::{axe, no_violation};

const ONE: &str = "details[data-operation=getDevice]";

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_described_and_can_be_tried_with_nothing_from_elsewhere() {
    let stage = Stage::start("").await;
    stage.status(&status("cam-1", 600.0)).await;
    stage.counted(&result("cam-1", 1, 3)).await;
    eventually("the count", || async { stage.rest.device("cam-1").await?.count }).await;
    let (_, document) = stage.rest.get("/api/v1/openapi.json").await.unwrap();
    let document: Value = serde_json::from_slice(&document).unwrap();
    let items = document["paths"].as_object().unwrap().values();
    let operations: usize = items.map(|item| item.as_object().unwrap().len()).sum();

    let browser = Browser::start(1280, 900, false).await;
    browser.open(&format!("{}/api.html", stage.rest.base())).await;
    browser.until("#schemas article").await;
    assert_eq!(browser.count("#operations details").await, operations);
    let broken = "return [...document.querySelectorAll('a[href^=\"#\"]')].map((link) => link.hash.slice(1)) \
                  .filter((id) => document.getElementById(id) === null)";
    assert_eq!(browser.script(broken).await, json!([]), "links that lead nowhere");
    browser.click(&format!("{ONE} summary")).await;
    browser.click(&format!("{ONE} input")).await;
    browser.press("cam-1").await;
    browser.click(&format!("{ONE} button")).await;
    eventually("the answer", || async {
        browser.text(&format!("{ONE} pre")).await?.contains("\"count\": 3").then_some(())
    })
    .await;
    no_violation(&browser, &axe(), "the description of the API").await;
    let origins = "return [...new Set(performance.getEntriesByType('resource').map((one) => new URL(one.name).origin))]";
    assert_eq!(browser.script(origins).await, json!([stage.rest.base()]));
    browser.close().await;
}
