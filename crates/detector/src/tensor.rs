//! From the bytes of a canvas to the floats that the network takes

use image::RgbImage;

use crate::manifest::{Color, Input, Layout};

/// The shape of the network's input, e.g. `[1, 3, height, width]`.
pub(crate) fn shape(input: &Input) -> [usize; 4] {
    let (width, height) = (input.width as usize, input.height as usize);
    match input.layout {
        Layout::Nchw => [1, 3, height, width],
        Layout::Nhwc => [1, height, width, 3],
    }
}

/// Writes `canvas`, which has the input's size, into `values`, which has the input's shape.
pub(crate) fn fill(input: &Input, canvas: &RgbImage, values: &mut [f32]) {
    // (byte - mean) / std as byte * scale + shift: exact for mean 0 and std 1
    let scale = input.std.map(|std| 1.0 / std);
    let shift = [0, 1, 2].map(|c| -input.mean[c] / input.std[c]);
    let source = match input.color {
        Color::Rgb => [0, 1, 2],
        Color::Bgr => [2, 1, 0],
    };
    let value = |pixel: &[u8], c: usize| f32::from(pixel[source[c]]) * scale[c] + shift[c];
    let pixels = canvas.as_raw().as_chunks::<3>().0;
    match input.layout {
        Layout::Nchw => {
            for (c, plane) in values.chunks_exact_mut(pixels.len()).enumerate() {
                plane.iter_mut().zip(pixels).for_each(|(to, pixel)| *to = value(pixel, c));
            }
        }
        Layout::Nhwc => {
            for (to, pixel) in values.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
                *to = [0, 1, 2].map(|c| value(pixel, c));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(layout: Layout, color: Color) -> Input {
        Input { width: 2, height: 1, layout, color, mean: [1.0, 2.0, 3.0], std: [2.0, 4.0, 8.0] }
    }

    #[test]
    fn channels_go_where_layout_and_colour_order_say() {
        let canvas = RgbImage::from_raw(2, 1, vec![11, 22, 33, 101, 102, 103]).expect("two pixels");
        for (layout, color, expected) in [
            (Layout::Nchw, Color::Rgb, [5.0, 50.0, 5.0, 25.0, 3.75, 12.5]),
            (Layout::Nchw, Color::Bgr, [16.0, 51.0, 5.0, 25.0, 1.0, 12.25]),
            (Layout::Nhwc, Color::Rgb, [5.0, 5.0, 3.75, 50.0, 25.0, 12.5]),
            (Layout::Nhwc, Color::Bgr, [16.0, 5.0, 1.0, 51.0, 25.0, 12.25]),
        ] {
            let mut values = [0.0; 6];
            fill(&input(layout, color), &canvas, &mut values);
            assert_eq!(values, expected, "{layout:?} {color:?}");
        }
    }

    #[test]
    fn shapes_follow_the_layout() {
        assert_eq!(shape(&input(Layout::Nchw, Color::Rgb)), [1, 3, 1, 2]);
        assert_eq!(shape(&input(Layout::Nhwc, Color::Rgb)), [1, 1, 2, 3]);
    }
}
