//! The page where access is controlled: who looks, what they see, and what they may do.

use std::io::Write;
use std::process::{Command, Stdio};

use people_counter_tests::browser::Browser;
use people_counter_tests::process::binary;
use people_counter_tests::stage::{Stage, result, status};
use people_counter_tests::wait::eventually;
use serde_json::json;

const CALM: f64 = 3600.0;
pub const PASSWORD: &str = "correct horse battery";

/// What `hash-password` prints for the configuration.
pub fn hashed() -> String {
    let mut child = Command::new(binary("people-counter-engage"))
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Two cameras, a viewer who may see one of them, and an administrator.
async fn guarded() -> Stage {
    let hash = hashed();
    let user = |name: &str, role: &str, devices: &str| {
        format!("[[access.users]]\nname = \"{name}\"\nrole = \"{role}\"\ndevices = [\"{devices}\"]\n{hash}")
    };
    let users = [user("anna", "viewer", "lobby-*"), user("bert", "administrator", "*")].concat();
    let stage = Stage::start(&users).await;
    for (camera, count) in [("lobby-1", 3), ("vault-1", 4)] {
        stage.status(&status(camera, CALM)).await;
        stage.counted(&result(camera, 1, count)).await;
    }
    stage
}

async fn log_in(browser: &Browser, name: &str, password: &str) {
    browser.until("#login:not([hidden])").await;
    eventually("the form waits for a name", || async {
        (browser.script("return document.activeElement.id").await == json!("login-name")).then_some(())
    })
    .await;
    browser.press(name).await;
    browser.click("#login-password").await;
    browser.press(password).await;
    browser.press("\u{e007}").await;
}

async fn log_out(browser: &Browser) {
    browser.click("#logout").await;
    browser.until("#login:not([hidden])").await;
    assert_eq!(browser.count("#view [data-count]").await, 0, "who is logged out sees no camera");
    let left = browser.script("return document.querySelector('#total').dataset.total").await;
    assert_eq!(left, json!(""), "nor how many people there are");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_is_known_sees_cameras_and_only_the_own_ones() {
    let stage = guarded().await;
    let browser = Browser::start(1280, 900, false).await;
    browser.open(stage.rest.base()).await;
    browser.until("#login:not([hidden])").await;
    assert_eq!(browser.count("#view [data-count]").await, 0);

    log_in(&browser, "anna", "wrong").await;
    eventually("the page says why not", || async {
        let problem = browser.text("#login-problem").await?;
        problem.starts_with("Not logged in: ").then_some(())
    })
    .await;
    assert!(browser.attribute("#login", "hidden").await.is_none(), "a wrong password lets nobody in");
    assert_eq!(browser.count("#view [data-count]").await, 0);

    // the wrong password is selected, so that the right one replaces it
    browser.press(PASSWORD).await;
    browser.press("\u{e007}").await;
    browser.until(".card[data-device=lobby-1][data-state=live]").await;
    assert_eq!(browser.text("#user-name").await.unwrap(), "anna");
    assert_eq!(browser.attribute("#total", "data-total").await.unwrap(), "3", "the sum of what she may see");
    assert_eq!(browser.count(".card").await, 1);
    // neither by its address nor as a number
    browser.open(&format!("{}/?device=vault-1", stage.rest.base())).await;
    browser.until("[data-connection=live] .device-view .message:not([hidden])").await;
    assert!(browser.text(".device-view .message").await.unwrap().contains("There is no camera vault-1"));
    browser.open(&format!("{}/?device=lobby-1", stage.rest.base())).await;
    browser.until(".device-view[data-device=lobby-1][data-state=live]").await;
    browser.until(".removal[hidden]").await;

    log_out(&browser).await;
    browser.page.refresh().await.unwrap();
    browser.until("#login:not([hidden])").await;
    assert_eq!(browser.count("#view [data-count]").await, 0, "a reload brings nothing back");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_removes_a_camera_on_the_page() {
    let stage = guarded().await;
    let browser = Browser::start(1280, 900, true).await;
    browser.open(&format!("{}/?device=vault-1", stage.rest.base())).await;
    log_in(&browser, "bert", PASSWORD).await;
    browser.until(".device-view[data-device=vault-1] .removal:not([hidden])").await;
    browser.click(".removal button").await;
    // the first press only asks
    eventually("the page asks once more", || async {
        browser.text(".removal button").await?.contains("Really").then_some(())
    })
    .await;
    browser.until(".device-view[data-device=vault-1][data-state=live]").await;
    browser.click(".removal button").await;
    browser.until(".device-view[data-device=vault-1] .message:not([hidden])").await;
    browser.open(stage.rest.base()).await;
    browser.until(".card[data-device=lobby-1]").await;
    assert_eq!(browser.count(".card").await, 1);
    log_out(&browser).await;
    browser.close().await;
}
