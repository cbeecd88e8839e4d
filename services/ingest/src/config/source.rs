//! [`Source`]: where a camera's pictures come from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

use super::camera_url::{CameraUrl, Credentials};
use super::secret::Secret;

/// What is missing of a build without USB cameras.
pub(crate) const NO_CAMERAS: &str = "this program was built without USB cameras, build it with `--features camera`, which needs libclang (on Debian: apt-get install libclang1)";

/// Where pictures come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Source {
    /// Picture files of a folder.
    Folder(Folder),
    /// A video file, decoded by ffmpeg.
    Video(Video),
    /// A camera on this machine.
    Usb(UsbCamera),
    /// A network camera that speaks RTSP.
    Rtsp(RtspCamera),
    /// A network camera that speaks HTTP.
    Http(HttpCamera),
}

/// Picture files of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// The folder with JPEG and PNG files.
    pub path: PathBuf,
    /// Starts over after the last file.
    #[serde(rename = "loop", default = "yes")]
    pub repeat: bool,
    /// Number of files to pass over at first; counts on from the first file after the last one.
    #[serde(default)]
    pub start: usize,
    /// Takes only files that are new or changed, each once, as they come: for cameras that upload by FTP. What is
    /// there already is old and left alone.
    #[serde(default)]
    pub watch: bool,
    /// Removes each file after it was taken, and takes what is there already. Only with `watch`.
    #[serde(default)]
    pub remove: bool,
}

/// A video file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Video {
    /// The file, in any format that ffmpeg reads.
    pub path: PathBuf,
    /// Starts over after the end.
    #[serde(rename = "loop", default = "yes")]
    pub repeat: bool,
    /// Where in the video to begin.
    #[serde(default, with = "humantime_serde")]
    pub start: Duration,
    /// The program.
    #[serde(default = "ffmpeg")]
    pub ffmpeg: PathBuf,
}

/// A camera on this machine. In a build with the cargo feature `camera`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UsbCamera {
    /// Its device node, a link to it such as `/dev/v4l/by-id/...`, or `name:` and a part of its name. Looked up
    /// anew at every opening, because numbers change when cameras are plugged in.
    pub device: String,
    /// Width to ask for, in pixels; the nearest one that the camera has is taken.
    #[serde(default = "usb_width")]
    pub width: u32,
    /// Height to ask for, in pixels.
    #[serde(default = "usb_height")]
    pub height: u32,
    /// A camera that gives no picture for this long is opened again.
    #[serde(default = "usb_timeout", with = "humantime_serde")]
    pub timeout: Duration,
}

/// A network camera that speaks RTSP. In a build with the cargo feature `rtsp`, which is on by default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RtspCamera {
    /// Its address, `rtsp://...`, or `rtsps://...` for RTSP within TLS.
    pub url: CameraUrl,
    /// User name, if it asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// File with the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Certificates (PEM) to trust beside the system's, for `rtsps://`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Whether the camera's certificate must be valid. Without it, whoever is in between can show any picture.
    #[serde(default = "yes")]
    pub verify_certificate: bool,
    /// A camera that does not answer or sends nothing for this long is opened again.
    #[serde(default = "network_timeout", with = "humantime_serde")]
    pub timeout: Duration,
    /// The program that decodes what this build does not decode itself.
    #[serde(default = "ffmpeg")]
    pub ffmpeg: PathBuf,
}

/// A network camera that speaks HTTP: an MJPEG stream, or a picture at each request. Which one shows in its answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HttpCamera {
    /// Its address, `http://...` or `https://...`.
    pub url: CameraUrl,
    /// User name, if it asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// File with the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Certificates (PEM) to trust beside the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Whether the camera's certificate must be valid. Without it, whoever is in between can show any picture.
    #[serde(default = "yes")]
    pub verify_certificate: bool,
    /// A camera that does not answer or sends no picture for this long is opened again.
    #[serde(default = "network_timeout", with = "humantime_serde")]
    pub timeout: Duration,
}

