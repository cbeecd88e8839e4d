//! The page in a real browser: what it shows of the demonstration is what REST reports.

use std::collections::HashSet;

use people_counter_tests::browser::Browser;
use people_counter_tests::rest::Rest;
use people_counter_tests::wait::{eventually, free_port};
use serde_json::Value;

use crate::demo;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_rest_reports_and_changes_without_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().to_string();
    let (_demo, rest) = demo::start(&["--port", &port], folder.path()).await;
    let browser = Browser::start(1280, 900, false).await;
    browser.open(rest.base()).await;
    // gone after a reload
    browser.script("window.stillTheSamePage = true").await;

    eventually("six cameras are on the page, each with its count and picture", || async {
        let shown = browser.count("[data-device][data-state=live]").await;
        let pictures = browser.count("[data-device] .picture[data-picture=shown] img").await;
        (shown == 6 && pictures == 6).then_some(())
    })
    .await;

    for device in ["camera-1", "camera-4"] {
        let mut seen = HashSet::new();
        // page and REST name the same frame and the same count, again and again
        while seen.len() < 3 {
            seen.insert(same_frame(&browser, &rest, device).await);
        }
    }
    let total = browser.attribute("[data-total]", "data-total").await.unwrap();
    assert!(total.parse::<u64>().unwrap() > 0, "{total}");
    boxes_are_where_rest_says(&browser, &rest).await;
    assert_eq!(
        browser.script("return window.stillTheSamePage").await,
        Value::Bool(true),
        "the page was reloaded"
    );
    browser.close().await;
}

/// Waits for a moment at which page and REST show the same frame; the counts must then be equal too.
async fn same_frame(browser: &Browser, rest: &Rest, device: &str) -> String {
    let selector = format!("[data-device={device}]");
    eventually("page and REST agree", || async {
        let before = rest.device(device).await?;
        let count = browser.attribute(&selector, "data-count").await?;
        let frame = browser.attribute(&selector, "data-frame").await?;
        let after = rest.device(device).await?;
        // the device may have moved on between the two looks
        (before.frame_id == after.frame_id && before.frame_id.as_ref() == Some(&frame)).then_some(())?;
        assert_eq!(count, before.count?.to_string(), "of frame {frame}");
        Some(frame)
    })
    .await
}

/// In the view of one camera each box is an element, over the picture of the very frame it was found in.
async fn boxes_are_where_rest_says(browser: &Browser, rest: &Rest) {
    browser.click("[data-device=camera-1] a").await;
    browser.until(".device-view[data-device=camera-1] .picture[data-picture=shown]").await;
    let picture = "const figure = document.querySelector('.device-view .picture'); \
                   const image = figure.querySelector('img'); \
                   const boxes = [...figure.querySelectorAll('rect.box')]; \
                   const place = (box) => ['x', 'y', 'width', 'height'].map((name) => Number(box.getAttribute(name))); \
                   return { frame: figure.dataset.frame, size: [image.naturalWidth, image.naturalHeight], \
                            seen: image.getBoundingClientRect().width, boxes: boxes.map(place) }";
    eventually("a picture with people in it, of a frame that REST reports", || async {
        let before = rest.device("camera-1").await?;
        let shown = browser.script(picture).await;
        (shown["frame"].as_str() == before.frame_id.as_deref()).then_some(())?;
        let people = before.people?;
        (!people.is_empty()).then_some(())?;
        let size: Vec<f64> = serde_json::from_value(shown["size"].clone()).unwrap();
        let boxes: Vec<[f64; 4]> = serde_json::from_value(shown["boxes"].clone()).unwrap();
        assert!(shown["seen"].as_f64().unwrap() > 100.0, "{shown}");
        assert_eq!(boxes.len(), people.len(), "{shown}");
        for (shown, person) in boxes.iter().zip(&people) {
            let said: [f64; 4] = serde_json::from_value(person["box"].clone()).unwrap();
            for (side, (shown, said)) in shown.iter().zip(said).enumerate() {
                let expected = said * size[side % 2];
                assert!((shown - expected).abs() < 0.2, "{shown} is not {expected} (side {side})");
            }
        }
        Some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_server_the_page_calls_nothing_live() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().to_string();
    let (mut demo, rest) = demo::start(&["--port", &port, "--cameras", "2"], folder.path()).await;
    let browser = Browser::start(390, 844, true).await;
    browser.open(rest.base()).await;
    browser.until("[data-connection=live] .card[data-state=live]").await;
    demo.kill();
    browser.until("[data-connection=reconnecting]").await;
    browser.until(".card[data-state=disconnected]").await;
    assert_eq!(browser.count("main [data-state=live]").await, 0);
    assert!(browser.text("#total-caption").await.unwrap().contains("last"));
    browser.close().await;
}
