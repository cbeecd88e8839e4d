//! A video file, played at its own pace by an ffmpeg process.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::AsyncReadExt;
use tokio::process::ChildStdout;
use tokio::time::timeout;

use super::ffmpeg::{self, Ffmpeg};
use super::retry::{Finished, Session};
use super::taker::Taker;
use super::{Feed, Manner, Trouble};
use crate::config;
use crate::jpeg::Splitter;

/// A process that writes nothing for this long, and three intervals, hangs.
const SILENCE: Duration = Duration::from_secs(10);

/// The source.
#[derive(Debug)]
pub struct Video {
    config: config::Video,
    manner: Manner,
    player: Option<Ffmpeg>,
}

impl Video {
    pub(super) async fn open(config: &config::Video, manner: Manner) -> anyhow::Result<Self> {
        let path = config.path.display();
        let file =
            std::fs::metadata(&config.path).with_context(|| format!("cannot read the video {path}"))?;
        ensure!(file.is_file(), "the video {path} is not a file");
        ffmpeg::check(&config.ffmpeg, "video files").await?;
        Ok(Self { config: config.clone(), manner, player: None })
    }

    /// Plays the video to its end.
    async fn play(&mut self, feed: &Feed) -> Result<(), String> {
        let arguments = arguments(&self.config, self.manner.interval);
        let (player, pictures) = Ffmpeg::start(&self.config.ffmpeg, &arguments, Stdio::null())?;
        let player = self.player.insert(player);
        let silence = SILENCE + 3 * self.manner.interval;
        take(pictures, Taker::of_all(feed, self.manner), self.manner, silence).await?;
        player.end().await
    }
}

impl Session for Video {
    async fn run(&mut self, feed: &Feed) -> Result<Finished, Trouble> {
        let problem = match self.play(feed).await {
            Ok(()) if !self.config.repeat => {
                return Ok(Finished("the video has been played to its end"));
            }
            Ok(()) => "it ended".into(),
            Err(problem) => problem,
        };
        let path = self.config.path.display();
        tracing::warn!("playing {path} broke off: {problem}");
        // everybody who sees the device sees this: where the file lies is for the log
        let problem = problem.replace(&path.to_string(), "the file");
        Err(Trouble::new(format!("playing the video broke off: {problem}")))
    }

    async fn close(&mut self) {
        if let Some(player) = self.player.take() {
            player.kill().await;
        }
    }
}

/// Hands the pictures of the pipe to `taker` until its end.
async fn take(
    mut pipe: ChildStdout,
    mut taker: Taker<'_>,
    manner: Manner,
    silence: Duration,
) -> Result<(), String> {
    let mut splitter = Splitter::new(usize::try_from(manner.limits.bytes).unwrap_or(usize::MAX));
    loop {
        match timeout(silence, pipe.read_buf(splitter.room())).await {
            Ok(Ok(0) | Err(_)) => return Ok(()),
            Ok(Ok(_)) => {}
            Err(_elapsed) => return Err(format!("ffmpeg wrote nothing for {silence:?}")),
        }
        while let Some(found) = splitter.picture() {
            match found {
                Ok((data, info)) => taker.jpeg(&data, info),
                Err(refusal) => taker.refused(refusal),
            }
        }
    }
}

/// What ffmpeg is told. The video is played at its own speed (`-re`), and what falls on the interval is taken.
fn arguments(config: &config::Video, interval: Duration) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
    // a playlist in disguise may not make us read other places
    add(&ffmpeg::QUIET);
    add(&["-nostdin", "-protocol_whitelist", "file,pipe", "-re"]);
    if config.repeat {
        add(&["-stream_loop", "-1"]);
    }
    if !config.start.is_zero() {
        add(&["-ss", &format!("{:.3}", config.start.as_secs_f64())]);
    }
    add(&["-i"]);
    arguments.push(file_url(&config.path));
    let rate = format!("fps=1000/{}", interval.as_millis().max(1));
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
    add(&["-map", "0:v:0", "-vf", &rate, "-c:v", "mjpeg", "-q:v", "3", "-f", "image2pipe", "pipe:1"]);
    arguments
}

/// The path as a `file:` address, so that ffmpeg takes a name such as `concat:x` for what it is.
fn file_url(path: &Path) -> OsString {
    let mut url = OsString::from("file:");
    url.push(path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manner() -> Manner {
        Manner { interval: Duration::from_millis(200), limits: config::Limits::default() }
    }

    #[test]
    fn the_path_is_nothing_but_a_file() {
        let config =
            config::Video { start: Duration::from_millis(1500), ..config::Video::new("-i concat:a|b") };
        let arguments = arguments(&config, Duration::from_millis(200));
        assert!(arguments.contains(&"file:-i concat:a|b".into()), "{arguments:?}");
        for words in [["-ss", "1.500"], ["-vf", "fps=1000/200"], ["-stream_loop", "-1"]] {
            assert!(arguments.windows(2).any(|pair| pair == words), "{words:?} in {arguments:?}");
        }
    }

    #[tokio::test]
    async fn what_is_missing_is_named_at_the_start() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let missing = config::Video { ffmpeg: "no-such-ffmpeg".into(), ..config::Video::new(file.path()) };
        let problem = Video::open(&missing, manner()).await.unwrap_err().to_string();
        assert!(problem.contains("apt-get install ffmpeg"), "{problem}");
        let problem =
            Video::open(&config::Video::new("/nowhere.avi"), manner()).await.unwrap_err().to_string();
        assert!(problem.contains("/nowhere.avi"), "{problem}");
    }
}
