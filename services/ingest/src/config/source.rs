//! [`Source`]: where a camera's pictures come from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, ensure};
use serde::{Deserialize, Serialize};

/// Where pictures come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Source {
    /// Picture files of a folder, in the order of their names.
    Folder(Folder),
    /// A video file, decoded by ffmpeg.
    Video(Video),
    /// A camera on this machine. Not in this build.
    Usb {
        /// Its device node.
        device: PathBuf,
    },
    /// A network camera that speaks RTSP. Not in this build.
    Rtsp {
        /// Its address.
        url: String,
    },
    /// A network camera that speaks HTTP. Not in this build.
    Http {
        /// Its address.
        url: String,
    },
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

fn yes() -> bool {
    true
}

fn ffmpeg() -> PathBuf {
    "ffmpeg".into()
}

impl Folder {
    /// All of `path`, over and over.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), repeat: true, start: 0 }
    }
}

impl Video {
    /// All of `path`, over and over.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), repeat: true, start: Duration::ZERO, ffmpeg: ffmpeg() }
    }
}

impl Source {
    /// The kind as it stands in the configuration and the device's status.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::Video(_) => "video",
            Self::Usb { .. } => "usb",
            Self::Rtsp { .. } => "rtsp",
            Self::Http { .. } => "http",
        }
    }

    /// Checks what can be said without I/O.
    ///
    /// # Errors
    /// A path that is missing; a kind that this build lacks, with what to add.
    pub fn check(&self) -> anyhow::Result<()> {
        match self {
            Self::Folder(Folder { path, .. }) | Self::Video(Video { path, .. }) => {
                ensure!(!path.as_os_str().is_empty(), "path is empty");
            }
            Self::Usb { device } => bail!(
                "this version has no USB source yet (the cargo feature `camera`, with Debian's libclang-dev): let ffmpeg (Debian's package ffmpeg) write pictures into a folder, `ffmpeg -f v4l2 -i {} -vf fps=1 FOLDER/%08d.jpg`, and give that folder",
                device.display()
            ),
            Self::Rtsp { url } => bail!("this version has no RTSP source yet: {}", by_ffmpeg(url)),
            Self::Http { url } => bail!("this version has no HTTP source yet: {}", by_ffmpeg(url)),
        }
        Ok(())
    }
}

/// How to get pictures from a network camera meanwhile.
fn by_ffmpeg(url: &str) -> String {
    format!(
        "let ffmpeg (Debian's package ffmpeg) write pictures into a folder, `ffmpeg -i {} -vf fps=1 FOLDER/%08d.jpg`, and give that folder",
        host(url)
    )
}

/// The address without user and password.
fn host(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.split('/').next().unwrap_or_default();
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}")
        }
        None => "(no address)".into(),
    }
}

/// Reads a source as it is given on a command line: a folder, a video file, `rtsp://…`, `http://…` or
/// `/dev/videoN`.
///
/// # Errors
/// Nothing of that name exists, or this build lacks what it takes.
pub fn parse_source(text: &str) -> anyhow::Result<Source> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let path = Path::new(text);
    let source = match scheme.as_deref() {
        Some("rtsp" | "rtsps") => Source::Rtsp { url: text.into() },
        Some("http" | "https") => Source::Http { url: text.into() },
        Some(other) => {
            bail!("a source cannot be {other}://, give a folder, a video file, rtsp://… or /dev/videoN")
        }
        None if text.starts_with("/dev/") => Source::Usb { device: path.into() },
        None if path.is_dir() => Source::Folder(Folder::new(path)),
        None if path.is_file() => Source::Video(Video::new(path)),
        None => bail!("there is no folder or video file {text:?}"),
    };
    source.check()?;
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
            ("rtsp://user:hunter2@host:554/live", "rtsp://host:554"),
            ("HTTP://host/snapshot.jpg", "no HTTP source yet"),
            ("/dev/video0", "the cargo feature `camera`"),
        ] {
            let problem = parse_source(text).unwrap_err().to_string();
            assert!(problem.contains(words), "{problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
