//! Alerts on the page, from a rule in a real engage.

use people_counter_tests::browser::Browser;
use people_counter_tests::stage::{Stage, result, status};
use people_counter_tests::wait::eventually;

const CALM: f64 = 3600.0;
const RULES: &str = "[[rule]]\nname = \"crowded\"\ndevices = \"*\"\nabove = 5\nclear = 2\nseverity = \"critical\"\n\
                     message = \"{target}: <b>{value}</b> people\"\n";
const ALERT: &str = "#alerts [data-alert='crowded/lobby']";

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_raised_on_the_page_becomes_unknown_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.toml");
    std::fs::write(&rules, RULES).unwrap();
    let stage = Stage::start(&format!("[push]\nenabled = true\nrules = \"{}\"\n", rules.display())).await;
    stage.status(&status("lobby", CALM)).await;
    stage.counted(&result("lobby", 1, 1)).await;
    let browser = Browser::start(1280, 900, false).await;
    browser.open(stage.rest.base()).await;
    browser.until("[data-connection=live] .card[data-device=lobby][data-count='1']").await;
    browser.until("#alerts[hidden]").await;
    browser.script("window.stillTheSamePage = true").await;

    stage.counted(&result("lobby", 2, 6)).await;
    browser.until(&format!("{ALERT}[data-severity=critical][data-alert-state=active]")).await;
    let text = browser.text(ALERT).await.unwrap();
    assert!(text.contains("lobby: <b>6</b> people") && text.contains("Critical"), "{text}");
    eventually("a screen reader is told", || async {
        browser.text("#say-alert").await?.contains("Critical: lobby").then_some(())
    })
    .await;
    // whoever comes later sees it too
    let other = Browser::start(500, 900, true).await;
    other.open(&format!("{}/?view=table", stage.rest.base())).await;
    other.until(ALERT).await;
    other.close().await;

    // a camera that is away says neither yes nor no
    let mut away = status("lobby", CALM);
    away["state"] = "offline".into();
    stage.status(&away).await;
    browser.until(&format!("{ALERT}[data-alert-state=unknown]")).await;
    assert!(browser.text(ALERT).await.unwrap().contains("not known at present"));
    stage.status(&status("lobby", CALM)).await;
    browser.until(&format!("{ALERT}[data-alert-state=active]")).await;

    stage.counted(&result("lobby", 3, 2)).await;
    browser.until("#alerts[hidden]").await;
    assert_eq!(browser.count(ALERT).await, 0);
    assert_eq!(browser.script("return window.stillTheSamePage").await, true, "the page was reloaded");
    browser.close().await;
}
