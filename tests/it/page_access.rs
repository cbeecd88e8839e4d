//! The page for everybody: checked by axe-core, and walked through with the keyboard alone.

use std::path::PathBuf;

use people_counter_tests::browser::Browser;
use people_counter_tests::stage::{Stage, failure, result, status};
use serde_json::{Value, json};

const CALM: f64 = 3600.0;

/// axe-core, as the checks of the page install it.
pub fn axe() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("page/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; it comes with: npm ci --prefix tests/page", path.display())
    })
}

/// One camera in each state, with a picture where there can be one.
async fn furnished() -> Stage {
    let stage = Stage::start("").await;
    for camera in ["live", "offline", "failing", "unknown"] {
        let mut described = status(camera, CALM);
        described["labels"] = json!({ "floor": "2", "name": "Main entrance" });
        stage.status(&described).await;
    }
    stage.pictured("live", 1, 3).await;
    stage.pictured("offline", 2, 1).await;
    stage.counted(&result("failing", 1, 2)).await;
    stage.failed(&failure("failing", 2, "the picture ends in the middle")).await;
    let mut offline = status("offline", CALM);
    offline["state"] = "offline".into();
    stage.status(&offline).await;
    stage.status(&status("stale", 1.0)).await;
    stage.counted(&result("stale", 1, 4)).await;
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_on_any_view_in_either_scheme() {
    let axe = axe();
    let stage = furnished().await;
    for (dark, width) in [(false, 1280), (true, 1280), (true, 500)] {
        let browser = Browser::start(width, 900, dark).await;
        for (search, there) in [
            ("", ".card[data-device=failing][data-state=failing]"),
            ("?density=compact", ".card[data-device=failing][data-state=failing]"),
            ("?view=table", "tr[data-device=stale][data-state=stale]"),
            ("?device=live", ".device-view .picture[data-picture=shown]"),
            ("?device=failing", ".device-view .failures li"),
            ("?device=nobody", ".device-view .message:not([hidden])"),
            ("?view=nodes", ".nodes-view"),
            ("?kiosk=600", ".kiosk[data-device]"),
            ("?q=nothing", "#none:not([hidden])"),
        ] {
            browser.open(&format!("{}/{search}", stage.rest.base())).await;
            browser.until(&format!("[data-connection=live] {there}")).await;
            let scheme = browser.script("return matchMedia('(prefers-color-scheme: dark)').matches").await;
            assert_eq!(scheme, json!(dark), "the browser has the other scheme");
            no_violation(&browser, &axe, &format!("{search} at {width}, dark: {dark}")).await;
        }
        if !dark {
            browser.open(stage.rest.base()).await;
            browser.until("[data-connection=live] .card[data-device=live]").await;
            browser.click("#pause").await;
            browser.until("[data-connection=paused] .card[data-state=paused]").await;
            no_violation(&browser, &axe, "paused").await;
        }
        browser.close().await;
    }
}

pub async fn no_violation(browser: &Browser, axe: &str, where_: &str) {
    browser.script(axe).await;
    // a transition between two colours has a third
    let run = "const done = arguments[arguments.length - 1]; \
               Promise.allSettled(document.getAnimations().map((animation) => animation.finished)) \
                 .then(() => axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })) \
                 .then((found) => done(found.violations.map(({ id, help, nodes }) => \
                   ({ id, help, nodes: nodes.map(({ html, failureSummary }) => [html.slice(0, 200), failureSummary]) }))), (error) => done(String(error)));";
    let found = browser.page.execute_async(run, vec![]).await.unwrap();
    assert_eq!(found, json!([]), "{where_}: {found:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_can_be_reached_with_the_keyboard() {
    let stage = furnished().await;
    let browser = Browser::start(1280, 900, false).await;
    browser.open(stage.rest.base()).await;
    browser.until("[data-connection=live] .card[data-device=stale][data-state=stale]").await;

    // the first stop leads past everything
    browser.press("\u{e004}").await;
    assert_eq!(focused(&browser).await["text"], "Skip to the cameras");
    let mut stops = Vec::new();
    for _ in 0..40 {
        browser.press("\u{e004}").await;
        let stop = focused(&browser).await;
        assert_eq!(stop["seen"], json!(true), "the focus cannot be seen: {stop}");
        stops.push(stop["id"].as_str().unwrap().to_owned());
        if stop["id"] == "device-unknown" {
            break;
        }
    }
    for id in [
        "pause",
        "search",
        "sort",
        "density",
        "device-failing",
        "device-live",
        "device-offline",
        "device-unknown",
    ] {
        assert!(stops.iter().any(|stop| stop == id), "{id} cannot be reached: {stops:?}");
    }

    // the arrows move among the cameras, Enter opens one, and the way back leads to it
    browser.press("\u{e012}").await;
    let neighbour = focused(&browser).await["id"].as_str().unwrap().to_owned();
    assert!(neighbour.starts_with("device-") && neighbour != "device-unknown", "{neighbour}");
    browser.press("\u{e007}").await;
    let device = neighbour.trim_start_matches("device-");
    browser.until(&format!(".device-view[data-device={device}]")).await;
    browser.page.back().await.unwrap();
    people_counter_tests::wait::eventually("the focus is back on the camera", || async {
        (focused(&browser).await["id"] == neighbour.as_str()).then_some(())
    })
    .await;

    // the chart reads out single counts
    browser.open(&format!("{}/?device=live", stage.rest.base())).await;
    browser.until(".chart-plot:not([hidden])").await;
    browser.script("document.querySelector('.chart-plot').focus()").await;
    browser.press("\u{e011}").await;
    let text = browser.attribute(".chart-plot", "aria-valuetext").await.unwrap();
    assert!(text.starts_with("3 people at "), "{text}");

    // the kiosk turns its pages, stops, and is left
    browser.open(&format!("{}/?kiosk=600", stage.rest.base())).await;
    browser.until(".kiosk[data-device=failing]").await;
    browser.press("\u{e014}").await;
    browser.until(".kiosk[data-device=live]").await;
    browser.press(" ").await;
    browser.until(".kiosk button[aria-pressed=true]").await;
    browser.press("\u{e00c}").await;
    browser.until("#wall").await;
    browser.close().await;
}

/// What has the focus, and whether one sees it.
async fn focused(browser: &Browser) -> Value {
    browser
        .script(
            "const element = document.activeElement; const style = getComputedStyle(element); \
             const after = getComputedStyle(element, '::after'); \
             return { id: element.id, text: element.textContent.trim(), \
                      seen: [style, after].some(({ outlineStyle, outlineWidth }) => outlineStyle !== 'none' && parseFloat(outlineWidth) > 1) }",
        )
        .await
}
