//! [`Config`]: which cameras there are and where their pictures go.

mod camera;
mod camera_url;
mod secret;
mod source;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use iot_chassis::{Address, Log};
use people_counter_events::Topics;
use serde::{Deserialize, Serialize};

pub(crate) use camera::check_interval;
pub use camera::{Camera, DeviceMqtt, Gate, Preparation};
pub use camera_url::{CameraUrl, Credentials};
pub use secret::Secret;
#[cfg(not(feature = "camera"))]
pub(crate) use source::NO_CAMERAS;
pub use source::{Folder, HttpCamera, RtspCamera, Source, UsbCamera, Video, parse_source};

/// Everything `people-counter-ingest` can be told. Every key but the cameras and the bucket has a default.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What all topics start with; the same for all services of an installation.
    pub root: String,
    /// How long a stop may take: what is being uploaded and announced is finished within.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// The broker. Each camera has a connection of its own.
    pub mqtt: iot_mqtt::Config,
    /// The object store.
    pub store: iot_storage::Config,
    /// Where `/healthz`, `/readyz` and `/metrics` are served.
    pub http: Http,
    /// What is logged and how.
    pub log: Log,
    /// Largest picture that is taken from a source.
    pub limits: Limits,
    /// What may wait until it is settled, per camera.
    pub spool: Spool,
    /// How long to wait for results.
    pub results: Results,
    /// The cameras.
    pub cameras: Vec<Camera>,
}

/// Where `/healthz`, `/readyz` and `/metrics` are served.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address and port, or `unix:/path`; nowhere if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<Address>,
}

/// Largest picture that is taken from a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Size of the file.
    pub bytes: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// What may wait until it is settled, per camera. With `delivery = "every"` the oldest frame that has not been
/// announced is given up above a limit, and counted; with `latest` only the newest waits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spool {
    /// Folder for the frames, so that they outlive the process; a folder for each camera is made in it. They
    /// wait in memory alone if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Frames that are not announced yet.
    pub frames: usize,
    /// Bytes of pictures in the folder.
    pub bytes: u64,
    /// Time until a frame has ended in one way or another.
    #[serde(with = "humantime_serde")]
    pub age: Duration,
    /// Bytes of pictures in memory, where there is no folder or its disk takes nothing.
    pub memory: u64,
    /// How long a frame of `every` waits in memory before it is written, to spare flash memory: what settles
    /// within is never written, and an end of the process in between loses it.
    #[serde(with = "humantime_serde")]
    pub after: Duration,
    /// Most frames a second that are uploaded and announced while more wait, unless the camera itself takes
    /// half as many.
    pub drain: u32,
}

/// How long to wait for the result of an announcement before it is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Results {
    /// The first time.
    #[serde(with = "humantime_serde")]
    pub patience: Duration,
    /// It doubles each time, up to this.
    #[serde(with = "humantime_serde")]
    pub patience_max: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            root: Topics::DEFAULT_ROOT.into(),
            grace: Duration::from_secs(5),
            mqtt: iot_mqtt::Config::default(),
            store: iot_storage::Config::default(),
            http: Http::default(),
            log: Log::default(),
            limits: Limits::default(),
            spool: Spool::default(),
            results: Results::default(),
            cameras: Vec::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 16 << 20, width: 8192, height: 8192 }
    }
}

impl Default for Spool {
    fn default() -> Self {
        Self {
            folder: None,
            frames: 20_000,
            bytes: 1 << 30,
            age: Duration::from_secs(7 * 86_400),
            memory: 64 << 20,
            after: Duration::ZERO,
            drain: 20,
        }
    }
}

impl Default for Results {
    fn default() -> Self {
        Self { patience: Duration::from_secs(10), patience_max: Duration::from_secs(120) }
    }
}

impl Config {
    /// Checks everything that can be said without I/O.
    ///
    /// # Errors
    /// One sentence that names the setting.
    pub fn check(&self) -> anyhow::Result<()> {
        Topics::new(&self.root).context("root")?;
        self.mqtt.validate()?;
        self.store.validate().context("store")?;
        self.limits.check().context("limits")?;
        let picture = self.limits.bytes;
        ensure!(picture <= self.store.max_object_bytes, "limits: bytes is over the store's max_object_bytes");
        self.spool.check(picture).context("spool")?;
        let Results { patience, patience_max } = self.results;
        ensure!(patience >= Duration::from_millis(100), "results: patience must be at least 100ms");
        ensure!(patience <= patience_max, "results: patience is longer than patience_max");
        if self.cameras.is_empty() {
            bail!("no camera is configured, add a [[cameras]] table with device and source");
        }
        let mut devices = BTreeSet::new();
        for camera in &self.cameras {
            camera.check(&self.mqtt).with_context(|| format!("camera {}", camera.device))?;
            ensure!(
                devices.insert(&camera.device),
                "camera {}: two cameras have this device id",
                camera.device
            );
        }
        Ok(())
    }
}

impl Spool {
    /// `picture` is the size of the largest one.
    fn check(&self, picture: u64) -> anyhow::Result<()> {
        ensure!((1..=1_000_000).contains(&self.frames), "frames must be between 1 and 1000000");
        for (name, bytes) in [("bytes", self.bytes), ("memory", self.memory)] {
            // one picture is being uploaded while the next one waits
            ensure!(bytes >= 2 * picture, "{name} must be at least twice limits.bytes");
        }
        ensure!(self.age >= Duration::from_secs(1), "age must be at least 1s");
        ensure!(self.after <= Duration::from_secs(60), "after must be at most 60s");
        ensure!((1..=1_000).contains(&self.drain), "drain must be between 1 and 1000");
        ensure!(
            self.folder.as_ref().is_none_or(|folder| folder.is_absolute()),
            "folder must be an absolute path"
        );
        Ok(())
    }

