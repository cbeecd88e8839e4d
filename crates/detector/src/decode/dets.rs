//! Networks that decode their boxes themselves: `[1, M, 5]`, each row x1, y1, x2, y2, score

use tract_onnx::prelude::{TValue, TractResult};

use super::{Decoder, Shape, sound};
use crate::geometry::{BoundingBox, Detection};

const ROW: usize = 5;

pub(super) struct Dets;

pub(super) fn check_classes(classes: usize) -> Result<(), String> {
    match classes {
        1 => Ok(()),
        _ => Err(format!("names {classes} classes, but the family \"dets\" knows exactly one")),
    }
}

impl Dets {
    pub(super) fn new(shapes: &[Shape]) -> Result<Self, String> {
        match shapes {
            [shape] if matches!(shape[..], [Some(1), Some(_), Some(ROW)]) => Ok(Self),
            _ => Err(format!("the family \"dets\" has one output [1, M, 5], the network gives {shapes:?}")),
        }
    }
}

impl Decoder for Dets {
    fn read(&self, outputs: &[TValue], min_score: f32, found: &mut Vec<Detection>) -> TractResult<()> {
        let rows = outputs[0].try_as_plain_ram()?.as_slice::<f32>()?.as_chunks::<ROW>().0;
        found.extend(rows.iter().filter_map(|&[x1, y1, x2, y2, score]| {
            sound(BoundingBox { x1, y1, x2, y2 }, score, 0, min_score)
        }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tract_onnx::prelude::Tensor;

    use super::*;

    #[test]
    fn rows_below_the_score_and_broken_rows_are_left_out() {
        let rows = [
            [1.0, 2.0, 3.0, 4.0, 0.9],
            [1.0, 2.0, 3.0, 4.0, 0.1],
            [1.0, 2.0, 3.0, 4.0, f32::NAN],
            [f32::INFINITY, 2.0, 3.0, 4.0, 0.9],
            [5.0, 6.0, 7.0, 8.0, 0.5],
        ];
        let output = Tensor::from_shape(&[1, rows.len(), ROW], rows.as_flattened()).unwrap();
        let mut found = vec![];
        Dets.read(&[output.into()], 0.5, &mut found).unwrap();
        let scores: Vec<_> = found.iter().map(|found| found.score).collect();
        assert_eq!(scores, [0.9, 0.5]);
        assert_eq!(found[1].bbox, BoundingBox { x1: 5.0, y1: 6.0, x2: 7.0, y2: 8.0 });
    }

    #[test]
    fn other_outputs_are_refused() {
        let shape = |lengths: &[usize]| lengths.iter().map(|length| Some(*length)).collect::<Shape>();
        assert!(Dets::new(&[shape(&[1, 3549, 5])]).is_ok());
        for shapes in [
            vec![],
            vec![shape(&[1, 3549, 6])],
            vec![shape(&[3549, 5])],
            vec![shape(&[1, 10, 5]), shape(&[1])],
            vec![vec![Some(1), None, Some(5)]],
        ] {
            assert!(Dets::new(&shapes).is_err(), "{shapes:?}");
        }
        assert!(check_classes(1).is_ok());
        assert!(check_classes(80).is_err());
    }
}
