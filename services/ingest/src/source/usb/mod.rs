//! A camera of this machine (V4L2), by nokhwa. MJPEG passes through; raw pictures are encoded.

mod choice;
mod devices;
mod driver;
mod glue;

use std::time::{Duration, Instant, SystemTime};

use nokhwa::Camera;
use nokhwa::utils::{CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType};

use super::retry::{Finished, Session};
use super::taker::Taker;
use super::trouble::errno;
use super::{Feed, Manner, Trouble};
use crate::config;
use crate::jpeg;
use crate::picture::{Picture, Refusal};
use crate::raw::{Layout, Raw};
use choice::{USABLE, Wish, best_format, numbers};
pub use devices::list_devices;
use driver::{Driver, Watch};
use glue::Glue;

/// After so many bad pictures in a row the camera is opened again.
const MAX_BAD: u32 = 30;

/// The source.
#[derive(Debug)]
pub struct Usb {
    config: config::UsbCamera,
    manner: Manner,
    driver: Option<Driver>,
}

impl Usb {
    pub(super) fn open(config: &config::UsbCamera, manner: Manner) -> Self {
        Self { config: config.clone(), manner, driver: None }
    }
}

impl Session for Usb {
    async fn run(&mut self, feed: &Feed) -> Result<Finished, Trouble> {
        if self.driver.as_ref().is_some_and(|driver| !driver.is_finished()) {
            return Err(Trouble::new("the camera's driver does not come back, unplug the camera"));
        }
        let (config, manner, feed) = (self.config.clone(), self.manner, feed.clone());
        let work = move |watch: &Watch| match capture(&config, manner, &feed, watch) {
            Ok(()) => Trouble::new("stopped"),
            Err(trouble) => trouble,
        };
        let driver = Driver::start(work)
            .map_err(|error| Trouble::new(format!("cannot start a thread for the camera: {error}")))?;
        Err(self.driver.insert(driver).watch_over(self.config.timeout).await)
    }

    async fn close(&mut self) {
        if let Some(driver) = self.driver.take() {
            self.driver = driver.stop().await;
        }
    }
}

/// Opens the camera and takes its pictures until `watch` says stop.
fn capture(config: &config::UsbCamera, manner: Manner, feed: &Feed, watch: &Watch) -> Result<(), Trouble> {
    let rate = 1.0 / manner.interval.as_secs_f64().max(0.001);
    let wish = Wish { width: config.width, height: config.height, rate };
    let mut camera = open_first(&config.device, &wish)?;
    let format = camera.camera_format();
    let mut taker = Taker::new(feed, manner);
    let mut glue = Glue::default();
    watch.beat();
    while !watch.is_stopped() {
        // every picture is fetched, so that none grows old in the driver's buffers
        let data = camera.frame_raw().map_err(|error| broke(&error.to_string(), config.timeout))?;
        watch.beat();
        if format.format() == FrameFormat::MJPEG {
            match jpeg::scan(&data) {
                Ok(info) if glue.is_glued(&data[..info.bytes]) => taker.refused(Refusal::Truncated),
                Ok(info) => taker.jpeg(&data, info),
                Err(refusal) => taker.refused(refusal),
            }
        } else {
            let now = Instant::now();
            if taker.is_due(now) {
                taker.take(now, encode(&format, &data, manner));
            }
        }
        if taker.bad_in_a_row() >= MAX_BAD {
            return Err(Trouble::new("the camera sends nothing but damaged pictures, it is opened again"));
        }
    }
    Ok(())
}

fn open_first(device: &str, wish: &Wish) -> Result<Camera, Trouble> {
    let mut trouble = None;
    for number in numbers(device)? {
        match open(number, wish) {
            Ok(camera) => return Ok(camera),
            Err(error) => trouble = trouble.or(Some(error)),
        }
    }
    Err(trouble.unwrap_or_else(|| Trouble::new("there is no such camera")))
}

/// Opens without a format, then sets one of those that there are: nokhwa's own choices are not to be trusted.
fn open(number: u32, wish: &Wish) -> Result<Camera, Trouble> {
    let explain = |error: nokhwa::NokhwaError| explain(&error.to_string());
    let any = RequestedFormat::with_formats(RequestedFormatType::None, &USABLE);
    let mut camera = Camera::new(CameraIndex::Index(number), any).map_err(explain)?;
    let formats = camera.compatible_camera_formats().map_err(explain)?;
    let best = best_format(wish, &formats).ok_or_else(|| {
        Trouble::new("the camera has no format that can be read (MJPEG, YUYV, NV12, RGB, BGR or grey)")
    })?;
    let kinds = [best.format()];
    let wanted = RequestedFormat::with_formats(RequestedFormatType::Exact(best), &kinds);
    camera.set_camera_requset(wanted).map_err(explain)?;
    camera.open_stream().map_err(explain)?;
    tracing::debug!("opened /dev/video{number} with {best}");
    Ok(camera)
}

/// A JPEG of raw pixels. The driver's buffer may be longer than they are.
fn encode(format: &CameraFormat, data: &[u8], manner: Manner) -> Result<Picture, Refusal> {
    let layout = match format.format() {
        FrameFormat::YUYV => Layout::Yuyv,
        FrameFormat::NV12 => Layout::Nv12,
        FrameFormat::RAWRGB => Layout::Rgb,
        FrameFormat::RAWBGR => Layout::Bgr,
        FrameFormat::GRAY => Layout::Grey,
        FrameFormat::MJPEG => return Err(Refusal::Unsupported),
    };
    let raw = Raw::new(layout, format.width(), format.height(), data)?;
    Picture::from_raw(raw, SystemTime::now(), &manner.limits)
}

/// What ended the stream.
fn broke(text: &str, timeout: Duration) -> Trouble {
    match errno(text) {
        // woken by the watch
        Some(4) => Trouble::silent(timeout),
        _ => explain(text),
    }
}

/// nokhwa keeps nothing of an error but its text.
fn explain(text: &str) -> Trouble {
    Trouble::new(match errno(text) {
        Some(1 | 13) => {
            "no permission to open the camera, add the user of this service to the group video".into()
        }
        Some(2 | 6) => "the camera is not there, plug it in".into(),
        Some(5) => "the camera does not answer (input/output error), unplug it and plug it in again".into(),
        Some(16) => "the camera is busy, close the other program that uses it".into(),
        Some(19) => "the camera was unplugged, plug it in".into(),
        Some(28) => {
            "the USB bus has no room for this camera (ENOSPC), choose a smaller size or another port".into()
        }
        _ => format!("the camera cannot be used: {}", text.lines().next().unwrap_or_default()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_in_a_text_makes_the_sentence() {
        let text = |number| format!("Could not open device /dev/video0: odd (os error {number})");
        for (number, words) in [(16, "busy"), (13, "group video"), (19, "unplugged"), (2, "not there")] {
            assert!(explain(&text(number)).to_string().contains(words));
        }
        assert!(broke(&text(4), Duration::from_secs(5)).to_string().contains("nothing for 5s"));
        assert!(explain("Not same/Rejected").to_string().contains("Not same"));
    }
}
