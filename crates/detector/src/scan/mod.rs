//! Looking closer: a picture in parts, and with several networks
//!
//! Both find more and cost more: a grid of tiles costs one run for the whole picture and one for each tile, and every
//! further network the same again at its own price.

mod fuse;
mod tiles;

use image::RgbImage;
pub(crate) use tiles::Part;
pub use tiles::{Tiles, TilesError};

use crate::detector::Detector;
use crate::error::Error;
use crate::geometry::Detection;
use crate::model::Model;
use crate::nms;

/// A box that comes as near to an inner edge of its tile as this share of the tile's size is cut off there.
const NEAR: f32 = 0.01;
/// Every network is asked for boxes down to this score before they are fused: several that are not sure make one
/// that is.
const LOWEST: f32 = 0.05;

/// How a picture is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Scan {
    /// In parts too, not only as a whole.
    pub tiles: Option<Tiles>,
    /// With every network of the scanner, not only the first, and their answers fused.
    pub fuse: bool,
}

impl Scan {
    /// This with `change` made: what a struct expression would say if fields could not be added later.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// One or two networks that look at the same pictures. Like a [`Detector`], it belongs to one thread.
#[derive(Debug)]
pub struct Scanner {
    detectors: Vec<Detector>,
}

impl Scanner {
    /// A scanner with `model`, and with `second` for [`Scan::fuse`].
    ///
    /// # Errors
    /// [`Error::Classes`] when the two do not tell the same classes apart.
    pub fn new(model: &Model, second: Option<&Model>) -> Result<Self, Error> {
        if let Some(second) = second
            && second.manifest().classes != model.manifest().classes
        {
            let name = |model: &Model| model.manifest().name.clone();
            return Err(Error::Classes { first: name(model), second: name(second) });
        }
        Ok(Self { detectors: [Some(model), second].into_iter().flatten().map(Detector::new).collect() })
    }

    /// What is seen in `picture` with a score of at least `min_score` (0 to 1), surest first, as
    /// [`Detector::detect`] says it. The score of a fused box is the mean over the networks. Without a second
    /// network there is nothing to fuse.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn detect(
        &mut self,
        picture: &RgbImage,
        scan: &Scan,
        min_score: f32,
    ) -> Result<Vec<Detection>, Error> {
        let [first, others @ ..] = self.detectors.as_mut_slice() else { return Ok(Vec::new()) };
        if !scan.fuse || others.is_empty() {
            return look(first, picture, scan.tiles, min_score);
        }
        let nms_iou = first.model().manifest().output.nms_iou;
        let lowest = LOWEST.min(min_score);
        let found = self
            .detectors
            .iter_mut()
            .map(|detector| look(detector, picture, scan.tiles, lowest))
            .collect::<Result<Vec<_>, _>>()?;
        let mut fused = fuse::fuse(&found);
        fused.retain(|detection| detection.score >= min_score);
        nms::suppress(&mut fused, nms_iou);
        Ok(fused)
    }
}

/// Looks at the whole picture, and at its tiles.
fn look(
    detector: &mut Detector,
    picture: &RgbImage,
    tiles: Option<Tiles>,
    min_score: f32,
) -> Result<Vec<Detection>, Error> {
    let mut found = detector.detect(picture, min_score)?;
    let Some(tiles) = tiles else { return Ok(found) };
    for part in tiles.parts(picture.dimensions()) {
        let seen = detector.detect_part(picture, part, min_score)?;
        found.extend(seen.into_iter().filter(|detection| is_whole(detection, part, picture.dimensions())));
    }
    nms::suppress(&mut found, detector.model().manifest().output.nms_iou);
    Ok(found)
}

/// Whether a box ends inside its part, or where the picture itself ends: what an inner edge cuts is seen whole in a
/// neighbouring part or in the whole picture.
fn is_whole(detection: &Detection, part: Part, (width, height): (u32, u32)) -> bool {
    let inside = |low: f32, high: f32, start: u32, size: u32, length: u32| {
        let near = NEAR * size as f32;
        let (start, end) = (start as f32, (start + size) as f32);
        (start == 0.0 || low > start + near) && (end == length as f32 || high < end - near)
    };
    let bbox = &detection.bbox;
    inside(bbox.x1, bbox.x2, part.left, part.width, width)
        && inside(bbox.y1, bbox.y2, part.top, part.height, height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BoundingBox;

    #[test]
    fn boxes_that_a_tile_cuts_are_told_from_those_at_the_border_of_the_picture() {
        let part = Part { left: 100, top: 0, width: 100, height: 100 };
        for (x1, y1, x2, y2, whole) in [
            (110.0, 10.0, 150.0, 90.0, true),
            (100.0, 10.0, 150.0, 90.0, false),
            (110.0, 0.0, 150.0, 90.0, true),
            (110.0, 10.0, 200.0, 90.0, true),
            (110.0, 10.0, 150.0, 100.0, false),
        ] {
            let found = Detection { bbox: BoundingBox { x1, y1, x2, y2 }, score: 0.5, class: 0 };
            assert_eq!(is_whole(&found, part, (200, 200)), whole, "{found:?}");
        }
    }
}
