//! A picture of any size onto the network's canvas, and boxes back

use fast_image_resize::images::{TypedCroppedImageMut, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeError, ResizeOptions, Resizer};
use image::{Rgb, RgbImage};

use crate::geometry::BoundingBox;
use crate::manifest::{Manifest, Policy};
use crate::scan::Part;

/// Where a picture, or a part of it, lies on the canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Placement {
    /// What is drawn.
    part: Part,
    /// Top left corner on the canvas.
    offset: (u32, u32),
    /// Size on the canvas.
    size: (u32, u32),
}

impl Placement {
    fn new(part: Part, canvas: (u32, u32), policy: Policy) -> Self {
        let picture = (part.width, part.height);
        let ratio =
            (f64::from(canvas.0) / f64::from(picture.0)).min(f64::from(canvas.1) / f64::from(picture.1));
        // a very long picture still gets one pixel
        let scaled = |side: u32, limit: u32| ((f64::from(side) * ratio).round() as u32).clamp(1, limit);
        let size = (scaled(picture.0, canvas.0), scaled(picture.1, canvas.1));
        let offset = match policy {
            Policy::Letterbox => ((canvas.0 - size.0) / 2, (canvas.1 - size.1) / 2),
            Policy::LetterboxTopLeft => (0, 0),
        };
        Self { part, offset, size }
    }

    /// Every pixel comes from the four by four nearest ones of the picture: most networks were trained on pictures
    /// that no filter had softened, and find less in soft ones. Only a picture that shrinks so much that pixels would
    /// be passed over is filtered over all of them.
    fn algorithm(self) -> ResizeAlg {
        match self.part.width / self.size.0 {
            0..4 => ResizeAlg::Interpolation(FilterType::CatmullRom),
            _ => ResizeAlg::Convolution(FilterType::CatmullRom),
        }
    }

    /// A box on the canvas in pixels of the picture, cut at the edges of what was drawn.
    pub(crate) fn to_picture(self, bbox: &BoundingBox) -> BoundingBox {
        let (width, height) = (self.part.width as f32, self.part.height as f32);
        let x = |x: f32| (x - self.offset.0 as f32) * (width / self.size.0 as f32);
        let y = |y: f32| (y - self.offset.1 as f32) * (height / self.size.1 as f32);
        let inside = BoundingBox { x1: x(bbox.x1), y1: y(bbox.y1), x2: x(bbox.x2), y2: y(bbox.y2) }
            .clamp(width, height);
        let (left, top) = (self.part.left as f32, self.part.top as f32);
        BoundingBox { x1: inside.x1 + left, y1: inside.y1 + top, x2: inside.x2 + left, y2: inside.y2 + top }
    }

    /// Whether both cover the same pixels of the canvas.
    fn covers_the_same(self, other: Self) -> bool {
        (self.offset, self.size) == (other.offset, other.size)
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

    /// Draws a part of `picture`, which has pixels, and says where it lies.
    pub(crate) fn draw(&mut self, picture: &RgbImage, part: Part) -> Result<Placement, ResizeError> {
        let placement = Placement::new(part, self.canvas.dimensions(), self.policy);
        if !self.placement.replace(placement).is_some_and(|before| before.covers_the_same(placement)) {
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
        let options = ResizeOptions::new().resize_alg(placement.algorithm()).crop(
            part.left.into(),
            part.top.into(),
            part.width.into(),
            part.height.into(),
        );
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

    fn draw(letterbox: &mut Letterbox, picture: &RgbImage) -> Placement {
        letterbox.draw(picture, Part::whole(picture.dimensions())).unwrap()
    }

    #[test]
    fn a_part_is_drawn_alone_and_its_boxes_lie_where_the_part_does() {
        let mut letterbox = letterbox();
        let picture = RgbImage::from_fn(300, 200, |x, y| {
            Rgb(if x >= 100 && y >= 50 { [255, 0, 0] } else { [0, 0, 255] })
        });
        let part = Part { left: 100, top: 50, width: 104, height: 104 };
        let placement = letterbox.draw(&picture, part).unwrap();
        // the filter reaches two pixels over the edge of the part
        let inside = letterbox.canvas().view(8, 8, CANVAS.0 - 16, CANVAS.1 - 16);
        assert!(inside.pixels().all(|(_, _, pixel)| pixel == Rgb([255, 0, 0])), "only the part is seen");
        let on_canvas = BoundingBox { x1: 104.0, y1: 208.0, x2: 500.0, y2: 416.0 };
        let expected = BoundingBox { x1: 126.0, y1: 102.0, x2: 204.0, y2: 154.0 };
        assert_eq!(placement.to_picture(&on_canvas), expected);
    }

    #[test]
    fn a_large_picture_counts_with_all_its_pixels() {
        let mut letterbox = letterbox();
        // one white column in eight is 1/8 of white everywhere
        let side = 8 * CANVAS.0;
        let stripes = RgbImage::from_fn(side, side, |x, _| Rgb([if x % 8 == 0 { 255 } else { 0 }; 3]));
        draw(&mut letterbox, &stripes);
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
            let part = Part::whole(picture);
            assert_eq!(Placement::new(part, CANVAS, policy), Placement { part, offset, size });
        }
    }

    #[test]
    fn boxes_come_back_to_where_they_were() {
        let placement = Placement::new(Part::whole((640, 480)), CANVAS, Policy::Letterbox);
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
            let placement = draw(&mut letterbox, &red(width, height));
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
