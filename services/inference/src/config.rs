//! [`Config`]: the settings of an inference node.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use iot_chassis::{Address, Log};
use people_counter_events::{Picture, Topics};
use serde::{Deserialize, Serialize};

use crate::devices::DeviceConfig;
use crate::model::Models;
use crate::threads::Threads;

/// Settings of an inference node; every key has a default, unknown keys are refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Name of this node, unique among the inference nodes; host name and process id if empty.
    pub node: String,
    /// Root of every topic.
    pub root: String,
    /// Nodes of one group share the frames.
    pub group: String,
    /// Threads that analyse, one picture each at a time: a number, or `auto` for one per processor.
    pub workers: Threads,
    /// What is detected and how.
    pub model: ModelConfig,
    /// What is different for some devices.
    pub devices: Vec<DeviceConfig>,
    /// What viewers may see.
    pub picture: PictureConfig,
    /// Working together with the reference implementation's Python services.
    pub compat: Compat,
    /// What is taken on.
    pub limits: Limits,
    /// The broker.
    pub mqtt: iot_mqtt::Config,
    /// The object store.
    pub store: iot_storage::Config,
    /// Health and metrics.
    pub http: Http,
    /// The log.
    pub log: Log,
}

/// What is detected and how.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Folder with `model.toml` and the network; the built-in model if absent.
    pub folder: Option<PathBuf>,
    /// Score from which a detection counts, 0 to 1; the model's own threshold if absent.
    pub threshold: Option<f32>,
    /// Folder of the model that looks too where a device has `fuse`; the built-in wide one if absent.
    pub fuse_with: Option<PathBuf>,
}

/// What becomes of an original once it is analysed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Originals {
    /// It stays until ingest's retention removes it.
    Keep,
    /// It is deleted; viewers get the preview.
    Delete,
}

/// What viewers may see.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PictureConfig {
    /// `original`, `blurred` or `withheld`.
    pub show: Picture,
    /// `keep` or `delete` after analysis. Absent: `keep` if viewers may see originals, else `delete`, and then
    /// `keep` is refused.
    pub originals: Option<Originals>,
    /// Width of the preview in pixels; an original that is not wider needs none.
    pub preview_width: u32,
}

impl PictureConfig {
    /// Whether originals are deleted after analysis.
    pub(crate) fn deletes(&self) -> bool {
        self.show != Picture::Original || self.originals == Some(Originals::Delete)
    }
}

/// Working together with the reference implementation's Python services.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compat {
    /// The topic on which its ingestion announces pictures and its engagement expects results, `image/latest` as it
    /// is published; nothing is taken from there or sent there if empty.
    pub topic: String,
}

/// What is taken on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest file, in bytes.
    pub picture_bytes: usize,
    /// Largest picture, width times height.
    pub picture_pixels: u64,
    /// Longest analysis of one picture; a worker that takes longer is replaced.
    #[serde(with = "humantime_serde")]
    pub analysis: Duration,
    /// Longest time in which fetching a picture is retried; then it is left to be announced again.
    #[serde(with = "humantime_serde")]
    pub fetch: Duration,
    /// A frame announced more often than this is quarantined.
    pub attempts: u32,
}

/// Health and metrics.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Where `/healthz`, `/readyz` and `/metrics` are served: address and port, or `unix:/path`; nowhere if absent.
    pub listen: Option<Address>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: String::new(),
            root: Topics::DEFAULT_ROOT.into(),
            group: "inference".into(),
            workers: Threads::Auto,
            model: ModelConfig::default(),
            devices: Vec::new(),
            picture: PictureConfig::default(),
            compat: Compat::default(),
            limits: Limits::default(),
            mqtt: iot_mqtt::Config::default(),
            store: iot_storage::Config::default(),
            http: Http::default(),
            log: Log::default(),
        }
    }
}

impl Default for PictureConfig {
    fn default() -> Self {
        Self { show: Picture::Original, originals: None, preview_width: 640 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            picture_bytes: 16 << 20,
            picture_pixels: 36_000_000,
            analysis: Duration::from_secs(30),
            fetch: Duration::from_secs(60),
            attempts: 5,
        }
    }
}

impl Config {
    /// Checks everything that can be said without I/O.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        Topics::new(&self.root).context("root")?;
        check_name("group", &self.group)?;
        if !self.node.is_empty() {
            check_name("node", &self.node)?;
        }
        self.mqtt.validate().context("mqtt")?;
        self.store.validate().context("store")?;
        if let Some(threshold) = self.model.threshold {
            ensure!((0.0..=1.0).contains(&threshold), "model.threshold {threshold} is not between 0 and 1");
        }
        for device in &self.devices {
            device.check().with_context(|| format!("devices, {:?}", device.device))?;
        }
        Models::check(self)?;
        ensure!(
            (16..=4096).contains(&self.picture.preview_width),
            "picture.preview_width {} is not between 16 and 4096",
            self.picture.preview_width
        );
        ensure!(
            self.picture.show == Picture::Original || self.picture.originals != Some(Originals::Keep),
            "picture.originals = \"keep\" contradicts picture.show: what viewers may not see does not stay, leave it out"
        );
        self.check_compat()?;
        ensure!(self.limits.attempts > 0, "limits.attempts must be at least 1");
        ensure!(!self.limits.analysis.is_zero(), "limits.analysis must not be zero");
        Ok(())
    }

    fn check_compat(&self) -> anyhow::Result<()> {
        let topic = &self.compat.topic;
        if topic.is_empty() {
            return Ok(());
        }
        ensure!(
            topic.len() <= 1024 && !topic.starts_with('$') && !topic.contains(['+', '#', '\0']),
            "compat.topic {topic:?} is not one topic, write for example \"image/latest\""
        );
        ensure!(
            !topic.starts_with(&format!("{}/", self.root)),
            "compat.topic {topic:?} is below root, where this system's own messages are; take another one"
        );
        ensure!(
            !self.picture.deletes(),
            "compat.topic works only where originals are shown and kept, since the reference's page reads them: set \
             picture.show = \"original\", or leave compat.topic out"
        );
        Ok(())
    }
}

/// `value` becomes one level of a topic.
fn check_name(name: &str, value: &str) -> anyhow::Result<()> {
    let plain = !value.is_empty()
        && value.len() <= 128
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    ensure!(plain, "{name} {value:?} is not valid, use 1 to 128 of A-Z a-z 0-9 - _ .");
    Ok(())
}
