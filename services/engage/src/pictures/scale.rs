//! [`scale`]: a smaller picture, for small places on a page.

use std::fmt;
use std::io::Cursor;
use std::str::FromStr;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

/// The widths that there are. Whatever is asked for becomes one of them, so that a picture is scaled a few
/// times at most.
const WIDTHS: [u32; 12] = [32, 64, 96, 128, 160, 240, 320, 480, 640, 960, 1280, 1920];

/// Quality of the JPEG, of 100.
const QUALITY: u8 = 80;

/// A width that pictures are scaled to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Width(u32);

impl Width {
    /// The smallest that can be asked for.
    pub const SMALLEST: u32 = WIDTHS[0];
    /// The largest that can be asked for.
    pub const LARGEST: u32 = 10_000;
}

impl FromStr for Width {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let asked: u32 = text.parse().map_err(|_| ())?;
        let largest = WIDTHS.iter().rev().find(|width| **width <= asked).filter(|_| asked <= Self::LARGEST);
        largest.map(|width| Self(*width)).ok_or(())
    }
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The picture as an upright JPEG of at most this `width`; `None` if it is no wider as it is. One of more than
/// `max_pixels` is refused before its pixels are unpacked.
pub(super) fn scale(picture: &[u8], width: Width, max_pixels: u64) -> Result<Option<Bytes>, ImageError> {
    let mut reader = ImageReader::new(Cursor::new(picture)).with_guessed_format()?;
    let mut limits = Limits::no_limits();
    // four bytes a pixel at most, and as much again for the decoder
    limits.max_alloc = Some(max_pixels.saturating_mul(8));
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (wide, high) = decoder.dimensions();
    if u64::from(wide) * u64::from(high) > max_pixels {
        let kind = image::error::LimitErrorKind::DimensionError;
        return Err(ImageError::Limits(image::error::LimitError::from_kind(kind)));
    }
    if wide.max(high) <= width.0 {
        return Ok(None);
    }
    let orientation = decoder.orientation()?;
    let mut pixels = DynamicImage::from_decoder(decoder)?;
    pixels.apply_orientation(orientation);
    let height = u64::from(pixels.height()) * u64::from(width.0) / u64::from(pixels.width());
    let height = u32::try_from(height.max(1)).unwrap_or(u32::MAX);
    let small = if pixels.width() <= width.0 { pixels } else { pixels.thumbnail_exact(width.0, height) };
    let mut jpeg = Vec::new();
    small.into_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, QUALITY))?;
    Ok(Some(jpeg.into()))
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, RgbImage};

    use super::*;

    fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        let pixels = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 128]));
        pixels.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        bytes
    }

    fn width(text: &str) -> Width {
        text.parse().unwrap()
    }

    #[test]
    fn a_width_becomes_one_of_a_few_that_is_not_larger() {
        for (asked, given) in [("32", 32), ("319", 240), ("320", 320), ("1000", 960), ("9999", 1920)] {
            assert_eq!(width(asked), Width(given));
        }
        for bad in ["", "0", "31", "-1", "10001", "99999999999", "320px", "1e3"] {
            assert!(bad.parse::<Width>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_picture_becomes_as_wide_as_asked_and_never_wider() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
            let small = scale(&picture(640, 480, format), width("320"), 1_000_000).unwrap().unwrap();
            let small = image::load_from_memory_with_format(&small, ImageFormat::Jpeg).unwrap();
            assert_eq!((small.width(), small.height()), (320, 240), "{format:?}");
        }
        assert_eq!(scale(&picture(320, 240, ImageFormat::Jpeg), width("320"), 1_000_000).unwrap(), None);
        let thin = scale(&picture(2000, 1, ImageFormat::Png), width("32"), 1_000_000).unwrap().unwrap();
        assert_eq!(image::load_from_memory(&thin).unwrap().height(), 1);
    }

    #[test]
    fn one_with_too_many_pixels_is_refused() {
        let large = picture(1000, 1000, ImageFormat::Png);
        assert!(matches!(scale(&large, width("32"), 999_999), Err(ImageError::Limits(_))));
        assert!(scale(&large, width("32"), 1_000_000).is_ok());
        assert!(scale(b"\xFF\xD8\xFF\xE0 no picture", width("32"), 1_000_000).is_err());
    }

    #[test]
    fn a_picture_that_lies_on_its_side_is_put_upright() {
        let jpeg = picture(640, 480, ImageFormat::Jpeg);
        // an APP1 segment with the orientation "rotate by 90 degrees"
        let exif =
            b"\xFF\xE1\x00\x22Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let turned = [&jpeg[..2], &exif[..], &jpeg[2..]].concat();
        let small = image::load_from_memory(&scale(&turned, width("240"), 1_000_000).unwrap().unwrap());
        let small = small.unwrap();
        assert_eq!((small.width(), small.height()), (240, 320));
    }
}
