//! What happens to a picture before it leaves the box: crop, privacy mask, limits. A picture that nothing asks
//! to be changed passes untouched, byte for byte. Blocking.
//!
//! A changed picture is upright and carries nothing of the original but its pixels: the thumbnail that many
//! cameras put beside them would show what the mask covers.

mod mask;

use std::io::Cursor;

use fast_image_resize::Resizer;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use image::codecs::jpeg::JpegDecoder;
use image::{DynamicImage, ImageDecoder, ImageResult, RgbImage};
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::config::{Limits, Preparation};
use crate::gate::Sketch;
use crate::picture::{self, Picture, Refusal};
use crate::raw::{Layout, Raw};

/// Qualities that are tried one after the other for a limit of bytes.
const QUALITIES: [u8; 4] = [85, 75, 65, 55];

/// By how much a picture shrinks when no quality is low enough, and how often.
const SHRINK: f64 = 0.75;
const MAX_SHRINKS: usize = 12;

/// What is done to each picture of a camera.
#[derive(Debug, Clone)]
pub struct Preparer {
    how: Preparation,
    limits: Limits,
    sketches: bool,
}

/// A picture that may leave the box.
#[derive(Debug)]
pub struct Prepared {
    /// The picture.
    pub picture: Picture,
    /// What it is compared by, if asked for and possible.
    pub sketch: Option<Sketch>,
}

impl Preparer {
    /// `limits` bound what is decoded; with `sketches` each picture is made one of.
    pub fn new(how: Preparation, limits: Limits, sketches: bool) -> Self {
        Self { how, limits, sketches }
    }

    /// Whether there is anything to do for a picture that takes time.
    pub fn has_work(&self, picture: &Picture) -> bool {
        self.sketches || self.may_change(picture)
    }

    /// Does it.
    ///
    /// # Errors
    /// When the picture cannot be decoded, or not be made as small as asked.
    pub fn prepare(&self, picture: Picture) -> Result<Prepared, Refusal> {
        if self.may_change(&picture) {
            let pixels = self.decode(&picture)?;
            if let Some(changed) = self.change(&picture, pixels)? {
                return Ok(changed);
            }
        }
        let sketch = if self.sketches { sketch(&picture.jpeg) } else { None };
        Ok(Prepared { picture, sketch })
    }

    /// Whether the picture has to be looked at. It may be stored lying on its side.
    fn may_change(&self, picture: &Picture) -> bool {
        let (width, height) = (picture.width, picture.height);
        self.alters_content()
            || self.is_too_many_bytes(picture)
            || self.scale(width, height) < 1.0
            || self.scale(height, width) < 1.0
    }

    fn alters_content(&self) -> bool {
        self.how.crop.is_some() || !self.how.mask.is_empty()
    }

    fn is_too_many_bytes(&self, picture: &Picture) -> bool {
        self.how.bytes.is_some_and(|limit| picture.jpeg.len() as u64 > limit)
    }

    /// The factor that brings a size within the limits, at most 1.
    fn scale(&self, width: u32, height: u32) -> f64 {
        let factor = |limit: Option<u32>, size: u32| {
            limit.map_or(1.0, |limit| f64::from(limit) / f64::from(size.max(1)))
        };
        factor(self.how.width, width).min(factor(self.how.height, height)).min(1.0)
    }

    /// The upright pixels.
    fn decode(&self, picture: &Picture) -> Result<RgbImage, Refusal> {
        let decode = || -> ImageResult<RgbImage> {
            let mut decoder = JpegDecoder::new(Cursor::new(&picture.jpeg))?;
            decoder.set_limits(picture::decoding(&self.limits))?;
            let orientation = decoder.orientation()?;
            let mut pixels = DynamicImage::from_decoder(decoder)?;
            pixels.apply_orientation(orientation);
            Ok(pixels.into_rgb8())
        };
        decode().map_err(|error| picture::refusal(&error))
    }

    /// The changed picture; `None` when nothing had to be changed after all.
    fn change(&self, original: &Picture, mut pixels: RgbImage) -> Result<Option<Prepared>, Refusal> {
        for polygon in &self.how.mask {
            mask::paint_over(&mut pixels, polygon);
        }
        if let Some(part) = self.how.crop {
            pixels = crop(&pixels, part);
        }
        let scale = self.scale(pixels.width(), pixels.height());
        if scale < 1.0 {
            pixels = shrink(pixels, scale)?;
        } else if !self.alters_content() && !self.is_too_many_bytes(original) {
            return Ok(None);
        }
        let limit = self.how.bytes.unwrap_or(self.limits.bytes);
        for _ in 0..MAX_SHRINKS {
            for quality in QUALITIES {
                let (width, height) = pixels.dimensions();
                let jpeg = Raw::new(Layout::Rgb, width, height, &pixels)?.jpeg(quality)?;
                if jpeg.len() as u64 <= limit {
                    let sketch = self
                        .sketches
                        .then(|| luma(&pixels))
                        .and_then(|luma| Sketch::new(&luma, width as usize, height as usize));
                    let picture = Picture { jpeg: jpeg.into(), captured: original.captured, width, height };
                    return Ok(Some(Prepared { picture, sketch }));
                }
            }
            pixels = shrink(pixels, SHRINK)?;
        }
        Err(Refusal::TooLarge)
    }
}

fn crop(pixels: &RgbImage, [x, y, width, height]: [f64; 4]) -> RgbImage {
    let range = |from: f64, length: f64, size: u32| {
        let start = ((from * f64::from(size)) as u32).min(size - 1);
        let end = (((from + length) * f64::from(size)).ceil() as u32).clamp(start + 1, size);
        (start, end - start)
    };
    let (left, width) = range(x, width, pixels.width());
    let (top, height) = range(y, height, pixels.height());
    image::imageops::crop_imm(pixels, left, top, width, height).to_image()
}

fn shrink(pixels: RgbImage, scale: f64) -> Result<RgbImage, Refusal> {
    let size = |size: u32| ((f64::from(size) * scale) as u32).max(1);
    let mut smaller = RgbImage::new(size(pixels.width()), size(pixels.height()));
    // for this one kind of pixel; for all kinds it would be half of the program
    let (from, to) = (pixels.dimensions(), smaller.dimensions());
    let source = TypedImageRef::<U8x3>::from_buffer(from.0, from.1, &pixels);
    let target = TypedImage::<U8x3>::from_buffer(to.0, to.1, &mut smaller);
    let (Ok(source), Ok(mut target)) = (source, target) else { return Err(Refusal::Damaged) };
    let resized = Resizer::new().resize_typed(&source, &mut target, None);
    resized.map_err(|_| Refusal::Damaged)?;
    Ok(smaller)
}

/// Levels of brightness as JPEG has them.
fn luma(pixels: &RgbImage) -> Vec<u8> {
    let level = |&image::Rgb([r, g, b]): &image::Rgb<u8>| {
        ((299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b)) / 1000) as u8
    };
    pixels.pixels().map(level).collect()
}

/// The sketch of a JPEG. Colours are not decoded, which is most of the work.
fn sketch(jpeg: &[u8]) -> Option<Sketch> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    let luma = decoder.decode().ok()?;
    let (width, height) = decoder.dimensions()?;
    Sketch::new(&luma, width, height)
}

#[cfg(test)]
mod tests;
