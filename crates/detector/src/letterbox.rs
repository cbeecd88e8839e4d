//! A picture of any size onto the network's canvas, and boxes back

use fast_image_resize::images::{TypedCroppedImageMut, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeError, ResizeOptions, Resizer};
use image::{Rgb, RgbImage};

use crate::geometry::BoundingBox;
use crate::manifest::{Manifest, Policy};

/// Where a picture lies on the canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Placement {
    /// Size of the picture itself.
    picture: (u32, u32),
    /// Top left corner on the canvas.
    offset: (u32, u32),
    /// Size on the canvas.
    size: (u32, u32),
}

impl Placement {
    fn new(picture: (u32, u32), canvas: (u32, u32), policy: Policy) -> Self {
        let ratio =
            (f64::from(canvas.0) / f64::from(picture.0)).min(f64::from(canvas.1) / f64::from(picture.1));
        // a very long picture still gets one pixel
        let scaled = |side: u32, limit: u32| ((f64::from(side) * ratio).round() as u32).clamp(1, limit);
        let size = (scaled(picture.0, canvas.0), scaled(picture.1, canvas.1));
        let offset = match policy {
            Policy::Letterbox => ((canvas.0 - size.0) / 2, (canvas.1 - size.1) / 2),
            Policy::LetterboxTopLeft => (0, 0),
        };
        Self { picture, offset, size }
    }

    /// Every pixel comes from the four by four nearest ones of the picture: most networks were trained on pictures
    /// that no filter had softened, and find less in soft ones. Only a picture that shrinks so much that pixels would
    /// be passed over is filtered over all of them.
    fn algorithm(self) -> ResizeAlg {
        match self.picture.0 / self.size.0 {
            0..4 => ResizeAlg::Interpolation(FilterType::CatmullRom),
            _ => ResizeAlg::Convolution(FilterType::CatmullRom),
        }
    }

    /// A box on the canvas in pixels of the picture, cut at its edges.
    pub(crate) fn to_picture(self, bbox: &BoundingBox) -> BoundingBox {
        let (width, height) = (self.picture.0 as f32, self.picture.1 as f32);
        let x = |x: f32| (x - self.offset.0 as f32) * (width / self.size.0 as f32);
        let y = |y: f32| (y - self.offset.1 as f32) * (height / self.size.1 as f32);
        BoundingBox { x1: x(bbox.x1), y1: y(bbox.y1), x2: x(bbox.x2), y2: y(bbox.y2) }.clamp(width, height)
    }
}

/// The canvas and what is needed to draw on it, kept from picture to picture.
pub(crate) struct Letterbox {
    policy: Policy,
    fill: Rgb<u8>,
    canvas: RgbImage,
    resizer: Resizer,
    /// What the canvas shows now; as long as it stays, the margins need no paint.
    placement: Option<Placement>,
}

impl Letterbox {
    pub(crate) fn new(manifest: &Manifest) -> Self {
        Self {
            policy: manifest.resize.policy,
            fill: Rgb(manifest.resize.fill),
            canvas: RgbImage::new(manifest.input.width, manifest.input.height),
            resizer: Resizer::new(),
            placement: None,
        }
    }

    /// Draws `picture`, which has pixels, and says where it lies.
    pub(crate) fn draw(&mut self, picture: &RgbImage) -> Result<Placement, ResizeError> {
        let placement = Placement::new(picture.dimensions(), self.canvas.dimensions(), self.policy);
        if self.placement.replace(placement) != Some(placement) {
            self.canvas.pixels_mut().for_each(|pixel| *pixel = self.fill);
        }
        // the typed views name the one kind of pixel there is: the untyped ones would compile the scaler for all kinds
        let source = TypedImageRef::<U8x3>::from_buffer(picture.width(), picture.height(), picture.as_raw())
            .expect("a picture has its pixels");
        let (width, height) = self.canvas.dimensions();
        let canvas = TypedImage::<U8x3>::from_buffer(width, height, &mut self.canvas)
            .expect("the canvas has its pixels");
        let ((left, top), (width, height)) = (placement.offset, placement.size);
        let mut target = TypedCroppedImageMut::new(canvas, left, top, width, height)
            .expect("a placement lies inside the canvas");
        let options = ResizeOptions::new().resize_alg(placement.algorithm());
        self.resizer.resize_typed(&source, &mut target, &options)?;
        Ok(placement)
    }

