//! [`Raw`]: pixels that nobody has compressed yet, and the JPEG that is made of them.

use jpeg_encoder::{
    ChromaSubsamplingMethod, Encoder, EncodingError, ImageBuffer, JpegColorType, SamplingFactor, rgb_to_ycbcr,
};

use crate::picture::Refusal;

/// How pixels lie in memory, row by row from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Two pixels in four bytes: brightness, blue, brightness, red. Video range, as cameras give it.
    Yuyv,
    /// All brightness, then blue and red for each square of four pixels. Video range.
    Nv12,
    /// Three bytes a pixel.
    Rgb,
    /// Three bytes a pixel, blue first.
    Bgr,
    /// One byte a pixel.
    Grey,
}

impl Layout {
    fn bytes(self, width: usize, height: usize) -> usize {
        match self {
            Self::Yuyv => width.next_multiple_of(2) * height * 2,
            Self::Nv12 => width * height + width.next_multiple_of(2) * height.div_ceil(2),
            Self::Rgb | Self::Bgr => width * height * 3,
            Self::Grey => width * height,
        }
    }
}

/// Pixels of one picture.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a> {
    layout: Layout,
    width: u16,
    height: u16,
    data: &'a [u8],
}

impl<'a> Raw<'a> {
    /// The picture at the start of `data`; a driver's buffer may be longer than it.
    ///
    /// # Errors
    /// [`Refusal::Truncated`] when it is shorter, [`Refusal::TooLarge`] above what a JPEG can be, and
    /// [`Refusal::Damaged`] when there are no pixels at all.
    pub fn new(layout: Layout, width: u32, height: u32, data: &'a [u8]) -> Result<Self, Refusal> {
        let size = |pixels: u32| u16::try_from(pixels).map_err(|_| Refusal::TooLarge);
        let (width, height) = (size(width)?, size(height)?);
        if width == 0 || height == 0 {
            return Err(Refusal::Damaged);
        }
        let bytes = layout.bytes(width.into(), height.into());
        let data = data.get(..bytes).ok_or(Refusal::Truncated)?;
        Ok(Self { layout, width, height, data })
    }

    /// A JPEG of this quality, 1 to 100, with half the resolution in colour, which is what most cameras have.
    ///
    /// # Errors
    /// [`Refusal::Damaged`] when the encoder cannot.
    pub fn jpeg(self, quality: u8) -> Result<Vec<u8>, Refusal> {
        // a tenth of a byte a pixel is on the low side
        let mut jpeg = Vec::with_capacity(usize::from(self.width) * usize::from(self.height) / 8);
        let mut encoder = Encoder::new(&mut jpeg, quality);
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
        encoder.set_chroma_subsampling_method(match self.layout {
            // these have no more than that anyway, or twice the rows, and the mean would cost a seventh of the time
            Layout::Yuyv | Layout::Nv12 | Layout::Grey => ChromaSubsamplingMethod::Nearest,
            Layout::Rgb | Layout::Bgr => ChromaSubsamplingMethod::Average,
        });
        encoder.encode_image(self).map_err(|error: EncodingError| {
            tracing::debug!("a picture cannot be encoded: {error}");
            Refusal::Damaged
        })?;
        Ok(jpeg)
    }

    /// Row `number` of a plane that starts at `from` and has rows of `length` bytes.
    fn row(&self, from: usize, number: usize, length: usize) -> &'a [u8] {
        &self.data[from + number * length..][..length]
    }
}

impl ImageBuffer for Raw<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        match self.layout {
            Layout::Grey => JpegColorType::Luma,
            _ => JpegColorType::Ycbcr,
        }
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let (width, height, y) = (usize::from(self.width), usize::from(self.height), usize::from(y));
        let even = width.next_multiple_of(2);
        let [luma, blue, red, _] = buffers;
        match self.layout {
            Layout::Grey => luma.extend_from_slice(self.row(0, y, width)),
            Layout::Yuyv => {
                let row = self.row(0, y, even * 2);
                luma.extend(row.chunks_exact(2).take(width).map(|two| brightness(two[0])));
                double(blue, width, row.chunks_exact(4).map(|four| colour(four[1])));
                double(red, width, row.chunks_exact(4).map(|four| colour(four[3])));
            }
            Layout::Nv12 => {
                luma.extend(self.row(0, y, width).iter().map(|&level| brightness(level)));
                let row = self.row(width * height, y / 2, even);
                double(blue, width, row.chunks_exact(2).map(|two| colour(two[0])));
                double(red, width, row.chunks_exact(2).map(|two| colour(two[1])));
            }
            Layout::Rgb | Layout::Bgr => {
                let row = self.row(0, y, width * 3);
                for &[first, green, last] in row.as_chunks::<3>().0 {
                    let (r, b) = if self.layout == Layout::Rgb { (first, last) } else { (last, first) };
                    let (level, cb, cr) = rgb_to_ycbcr(r, green, b);
                    luma.push(level);
                    blue.push(cb);
                    red.push(cr);
                }
            }
        }
    }
}

