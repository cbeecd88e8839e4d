//! Where pictures come from. A source runs in a task of its own and hands what it takes to a [`Feed`], so
//! that nothing that happens to a picture later can delay the next one.

mod feed;
mod folder;
mod tempo;
mod video;

use std::time::Duration;

use crate::Stop;
use crate::config;
use crate::config::Limits;

pub use feed::{Feed, News, feed};
use folder::Folder;
pub use tempo::Tempo;
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
#[derive(Debug)]
pub enum Source {
    /// Picture files.
    Folder(Folder),
    /// A video file.
    Video(Video),
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
            // `check` has refused them with a better sentence
            other => anyhow::bail!("this build reads no {} sources", other.kind()),
        }
    }

    /// Delivers pictures until the source ends or is stopped.
    pub async fn run(self, feed: Feed, stop: Stop) {
        match self {
            Self::Folder(folder) => {
                stop.run_until_cancelled(folder.run(&feed)).await;
            }
            Self::Video(video) => video.run(&feed, &stop).await,
        }
        feed.ended();
    }
}
