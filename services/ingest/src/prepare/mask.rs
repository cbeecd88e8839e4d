//! Painting over polygons.

use image::{Rgb, RgbImage};

/// What is painted.
const PAINT: Rgb<u8> = Rgb([0, 0, 0]);

/// Heights within a row of pixels at which the polygon is cut, so that pixels that it only touches count too.
const CUTS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// Paints over every pixel that the polygon covers, in part or whole. Its corners are fractions of the picture.
pub fn paint_over(pixels: &mut RgbImage, polygon: &[[f64; 2]]) {
    let (width, height) = pixels.dimensions();
    let corners: Vec<[f64; 2]> =
        polygon.iter().map(|&[x, y]| [x * f64::from(width), y * f64::from(height)]).collect();
    for row in 0..height {
        for cut in CUTS {
            for (from, to) in covered(&corners, f64::from(row) + cut) {
                // rounding outwards: rather a pixel too many than one too few
                let (from, to) = (from.floor().max(0.0) as u32, (to.ceil() as u32).min(width));
                for column in from..to {
                    pixels.put_pixel(column, row, PAINT);
                }
            }
        }
    }
}

/// The stretches of a horizontal line at `y` that lie inside.
fn covered(corners: &[[f64; 2]], y: f64) -> Vec<(f64, f64)> {
    let mut crossings = Vec::new();
    for (index, &[x1, y1]) in corners.iter().enumerate() {
        let [x2, y2] = corners[(index + 1) % corners.len()];
        // half open, so that a corner that two sides share is crossed once
        if (y1 <= y) != (y2 <= y) {
            crossings.push(x1 + (y - y1) / (y2 - y1) * (x2 - x1));
        }
    }
    crossings.sort_unstable_by(f64::total_cmp);
    crossings.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WHITE: Rgb<u8> = Rgb([255, 255, 255]);

    fn painted(polygon: &[[f64; 2]]) -> Vec<String> {
        let mut pixels = RgbImage::from_pixel(8, 6, WHITE);
        paint_over(&mut pixels, polygon);
        let letter = |pixel: &Rgb<u8>| if *pixel == PAINT { '#' } else { '.' };
        pixels.rows().map(|row| row.map(letter).collect()).collect()
    }

    #[test]
    fn rectangles_and_triangles_are_filled_to_their_edges() {
        assert_eq!(
            painted(&[[0.25, 0.0], [0.75, 0.0], [0.75, 0.5], [0.25, 0.5]]),
            ["..####..", "..####..", "..####..", "........", "........", "........"]
        );
        assert_eq!(painted(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), ["########"; 6]);
        let triangle = painted(&[[0.0, 1.0], [0.5, 0.0], [1.0, 1.0]]);
        assert_eq!(triangle[5], "########");
        assert!(triangle[0].contains('#') && triangle[0].starts_with("..") && triangle[0].ends_with(".."));
    }

    #[test]
    fn a_hollow_stays_open() {
        // an L
        let polygon = [[0.0, 0.0], [0.25, 0.0], [0.25, 0.5], [1.0, 0.5], [1.0, 1.0], [0.0, 1.0]];
        assert_eq!(painted(&polygon)[1], "##......");
        assert_eq!(painted(&polygon)[4], "########");
    }

    proptest! {
        #[test]
        fn the_inside_of_a_triangle_is_never_left_open(
            corners in prop::array::uniform3(prop::array::uniform2(0.0..=1.0f64)),
            weights in prop::array::uniform3(0.05..1.0f64),
        ) {
            let mut pixels = RgbImage::from_pixel(40, 30, WHITE);
            paint_over(&mut pixels, &corners);
            let sum: f64 = weights.iter().sum();
            let inside = |axis: usize| (0..3).map(|n| corners[n][axis] * weights[n] / sum).sum::<f64>();
            let area = ((corners[1][0] - corners[0][0]) * (corners[2][1] - corners[0][1])
                - (corners[2][0] - corners[0][0]) * (corners[1][1] - corners[0][1])).abs();
            // one that is thinner than a pixel has no inside to speak of
            prop_assume!(area > 0.05);
            let (x, y) = ((inside(0) * 40.0) as u32, (inside(1) * 30.0) as u32);
            prop_assert_eq!(*pixels.get_pixel(x.min(39), y.min(29)), PAINT);
        }
    }
}