    /// Shortest time between two frames that leave a backlog of a camera that takes one each `interval`.
    pub(crate) fn drain_pause(&self, interval: Duration) -> Duration {
        (Duration::from_secs(1) / self.drain).min(interval / 2)
    }
}

impl Limits {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.bytes >= 1024, "bytes must be at least 1024");
        for (name, size) in [("width", self.width), ("height", self.height)] {
            ensure!(
                (1..=65_535).contains(&size),
                "{name} must be between 1 and 65535, which a JPEG can have"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, toml::de::Error> {
        toml::from_str(text)
    }

    fn problem(text: &str) -> String {
        match parse(text) {
            Ok(config) => format!("{:#}", config.check().unwrap_err()),
            Err(error) => error.to_string(),
        }
    }

    const STORE: &str = "[store]\nbucket = 'frames'\n";
    const CAMERA: &str = "[[cameras]]\ndevice = 'cam-1'\nsource = { kind = 'folder', path = '/pictures' }\n";

    #[test]
    fn a_camera_needs_a_device_and_a_source_alone() {
        let config = parse(&format!("{STORE}{CAMERA}")).unwrap();
        config.check().unwrap();
        let camera = &config.cameras[0];
        assert_eq!(camera.interval, Duration::from_secs(10));
        assert_eq!((camera.keep, camera.window), (10, 4));
        assert_eq!(camera.source.kind(), "folder");
    }

    #[test]
    fn wrong_settings_are_named() {
        for (text, words) in [
            (String::new(), "bucket"),
            (STORE.into(), "no camera is configured"),
            (format!("{STORE}{CAMERA}colour = 'red'"), "unknown field `colour`"),
            (format!("{STORE}{CAMERA}{CAMERA}"), "two cameras have this device id"),
            (format!("{STORE}{}", CAMERA.replace("cam-1", "cam/1")), "is not a device id"),
            (format!("{STORE}{CAMERA}interval = '0s'"), "interval"),
            (format!("{STORE}{CAMERA}interval = '2days'"), "interval"),
            (format!("{STORE}{CAMERA}delivery = 'some'"), "unknown variant `some`"),
            (format!("{STORE}{CAMERA}keep = 0"), "keep"),
            (format!("{STORE}{CAMERA}window = 0"), "window"),
            (format!("{STORE}{CAMERA}labels = {{ site = \"a\\nb\" }}"), "labels"),
            (format!("{STORE}{CAMERA}mqtt = {{ password = 'x' }}"), "username"),
            (format!("root = 'a/#'\n{STORE}{CAMERA}"), "root"),
            (format!("{STORE}[limits]\nwidth = 0\n{CAMERA}"), "width"),
            (format!("{STORE}[spool]\nbytes = 10\n{CAMERA}"), "spool: bytes"),
            (format!("{STORE}[spool]\nmemory = 10\n{CAMERA}"), "spool: memory"),
            (format!("{STORE}[spool]\nframes = 0\n{CAMERA}"), "spool: frames"),
            (format!("{STORE}[spool]\nage = '0s'\n{CAMERA}"), "spool: age"),
            (format!("{STORE}[spool]\nafter = '2m'\n{CAMERA}"), "spool: after"),
            (format!("{STORE}[spool]\ndrain = 0\n{CAMERA}"), "spool: drain"),
            (format!("{STORE}[spool]\nfolder = 'spool'\n{CAMERA}"), "absolute path"),
            (format!("{STORE}[results]\npatience = '3h'\n{CAMERA}"), "patience"),
            (
                format!("{STORE}{}", CAMERA.replace("'/pictures'", "'/pictures', loops = true")),
                "unknown field",
            ),
            (format!("{STORE}{}", CAMERA.replace("'folder'", "'scanner'")), "unknown variant `scanner`"),
        ] {
            let problem = problem(&text);
            assert!(problem.contains(words), "{text}\n{problem}");
        }
    }

    #[test]
    fn a_backlog_never_grows_because_it_is_worked_off_slowly() {
        let spool = Spool { drain: 20, ..Spool::default() };
        assert_eq!(spool.drain_pause(Duration::from_secs(10)), Duration::from_millis(50));
        assert_eq!(spool.drain_pause(Duration::from_millis(40)), Duration::from_millis(20));
    }

    #[test]
    fn wrong_sources_are_named() {
        for (source, words) in [
            ("kind = 'folder', path = '/p', remove = true", "remove is only for"),
            ("kind = 'folder', path = '/p', watch = true, start = 3", "start is not for"),
            ("kind = 'http', url = 'camera/path'", "url"),
            ("kind = 'http', url = 'ftp://camera/path'", "http:// or https://"),
            ("kind = 'http', url = 'http://c/', password = 'x'", "no username"),
            ("kind = 'http', url = 'http://c/', timeout = '1ms'", "timeout"),
            ("kind = 'http', url = 'http://c/', ffmpeg = 'x'", "unknown field"),
        ] {
            let text = format!("{STORE}[[cameras]]\ndevice = 'cam-1'\nsource = {{ {source} }}\n");
            let problem = problem(&text);
            assert!(problem.contains(words), "{source}\n{problem}");
        }
    }

    #[test]
    fn a_cameras_password_is_not_printed() {
        let source = "kind = 'http', url = 'http://c/', username = 'me', password = 'hunter2'";
        let config =
            parse(&format!("{STORE}[[cameras]]\ndevice = 'cam-1'\nsource = {{ {source} }}\n")).unwrap();
        config.check().unwrap();
        let printed = toml::to_string_pretty(&config).unwrap();
        assert!(printed.contains("http://c") && !printed.contains("hunter2"), "{printed}");
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
