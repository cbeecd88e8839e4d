//! The list of cameras that a person reads.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use nokhwa::Camera;
use nokhwa::utils::{CameraFormat, CameraIndex, RequestedFormat, RequestedFormatType};

use super::choice::{USABLE, list};
use crate::source::trouble::errno;

/// Links whose names stay the same whatever else is plugged in.
const BY_ID: &str = "/dev/v4l/by-id";

/// The cameras of this machine with their formats, as text.
///
/// # Errors
/// They cannot be listed.
pub fn list_devices() -> anyhow::Result<String> {
    let mut text = String::new();
    for (number, info) in list().map_err(|trouble| anyhow!("{trouble}"))? {
        let formats = match formats(number) {
            Ok(formats) if formats.is_empty() => continue,
            Ok(formats) => table(formats),
            // the second device of a camera, which has no pictures, refuses without a number
            Err(error) if errno(&error.to_string()).is_none() => continue,
            Err(error) => format!("    {}\n", super::explain(&error.to_string())),
        };
        writeln!(text, "/dev/video{number}  {}", info.human_name())?;
        if let Some(link) = link(Path::new(BY_ID), number) {
            writeln!(text, "    {}", link.display())?;
        }
        text += &formats;
    }
    if text.is_empty() {
        text = "There is no camera: no /dev/video* gives pictures.\n".into();
    }
    Ok(text)
}

fn formats(number: u32) -> Result<Vec<CameraFormat>, nokhwa::NokhwaError> {
    let any = RequestedFormat::with_formats(RequestedFormatType::None, &USABLE);
    Camera::new(CameraIndex::Index(number), any)?.compatible_camera_formats()
}

/// A line for each kind and size, with its rates.
fn table(mut formats: Vec<CameraFormat>) -> String {
    let key = |format: &CameraFormat| {
        let kind = USABLE.iter().position(|usable| *usable == format.format());
        (kind, std::cmp::Reverse((format.width(), format.height())))
    };
    formats.sort_by_key(|format| (key(format), std::cmp::Reverse(format.frame_rate())));
    let lines = formats.chunk_by(|one, next| key(one) == key(next)).map(|same| {
        let mut rates: Vec<_> = same.iter().map(|format| format.frame_rate().to_string()).collect();
        rates.dedup();
        let (kind, size) = (same[0].format().to_string(), same[0].resolution().to_string());
        format!("    {kind:<6}  {size:<10}  {} per second\n", rates.join(", "))
    });
    lines.collect()
}

fn link(folder: &Path, number: u32) -> Option<PathBuf> {
    let node = format!("video{number}");
    let links = std::fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    links.into_iter().find(|link| {
        std::fs::canonicalize(link).is_ok_and(|path| path.file_name().is_some_and(|name| name == &*node))
    })
}

#[cfg(test)]
mod tests {
    use nokhwa::utils::{FrameFormat, Resolution};

    use super::*;

    #[test]
    fn rates_stand_in_one_line() {
        let format = |kind, width, rate| CameraFormat::new(Resolution::new(width, 480), kind, rate);
        let table = table(vec![
            format(FrameFormat::YUYV, 640, 30),
            format(FrameFormat::MJPEG, 640, 15),
            format(FrameFormat::MJPEG, 1280, 30),
            format(FrameFormat::MJPEG, 640, 30),
        ]);
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            lines,
            [
                ["MJPEG", "1280x480", "30", "per", "second"].to_vec(),
                ["MJPEG", "640x480", "30,", "15", "per", "second"].to_vec(),
                ["YUYV", "640x480", "30", "per", "second"].to_vec(),
            ]
        );
    }
}
