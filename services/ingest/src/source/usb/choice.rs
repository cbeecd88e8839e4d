//! Which camera, and in which format.

use std::panic::catch_unwind;

use nokhwa::utils::{ApiBackend, CameraFormat, CameraInfo, FrameFormat};

use super::explain;
use crate::source::Trouble;

/// Formats that can be used, best first: MJPEG needs no work.
pub const USABLE: [FrameFormat; 6] = [
    FrameFormat::MJPEG,
    FrameFormat::YUYV,
    FrameFormat::NV12,
    FrameFormat::RAWRGB,
    FrameFormat::RAWBGR,
    FrameFormat::GRAY,
];

/// What is wanted of a format.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    pub width: u32,
    pub height: u32,
    /// Pictures per second.
    pub rate: f64,
}

/// The format nearest to the wish: first by size, then with the least work, then the slowest that is fast enough.
pub fn best_format(wish: &Wish, formats: &[CameraFormat]) -> Option<CameraFormat> {
    let square = |have: u32, want: u32| u64::from(have.abs_diff(want)).pow(2);
    let rank = |format: &CameraFormat| {
        let kind = USABLE.iter().position(|usable| *usable == format.format())?;
        let size = square(format.width(), wish.width) + square(format.height(), wish.height);
        let rate = format.frame_rate();
        // of those that are too slow, the fastest
        let pace = if f64::from(rate) < wish.rate { (true, u32::MAX - rate) } else { (false, rate) };
        Some((size, kind, pace))
    };
    let ranked = formats.iter().filter_map(|format| Some((rank(format)?, *format)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, format)| format)
}

/// The video devices of this machine, in the order of their numbers.
pub fn list() -> Result<Vec<(u32, CameraInfo)>, Trouble> {
    // nokhwa 0.10 panics when a name in /dev is unusual
    let found = catch_unwind(|| nokhwa::query(ApiBackend::Video4Linux))
        .map_err(|_| Trouble::new("the list of cameras cannot be read, there is an unusual name in /dev"))?
        .map_err(|error| explain(&error.to_string()))?;
    let mut devices: Vec<_> =
        found.into_iter().filter_map(|info| Some((info.index().as_index().ok()?, info))).collect();
    devices.sort_by_key(|(number, _)| *number);
    Ok(devices)
}

/// The numbers that `device` may mean now, in the order to be tried: a camera has several devices, and only one of
/// them gives pictures.
pub fn numbers(device: &str) -> Result<Vec<u32>, Trouble> {
    let absent = || {
        Trouble::new(
            "there is no such camera, plug it in; `people-counter-ingest devices` lists those that are there",
        )
    };
    let numbers = match device.strip_prefix("name:") {
        Some(part) => {
            let named =
                |(number, info): (u32, CameraInfo)| info.human_name().contains(part).then_some(number);
            list()?.into_iter().filter_map(named).collect()
        }
        None => {
            let node = std::fs::canonicalize(device).map_err(|_gone| absent())?;
            let name = node.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.strip_prefix("video").and_then(|number| number.parse().ok()).into_iter().collect::<Vec<_>>()
        }
    };
    if numbers.is_empty() { Err(absent()) } else { Ok(numbers) }
}

#[cfg(test)]
mod tests {
    use nokhwa::utils::Resolution;

    use super::*;

    fn format(width: u32, height: u32, kind: FrameFormat, rate: u32) -> CameraFormat {
        CameraFormat::new(Resolution::new(width, height), kind, rate)
    }

    #[test]
    fn the_nearest_size_with_the_least_work_is_chosen() {
        let formats = [
            format(640, 480, FrameFormat::MJPEG, 30),
            format(1280, 720, FrameFormat::YUYV, 5),
            format(1280, 720, FrameFormat::MJPEG, 30),
            format(1280, 720, FrameFormat::MJPEG, 5),
            format(1920, 1080, FrameFormat::MJPEG, 5),
        ];
        let best = |width, height, rate| best_format(&Wish { width, height, rate }, &formats).unwrap();
        assert_eq!(best(1280, 720, 0.1), formats[3], "the slowest that is fast enough");
        assert_eq!(best(1280, 720, 10.0), formats[2]);
        assert_eq!(best(1280, 720, 60.0), formats[2], "the fastest where none is");
        assert_eq!(best(1000, 600, 1.0), formats[3]);
        assert_eq!(best(100, 100, 1.0), formats[0]);
        assert_eq!(best_format(&Wish { width: 1, height: 1, rate: 1.0 }, &[]), None);
    }

    #[test]
    fn a_camera_that_is_not_there_is_told() {
        for device in ["/dev/video987", "/dev/null", "name:no such camera"] {
            let trouble = numbers(device).unwrap_err();
            assert!(trouble.to_string().contains("no such camera"), "{device}: {trouble}");
        }
    }
}
