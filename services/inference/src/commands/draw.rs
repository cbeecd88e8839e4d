//! Boxes drawn into copies of pictures.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use image::{Rgb, RgbImage};
use object_detector::Detection;

/// Those who count.
const COUNTED: Rgb<u8> = Rgb([0, 230, 90]);
/// Boxes below the threshold.
const UNSURE: Rgb<u8> = Rgb([255, 170, 0]);

/// Where the copies go.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder; `pictures` must have names that differ, since copies keep them.
    pub(super) fn new(folder: &Path, pictures: &[PathBuf]) -> anyhow::Result<Self> {
        let mut names = HashSet::new();
        for picture in pictures {
            let name = picture.file_stem();
            ensure!(
                names.insert(name),
                "two pictures are called {}, draw them into different folders",
                name.unwrap_or_default().display()
            );
        }
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder.into()))
    }

    /// Writes `FOLDER/NAME.png`.
    pub(super) fn save(
        &self,
        picture: &Path,
        mut pixels: RgbImage,
        found: &[Detection],
        threshold: f32,
    ) -> anyhow::Result<()> {
        // a line that can be seen when the picture is shown small
        let thick = (pixels.width().max(pixels.height()) / 400).max(2);
        for detection in found.iter().rev() {
            let colour = if detection.score >= threshold { COUNTED } else { UNSURE };
            outline(&mut pixels, detection, thick, colour);
        }
        let name = picture.file_stem().context("the picture has no name")?;
        let copy = self.0.join(name).with_extension("png");
        pixels.save(&copy).with_context(|| format!("cannot write {}", copy.display()))
    }
}

/// A frame of `thick` pixels along the inside of the box.
fn outline(pixels: &mut RgbImage, detection: &Detection, thick: u32, colour: Rgb<u8>) {
    let bbox = detection.bbox.clamp(pixels.width() as f32, pixels.height() as f32);
    let (x1, y1) = (bbox.x1 as u32, bbox.y1 as u32);
    let (x2, y2) = (bbox.x2 as u32, bbox.y2 as u32);
    for y in y1..y2 {
        for x in x1..x2 {
            let inner = x >= x1 + thick && x + thick < x2 && y >= y1 + thick && y + thick < y2;
            if !inner {
                pixels.put_pixel(x, y, colour);
            }
        }
    }
}