fn yes() -> bool {
    true
}

fn ffmpeg() -> PathBuf {
    "ffmpeg".into()
}

fn usb_width() -> u32 {
    1280
}

fn usb_height() -> u32 {
    720
}

fn usb_timeout() -> Duration {
    Duration::from_secs(5)
}

fn network_timeout() -> Duration {
    Duration::from_secs(10)
}

impl Folder {
    /// All of `path`, over and over.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), repeat: true, start: 0, watch: false, remove: false }
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.path.as_os_str().is_empty(), "path is empty");
        ensure!(self.watch || !self.remove, "remove is only for folders with watch = true");
        ensure!(!self.watch || self.start == 0, "start is not for folders with watch = true");
        Ok(())
    }
}

impl Video {
    /// All of `path`, over and over.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), repeat: true, start: Duration::ZERO, ffmpeg: ffmpeg() }
    }
}

impl UsbCamera {
    /// The camera `device` with the defaults.
    pub fn new(device: impl Into<String>) -> Self {
        Self { device: device.into(), width: usb_width(), height: usb_height(), timeout: usb_timeout() }
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(cfg!(feature = "camera"), NO_CAMERAS);
        ensure!(!self.device.is_empty(), "device is empty");
        for size in [self.width, self.height] {
            ensure!((1..=65_535).contains(&size), "width and height must be between 1 and 65535");
        }
        check_timeout(self.timeout)
    }
}

impl RtspCamera {
    /// The camera at `url` with the defaults.
    pub fn new(url: CameraUrl) -> Self {
        Self {
            url,
            username: None,
            password: None,
            password_file: None,
            ca_file: None,
            verify_certificate: true,
            timeout: network_timeout(),
            ffmpeg: ffmpeg(),
        }
    }

    /// Who we are to the camera.
    pub(crate) fn credentials(&self) -> anyhow::Result<Option<Credentials>> {
        self.url.credentials(self.username.as_deref(), self.password.as_ref(), self.password_file.as_ref())
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            cfg!(feature = "rtsp"),
            "this program was built without RTSP cameras, build it with `--features rtsp`"
        );
        self.url.check(&["rtsp", "rtsps"])?;
        CameraUrl::check_login(
            self.username.as_deref(),
            self.password.as_ref(),
            self.password_file.as_ref(),
        )?;
        check_timeout(self.timeout)
    }
}

impl HttpCamera {
    /// The camera at `url` with the defaults.
    pub fn new(url: CameraUrl) -> Self {
        Self {
            url,
            username: None,
            password: None,
            password_file: None,
            ca_file: None,
            verify_certificate: true,
            timeout: network_timeout(),
        }
    }

    /// Who we are to the camera.
    pub(crate) fn credentials(&self) -> anyhow::Result<Option<Credentials>> {
        self.url.credentials(self.username.as_deref(), self.password.as_ref(), self.password_file.as_ref())
    }

    fn check(&self) -> anyhow::Result<()> {
        self.url.check(&["http", "https"])?;
        CameraUrl::check_login(
            self.username.as_deref(),
            self.password.as_ref(),
            self.password_file.as_ref(),
        )?;
        check_timeout(self.timeout)
    }
}

fn check_timeout(timeout: Duration) -> anyhow::Result<()> {
    let bounds = Duration::from_millis(100)..=Duration::from_secs(3600);
    ensure!(bounds.contains(&timeout), "timeout must be between 100ms and 1h");
    Ok(())
}

impl Source {
    /// The kind as it stands in the configuration and the device's status.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::Video(_) => "video",
            Self::Usb(_) => "usb",
            Self::Rtsp(_) => "rtsp",
            Self::Http(_) => "http",
        }
    }

    /// Checks what can be said without I/O.
    ///
    /// # Errors
    /// The setting that is wrong; a kind that this build lacks, with what to add.
    pub fn check(&self) -> anyhow::Result<()> {
        match self {
            Self::Folder(folder) => folder.check(),
            Self::Video(video) => {
                ensure!(!video.path.as_os_str().is_empty(), "path is empty");
                Ok(())
            }
            Self::Usb(usb) => usb.check(),
            Self::Rtsp(rtsp) => rtsp.check(),
            Self::Http(http) => http.check(),
        }
    }
}