    /// What was drawn last.
    pub(crate) fn canvas(&self) -> &RgbImage {
        &self.canvas
    }
}

#[cfg(test)]
mod tests {
    use image::GenericImageView;

    use super::*;

    const CANVAS: (u32, u32) = (416, 416);

    fn letterbox() -> Letterbox {
        Letterbox {
            policy: Policy::Letterbox,
            fill: Rgb([114; 3]),
            canvas: RgbImage::new(CANVAS.0, CANVAS.1),
            resizer: Resizer::new(),
            placement: None,
        }
    }

    #[test]
    fn a_large_picture_counts_with_all_its_pixels() {
        let mut letterbox = letterbox();
        // one white column in eight is 1/8 of white everywhere
        let side = 8 * CANVAS.0;
        let stripes = RgbImage::from_fn(side, side, |x, _| Rgb([if x % 8 == 0 { 255 } else { 0 }; 3]));
        letterbox.draw(&stripes).unwrap();
        let inside = letterbox.canvas().view(8, 8, CANVAS.0 - 16, CANVAS.1 - 16);
        assert!(inside.pixels().all(|(_, _, pixel)| pixel.0.iter().all(|value| value.abs_diff(32) <= 2)));
    }

    #[test]
    fn pictures_keep_their_proportions_and_lie_where_the_policy_says() {
        for (picture, policy, offset, size) in [
            ((640, 480), Policy::Letterbox, (0, 52), (416, 312)),
            ((640, 480), Policy::LetterboxTopLeft, (0, 0), (416, 312)),
            ((480, 640), Policy::Letterbox, (52, 0), (312, 416)),
            ((416, 416), Policy::Letterbox, (0, 0), (416, 416)),
            ((104, 52), Policy::Letterbox, (0, 104), (416, 208)),
            ((5000, 1), Policy::Letterbox, (0, 207), (416, 1)),
        ] {
            assert_eq!(Placement::new(picture, CANVAS, policy), Placement { picture, offset, size });
        }
    }

    #[test]
    fn boxes_come_back_to_where_they_were() {
        let placement = Placement::new((640, 480), CANVAS, Policy::Letterbox);
        let on_canvas = BoundingBox { x1: 104.0, y1: 52.0, x2: 416.0, y2: 208.0 };
        let expected = BoundingBox { x1: 160.0, y1: 0.0, x2: 640.0, y2: 240.0 };
        assert!((placement.to_picture(&on_canvas).iou(&expected) - 1.0).abs() < 1e-6);
        let beyond = BoundingBox { x1: -9.0, y1: 0.0, x2: 500.0, y2: 416.0 };
        assert_eq!(placement.to_picture(&beyond), BoundingBox { x1: 0.0, y1: 0.0, x2: 640.0, y2: 480.0 });
    }

    #[test]
    fn margins_are_filled_whatever_lay_there_before() {
        let mut letterbox = letterbox();
        let red = |width, height| RgbImage::from_pixel(width, height, Rgb([255, 0, 0]));
        let canvas = letterbox.canvas.as_ptr();
        for (width, height) in [(100, 100), (640, 480), (480, 640), (640, 480), (640, 480)] {
            let placement = letterbox.draw(&red(width, height)).unwrap();
            let inside = |x: u32, y: u32| {
                (placement.offset.0..placement.offset.0 + placement.size.0).contains(&x)
                    && (placement.offset.1..placement.offset.1 + placement.size.1).contains(&y)
            };
            for (x, y, pixel) in letterbox.canvas().enumerate_pixels() {
                let expected = if inside(x, y) { Rgb([255, 0, 0]) } else { Rgb([114; 3]) };
                assert_eq!(*pixel, expected, "{x},{y} of {width}x{height}");
            }
        }
        assert_eq!(letterbox.canvas.as_ptr(), canvas);
    }
}
