//! A headless Chromium.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::wait::{eventually, free_port};

/// Chromium and its driver; they end with the value.
pub struct Browser {
    /// Drives the page.
    pub page: Client,
    driver: Child,
    driver_port: u16,
    _profile: TempDir,
}

impl Browser {
    /// Starts Chromium with a window of `width` x `height` and light or dark colours.
    ///
    /// # Panics
    /// When chromium or chromedriver is missing or does not start.
    pub async fn start(width: u32, height: u32, dark: bool) -> Self {
        let program = "/usr/bin/chromedriver";
        assert!(Path::new(program).exists(), "chromedriver is missing: apt-get install chromium-driver");
        assert!(Path::new("/usr/bin/chromium").exists(), "chromium is missing: apt-get install chromium");
        let port = free_port();
        let driver = Command::new(program)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut arguments = vec![
            "--headless".to_owned(),
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-quic".into(),
            "--disable-dev-shm-usage".into(),
            "--no-first-run".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            "--disable-sync".into(),
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        if dark {
            arguments.push("--force-dark-mode".into());
            arguments.push("--blink-settings=preferredColorScheme=0".into());
        }
        let capabilities = json!({
            "goog:chromeOptions": { "binary": "/usr/bin/chromium", "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "script": 120_000 }
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("an object") };
        let page = eventually("chromedriver answers", || {
            let capabilities = capabilities.clone();
            async move {
                ClientBuilder::new(HttpConnector::new())
                    .capabilities(capabilities)
                    .connect(&format!("http://127.0.0.1:{port}"))
                    .await
                    .ok()
            }
        })
        .await;
        Self { page, driver, driver_port: port, _profile: profile }
    }

    /// Opens an address.
    ///
    /// # Panics
    /// When the browser cannot.
    pub async fn open(&self, address: &str) {
        self.page.goto(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
    }

    /// Runs a script in the page; its value, `null` if it has none.
    ///
    /// # Panics
    /// When it throws.
    pub async fn script(&self, script: &str) -> Value {
        let value = self.page.execute(script, vec![]).await;
        value.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The value of an attribute of the first element that `selector` finds.
    pub async fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        let element = self.page.find(Locator::Css(selector)).await.ok()?;
        element.attr(name).await.ok()?
    }

    /// What can be read in the first element that `selector` finds.
    pub async fn text(&self, selector: &str) -> Option<String> {
        self.page.find(Locator::Css(selector)).await.ok()?.text().await.ok()
    }

    /// How many elements `selector` finds.
    pub async fn count(&self, selector: &str) -> usize {
        self.page.find_all(Locator::Css(selector)).await.map_or(0, |found| found.len())
    }

    /// Waits until `selector` finds something.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn until(&self, selector: &str) {
        let what = format!("the page has {selector}");
        eventually(&what, || async { (self.count(selector).await > 0).then_some(()) }).await;
    }

    /// Clicks on the first element that `selector` finds.
    ///
    /// # Panics
    /// When there is none, or something covers it.
    pub async fn click(&self, selector: &str) {
        let element = self.page.find(Locator::Css(selector)).await;
        let element = element.unwrap_or_else(|error| panic!("{selector}: {error}"));
        element.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Types into whatever has the focus.
    ///
    /// # Panics
    /// When nothing can be typed.
    pub async fn press(&self, keys: &str) {
        let focused = self.page.active_element().await.expect("something has the focus");
        focused.send_keys(keys).await.unwrap_or_else(|error| panic!("{keys:?}: {error}"));
    }

    /// Asks the browser itself, by the DevTools protocol.
    ///
    /// # Panics
    /// When it refuses.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let session =
            self.page.session_id().await.expect("the session is open").expect("the session has an id");
        let url = format!("http://127.0.0.1:{}/session/{session}/goog/cdp/execute", self.driver_port);
        let body = json!({ "cmd": command, "params": parameters });
        let answer = reqwest::Client::new().post(url).json(&body).send().await.expect("chromedriver answers");
        let answer = answer.error_for_status().unwrap_or_else(|error| panic!("{command}: {error}"));
        answer.json::<Value>().await.expect("chromedriver answers with JSON")["value"].take()
    }

    /// Ends the session.
    pub async fn close(self) {
        drop(self.page.clone().close().await);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}
