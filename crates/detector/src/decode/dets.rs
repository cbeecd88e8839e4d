//! Networks that decode their boxes themselves: `[1, M, 5]`, each row x1, y1, x2, y2, score

use tract_onnx::prelude::{TValue, TractResult};

use crate::geometry::{BoundingBox, Detection};

const ROW: usize = 5;

pub(super) fn check_classes(classes: usize) -> Result<(), String> {
    match classes {
        1 => Ok(()),
        _ => Err(format!("names {classes} classes, but the family \"dets\" knows exactly one")),
    }
}

pub(super) fn check_outputs(shapes: &[Vec<usize>]) -> Result<(), String> {
    match shapes {
        [shape] if shape.len() == 3 && shape[0] == 1 && shape[2] == ROW => Ok(()),
        _ => Err(format!("the family \"dets\" has one output [1, M, 5], the network gives {shapes:?}")),
    }
}

pub(super) fn read(outputs: &[TValue], min_score: f32, found: &mut Vec<Detection>) -> TractResult<()> {
    let rows = outputs[0].try_as_plain_ram()?.as_slice::<f32>()?;
    found.extend(rows.chunks_exact(ROW).filter_map(|row| detection(row, min_score)));
    Ok(())
}

fn detection(row: &[f32], min_score: f32) -> Option<Detection> {
    let &[x1, y1, x2, y2, score] = row else { return None };
    // a comparison with NaN is false, so a broken score is no detection; broken corners are none either
    let sound = score >= min_score && [x1, y1, x2, y2].iter().all(|v| v.is_finite());
    sound.then_some(Detection { bbox: BoundingBox { x1, y1, x2, y2 }, score, class: 0 })
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
        read(&[output.into()], 0.5, &mut found).unwrap();
        let scores: Vec<_> = found.iter().map(|found| found.score).collect();
        assert_eq!(scores, [0.9, 0.5]);
        assert_eq!(found[1].bbox, BoundingBox { x1: 5.0, y1: 6.0, x2: 7.0, y2: 8.0 });
    }

    #[test]
    fn other_outputs_are_refused() {
        assert!(check_outputs(&[vec![1, 3549, 5]]).is_ok());
        for shapes in [vec![], vec![vec![1, 3549, 6]], vec![vec![3549, 5]], vec![vec![1, 10, 5], vec![1]]] {
            assert!(check_outputs(&shapes).is_err(), "{shapes:?}");
        }
        assert!(check_classes(1).is_ok());
        assert!(check_classes(80).is_err());
    }
}
