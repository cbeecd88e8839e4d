//! What a viewer sees by REST.

use serde::Deserialize;
use serde_json::Value;

/// The REST interface of an engage replica.
#[derive(Clone)]
pub struct Rest {
    base: String,
    http: reqwest::Client,
}

/// Answer of `/api/v1/devices`, as far as the tests look.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Devices {
    /// Identity of the replica's run.
    pub epoch: String,
    /// Rises with every change.
    pub version: u64,
    /// The sums.
    pub summary: Summary,
    /// The devices by id.
    pub devices: Vec<Device>,
}

/// The sums.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Summary {
    /// People seen by live devices.
    pub people: u64,
    /// Live devices.
    pub live: u64,
}

/// A device.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Its id.
    #[serde(rename = "deviceID")]
    pub device_id: String,
    /// `live`, `stale`, `offline`, `failing` or `unknown`.
    pub state: String,
    /// People; `None` when never counted.
    pub count: Option<u64>,
    /// Age of the count.
    pub age_seconds: Option<f64>,
    /// The frame it belongs to.
    #[serde(rename = "frameID")]
    pub frame_id: Option<String>,
    /// Its boot.
    #[serde(rename = "bootID")]
    pub boot_id: Option<u64>,
    /// Its number.
    pub sequence: Option<u64>,
    /// When it is called stale.
    pub stale_after_seconds: f64,
    /// Where its picture is.
    pub image: Option<String>,
    /// The boxes.
    pub people: Option<Vec<Value>>,
    /// The open failure.
    pub failure: Option<Value>,
}

impl Rest {
    /// The replica at `base`, such as `http://127.0.0.1:8080`.
    pub fn new(base: impl Into<String>) -> Self {
        Self { base: base.into(), http: reqwest::Client::new() }
    }

    /// The address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Its host and port.
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// Status and body of a path.
    pub async fn get(&self, path: &str) -> Option<(u16, Vec<u8>)> {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.bytes().await.ok()?.to_vec()))
    }

    /// All devices; `None` while the replica does not answer.
    pub async fn devices(&self) -> Option<Devices> {
        let (status, body) = self.get("/api/v1/devices").await?;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        Some(serde_json::from_slice(&body).expect("the answer is as documented"))
    }

    /// One device.
    pub async fn device(&self, id: &str) -> Option<Device> {
        self.devices().await?.devices.into_iter().find(|device| device.device_id == id)
    }

    /// The value of a metric's first line that starts with `line`.
    pub async fn metric(&self, line: &str) -> Option<f64> {
        let (_, body) = self.get("/metrics").await?;
        let text = String::from_utf8(body).ok()?;
        text.lines().find(|text| text.starts_with(line))?.rsplit(' ').next()?.parse().ok()
    }
}
