//! [`Camera`]: one device.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use people_counter_events::{Delivery, DeviceID, DeviceState, DeviceStatus, Message, StatusType};
use serde::{Deserialize, Serialize, Serializer};

use super::Source;

/// A camera and how its pictures are handled.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// Its name: 1 to 64 of `A-Z a-z 0-9 _ -`.
    pub device: DeviceID,
    /// Where its pictures come from.
    pub source: Source,
    /// Time between two pictures.
    #[serde(default = "default_interval", with = "humantime_serde")]
    pub interval: Duration,
    /// `latest`: a newer picture supersedes one that is not analysed yet. `every`: all are analysed.
    #[serde(default)]
    pub delivery: Delivery,
    /// Names and values for people and filters.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// How many of its newest frames stay in the store, with their previews.
    #[serde(default = "default_keep")]
    pub keep: usize,
    /// Most announcements without a result.
    #[serde(default = "default_window")]
    pub window: usize,
    /// What is changed in its pictures before they leave this machine.
    #[serde(default)]
    pub picture: Preparation,
    /// Holds back pictures that show nothing new; absent: all are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// Takes commands; they are answered with a refusal otherwise.
    #[serde(default)]
    pub commands: bool,
    /// Who it is to the broker, where that differs from `[mqtt]`.
    #[serde(default)]
    pub mqtt: DeviceMqtt,
}

/// What is changed in pictures before they leave this machine. A picture that nothing here asks to be changed
/// passes untouched.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Preparation {
    /// The part that is kept: `[x, y, width, height]` as fractions of the upright picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<[f64; 4]>,
    /// Polygons that are painted over: corners `[x, y]` as fractions of the upright picture before it is cropped.
    pub mask: Vec<Vec<[f64; 2]>>,
    /// Largest width in pixels; wider pictures are scaled down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Largest height in pixels; higher pictures are scaled down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Largest file in bytes; larger pictures are compressed more, and scaled down if that is not enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// When a picture shows nothing new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gate {
    /// By how many of 255 levels the mean brightness of any of the picture's 64 x 48 fields must differ from the
    /// last picture sent.
    pub threshold: u8,
    /// Longest time without a picture sent.
    #[serde(with = "humantime_serde")]
    pub silence: Duration,
}

impl Default for Gate {
    fn default() -> Self {
        Self { threshold: 8, silence: Duration::from_secs(60) }
    }
}

/// Whether a camera can take pictures at this interval.
///
/// # Errors
/// One sentence.
pub(crate) fn check_interval(interval: Duration) -> anyhow::Result<()> {
    let bounds = Duration::from_millis(10)..=Duration::from_secs(86_400);
    ensure!(bounds.contains(&interval), "interval must be between 10ms and 1day");
    Ok(())
}

impl Preparation {
    fn check(&self) -> anyhow::Result<()> {
        let is_fraction = |value: &f64| (0.0..=1.0).contains(value);
        if let Some(crop @ [x, y, width, height]) = self.crop {
            let inside = crop.iter().all(is_fraction) && x + width <= 1.0 + 1e-9 && y + height <= 1.0 + 1e-9;
            ensure!(
                inside && width > 0.0 && height > 0.0,
                "crop must be [x, y, width, height] as fractions within the picture"
            );
        }
        ensure!(self.mask.len() <= 100, "mask must have at most 100 polygons");
        for polygon in &self.mask {
            ensure!((3..=100).contains(&polygon.len()), "a polygon of mask must have 3 to 100 corners");
            ensure!(
                polygon.iter().flatten().all(is_fraction),
                "the corners of mask must be [x, y] as fractions from 0 to 1"
            );
        }
        for (name, size) in [("width", self.width), ("height", self.height)] {
            ensure!(
                size.is_none_or(|size| (16..=65_535).contains(&size)),
                "{name} must be between 16 and 65535"
            );
        }
        ensure!(self.bytes.is_none_or(|bytes| bytes >= 1024), "bytes must be at least 1024");
        Ok(())
    }
}

/// Who a device is to the broker; what is absent is taken from `[mqtt]`.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceMqtt {
    /// Client id; `people-counter-ingest-{device}` if absent.
    pub client_id: Option<String>,
    /// User name.
    pub username: Option<String>,
    /// Password.
    #[serde(serialize_with = "redacted", skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// File with the password.
    pub password_file: Option<PathBuf>,
}

