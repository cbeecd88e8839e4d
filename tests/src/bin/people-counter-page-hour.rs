//! Does the page stay as small as it is? `scripts/soak page-hour` opens the wall in a headless Chromium, against an
//! engage with ten thousand cameras that are counted again and again, scrolls now and then, and looks once a minute
//! at what the page holds after everything that nobody holds was collected.
//!
//! `people-counter-page-hour [MINUTES]`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that stops at the first surprise"
)]

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt;
use iot_storage::Key;
use people_counter_tests::browser::Browser;
use people_counter_tests::stage::{Stage, failure, result, status};
use people_counter_tests::wait::eventually;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

const CAMERAS: usize = 10_000;
/// Results per second, over all cameras.
const RATE: usize = 200;
/// One result of so many is of a camera on the first screen, so that the page has something to do.
const NEAR: usize = 10;
const FIRST_SCREEN: usize = 48;
/// One camera of so many has pictures.
const PICTURED: usize = 4;
/// One frame of so many fails.
const FAILING: usize = 50;
/// Minutes that are measured and not compared: everything is loaded for the first time.
const WARM_UP: usize = 5;
/// By how much the end may be above the beginning.
const MOST_GROWTH: f64 = 1.2;
/// Long enough that no camera is stale.
const CADENCE: f64 = 3600.0;

/// What the page holds.
struct Held {
    /// Bytes.
    heap: f64,
    /// Nodes of all documents, those too that are no longer in the page.
    nodes: f64,
    /// Elements in the page.
    elements: f64,
}

#[tokio::main]
async fn main() -> ExitCode {
    iot_chassis::install_crypto();
    let minutes = std::env::args().nth(1).map_or(60, |text| text.parse().expect("a number of minutes"));
    let stage = Stage::start("[log]\nfilter = \"warn\"\n").await;
    let cameras: Vec<String> = (0..CAMERAS).map(|number| format!("cam-{number:05}")).collect();
    futures_util::stream::iter(&cameras)
        .for_each_concurrent(64, async |name| {
            stage.status(&status(name, CADENCE)).await;
            stage.counted(&result(name, 1, 2)).await;
        })
        .await;
    let browser = Browser::start(1280, 900, false).await;
    browser.open(stage.rest.base()).await;
    browser.until("[data-connection=live] .card[data-state=live]").await;
    let held = tokio::select! {
        never = count(&stage, &cameras) => never,
        held = watch(&browser, minutes) => held,
    };
    browser.close().await;
    judge(&held)
}

/// Counts the cameras, for ever.
async fn count(stage: &Stage, cameras: &[String]) -> Vec<Held> {
    let (start, pictures) = (Instant::now(), Mutex::new(HashMap::new()));
    let counts = (0_usize..).map(|number| {
        let pictures = &pictures;
        async move {
            sleep_until(start + Duration::from_secs_f64(number as f64 / RATE as f64)).await;
            // a prime, so that neighbours are not counted one after the other
            let of = if number.is_multiple_of(NEAR) { FIRST_SCREEN } else { cameras.len() };
            let camera = number * 7919 % of;
            count_one(stage, camera, &cameras[camera], number as u64 + 2, pictures).await;
        }
    });
    futures_util::stream::iter(counts).buffer_unordered(64).for_each(async |()| ()).await;
    unreachable!("there is always another number")
}

async fn count_one(
    stage: &Stage,
    camera: usize,
    name: &str,
    sequence: u64,
    pictures: &Mutex<HashMap<usize, Key>>,
) {
    let people = (sequence % 7) as usize;
    if sequence.is_multiple_of(FAILING as u64) {
        stage.failed(&failure(name, sequence, "the picture ends in the middle")).await;
    } else if camera.is_multiple_of(PICTURED) {
        let key = stage.pictured(name, sequence, people).await;
        let before = pictures.lock().unwrap().insert(camera, key);
        // somebody may be loading the last one, but not the one before
        if let Some(key) = before {
            stage.forget_picture(&key).await;
        }
    } else {
        stage.counted(&result(name, sequence, people)).await;
    }
}

/// Looks at the page once a minute.
async fn watch(browser: &Browser, minutes: usize) -> Vec<Held> {
    println!("| minute | heap, MiB | nodes | elements |\n|---|---|---|---|");
    let start = Instant::now();
    let mut all = Vec::new();
    for minute in 1..=minutes {
        let before = frames(browser).await;
        for step in 0..4 {
            sleep_until(start + Duration::from_secs(60 * (minute as u64 - 1) + 15 * step + 10)).await;
            // to the top again and again, where the cameras are counted most often
            let part = if step == 3 { 0 } else { (minute * 37 + step as usize * 11) % 100 };
            browser
                .script(&format!("scrollTo(0, document.documentElement.scrollHeight * {part} / 100)"))
                .await;
        }
        sleep_until(start + Duration::from_secs(60 * minute as u64)).await;
        eventually("the page is live, and shows other frames than a minute ago", || async {
            let now = frames(browser).await;
            (now.is_array() && now != before).then_some(())
        })
        .await;
        let held = look(browser).await;
        println!("| {minute} | {:.2} | {} | {} |", held.heap / f64::from(1 << 20), held.nodes, held.elements);
        all.push(held);
    }
    all
}

/// The frames that the cards show; `false` while the page is not connected.
async fn frames(browser: &Browser) -> serde_json::Value {
    browser
        .script(
            "return document.documentElement.dataset.connection === 'live' && \
             [...document.querySelectorAll('.card')].map((card) => card.dataset.frame)",
        )
        .await
}

async fn look(browser: &Browser) -> Held {
    browser.devtools("HeapProfiler.collectGarbage", json!({})).await;
    let heap = browser.devtools("Runtime.getHeapUsage", json!({})).await["usedSize"].as_f64().unwrap();
    let nodes = browser.devtools("Memory.getDOMCounters", json!({})).await["nodes"].as_f64().unwrap();
    let elements = browser.script("return document.querySelectorAll('*').length").await.as_f64().unwrap();
    Held { heap, nodes, elements }
}

/// Compares the first quarter of an hour after the warm-up with the last; a shorter measurement by its quarters.
fn judge(held: &[Held]) -> ExitCode {
    let measured = &held[WARM_UP.min(held.len() / 4)..];
    let part = (measured.len() / 4).clamp(1, 15);
    let mean = |held: &[Held], what: fn(&Held) -> f64| held.iter().map(what).sum::<f64>() / held.len() as f64;
    let mut code = ExitCode::SUCCESS;
    for (name, what) in [
        ("heap", (|held: &Held| held.heap / f64::from(1 << 20)) as fn(&Held) -> f64),
        ("nodes", |held| held.nodes),
        ("elements", |held| held.elements),
    ] {
        let (first, last) = (mean(&measured[..part], what), mean(&measured[measured.len() - part..], what));
        let verdict = if last <= first * MOST_GROWTH { "bounded" } else { "GROWS" };
        println!(
            "{name}: {first:.2} in the first {part} min, {last:.2} in the last, {:+.1} %: {verdict}",
            (last / first - 1.0) * 100.0
        );
        if last > first * MOST_GROWTH {
            code = ExitCode::FAILURE;
        }
    }
    code
}
