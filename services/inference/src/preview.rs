//! What viewers get to see: the picture scaled, with people blurred where that is asked for, or nothing.

use anyhow::Context;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, RgbImage};
use object_detector::{BoundingBox, Detection};
use people_counter_events::Picture;

use crate::blur::blur_boxes;

/// Quality of the preview's JPEG.
const QUALITY: u8 = 80;

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preview {
    /// What viewers may see.
    pub(crate) show: Picture,
    /// Most pixels from left to right.
    pub(crate) width: u32,
    /// Also of a picture that is narrow enough already, since its original does not stay.
    pub(crate) always: bool,
}

/// Makes previews, one after the other, in the same memory.
#[derive(Default)]
pub(crate) struct Previewer {
    resizer: Resizer,
    small: RgbImage,
}

impl Previewer {
    /// What viewers may see of a picture in which `found` are people, and its preview if they need one. When none
    /// can be made of a picture that must be blurred, they get nothing.
    pub(crate) fn make(
        &mut self,
        &Preview { show, width, always }: &Preview,
        pixels: &RgbImage,
        found: &[Detection],
    ) -> (Picture, Option<Vec<u8>>) {
        let made = match show {
            Picture::Withheld => return (Picture::Withheld, None),
            Picture::Original if pixels.width() <= width && !always => return (Picture::Original, None),
            Picture::Original => self.shrink(pixels, width).and_then(|()| encode(&self.small)),
            Picture::Blurred => self.shrink(pixels, width).and_then(|()| {
                let scale = self.small.width() as f32 / pixels.width() as f32;
                let boxes: Vec<BoundingBox> = found.iter().map(|found| scaled(&found.bbox, scale)).collect();
                blur_boxes(&mut self.small, &boxes);
                encode(&self.small)
            }),
        };
        match (made, show) {
            (Ok(jpeg), show) => (show, Some(jpeg)),
            (Err(error), Picture::Original) if !always => {
                tracing::warn!("{error:#}; viewers get the original");
                (Picture::Original, None)
            }
            (Err(error), _) => {
                tracing::warn!("{error:#}; viewers get no picture");
                (Picture::Withheld, None)
            }
        }
    }

    /// The picture at most `width` pixels wide.
    fn shrink(&mut self, pixels: &RgbImage, width: u32) -> anyhow::Result<()> {
        let width = pixels.width().min(width);
        let height = u64::from(pixels.height()) * u64::from(width) / u64::from(pixels.width());
        let height = height.max(1) as u32;
        let mut memory = std::mem::take(&mut self.small).into_raw();
        memory.resize(3 * width as usize * height as usize, 0);
        self.small = RgbImage::from_raw(width, height, memory).context("the preview has no pixels")?;
        let source = TypedImageRef::<U8x3>::from_buffer(pixels.width(), pixels.height(), pixels.as_raw())
            .context("the picture has no pixels")?;
        let mut target = TypedImage::<U8x3>::from_buffer(width, height, &mut self.small)
            .context("the preview has no pixels")?;
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        self.resizer.resize_typed(&source, &mut target, &options).context("cannot scale the preview")
    }
}

fn encode(pixels: &RgbImage) -> anyhow::Result<Vec<u8>> {
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode(pixels.as_raw(), pixels.width(), pixels.height(), ExtendedColorType::Rgb8)
        .context("cannot encode the preview")?;
    Ok(jpeg)
}

fn scaled(bbox: &BoundingBox, scale: f32) -> BoundingBox {
    BoundingBox { x1: bbox.x1 * scale, y1: bbox.y1 * scale, x2: bbox.x2 * scale, y2: bbox.y2 * scale }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, _| Rgb([(x * 255 / width) as u8, 80, 160]))
    }

    fn wanted(show: Picture, width: u32) -> Preview {
        Preview { show, width, always: false }
    }

    fn size(jpeg: &[u8]) -> (u32, u32) {
        let decoded = image::load_from_memory(jpeg).unwrap();
        (decoded.width(), decoded.height())
    }

    #[test]
    fn wide_pictures_are_scaled_and_narrow_ones_need_no_preview() {
        let mut previewer = Previewer::default();
        let (show, jpeg) = previewer.make(&wanted(Picture::Original, 160), &picture(640, 480), &[]);
        assert_eq!((show, size(&jpeg.unwrap())), (Picture::Original, (160, 120)));
        assert_eq!(
            previewer.make(&wanted(Picture::Original, 160), &picture(160, 1), &[]),
            (Picture::Original, None)
        );
        let (show, jpeg) = previewer.make(&wanted(Picture::Blurred, 160), &picture(64, 48), &[]);
        assert_eq!((show, size(&jpeg.unwrap())), (Picture::Blurred, (64, 48)));
        assert_eq!(
            previewer.make(&wanted(Picture::Withheld, 160), &picture(640, 480), &[]),
            (Picture::Withheld, None)
        );
    }

    #[test]
    fn the_memory_of_an_earlier_preview_is_used_again() {
        let mut previewer = Previewer::default();
        previewer.make(&wanted(Picture::Blurred, 320), &picture(640, 480), &[]);
        let memory = previewer.small.as_raw().as_ptr();
        for _ in 0..3 {
            previewer.make(&wanted(Picture::Blurred, 320), &picture(640, 480), &[]);
            assert_eq!(previewer.small.as_raw().as_ptr(), memory);
        }
    }

    #[test]
    fn people_are_blurred_where_they_are_in_the_scaled_picture() {
        let stripes = RgbImage::from_fn(640, 480, |x, _| Rgb([if x / 8 % 2 == 0 { 255 } else { 0 }; 3]));
        let bbox = BoundingBox { x1: 200.0, y1: 100.0, x2: 360.0, y2: 400.0 };
        let found = [Detection { bbox, score: 0.9, class: 0 }];
        let (_, jpeg) = Previewer::default().make(&wanted(Picture::Blurred, 320), &stripes, &found);
        let seen = image::load_from_memory(&jpeg.unwrap()).unwrap().to_luma8();
        let contrast = |x1: u32, x2: u32| {
            let row: Vec<i32> = (x1..x2).map(|x| i32::from(seen.get_pixel(x, 120).0[0])).collect();
            row.iter().max().unwrap() - row.iter().min().unwrap()
        };
        assert!(contrast(104, 176) < 60, "people are flat: {}", contrast(104, 176));
        assert!(contrast(220, 300) > 150, "the rest is not: {}", contrast(220, 300));
    }
}
