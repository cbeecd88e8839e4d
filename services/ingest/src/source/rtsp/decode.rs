//! [`Decoder`]: makes a picture of the last coded picture of a [`Group`].

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::group::Group;
use crate::config::Limits;
use crate::jpeg;
use crate::picture::{Picture, Refusal};
use crate::source::Trouble;
use crate::source::ffmpeg::{self, Ffmpeg};

/// How long decoding one picture may take.
const TIME: Duration = Duration::from_secs(20);

/// How a video is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    H264,
    H265,
}

/// What decodes it.
pub enum Decoder {
    /// In this process.
    #[cfg(feature = "h264")]
    H264(super::h264::H264),
    /// An ffmpeg process for each picture: nothing of one picture's trouble is left to the next, and no picture
    /// waits in a process until another one pushes it out.
    Ffmpeg { program: PathBuf, format: &'static str },
}

impl Decoder {
    /// The decoder for `codec`.
    ///
    /// # Errors
    /// What to install or to set.
    pub async fn new(codec: Codec, program: &Path) -> Result<Self, Trouble> {
        #[cfg(feature = "h264")]
        if codec == Codec::H264 {
            return super::h264::H264::new().map(Self::H264);
        }
        let (name, format, advice) = match codec {
            Codec::H264 => ("H.264", "h264", "build this program with `--features h264`"),
            Codec::H265 => ("H.265", "hevc", "set the camera to H.264"),
        };
        match ffmpeg::check(program, name).await {
            Ok(()) => Ok(Self::Ffmpeg { program: program.into(), format }),
            Err(error) => Err(Trouble::new(format!(
                "the camera sends {name}, but {error}; or {advice}, or set it to JPEG"
            ))),
        }
    }

    /// The last picture of `group`, which was captured at `captured`.
    ///
    /// # Errors
    /// It cannot be decoded, or it is over the limits.
    pub async fn decode(
        &mut self,
        group: &Group,
        captured: SystemTime,
        limits: Limits,
    ) -> Result<Picture, Refusal> {
        match self {
            #[cfg(feature = "h264")]
            Self::H264(decoder) => tokio::task::block_in_place(|| decoder.decode(group, captured, limits)),
            Self::Ffmpeg { program, format } => {
                let file = by_ffmpeg(program, format, group, limits).await.map_err(|problem| {
                    tracing::debug!("ffmpeg: {problem}");
                    Refusal::Damaged
                })?;
                let info = jpeg::scan(&file)?;
                Picture::from_jpeg(&file, info, captured, &limits)
            }
        }
    }
}

/// Lets an ffmpeg process of its own decode the group and returns its last picture.
async fn by_ffmpeg(program: &Path, format: &str, group: &Group, limits: Limits) -> Result<Vec<u8>, String> {
    let last = format!("select=gte(n\\,{})", group.units().len().saturating_sub(1));
    let mut arguments: Vec<OsString> = ffmpeg::QUIET.iter().map(OsString::from).collect();
    // low delay: without it, ffmpeg keeps a picture back that may have to be put in another order
    let input = ["-probesize", "32", "-flags", "low_delay", "-threads", "1", "-f", format, "-i", "pipe:0"];
    let output =
        ["-map", "0:v:0", "-vf", &last, "-vsync", "0", "-frames:v", "1", "-c:v", "mjpeg", "-q:v", "3"];
    let pipe = ["-f", "image2pipe", "pipe:1"];
    arguments.extend([&input[..], &output, &pipe].concat().iter().map(OsString::from));
    let (mut process, output) = Ffmpeg::start(program, &arguments, Stdio::piped())?;
    let input = process.input();
    let decoding = async {
        let write = async {
            let mut input = input?;
            for unit in group.units() {
                // it may end before it has read all
                input.write_all(unit).await.ok()?;
            }
            input.shutdown().await.ok()
        };
        let mut file = Vec::new();
        let mut bounded = output.take(limits.bytes + 1);
        let (_written, read) = tokio::join!(write, bounded.read_to_end(&mut file));
        read.map_err(|error| error.to_string())?;
        process.end().await?;
        Ok(file)
    };
    let outcome = timeout(TIME, decoding).await;
    process.kill().await;
    outcome.unwrap_or_else(|_elapsed| Err(format!("did not end within {TIME:?}")))
}
