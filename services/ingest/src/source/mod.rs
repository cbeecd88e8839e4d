//! Where pictures come from. A source runs in a task of its own and hands what it takes to a [`Feed`], so
//! that nothing that happens to a picture later can delay the next one.

mod arrivals;
mod feed;
mod ffmpeg;
mod file;
mod folder;
mod http;
mod login;
mod retry;
#[cfg(feature = "rtsp")]
mod rtsp;
mod taker;
mod tempo;
mod trouble;
#[cfg(feature = "camera")]
mod usb;
mod video;

use std::time::Duration;

use crate::Stop;
use crate::config;
use crate::config::Limits;

pub use feed::{Feed, News, feed};
use folder::Folder;
use http::Http;
pub use tempo::Tempo;
use trouble::Trouble;
use video::Video;

/// How a source shall take pictures.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Time between two pictures.
    pub interval: Duration,
    /// Largest picture to take.
    pub limits: Limits,
}

/// A source that can be used.
pub enum Source {
    /// Picture files.
    Folder(Folder),
    /// A video file.
    Video(Video),
    /// A network camera that speaks HTTP.
    Http(Http),
    /// A network camera that speaks RTSP.
    #[cfg(feature = "rtsp")]
    Rtsp(rtsp::Rtsp),
    /// A camera of this machine.
    #[cfg(feature = "camera")]
    Usb(usb::Usb),
}

impl Source {
    /// Makes sure that everything the source needs is there.
    ///
    /// # Errors
    /// One sentence: what is missing and what to do.
    pub async fn open(config: &config::Source, manner: Manner) -> anyhow::Result<Self> {
        config.check()?;
        match config {
            config::Source::Folder(folder) => Ok(Self::Folder(Folder::open(folder, manner)?)),
            config::Source::Video(video) => Ok(Self::Video(Video::open(video, manner).await?)),
            config::Source::Http(http) => Ok(Self::Http(Http::open(http, manner)?)),
            #[cfg(feature = "rtsp")]
            config::Source::Rtsp(rtsp) => Ok(Self::Rtsp(rtsp::Rtsp::open(rtsp, manner)?)),
            #[cfg(feature = "camera")]
            config::Source::Usb(usb) => Ok(Self::Usb(usb::Usb::open(usb, manner))),
            // `check` has refused them with a better sentence
            #[cfg(not(all(feature = "rtsp", feature = "camera")))]
            other => anyhow::bail!("this build reads no {} sources", other.kind()),
        }
    }

    /// Delivers pictures until the source ends or is stopped.
    pub async fn run(self, feed: Feed, stop: Stop) {
        match self {
            Self::Folder(folder) => {
                stop.run_until_cancelled(folder.run(&feed)).await;
            }
            Self::Video(mut video) => retry::keep_open(&mut video, &feed, &stop).await,
            Self::Http(mut http) => retry::keep_open(&mut http, &feed, &stop).await,
            #[cfg(feature = "rtsp")]
            Self::Rtsp(mut rtsp) => retry::keep_open(&mut rtsp, &feed, &stop).await,
            #[cfg(feature = "camera")]
            Self::Usb(mut usb) => retry::keep_open(&mut usb, &feed, &stop).await,
        }
        feed.ended();
    }
}

/// The cameras of this machine with their formats, as text.
///
/// # Errors
/// They cannot be listed, or this build cannot do that.
pub fn list_devices() -> anyhow::Result<String> {
    #[cfg(feature = "camera")]
    return usb::list_devices();
    #[cfg(not(feature = "camera"))]
    anyhow::bail!(config::NO_CAMERAS)
}
