//! A video file, played at its own pace by an ffmpeg process that writes JPEGs to a pipe.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

use super::{Feed, Manner};
use crate::Stop;
use crate::config;
use crate::jpeg::Splitter;
use crate::picture::Picture;

/// How long `ffmpeg -version` may take.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// A process that writes nothing for this long, and three intervals, hangs.
const SILENCE: Duration = Duration::from_secs(10);

/// First and longest wait before a process that ended is started again.
const RESTART: Duration = Duration::from_secs(1);
const RESTART_MAX: Duration = Duration::from_secs(30);

/// Longest part of a complaint of ffmpeg's that is passed on, in characters.
const MAX_COMPLAINT: usize = 300;

/// Longest line that is read at once, in bytes.
const MAX_LINE: u64 = 64 * 1024;

/// The source.
#[derive(Debug)]
pub struct Video {
    config: config::Video,
    manner: Manner,
}

impl Video {
    pub(super) async fn open(config: &config::Video, manner: Manner) -> anyhow::Result<Self> {
        let path = config.path.display();
        let file =
            std::fs::metadata(&config.path).with_context(|| format!("cannot read the video {path}"))?;
        ensure!(file.is_file(), "the video {path} is not a file");
        let program = config.ffmpeg.display();
        let asked = Command::new(&config.ffmpeg)
            .arg("-version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .status();
        match timeout(VERSION_TIMEOUT, asked).await {
            Ok(Ok(status)) if status.success() => {}
            Ok(Err(error)) if error.kind() == ErrorKind::NotFound => {
                bail!(
                    "{program} is not installed, which decodes video files; on Debian: apt-get install ffmpeg"
                )
            }
            Ok(Ok(status)) => bail!("{program} -version failed with {status}, reinstall ffmpeg"),
            Ok(Err(error)) => bail!("cannot start {program}: {error}"),
            Err(_elapsed) => bail!("{program} -version did not end within {VERSION_TIMEOUT:?}"),
        }
        Ok(Self { config: config.clone(), manner })
    }

    pub(super) async fn run(self, feed: &Feed, stop: &Stop) {
        let mut wait = RESTART;
        loop {
            let end = match self.start() {
                Ok(mut child) => {
                    let end = stop.run_until_cancelled(self.play(&mut child, feed)).await;
                    // no id: it has ended and been waited for. Killing waits too, so no zombie stays behind
                    if child.id().is_some()
                        && let Err(error) = child.kill().await
                    {
                        tracing::warn!("cannot end ffmpeg: {error}");
                    }
                    match end {
                        Some(end) => end,
                        None => return,
                    }
                }
                Err(error) => End { pictures: 0, problem: Some(format!("cannot start ffmpeg: {error}")) },
            };
            if end.problem.is_none() && !self.config.repeat {
                feed.problem(Some("the video has been played to its end".into()));
                return;
            }
            let path = self.config.path.display();
            let problem = end.problem.unwrap_or_else(|| "it ended".into());
            if end.pictures > 0 {
                wait = RESTART;
            }
            tracing::warn!("playing {path} broke off: {problem}; starting again in {wait:?}");
            // everybody who sees the device sees this: where the file lies is for the log
            let problem = problem.replace(&path.to_string(), "the file");
            feed.problem(Some(format!("playing the video broke off: {problem}")));
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
            wait = (wait * 2).min(RESTART_MAX);
        }
    }

    fn start(&self) -> std::io::Result<Child> {
        Command::new(&self.config.ffmpeg)
            .args(arguments(&self.config, self.manner.interval))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    /// Takes the process's pictures until it ends.
    async fn play(&self, child: &mut Child, feed: &Feed) -> End {
        let (Some(pictures), Some(complaints)) = (child.stdout.take(), child.stderr.take()) else {
            return End { pictures: 0, problem: Some("ffmpeg has no output".into()) };
        };
        let complaint = tokio::spawn(last_line(complaints));
        let (count, hung) = self.take(pictures, feed).await;
        if hung {
            complaint.abort();
            return End {
                pictures: count,
                problem: Some(format!("ffmpeg wrote nothing for {:?}", self.silence())),
            };
        }
        let problem = match timeout(SILENCE, child.wait()).await {
            Ok(Ok(status)) if status.success() => None,
            Ok(Ok(status)) => match timeout(SILENCE, complaint).await {
                Ok(Ok(line)) if !line.is_empty() => Some(line),
                _ => Some(format!("ffmpeg ended with {status}")),
            },
            Ok(Err(error)) => Some(format!("ffmpeg is lost: {error}")),
            Err(_elapsed) => Some("ffmpeg closed its output and does not end".into()),
        };
        End { pictures: count, problem }
    }

    /// Number of pictures until the end of the pipe, and whether it went silent.
    async fn take(&self, mut pipe: ChildStdout, feed: &Feed) -> (u64, bool) {
        let limits = &self.manner.limits;
        let mut splitter = Splitter::new(usize::try_from(limits.bytes).unwrap_or(usize::MAX));
        let mut count = 0;
        loop {
            match timeout(self.silence(), pipe.read_buf(splitter.room())).await {
                Ok(Ok(0) | Err(_)) => return (count, false),
                Ok(Ok(_)) => {}
                Err(_elapsed) => return (count, true),
            }
            while let Some(found) = splitter.picture() {
                let picture =
                    found.and_then(|(jpeg, info)| Picture::from_jpeg(jpeg, info, SystemTime::now(), limits));
                match picture {
                    Ok(picture) => {
                        count += 1;
                        feed.problem(None);
                        feed.picture(picture);
                    }
                    Err(refusal) => {
                        let path = self.config.path.display();
                        tracing::debug!(
                            reason = refusal.code(),
                            "a picture of {path} is not used: {refusal}"
                        );
                        feed.problem(Some(format!("a picture of the video is not used: {refusal}")));
                        feed.refused(refusal);
                    }
                }
            }
        }
    }

    fn silence(&self) -> Duration {
        SILENCE + 3 * self.manner.interval
    }
}

/// How a process ended.
struct End {
    pictures: u64,
    /// `None`: it came to the end of the video.
    problem: Option<String>,
}

/// The last line that ffmpeg complained with.
async fn last_line(pipe: ChildStderr) -> String {
    let mut lines = BufReader::new(pipe);
    let (mut line, mut last) = (Vec::new(), String::new());
    loop {
        line.clear();
        // a line without an end must not fill the memory
        match (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return last,
            Ok(_) => {}
        }
        let text: String =
            String::from_utf8_lossy(&line).chars().filter(|c| !c.is_control()).take(MAX_COMPLAINT).collect();
        if !text.trim().is_empty() {
            last = text.trim().to_owned();
        }
    }
}

/// What ffmpeg is told. The video is played at its own speed (`-re`), and what falls on the interval is taken.
fn arguments(config: &config::Video, interval: Duration) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
    // a playlist in disguise may not make us read other places
    add(&["-hide_banner", "-nostdin", "-loglevel", "error", "-protocol_whitelist", "file,pipe", "-re"]);
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
