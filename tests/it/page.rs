//! The page in a real browser.

use people_counter_tests::browser::Browser;
use people_counter_tests::wait::{eventually, free_port};

use crate::demo;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_rest_reports_and_changes_without_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().to_string();
    let (_demo, rest) = demo::start(&["--port", &port], folder.path()).await;
    let browser = Browser::start(1280, 900, false).await;
    browser.page.goto(rest.base()).await.unwrap();
    // gone after a reload
    browser.page.execute("window.stillTheSamePage = true", vec![]).await.unwrap();

    eventually("six cameras are on the page, each with its count and picture", || async {
        let shown =
            browser.page.find_all(fantoccini::Locator::Css("[data-device][data-state=live]")).await.ok()?;
        let pictures = browser.page.find_all(fantoccini::Locator::Css("[data-device] img")).await.ok()?;
        (shown.len() == 6 && pictures.len() >= 6).then_some(())
    })
    .await;

    for device in ["camera-1", "camera-4"] {
        let selector = format!("[data-device={device}]");
        let mut seen = std::collections::HashSet::new();
        // page and REST name the same frame and the same count, again and again
        while seen.len() < 3 {
            let frame = eventually("page and REST agree", || async {
                let before = rest.device(device).await?;
                let count = browser.attribute(&selector, "data-count").await?;
                let frame = browser.attribute(&selector, "data-frame").await?;
                let after = rest.device(device).await?;
                // the device may have moved on between the two looks
                (before.frame_id == after.frame_id && before.frame_id.as_ref() == Some(&frame))
                    .then_some(())?;
                assert_eq!(count, before.count?.to_string(), "of frame {frame}");
                Some(frame)
            })
            .await;
            seen.insert(frame);
        }
    }
    let total = browser.attribute("[data-total]", "data-total").await.unwrap();
    assert!(total.parse::<u64>().unwrap() > 0, "{total}");
    let same = browser.page.execute("return window.stillTheSamePage", vec![]).await.unwrap();
    assert_eq!(same, serde_json::Value::Bool(true), "the page was not reloaded");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_server_the_page_calls_nothing_live() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().to_string();
    let (mut demo, rest) = demo::start(&["--port", &port, "--cameras", "2"], folder.path()).await;
    let browser = Browser::start(390, 844, true).await;
    browser.page.goto(rest.base()).await.unwrap();
    eventually("the page is connected", || async {
        (browser.attribute("html", "data-connection").await? == "live").then_some(())
    })
    .await;
    demo.kill();
    eventually("the page says that it is not", || async {
        (browser.attribute("html", "data-connection").await? != "live").then_some(())
    })
    .await;
    browser.close().await;
}
