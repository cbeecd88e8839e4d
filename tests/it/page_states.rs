//! What the page says when not everything is well.

use people_counter_tests::browser::Browser;
use people_counter_tests::stage::{Stage, failure, result, status};
use people_counter_tests::wait::eventually;
use serde_json::json;

/// Far from stale, whatever a loaded machine does to a test.
const CALM: f64 = 3600.0;

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_goes_stale_offline_or_fails_looks_it_and_is_left_out() {
    let stage = Stage::start("").await;
    // three times a second and a half is less than the least, five seconds
    stage.status(&status("slow", 1.5)).await;
    for camera in ["away", "broken", "well"] {
        stage.status(&status(camera, CALM)).await;
        stage.counted(&result(camera, 1, 2)).await;
    }
    stage.counted(&result("slow", 1, 2)).await;
    let browser = Browser::start(1280, 900, false).await;
    browser.open(stage.rest.base()).await;
    browser.until("[data-device=slow][data-count='2']").await;

    let mut offline = status("away", CALM);
    offline["state"] = "offline".into();
    stage.status(&offline).await;
    stage.failed(&failure("broken", 2, "the picture ends in the middle")).await;
    stage.status(&status("new", CALM)).await;
    for (camera, state) in
        [("slow", "stale"), ("away", "offline"), ("broken", "failing"), ("new", "unknown"), ("well", "live")]
    {
        browser.until(&format!(".card[data-device={camera}][data-state={state}]")).await;
    }
    // the last count stays, but nothing adds it up
    assert_eq!(browser.attribute("[data-device=broken]", "data-count").await.unwrap(), "2");
    assert_eq!(
        browser.attribute("[data-device=new]", "data-count").await.unwrap(),
        "",
        "unknown is not zero"
    );
    assert_eq!(browser.attribute("#total", "data-total").await.unwrap(), "2");
    for state in ["stale", "offline", "failing", "unknown"] {
        let left_out = browser.text(&format!("[data-left-out={state}]")).await.unwrap();
        assert_eq!(left_out, format!("1 {state}"));
    }
    let why = browser.text("[data-device=broken] .notes").await.unwrap();
    assert!(why.contains("undecodable") && why.contains("the picture ends in the middle"), "{why}");

    // one of the chips shows just those
    browser.click("[data-left-out=failing]").await;
    eventually("only the failing camera is shown", || async {
        let only = browser.count(".card").await == 1 && browser.count("[data-device=broken]").await == 1;
        only.then_some(())
    })
    .await;
    browser.click("[data-device=broken] a").await;
    browser.until(".device-view[data-state=failing] .failures li").await;
    // who opens the view later sees what went wrong before
    stage.counted(&result("broken", 3, 2)).await;
    browser.until(".device-view[data-state=live]").await;
    browser.page.refresh().await.unwrap();
    browser.until(".device-view[data-device=broken][data-state=live] .failures li").await;
    let failures = browser.text(".failures").await.unwrap();
    assert!(failures.contains("undecodable: the picture ends in the middle"), "{failures}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_of_the_server_no_old_number_looks_fresh() {
    let mut stage = Stage::start("").await;
    stage.status(&status("cam", CALM)).await;
    stage.counted(&result("cam", 1, 3)).await;
    let mut quick = status("quick", 1.0);
    stage.status(&quick).await;
    stage.counted(&result("quick", 1, 5)).await;
    let browser = Browser::start(1280, 900, true).await;
    browser.open(stage.rest.base()).await;
    browser.until("[data-device=cam][data-state=live][data-count='3']").await;
    browser.script("window.stillTheSamePage = true").await;
    stage.engage.kill();
    browser.until("[data-device=cam][data-state=disconnected]").await;
    // meanwhile its will fires, and a count comes that nobody sees
    quick["state"] = "offline".into();
    stage.status(&quick).await;
    stage.counted(&result("cam", 2, 4)).await;
    stage.start_engage();
    browser.until("[data-device=cam][data-state=live][data-count='4']").await;
    browser.until("[data-device=quick][data-state=offline][data-count='5']").await;
    assert_eq!(browser.attribute("#total", "data-total").await.unwrap(), "4");
    assert_eq!(browser.script("return window.stillTheSamePage").await, json!(true), "the page was reloaded");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_labels_are_text_whatever_they_contain() {
    let stage = Stage::start("").await;
    let markup = "<img src=x onerror=\"document.title='owned'\">";
    let mut hostile = status("__proto__", CALM);
    hostile["labels"] = json!({ "<b>zone</b>": markup, "constructor": "</script><script>alert(1)</script>" });
    hostile["problem"] = json!("<i>problem</i> \u{202e}reversed");
    stage.status(&hostile).await;
    stage.counted(&result("__proto__", 1, 1)).await;
    stage.failed(&failure("__proto__", 2, markup)).await;
    let browser = Browser::start(1280, 900, false).await;
    for search in ["", "?view=table", "?device=__proto__", "?kiosk"] {
        browser.open(&format!("{}/{search}", stage.rest.base())).await;
        browser.until("[data-device=__proto__][data-state=failing]").await;
        let text =
            browser.script("return document.querySelector('[data-device=__proto__]').textContent").await;
        let text = text.as_str().unwrap();
        assert!(text.contains("<b>zone</b>") && text.contains(markup), "{search}: {text}");
        assert_eq!(browser.count("main b, main i, main script, main img[src=x]").await, 0, "{search}");
        assert_ne!(browser.page.title().await.unwrap(), "owned");
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_installation_says_what_to_do_next() {
    let stage = Stage::start("").await;
    let browser = Browser::start(1280, 900, false).await;
    browser.open(stage.rest.base()).await;
    browser.until("[data-connection=live] #empty:not([hidden])").await;
    assert!(browser.text("#empty").await.unwrap().contains("people-counter-ingest --config ingest.toml"));
    // and needs no reload for the first camera
    stage.status(&status("first", CALM)).await;
    browser.until(".card[data-device=first][data-state=unknown]").await;
    browser.until("#empty[hidden]").await;
    stage.remove("first").await;
    browser.until("#empty:not([hidden])").await;
    assert_eq!(browser.count(".card").await, 0);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_nothing_moves_and_nothing_is_called_live() {
    let stage = Stage::start("").await;
    stage.status(&status("cam", CALM)).await;
    stage.counted(&result("cam", 1, 3)).await;
    let browser = Browser::start(1280, 900, false).await;
    browser.open(stage.rest.base()).await;
    browser.until("[data-device=cam][data-state=live][data-count='3']").await;
    browser.click("#pause").await;
    browser.until("[data-connection=paused] [data-device=cam][data-state=paused]").await;
    stage.counted(&result("cam", 2, 4)).await;
    eventually("the server has the next count", || async {
        (stage.rest.device("cam").await?.count == Some(4)).then_some(())
    })
    .await;
    assert_eq!(browser.attribute("[data-device=cam]", "data-count").await.unwrap(), "3");
    assert!(browser.text("#connection-state").await.unwrap().contains("Paused"));
    browser.click("#pause").await;
    browser.until("[data-device=cam][data-state=live][data-count='4']").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_order_and_view_are_in_the_address() {
    let stage = Stage::start("").await;
    for (camera, floor, count) in [("lobby-1", "1", 4), ("lobby-2", "2", 9), ("yard", "1", 6)] {
        let mut described = status(camera, CALM);
        described["labels"] = json!({ "floor": floor });
        stage.status(&described).await;
        stage.counted(&result(camera, 1, count)).await;
    }
    stage.status(&status("lobby-new", CALM)).await;
    let browser = Browser::start(1280, 900, false).await;
    let shown = async |expected: &[&str]| {
        let what = format!("{expected:?} are shown, in this order");
        eventually(&what, || async {
            let script =
                "return [...document.querySelectorAll('#view [data-device]')].map((e) => e.dataset.device)";
            (browser.script(script).await == json!(expected)).then_some(())
        })
        .await;
    };
    for (search, expected) in [
        ("?q=LOBBY&sort=-count", &["lobby-2", "lobby-1", "lobby-new"][..]),
        ("?label=floor%3A1", &["lobby-1", "yard"][..]),
        ("?state=unknown", &["lobby-new"][..]),
        ("?view=table&sort=-deviceID&state=live", &["yard", "lobby-2", "lobby-1"][..]),
        ("?q=nobody", &[][..]),
    ] {
        browser.open(&format!("{}/{search}", stage.rest.base())).await;
        shown(expected).await;
    }
    browser.until("#none:not([hidden])").await;
    browser.click("#clear").await;
    shown(&["lobby-1", "lobby-2", "lobby-new", "yard"]).await;

    browser.click("#search").await;
    browser.press("yard").await;
    shown(&["yard"]).await;
    assert!(browser.page.current_url().await.unwrap().query().unwrap().contains("q=yard"));
    browser.click("#clear").await;
    browser.click("[data-filter=unknown]").await;
    shown(&["lobby-new"]).await;
    browser.click("[data-filter=unknown]").await;
    browser.click("[data-view=table]").await;
    browser.until("table.cameras").await;
    browser.click(".col-count .sort").await;
    shown(&["lobby-2", "yard", "lobby-1", "lobby-new"]).await;
    assert_eq!(browser.attribute("th.col-count", "aria-sort").await.unwrap(), "descending");
    browser.page.back().await.unwrap();
    browser.until("#wall").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kiosk_turns_by_itself_until_it_is_stopped() {
    let stage = Stage::start("").await;
    for camera in ["a", "b"] {
        stage.status(&status(camera, CALM)).await;
        stage.pictured(camera, 1, 2).await;
    }
    let browser = Browser::start(1280, 900, true).await;
    browser.open(&format!("{}/?kiosk=2", stage.rest.base())).await;
    for camera in ["a", "b", "a"] {
        browser
            .until(&format!(".kiosk[data-device={camera}][data-count='2'] .picture[data-picture=shown]"))
            .await;
    }
    browser.click(".kiosk-controls button").await;
    browser.until(".kiosk-controls button[aria-pressed=true]").await;
    let stopped_at = browser.attribute(".kiosk", "data-device").await.unwrap();
    // the count of the one that is shown goes on
    stage.pictured(&stopped_at, 2, 3).await;
    browser.until(&format!(".kiosk[data-device={stopped_at}][data-count='3']")).await;
    browser.close().await;
}
