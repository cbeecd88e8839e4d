//! Boxes and what was found in them

/// A rectangle in pixels: x to the right, y down, the origin at the picture's top left corner.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BoundingBox {
    /// Left edge.
    pub x1: f32,
    /// Top edge.
    pub y1: f32,
    /// Right edge, not less than `x1`.
    pub x2: f32,
    /// Bottom edge, not less than `y1`.
    pub y2: f32,
}

impl BoundingBox {
    /// Width in pixels.
    pub fn width(&self) -> f32 {
        self.x2 - self.x1
    }

    /// Height in pixels.
    pub fn height(&self) -> f32 {
        self.y2 - self.y1
    }

    /// Area in square pixels.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// The shared area over the joint area, 0 (apart) to 1 (equal); 0 where neither has an area.
    pub fn iou(&self, other: &Self) -> f32 {
        let width = self.x2.min(other.x2) - self.x1.max(other.x1);
        let height = self.y2.min(other.y2) - self.y1.max(other.y1);
        if width <= 0.0 || height <= 0.0 {
            return 0.0;
        }
        let shared = width * height;
        shared / (self.area() + other.area() - shared)
    }

    /// The part inside a picture of `width` x `height` pixels.
    pub fn clamp(&self, width: f32, height: f32) -> Self {
        Self {
            x1: self.x1.clamp(0.0, width),
            y1: self.y1.clamp(0.0, height),
            x2: self.x2.clamp(0.0, width),
            y2: self.y2.clamp(0.0, height),
        }
    }
}

/// An object that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Where, in pixels of the picture that was given.
    pub bbox: BoundingBox,
    /// How sure the network is, 0 to 1.
    pub score: f32,
    /// What: an index into [`Manifest::classes`](crate::Manifest::classes).
    pub class: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bbox(x1: f32, y1: f32, x2: f32, y2: f32) -> BoundingBox {
        BoundingBox { x1, y1, x2, y2 }
    }

    #[test]
    fn iou_of_equal_apart_touching_and_half_boxes() {
        let a = bbox(0.0, 0.0, 10.0, 10.0);
        assert_eq!(a.iou(&a), 1.0);
        assert_eq!(a.iou(&bbox(20.0, 20.0, 30.0, 30.0)), 0.0);
        assert_eq!(a.iou(&bbox(10.0, 0.0, 20.0, 10.0)), 0.0);
        assert_eq!(a.iou(&bbox(0.0, 0.0, 10.0, 5.0)), 0.5);
        assert_eq!(BoundingBox::default().iou(&BoundingBox::default()), 0.0);
    }

    #[test]
    fn clamp_keeps_what_is_inside() {
        assert_eq!(bbox(-5.0, 2.0, 50.0, 8.0).clamp(20.0, 5.0), bbox(0.0, 2.0, 20.0, 5.0));
        assert_eq!(bbox(30.0, 30.0, 40.0, 40.0).clamp(20.0, 5.0).area(), 0.0);
    }
}
