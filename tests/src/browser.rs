//! A headless Chromium.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tempfile::TempDir;

use crate::wait::{eventually, free_port};

/// Chromium and its driver; they end with the value.
pub struct Browser {
    /// Drives the page.
    pub page: Client,
    driver: Child,
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
            "goog:loggingPrefs": { "browser": "ALL" }
        });
        let serde_json::Value::Object(capabilities) = capabilities else { unreachable!("an object") };
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
        Self { page, driver, _profile: profile }
    }

    /// The value of an attribute of the first element that `selector` finds.
    pub async fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        let element = self.page.find(fantoccini::Locator::Css(selector)).await.ok()?;
        element.attr(name).await.ok()?
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
