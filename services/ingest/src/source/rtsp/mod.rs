//! A network camera that speaks RTSP, over TCP: JPEG passes through, H.264 and H.265 are decoded, no more of them
//! than is wanted.

mod decode;
mod group;
#[cfg(feature = "h264")]
mod h264;
mod tls;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use retina::client::{
    Credentials, Demuxed, Described, PlayOptions, Session as Retina, SessionOptions, SetupOptions,
    TcpTransportOptions, Transport,
};
use retina::codec::{CodecItem, FrameFormat, VideoFrame};
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use super::retry::{Finished, Session};
use super::taker::Taker;
use super::{Feed, Manner, Trouble};
use crate::config;
use crate::jpeg;
use decode::{Codec, Decoder};
use group::Group;
use tls::{Tls, Tunnel};

/// Longest wait for a key frame. Cameras that save on them send one every 20 s at most.
const KEY_FRAME_TIMEOUT: Duration = Duration::from_secs(60);

/// The source.
pub struct Rtsp {
    url: Url,
    tls: Option<Tls>,
    credentials: Option<Credentials>,
    manner: Manner,
    timeout: Duration,
    ffmpeg: PathBuf,
}

impl Rtsp {
    pub(super) fn open(config: &config::RtspCamera, manner: Manner) -> anyhow::Result<Self> {
        let credentials = config
            .credentials()?
            .map(|login| Credentials { username: login.username, password: login.password.reveal().into() });
        Ok(Self {
            url: config.url.bare(),
            tls: Tls::new(config)?,
            credentials,
            manner,
            timeout: config.timeout,
            ffmpeg: config.ffmpeg.clone(),
        })
    }

    /// What `asking` the camera brings, within the time for it.
    async fn answer<T>(&self, asking: impl Future<Output = Result<T, retina::Error>>) -> Result<T, Trouble> {
        match timeout(self.timeout, asking).await {
            Ok(answer) => answer.map_err(|error| self.explain(&error)),
            Err(_elapsed) => Err(Trouble::no_answer()),
        }
    }

    /// The connection to a camera that wants TLS.
    async fn tunnel(&self) -> Result<Option<Tunnel>, Trouble> {
        let Some(tls) = &self.tls else { return Ok(None) };
        match timeout(self.timeout, tls.connect(&self.url)).await {
            Ok(tunnel) => tunnel.map(Some),
            Err(_elapsed) => Err(Trouble::no_answer()),
        }
    }

    async fn describe(&self, url: &Url) -> Result<Retina<Described>, Trouble> {
        let options = SessionOptions::default()
            .creds(self.credentials.clone())
            .user_agent(concat!("people-counter-ingest/", env!("CARGO_PKG_VERSION")).into());
        self.answer(Retina::describe(url.clone(), options)).await
    }

    /// Starts the first video that can be read. `None` for the codec: JPEG.
    async fn play(&self, mut session: Retina<Described>) -> Result<(Demuxed, Option<Codec>), Trouble> {
        let videos = || session.streams().iter().enumerate().filter(|(_, stream)| stream.media() == "video");
        let found = videos().find_map(|(number, stream)| match stream.encoding_name() {
            "jpeg" => Some((number, None)),
            "h264" => Some((number, Some(Codec::H264))),
            "h265" => Some((number, Some(Codec::H265))),
            _ => None,
        });
        let Some((number, codec)) = found else {
            let names: Vec<_> = videos().map(|(_, stream)| stream.encoding_name()).collect();
            return Err(Trouble::new(match names.as_slice() {
                [] => "the camera offers no video at this url".into(),
                names => format!(
                    "the camera sends {}, which cannot be read, set it to H.264, H.265 or JPEG",
                    names.join(" and ")
                ),
            }));
        };
        let options = SetupOptions::default()
            .transport(Transport::Tcp(TcpTransportOptions::default()))
            .frame_format(FrameFormat::SIMPLE);
        self.answer(session.setup(number, options)).await?;
        let playing = self.answer(session.play(PlayOptions::default())).await?;
        let demuxed = playing.demuxed().map_err(|error| self.explain(&error))?;
        Ok((demuxed, codec))
    }

    fn explain(&self, error: &retina::Error) -> Trouble {
        match error.status_code() {
            Some(401) => Trouble::login(self.credentials.is_some()),
            Some(403) => Trouble::sore(
                "the camera forbids this user to see pictures (403), change the user's rights there",
            ),
            Some(404) => Trouble::new(
                "the camera has nothing at this address (404), check the path of the url in the camera's manual",
            ),
            Some(453 | 503) => Trouble::new("the camera has too many viewers, close one of them"),
            Some(status) => Trouble::new(format!("the camera answers with status {status}")),
            // what follows the first line is for who looks at packets
            None => Trouble::text(&error.to_string()),
        }
    }

