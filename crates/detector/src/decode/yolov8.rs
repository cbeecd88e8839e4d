//! YOLOv8: `[1, 4 + C, M]`, rows centre x, centre y, width, height in pixels, and the scores of the classes

use tract_onnx::prelude::{TValue, TractResult};

use super::{Decoder, Shape, around, best, sound};
use crate::geometry::Detection;

/// Centre and size.
const BEFORE_CLASSES: usize = 4;

pub(super) struct Yolov8 {
    classes: usize,
    number: usize,
}

impl Yolov8 {
    pub(super) fn new(classes: usize, shapes: &[Shape]) -> Result<Self, String> {
        let rows = BEFORE_CLASSES + classes;
        match shapes {
            [shape] => match shape[..] {
                [Some(1), Some(length), Some(number)] if length == rows && number > 0 => {
                    Some(Self { classes, number })
                }
                _ => None,
            },
            _ => None,
        }
        .ok_or_else(|| {
            format!(
                "YOLOv8 has one output [1, {rows}, M] with {classes} classes, the network gives {shapes:?}"
            )
        })
    }
}

impl Decoder for Yolov8 {
    fn read(&self, outputs: &[TValue], min_score: f32, found: &mut Vec<Detection>) -> TractResult<()> {
        let values = outputs[0].try_as_plain_ram()?.as_slice::<f32>()?;
        let at = |row: usize, place: usize| values[row * self.number + place];
        found.extend((0..self.number).filter_map(|place| {
            let (class, score) = best((0..self.classes).map(|class| at(BEFORE_CLASSES + class, place)));
            let bbox = around(at(0, place), at(1, place), at(2, place), at(3, place));
            sound(bbox, score, class, min_score)
        }));
        Ok(())
    }
}
