//! The page where people log in at an OpenID provider: a real provider, and a real browser between the two.

use std::path::{Path, PathBuf};

use people_counter_tests::browser::Browser;
use people_counter_tests::process::Process;
use people_counter_tests::stage::{Stage, result, status};
use people_counter_tests::wait::{eventually, free_port};
use serde_json::json;
use tempfile::TempDir;

use crate::page_access::{axe, no_violation};
use crate::page_login::{PASSWORD, hashed};

const CALM: f64 = 3600.0;

/// A provider that knows anna of the group `lobby`, and eve of another one.
struct Provider {
    issuer: String,
    _process: Process,
    _folder: TempDir,
}

impl Provider {
    async fn start() -> Self {
        let program: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/oidc-provider-mock");
        assert!(program.exists(), "{} is missing: scripts/test installs it", program.display());
        let (port, folder) = (free_port().to_string(), tempfile::tempdir().unwrap());
        let people = [("anna", "lobby"), ("eve", "others")].map(|(name, group)| {
            json!({"sub": name, "preferred_username": name, "groups": [group]}).to_string()
        });
        let arguments = [
            "--port",
            &port,
            "--require-nonce",
            "true",
            "--user-claims",
            &people[0],
            "--user-claims",
            &people[1],
        ];
        let process = Process::start_program(&program, &arguments, &[], folder.path());
        // for a browser localhost is another site than 127.0.0.1, where engage is
        let issuer = format!("http://localhost:{port}");
        let metadata = format!("{issuer}/.well-known/openid-configuration");
        eventually("the provider answers", || async {
            reqwest::get(&metadata).await.ok()?.error_for_status().ok()
        })
        .await;
        Self { issuer, _process: process, _folder: folder }
    }
}

/// Two cameras, of which people of the group `lobby` may see one.
async fn guarded(provider: &Provider, users: &str) -> Stage {
    let port = free_port();
    let access = format!(
        "[access.oidc]\nissuer = \"{}\"\nclient_id = \"people-counter\"\nclient_secret = \"s3cret\"\n\
         name = \"Example SSO\"\npublic_url = \"http://127.0.0.1:{port}\"\n\
         [[access.oidc.groups]]\ngroup = \"lobby\"\nrole = \"viewer\"\ndevices = [\"lobby-*\"]\n{users}",
        provider.issuer
    );
    let stage = Stage::start_at(port, &access).await;
    for (camera, count) in [("lobby-1", 3), ("vault-1", 4)] {
        stage.status(&status(camera, CALM)).await;
        stage.counted(&result(camera, 1, count)).await;
    }
    stage
}

/// The button on the page, and the one of somebody on the provider's page.
async fn log_in(browser: &Browser, name: &str) {
    browser.until("#login:not([hidden]) #login-provider:not([hidden])").await;
    browser.click("#login-link").await;
    browser.until(&format!("button[value={name}]")).await;
    browser.click(&format!("button[value={name}]")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_log_in_at_the_provider_and_come_back_to_what_they_looked_for() {
    let provider = Provider::start().await;
    let stage = guarded(&provider, "").await;
    let browser = Browser::start(1280, 900, false).await;
    let wanted = format!("{}/?device=lobby-1", stage.rest.base());
    browser.open(&wanted).await;
    browser.until("#login:not([hidden]) #login-form[hidden]").await;
    assert_eq!(browser.text("#login-link").await.unwrap(), "Log in with Example SSO");
    eventually("the button has the focus", || async {
        (browser.script("return document.activeElement.id").await == json!("login-link")).then_some(())
    })
    .await;
    no_violation(&browser, &axe(), "a provider alone").await;

    // somebody whom the provider knows, but who is in no group that may look
    log_in(&browser, "eve").await;
    eventually("the page says why not", || async {
        let problem = browser.text("#login-problem").await?;
        problem
            .starts_with("Not logged in: the provider knows you, but none of your groups may")
            .then_some(())
    })
    .await;
    assert_eq!(browser.count("#view [data-count]").await, 0);
    let address = browser.page.current_url().await.unwrap();
    assert_eq!(address.as_str(), wanted, "the reason does not stay in the address");
    no_violation(&browser, &axe(), "a login that failed").await;

    log_in(&browser, "anna").await;
    browser.until(".device-view[data-device=lobby-1][data-state=live]").await;
    assert_eq!(browser.page.current_url().await.unwrap().as_str(), wanted);
    assert_eq!(browser.text("#user-name").await.unwrap(), "anna");
    browser.open(stage.rest.base()).await;
    browser.until(".card[data-device=lobby-1][data-state=live]").await;
    assert_eq!(browser.attribute("#total", "data-total").await.unwrap(), "3", "the sum of what she may see");
    assert_eq!(browser.count(".card").await, 1);

    browser.click("#logout").await;
    browser.until("#login:not([hidden]) #login-provider:not([hidden])").await;
    browser.page.refresh().await.unwrap();
    browser.until("#login:not([hidden])").await;
    assert_eq!(browser.count("#view [data-count]").await, 0, "a reload brings nothing back");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_still_lets_in_whoever_has_one() {
    let provider = Provider::start().await;
    let users = format!("[[access.users]]\nname = \"bert\"\nrole = \"viewer\"\n{}", hashed());
    let stage = guarded(&provider, &users).await;
    let browser = Browser::start(500, 900, true).await;
    browser.open(stage.rest.base()).await;
    browser.until("#login:not([hidden]) #login-form:not([hidden]) + #login-provider:not([hidden])").await;
    no_violation(&browser, &axe(), "a password or a provider").await;
    eventually("the form waits for a name", || async {
        (browser.script("return document.activeElement.id").await == json!("login-name")).then_some(())
    })
    .await;
    // name, password, button, and then the provider's
    for next in ["login-password", "login-button", "login-link"] {
        browser.press("\u{e004}").await;
        assert_eq!(browser.script("return document.activeElement.id").await, json!(next));
    }
    browser.click("#login-name").await;
    browser.press("bert").await;
    browser.click("#login-password").await;
    browser.press(PASSWORD).await;
    browser.press("\u{e007}").await;
    browser.until(".card[data-device=vault-1][data-state=live]").await;
    assert_eq!(browser.count(".card").await, 2);
    browser.close().await;
}
