//! Making people unrecognisable in a preview.
//!
//! A reduction, not anonymisation: whom the detector misses is not blurred. Counts without pictures are the
//! guarantee.

use image::{Rgb, RgbImage};
use object_detector::BoundingBox;

/// Boxes grow by this share of their size on each side, since a box seldom holds all of a person.
const MARGIN: f32 = 0.15;
/// A box is cut into at most this many cells a side, each filled with its mean colour.
const CELLS: u32 = 4;

/// Replaces the pixels of each box, enlarged, by a few flat cells.
pub(crate) fn blur_boxes(picture: &mut RgbImage, boxes: &[BoundingBox]) {
    for bbox in boxes {
        let (dx, dy) = (bbox.width() * MARGIN, bbox.height() * MARGIN);
        let x = span(bbox.x1 - dx, bbox.x2 + dx, picture.width());
        let y = span(bbox.y1 - dy, bbox.y2 + dy, picture.height());
        for rows in cells(y) {
            for columns in cells(x) {
                flatten(picture, columns, rows);
            }
        }
    }
}

/// From and to, whole pixels within the picture.
fn span(from: f32, to: f32, limit: u32) -> (u32, u32) {
    let inside = |value: f32| value.clamp(0.0, limit as f32) as u32;
    (inside(from.floor()), inside(to.ceil()))
}

fn cells((from, to): (u32, u32)) -> impl Iterator<Item = (u32, u32)> {
    let size = (to - from).div_ceil(CELLS).max(1);
    (from..to).step_by(size as usize).map(move |start| (start, (start + size).min(to)))
}

fn flatten(picture: &mut RgbImage, (x1, x2): (u32, u32), (y1, y2): (u32, u32)) {
    let mut sum = [0u64; 3];
    for y in y1..y2 {
        for x in x1..x2 {
            for (sum, value) in sum.iter_mut().zip(picture.get_pixel(x, y).0) {
                *sum += u64::from(value);
            }
        }
    }
    let pixels = (u64::from(x2 - x1) * u64::from(y2 - y1)).max(1);
    let mean = Rgb(sum.map(|sum| (sum / pixels) as u8));
    for y in y1..y2 {
        for x in x1..x2 {
            picture.put_pixel(x, y, mean);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise() -> RgbImage {
        RgbImage::from_fn(120, 80, |x, y| Rgb([(x * 37 + y * 91) as u8, (x * y) as u8, (x * 7) as u8]))
    }

    #[test]
    fn the_pixels_of_a_box_are_gone_and_the_rest_is_untouched() {
        let before = noise();
        let mut after = before.clone();
        blur_boxes(&mut after, &[BoundingBox { x1: 20.0, y1: 20.0, x2: 60.0, y2: 60.0 }]);
        let mut colours = std::collections::HashSet::new();
        for (x, y, pixel) in after.enumerate_pixels() {
            if (14..66).contains(&x) && (14..66).contains(&y) {
                colours.insert(pixel.0);
            } else {
                assert_eq!(pixel, before.get_pixel(x, y), "at {x}, {y}");
            }
        }
        assert!(colours.len() <= (CELLS * CELLS) as usize, "{} colours are left", colours.len());
    }

    #[test]
    fn boxes_at_the_border_and_outside_do_no_harm() {
        let mut picture = noise();
        let wild = [(-50.0, -50.0, 10.0, 10.0), (110.0, 70.0, 500.0, 500.0), (300.0, 300.0, 400.0, 400.0)];
        let boxes = wild.map(|(x1, y1, x2, y2)| BoundingBox { x1, y1, x2, y2 });
        blur_boxes(&mut picture, &boxes);
        assert_eq!(picture.dimensions(), (120, 80));
    }
}