const REDACTED: &str = "[redacted]";

fn redacted<S: Serializer>(_secret: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(REDACTED)
}

impl fmt::Debug for DeviceMqtt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceMqtt")
            .field("client_id", &self.client_id)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| REDACTED))
            .field("password_file", &self.password_file)
            .finish()
    }
}

fn default_interval() -> Duration {
    Duration::from_secs(10)
}

fn default_keep() -> usize {
    10
}

fn default_window() -> usize {
    4
}

impl Camera {
    /// A camera with the defaults.
    pub fn new(device: DeviceID, source: Source) -> Self {
        Self {
            device,
            source,
            interval: default_interval(),
            delivery: Delivery::default(),
            labels: BTreeMap::new(),
            keep: default_keep(),
            window: default_window(),
            picture: Preparation::default(),
            gate: None,
            commands: false,
            mqtt: DeviceMqtt::default(),
        }
    }

    pub(super) fn check(&self, mqtt: &iot_mqtt::Config) -> anyhow::Result<()> {
        check_interval(self.interval)?;
        ensure!((1..=100_000).contains(&self.keep), "keep must be between 1 and 100000");
        ensure!((1..=1_000).contains(&self.window), "window must be between 1 and 1000");
        self.picture.check().context("picture")?;
        if let Some(gate) = self.gate {
            ensure!(gate.threshold >= 1, "gate: threshold must be between 1 and 255");
            ensure!(gate.silence >= self.interval, "gate: silence must be at least the interval");
        }
        // readers would refuse a status that the contract does not allow
        self.status().check()?;
        self.mqtt(mqtt).validate()?;
        self.source.check().context("source")
    }

    /// The status of the device before it has done anything.
    pub(crate) fn status(&self) -> DeviceStatus {
        DeviceStatus {
            kind: StatusType::default(),
            device_id: self.device.clone(),
            state: DeviceState::Offline,
            boot_id: 0,
            connection: 0,
            version: env!("CARGO_PKG_VERSION").into(),
            source: self.source.kind().into(),
            cadence_seconds: self.interval.as_secs_f64(),
            delivery: self.delivery,
            labels: self.labels.clone(),
            spool_depth: 0,
            dropped: BTreeMap::new(),
            problem: None,
            unchanged: None,
        }
    }

    /// The broker's configuration for this device.
    pub(crate) fn mqtt(&self, common: &iot_mqtt::Config) -> iot_mqtt::Config {
        let own = &self.mqtt;
        let mut config = common.clone();
        if own.username.is_some() {
            config.username.clone_from(&own.username);
        }
        if own.password.is_some() || own.password_file.is_some() {
            config.password.clone_from(&own.password);
            config.password_file.clone_from(&own.password_file);
        }
        config
    }

    /// Its client id. A fixed one: after a crash the broker ends the old connection when the new one comes.
    pub(crate) fn client_id(&self) -> String {
        self.mqtt.client_id.clone().unwrap_or_else(|| format!("people-counter-ingest-{}", self.device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(mqtt: &str) -> Camera {
        toml::from_str(&format!(
            "device = 'cam-1'\nsource = {{ kind = 'folder', path = '/p' }}\nmqtt = {mqtt}"
        ))
        .unwrap()
    }

    #[test]
    fn a_device_may_have_credentials_of_its_own() {
        let common = iot_mqtt::Config::default().with(|config| {
            config.username = Some("all".into());
            config.password = Some("secret".into());
        });
        let config = camera("{}").mqtt(&common);
        assert_eq!((config.username.unwrap(), config.password.unwrap()), ("all".into(), "secret".into()));
        let config = camera("{ username = 'cam', password_file = '/run/secret' }").mqtt(&common);
        assert_eq!((config.username.unwrap(), config.password), ("cam".into(), None));
        assert_eq!(config.password_file, Some("/run/secret".into()));
    }

    #[test]
    fn a_password_is_never_shown() {
        let camera = camera("{ username = 'cam', password = 'hunter2' }");
        assert!(!format!("{camera:?}").contains("hunter2"));
        assert!(!toml::to_string(&camera).unwrap().contains("hunter2"));
    }

    #[test]
    fn the_client_id_is_fixed() {
        assert_eq!(camera("{}").client_id(), "people-counter-ingest-cam-1");
        assert_eq!(camera("{ client_id = 'thing-7' }").client_id(), "thing-7");
    }
}
