//! ffmpeg as a child process that writes JPEGs to a pipe.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::bail;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long `ffmpeg -version` may take.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a process may take to end after it has closed its output.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest part of a complaint of ffmpeg's that is passed on, in characters.
const MAX_COMPLAINT: usize = 300;

/// Longest line that is read at once, in bytes.
const MAX_LINE: u64 = 64 * 1024;

/// Every call starts with these.
pub const QUIET: [&str; 3] = ["-hide_banner", "-loglevel", "error"];

/// Makes sure that ffmpeg can be started.
///
/// # Errors
/// What to install.
pub async fn check(program: &Path, what_for: &str) -> anyhow::Result<()> {
    let asked = Command::new(program)
        .arg("-version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status();
    let program = program.display();
    match timeout(VERSION_TIMEOUT, asked).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => {
            bail!("{program} is not installed, which decodes {what_for}; on Debian: apt-get install ffmpeg")
        }
        Ok(Ok(status)) => bail!("{program} -version failed with {status}, reinstall ffmpeg"),
        Ok(Err(error)) => bail!("cannot start {program}: {error}"),
        Err(_elapsed) => bail!("{program} -version did not end within {VERSION_TIMEOUT:?}"),
    }
}

/// A running process.
#[derive(Debug)]
pub struct Ffmpeg {
    child: Child,
    complaint: JoinHandle<String>,
}

impl Ffmpeg {
    /// Starts it. The pipe brings what it writes to its standard output.
    ///
    /// # Errors
    /// A sentence.
    pub fn start(
        program: &Path,
        arguments: &[OsString],
        input: Stdio,
    ) -> Result<(Self, ChildStdout), String> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start ffmpeg: {error}"))?;
        let (Some(output), Some(complaints)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("ffmpeg has no output".into());
        };
        Ok((Self { child, complaint: tokio::spawn(last_line(complaints)) }, output))
    }

    /// Its standard input, if that is a pipe.
    pub fn input(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Waits for its end after its output has been closed.
    ///
    /// # Errors
    /// Its last complaint, or how it ended.
    pub async fn end(&mut self) -> Result<(), String> {
        match timeout(END_TIMEOUT, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => match timeout(END_TIMEOUT, &mut self.complaint).await {
                Ok(Ok(line)) if !line.is_empty() => Err(line),
                _ => Err(format!("ffmpeg ended with {status}")),
            },
            Ok(Err(error)) => Err(format!("ffmpeg is lost: {error}")),
            Err(_elapsed) => Err("ffmpeg closed its output and does not end".into()),
        }
    }

    /// Ends it if it still runs, and waits for that, so that no zombie stays behind.
    pub async fn kill(mut self) {
        self.complaint.abort();
        // no id: it has ended and been waited for
        if self.child.id().is_some()
            && let Err(error) = self.child.kill().await
        {
            tracing::warn!("cannot end ffmpeg: {error}");
        }
    }
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