/// Appends each of `values` twice, `width` in all.
fn double(buffer: &mut Vec<u8>, width: usize, values: impl Iterator<Item = u8>) {
    let start = buffer.len();
    buffer.resize(start + width, 0);
    for (pair, value) in buffer[start..].chunks_mut(2).zip(values) {
        pair.fill(value);
    }
}

/// Brightness from the range of video, 16 to 235, to that of JPEG, 0 to 255.
fn brightness(level: u8) -> u8 {
    // 255 / 219 in 256ths
    ((u32::from(level.saturating_sub(16)) * 298 + 128) >> 8).min(255) as u8
}

/// Colour from the range of video, 16 to 240, to that of JPEG, 0 to 255; 128 is none.
fn colour(level: u8) -> u8 {
    // 255 / 224 in 256ths
    (((i32::from(level) - 128) * 291 + 128 * 256 + 128) >> 8).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pixels of the JPEG of `data`.
    fn decoded(layout: Layout, width: u32, height: u32, data: &[u8]) -> image::RgbImage {
        let jpeg = Raw::new(layout, width, height, data).unwrap().jpeg(90).unwrap();
        image::load_from_memory(&jpeg).unwrap().into_rgb8()
    }

    fn assert_is(pixel: image::Rgb<u8>, colour: [u8; 3], what: impl std::fmt::Debug) {
        let near = pixel.0.iter().zip(colour).all(|(have, want)| have.abs_diff(want) < 12);
        assert!(near, "{what:?}: {pixel:?} should be {colour:?}");
    }

    #[test]
    fn every_layout_keeps_its_colours() {
        // left half red, right half white; in video range red is 82, 90, 240 and white 235, 128, 128
        const HALF: usize = 32;
        let halves = |left: &[u8], right: &[u8]| [left.repeat(HALF), right.repeat(HALF)].concat();
        let pairs = |left: &[u8], right: &[u8]| [left.repeat(HALF / 2), right.repeat(HALF / 2)].concat();
        let rows = |row: Vec<u8>, count: usize| row.repeat(count);
        let nv12 = [rows(halves(&[82], &[235]), 48), rows(pairs(&[90, 240], &[128, 128]), 24)].concat();
        for (layout, data) in [
            (Layout::Yuyv, rows(pairs(&[82, 90, 82, 240], &[235, 128, 235, 128]), 48)),
            (Layout::Nv12, nv12),
            (Layout::Rgb, rows(halves(&[255, 0, 0], &[255; 3]), 48)),
            (Layout::Bgr, rows(halves(&[0, 0, 255], &[255; 3]), 48)),
        ] {
            let picture = decoded(layout, 64, 48, &data);
            assert_eq!(picture.dimensions(), (64, 48));
            assert_is(*picture.get_pixel(8, 24), [255, 0, 0], layout);
            assert_is(*picture.get_pixel(56, 24), [255; 3], layout);
        }
        let grey = decoded(Layout::Grey, 64, 48, &rows(halves(&[50], &[200]), 48));
        assert_is(*grey.get_pixel(8, 24), [50; 3], Layout::Grey);
        assert_is(*grey.get_pixel(56, 24), [200; 3], Layout::Grey);
    }

    #[test]
    fn odd_sizes_are_whole_pictures() {
        for layout in [Layout::Yuyv, Layout::Nv12, Layout::Rgb, Layout::Bgr, Layout::Grey] {
            for (width, height) in [(1, 1), (33, 17), (34, 17), (33, 18)] {
                let bytes = layout.bytes(width, height);
                let data = vec![128; bytes + 4096];
                let (width, height) = (width as u32, height as u32);
                let picture = decoded(layout, width, height, &data);
                assert_eq!(picture.dimensions(), (width, height), "{layout:?}");
                let short = Raw::new(layout, width, height, &data[..bytes - 1]);
                assert_eq!(short.unwrap_err(), Refusal::Truncated, "{layout:?}");
            }
        }
    }

    #[test]
    fn what_no_jpeg_can_be_is_refused() {
        assert_eq!(Raw::new(Layout::Grey, 65_536, 1, &[0; 65_536]).unwrap_err(), Refusal::TooLarge);
        assert_eq!(Raw::new(Layout::Rgb, 0, 7, &[]).unwrap_err(), Refusal::Damaged);
    }
}
