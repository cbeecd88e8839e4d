//! YOLOX: `[1, M, 5 + C]`, each row centre x and y in cells from the cell, logarithm of width and height in cells,
//! whether there is anything, and the scores of the classes

use tract_onnx::prelude::{TValue, TractResult};

use super::cells::{Cell, cells};
use super::{Decoder, Shape, around, best, sound};
use crate::geometry::Detection;
use crate::manifest::Input;

/// Centre, size, and whether there is anything.
const BEFORE_CLASSES: usize = 5;

pub(super) struct Yolox {
    row: usize,
    cells: Vec<Cell>,
}

impl Yolox {
    pub(super) fn new(input: &Input, classes: usize, shapes: &[Shape]) -> Result<Self, String> {
        let row = BEFORE_CLASSES + classes;
        match shapes {
            [shape] if matches!(shape[..], [Some(1), Some(_), Some(length)] if length == row) => {
                Ok(Self { row, cells: cells(input, shape[1].unwrap_or_default(), 0.0)? })
            }
            _ => Err(format!(
                "YOLOX has one output [1, M, {row}] with {classes} classes, the network gives {shapes:?}"
            )),
        }
    }
}

impl Decoder for Yolox {
    fn read(&self, outputs: &[TValue], min_score: f32, found: &mut Vec<Detection>) -> TractResult<()> {
        let values = outputs[0].try_as_plain_ram()?.as_slice::<f32>()?;
        found.extend(values.chunks_exact(self.row).zip(&self.cells).filter_map(|(row, cell)| {
            let &[x, y, width, height, something, ref scores @ ..] = row else { return None };
            let (class, score) = best(scores.iter().copied());
            let stride = cell.stride;
            let bbox =
                around(cell.x + x * stride, cell.y + y * stride, width.exp() * stride, height.exp() * stride);
            sound(bbox, something * score, class, min_score)
        }));
        Ok(())
    }
}
