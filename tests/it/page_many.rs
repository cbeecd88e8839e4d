//! Ten thousand cameras on the page: only what is on screen is there.

use std::time::Instant;

use futures_util::StreamExt as _;
use people_counter_tests::browser::Browser;
use people_counter_tests::stage::{Stage, failure, result, status};
use people_counter_tests::wait::eventually;
use serde_json::json;

/// Most elements of a page, whatever is behind it.
const MOST_ELEMENTS: u64 = 1500;

/// So many cameras; fewer or more with the environment variable `DEVICES`.
fn cameras() -> usize {
    std::env::var("DEVICES").map_or(10_000, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_cameras_those_on_screen_are_in_the_page() {
    let stage = Stage::start("").await;
    let many = cameras();
    let names: Vec<String> = (1..=many).map(|number| format!("cam-{number:05}")).collect();
    futures_util::stream::iter(&names)
        .for_each_concurrent(64, async |name| {
            let mut described = status(name, 3600.0);
            described["labels"] = json!({ "floor": "2", "name": "Main entrance" });
            stage.status(&described).await;
            stage.counted(&result(name, 1, 2)).await;
        })
        .await;
    eventually("the server knows all of them", || async {
        (stage.rest.metric("engage_devices{state=\"live\"}").await? == many as f64).then_some(())
    })
    .await;

    let browser = Browser::start(1280, 900, false).await;
    let (first, last) = (&names[0], &names[many - 1]);
    for (view, card, sequence) in [("", ".card", 2), ("?view=table", "tr[data-device]", 4)] {
        let started = Instant::now();
        browser.open(&format!("{}/{view}", stage.rest.base())).await;
        browser.until(&format!("{card}[data-device={first}][data-count='2']")).await;
        let painted = started.elapsed();
        assert_eq!(browser.attribute("#total", "data-total").await.unwrap(), (2 * many).to_string());
        few_elements(&browser, view).await;

        let scroll = "const done = arguments[arguments.length - 1]; const times = []; let last = performance.now(); \
                      const step = (now) => { times.push(now - last); last = now; window.scrollBy(0, 400); \
                      if (times.length < 60) requestAnimationFrame(step); else done(times); }; \
                      requestAnimationFrame(step);";
        let times = browser.page.execute_async(scroll, vec![]).await.unwrap();
        let mut times: Vec<f64> = serde_json::from_value(times).unwrap();
        times.sort_by(f64::total_cmp);
        println!(
            "{many} cameras, {card}: shown after {painted:.1?}; a frame while scrolling takes {:.0} ms in the middle, {:.0} ms at worst",
            times[times.len() / 2],
            times[times.len() - 1]
        );
        few_elements(&browser, view).await;

        browser.script("window.scrollTo(0, document.documentElement.scrollHeight)").await;
        browser.until(&format!("{card}[data-device={last}][data-count='2']")).await;
        assert_eq!(browser.count(&format!("[data-device={first}]")).await, 0);
        few_elements(&browser, view).await;

        // what is on screen is kept up to date
        stage.counted(&result(last, sequence, 7)).await;
        browser.until(&format!("{card}[data-device={last}][data-count='7']")).await;
        stage.counted(&result(last, sequence + 1, 2)).await;
        browser.until(&format!("{card}[data-device={last}][data-count='2']")).await;
        // the way back from a camera leads to where one was
        browser.click(&format!("{card}[data-device={last}] a")).await;
        browser.until(&format!(".device-view[data-device={last}][data-count='2']")).await;
        browser.page.back().await.unwrap();
        browser.until(&format!("{card}[data-device={last}][data-count='2']")).await;
    }
    browser.close().await;
    on_large_and_small_screens(&stage, &names).await;
}

/// The same with pictures, and with cameras that fail, on screens from a phone to 4K in every density.
#[expect(clippy::print_stdout, reason = "figures, as the test itself prints them")]
async fn on_large_and_small_screens(stage: &Stage, names: &[String]) {
    for name in names.iter().take(150) {
        stage.pictured(name, 10, 3).await;
    }
    for name in names.iter().take(150).step_by(10) {
        stage.failed(&failure(name, 11, "the picture ends in the middle")).await;
    }
    for (width, height) in [(500, 900), (1920, 1080), (3840, 2160)] {
        let browser = Browser::start(width, height, false).await;
        for view in ["?density=compact", "?density=normal", "?density=large", "?view=table"] {
            browser.open(&format!("{}/{view}", stage.rest.base())).await;
            browser.until(&format!("#view [data-device={}][data-state=failing]", names[0])).await;
            eventually("every picture on screen is loaded", || async {
                (browser.count(".picture[data-picture=missing] .icon").await == 0).then_some(())
            })
            .await;
            few_elements(&browser, view).await;
            // a row is cut off above, and one below
            browser.script("window.scrollTo(0, innerHeight * 0.7)").await;
            few_elements(&browser, view).await;
            browser.until("#view:not(:has(.placeholder))").await;
            few_elements(&browser, view).await;
            let cards = browser.count("#view [data-device]").await;
            let elements = browser.script("return document.querySelectorAll('*').length").await;
            println!("{width} x {height}, {view}: {cards} cameras in the page, {elements} elements");
        }
        browser.close().await;
    }
}

async fn few_elements(browser: &Browser, view: &str) {
    let elements = browser.script("return document.querySelectorAll('*').length").await.as_u64().unwrap();
    assert!(elements < MOST_ELEMENTS, "{elements} elements at {view:?}");
}