    /// Takes pictures of JPEG video.
    async fn take_jpegs(&self, mut video: Demuxed, feed: &Feed) -> Result<Finished, Trouble> {
        let mut taker = Taker::new(feed, self.manner);
        loop {
            let (frame, _) = self.next(&mut video).await?;
            match jpeg::scan(frame.data()) {
                Ok(info) => taker.jpeg(frame.data(), info),
                Err(refusal) => taker.refused(refusal),
            }
        }
    }

    /// Takes pictures of video that must be decoded.
    async fn take_decoded(
        &self,
        mut video: Demuxed,
        mut decoder: Decoder,
        feed: &Feed,
    ) -> Result<Finished, Trouble> {
        let mut taker = Taker::new(feed, self.manner);
        let mut group = Group::default();
        let mut keys = KeyFrames::new();
        loop {
            let (frame, captured) = self.next(&mut video).await?;
            let now = Instant::now();
            let is_key = frame.is_random_access_point();
            if frame.loss() > 0 {
                group.clear();
            }
            keys.saw(is_key, now)?;
            group.push(frame.into_data(), is_key);
            let is_wanted =
                is_key || !keys.is_worth_waiting_for(now, feed.tempo().interval(self.manner.interval));
            if !group.units().is_empty() && is_wanted && taker.is_due(now.into_std()) {
                let picture = decoder.decode(&group, captured, self.manner.limits).await;
                if picture.is_err() {
                    group.clear();
                }
                taker.take(now.into_std(), picture);
            }
        }
    }

    /// The next frame, and when it came.
    async fn next(&self, video: &mut Demuxed) -> Result<(VideoFrame, SystemTime), Trouble> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match timeout_at(deadline, video.next()).await {
                Ok(Some(Ok(CodecItem::VideoFrame(frame)))) => return Ok((frame, SystemTime::now())),
                // clocks and such
                Ok(Some(Ok(_))) if Instant::now() < deadline => {}
                Ok(Some(Err(error))) => return Err(self.explain(&error)),
                Ok(None) => return Err(Trouble::new("the camera has ended the stream")),
                Ok(Some(Ok(_))) | Err(_) => return Err(Trouble::silent(self.timeout)),
            }
        }
    }
}

impl Session for Rtsp {
    async fn run(&mut self, feed: &Feed) -> Result<Finished, Trouble> {
        // leads to the camera for as long as it is held
        let tunnel = self.tunnel().await?;
        let session = self.describe(tunnel.as_ref().map_or(&self.url, Tunnel::url)).await?;
        let (video, codec) = self.play(session).await?;
        match codec {
            None => self.take_jpegs(video, feed).await,
            Some(codec) => {
                let decoder = Decoder::new(codec, &self.ffmpeg).await?;
                self.take_decoded(video, decoder, feed).await
            }
        }
    }
}

/// How often key frames come: one alone is much cheaper to decode than what follows it.
#[derive(Debug)]
struct KeyFrames {
    last: Instant,
    gap: Option<Duration>,
    seen: bool,
}

impl KeyFrames {
    fn new() -> Self {
        Self { last: Instant::now(), gap: None, seen: false }
    }

    /// A frame has come.
    fn saw(&mut self, is_key: bool, now: Instant) -> Result<(), Trouble> {
        if is_key {
            if self.seen {
                self.gap = Some(now - self.last);
            }
            self.seen = true;
            self.last = now;
        } else if now - self.last > KEY_FRAME_TIMEOUT {
            return Err(Trouble::new(
                "the camera sends no key frames, set its key frame interval (I-frame interval, GOP) to 2 s",
            ));
        }
        Ok(())
    }

    /// Whether a key frame will come early enough for a picture that is due now.
    fn is_worth_waiting_for(&self, now: Instant, interval: Duration) -> bool {
        self.gap.is_some_and(|gap| gap <= interval / 2 && now - self.last <= gap * 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_frames_are_waited_for_where_they_come_often_enough() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut keys = KeyFrames::new();
        keys.saw(true, at(0)).unwrap();
        assert!(!keys.is_worth_waiting_for(at(40), Duration::from_secs(10)), "not known yet");
        keys.saw(true, at(2000)).unwrap();
        keys.saw(false, at(2040)).unwrap();
        assert!(keys.is_worth_waiting_for(at(2040), Duration::from_secs(10)));
        assert!(!keys.is_worth_waiting_for(at(2040), Duration::from_secs(1)));
        assert!(!keys.is_worth_waiting_for(at(8000), Duration::from_secs(10)), "it does not come");
        let trouble = keys.saw(false, at(63_000)).unwrap_err();
        assert!(trouble.to_string().contains("key frame interval"), "{trouble}");
    }
}
