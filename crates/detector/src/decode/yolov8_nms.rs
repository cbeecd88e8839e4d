//! YOLOv8 with suppression inside, and YOLOv10: `[1, M, 6]`, each row x1, y1, x2, y2, score, class

use tract_onnx::prelude::{TValue, TractResult};

use super::{Decoder, Shape, sound};
use crate::geometry::{BoundingBox, Detection};

const ROW: usize = 6;

pub(super) struct Yolov8Nms {
    classes: usize,
}

impl Yolov8Nms {
    pub(super) fn new(classes: usize, shapes: &[Shape]) -> Result<Self, String> {
        match shapes {
            [shape] if matches!(shape[..], [Some(1), _, Some(ROW)]) => Ok(Self { classes }),
            _ => Err(format!(
                "with suppression inside there is one output [1, M, 6], the network gives {shapes:?}"
            )),
        }
    }
}

impl Decoder for Yolov8Nms {
    fn read(&self, outputs: &[TValue], min_score: f32, found: &mut Vec<Detection>) -> TractResult<()> {
        let rows = outputs[0].try_as_plain_ram()?.as_slice::<f32>()?.as_chunks::<ROW>().0;
        found.extend(rows.iter().filter_map(|&[x1, y1, x2, y2, score, class]| {
            // a class that the description does not name, or none at all
            let known = class >= 0.0 && class.fract() == 0.0 && (class as usize) < self.classes;
            // padding has score 0, which is no detection even where every score is asked for
            let there = known && score > 0.0;
            there.then(|| sound(BoundingBox { x1, y1, x2, y2 }, score, class as usize, min_score)).flatten()
        }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tract_onnx::prelude::Tensor;

    use super::*;

    #[test]
    fn padding_and_unknown_classes_are_left_out() {
        let rows = [
            [1.0, 2.0, 3.0, 4.0, 0.9, 1.0],
            [1.0, 2.0, 3.0, 4.0, 0.8, 2.0],
            [1.0, 2.0, 3.0, 4.0, 0.7, -1.0],
            [1.0, 2.0, 3.0, 4.0, 0.6, f32::NAN],
            [0.0; 6],
        ];
        let output = Tensor::from_shape(&[1, rows.len(), ROW], rows.as_flattened()).unwrap();
        let mut found = vec![];
        Yolov8Nms::new(2, &[vec![Some(1), None, Some(6)]])
            .unwrap()
            .read(&[output.into()], 0.0, &mut found)
            .unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].class, found[0].score), (1, 0.9));
    }
}
