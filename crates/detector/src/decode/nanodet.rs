//! NanoDet: `[1, M, C + 4 * bins]`, each row the scores, then for left, top, right and bottom a distribution of the
//! distance from the cell's anchor, in cells

use tract_onnx::prelude::{TValue, TractResult};

use super::cells::{Cell, cells};
use super::{Decoder, Shape, best, sound};
use crate::geometry::{BoundingBox, Detection};
use crate::manifest::Input;

const SIDES: usize = 4;

pub(super) struct Nanodet {
    classes: usize,
    bins: usize,
    cells: Vec<Cell>,
}

impl Nanodet {
    /// `anchor` says where in a cell distances start.
    pub(super) fn new(input: &Input, classes: usize, shapes: &[Shape], anchor: f32) -> Result<Self, String> {
        let refused = || {
            format!(
                "NanoDet has one output [1, M, {classes} + 4 * bins] with {classes} classes, the network gives {shapes:?}"
            )
        };
        let [shape] = shapes else { return Err(refused()) };
        let [Some(1), Some(number), Some(row)] = shape[..] else { return Err(refused()) };
        let bins = row.checked_sub(classes).filter(|rest| rest % SIDES == 0).map(|rest| rest / SIDES);
        let bins = bins.filter(|bins| *bins >= 2).ok_or_else(refused)?;
        Ok(Self { classes, bins, cells: cells(input, number, anchor)? })
    }
}

impl Decoder for Nanodet {
    fn read(&self, outputs: &[TValue], min_score: f32, found: &mut Vec<Detection>) -> TractResult<()> {
        let values = outputs[0].try_as_plain_ram()?.as_slice::<f32>()?;
        let rows = values.chunks_exact(self.classes + SIDES * self.bins);
        found.extend(rows.zip(&self.cells).filter_map(|(row, cell)| {
            let (scores, distances) = row.split_at(self.classes);
            let (class, score) = best(scores.iter().copied());
            if score < min_score {
                return None;
            }
            let distance =
                |side: usize| cell.stride * expected(&distances[side * self.bins..(side + 1) * self.bins]);
            let bbox = BoundingBox {
                x1: cell.x - distance(0),
                y1: cell.y - distance(1),
                x2: cell.x + distance(2),
                y2: cell.y + distance(3),
            };
            sound(bbox, score, class, min_score)
        }));
        Ok(())
    }
}

/// The mean of a distribution over 0, 1, 2 … that is given as logits.
fn expected(logits: &[f32]) -> f32 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (value, logit) in logits.iter().enumerate() {
        let weight = (logit - highest).exp();
        sum += weight;
        weighted += weight * value as f32;
    }
    weighted / sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_means_of_distributions() {
        assert_eq!(expected(&[0.0, 0.0, 0.0]), 1.0);
        assert!((expected(&[-900.0, -900.0, 900.0, -900.0]) - 2.0).abs() < 1e-6, "no overflow");
        let thirds = [(2.0f32 / 3.0).ln(), (1.0f32 / 3.0).ln()];
        assert!((expected(&thirds) - 1.0 / 3.0).abs() < 1e-6);
    }
}