/// Reads a source as it is given on a command line: a folder, a video file, `rtsp://...`, `http://...`
/// (each with an s for TLS), `/dev/videoN` or `name:` and a part of a USB camera's name.
///
/// # Errors
/// Nothing of that name exists, or this build lacks what it takes.
pub fn parse_source(text: &str) -> anyhow::Result<Source> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let path = Path::new(text);
    let source = match scheme.as_deref() {
        Some("rtsp" | "rtsps") => Source::Rtsp(RtspCamera::new(text.parse()?)),
        Some("http" | "https") => Source::Http(HttpCamera::new(text.parse()?)),
        Some(other) => {
            bail!(
                "a source cannot be {other}://, give a folder, a video file, rtsp://…, http://… or /dev/videoN"
            )
        }
        None if text.starts_with("/dev/") || text.starts_with("name:") => Source::Usb(UsbCamera::new(text)),
        None if path.is_dir() => Source::Folder(Folder::new(path)),
        None if path.is_file() => Source::Video(Video::new(path)),
        None => bail!("there is no folder or video file {text:?}"),
    };
    source.check().with_context(|| format!("a source of kind {}", source.kind()))?;
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_folder_or_a_video() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("clip.avi");
        std::fs::write(&file, "").unwrap();
        let parse = |path: &Path| parse_source(path.to_str().unwrap()).unwrap();
        assert_eq!(parse(dir.path()), Source::Folder(Folder::new(dir.path())));
        assert_eq!(parse(&file), Source::Video(Video::new(&file)));
    }

    #[test]
    fn what_cannot_be_read_is_refused_in_one_sentence() {
        for (text, words) in [
            ("/nowhere/at/all", "there is no folder or video file"),
            ("ftp://host/", "cannot be ftp://"),
            ("http://user:hunter2@/live", "url"),
        ] {
            let problem = format!("{:#}", parse_source(text).unwrap_err());
            assert!(problem.contains(words), "{problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn an_address_is_a_network_camera() {
        let http = Source::Http(HttpCamera::new("HTTP://host/snapshot.jpg".parse().unwrap()));
        assert_eq!(parse_source("HTTP://host/snapshot.jpg").unwrap(), http);
    }

    #[cfg(feature = "rtsp")]
    #[test]
    fn rtsp_is_read() {
        for text in ["rtsp://user:hunter2@host:554/live", "rtsps://user:hunter2@host/live"] {
            let source = parse_source(text).unwrap();
            assert_eq!(source, Source::Rtsp(RtspCamera::new(text.parse().unwrap())));
            assert!(!format!("{source:?}").contains("hunter2"));
        }
    }

    #[cfg(not(feature = "rtsp"))]
    #[test]
    fn what_lacks_for_rtsp_is_said() {
        let problem = format!("{:#}", parse_source("rtsp://host/").unwrap_err());
        assert!(problem.contains("--features rtsp"), "{problem}");
    }

    #[cfg(feature = "camera")]
    #[test]
    fn a_device_is_a_usb_camera() {
        for text in ["/dev/video0", "/dev/v4l/by-id/usb-camera-index0", "name:Webcam"] {
            assert_eq!(parse_source(text).unwrap(), Source::Usb(UsbCamera::new(text)));
        }
    }

    #[cfg(not(feature = "camera"))]
    #[test]
    fn what_lacks_for_usb_is_said() {
        for text in ["/dev/video0", "name:Webcam"] {
            let problem = format!("{:#}", parse_source(text).unwrap_err());
            assert!(problem.contains("--features camera") && problem.contains("libclang1"), "{problem}");
        }
    }
}
