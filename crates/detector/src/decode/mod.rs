//! From a network's output to boxes, one file per family of networks
//!
//! A family is a module with a decoder, a variant of [`Family`] and a line in each `match` below. It gives boxes in
//! pixels of the network's input; what follows is the same for all.

mod cells;
mod dets;
mod nanodet;
mod yolov8;
mod yolov8_nms;
mod yolox;

use std::sync::Arc;

use serde::Deserialize;
use tract_onnx::prelude::{TValue, TractResult};

use crate::geometry::{BoundingBox, Detection};
use crate::manifest::Input;

/// What a network's output looks like. M is the number of places, C that of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Family {
    /// One class, decoded inside the network: one output `[1, M, 5]`, each row x1, y1, x2, y2 (pixels of the input),
    /// score (0 to 1), before suppression.
    Dets,
    /// NanoDet and NanoDet-g as their authors export them: one output `[1, M, C + 4 * bins]`, each row the scores and
    /// for each side a distribution of its distance from the middle of the cell.
    Nanodet,
    /// NanoDet-Plus: as `nanodet`, but distances are from the corner of the cell.
    NanodetPlus,
    /// YOLOX as its authors export it (without `--decode_in_inference`): one output `[1, M, 5 + C]`, each row centre
    /// and size relative to the cell, whether there is anything, and the scores.
    Yolox,
    /// YOLOv8 and its relatives (v5u, v9, 11) without suppression: one output `[1, 4 + C, M]`, rows centre x,
    /// centre y, width, height (pixels of the input) and the scores.
    Yolov8,
    /// The same with suppression inside the network, and YOLOv10: one output `[1, M, 6]`, each row x1, y1, x2, y2
    /// (pixels of the input), score, class; rows with score 0 are padding. M may differ from picture to picture.
    Yolov8Nms,
}

/// The shape of an output; `None` where a length differs from picture to picture.
pub(crate) type Shape = Vec<Option<usize>>;

/// Reads the output of one network.
pub(crate) trait Decoder: Send + Sync {
    /// Appends every box with a score of at least `min_score` to `found`, in pixels of the network's input.
    fn read(&self, outputs: &[TValue], min_score: f32, found: &mut Vec<Detection>) -> TractResult<()>;
}

impl Family {
    /// Whether the family can tell `classes` classes apart.
    pub(crate) fn check_classes(self, classes: usize) -> Result<(), String> {
        match self {
            Self::Dets => dets::check_classes(classes),
            _ => Ok(()),
        }
    }

    /// A decoder for a network with this input, so many classes, and outputs of these shapes.
    ///
    /// # Errors
    /// One sentence when the outputs are not this family's.
    pub(crate) fn decoder(
        self,
        input: &Input,
        classes: usize,
        shapes: &[Shape],
    ) -> Result<Arc<dyn Decoder>, String> {
        Ok(match self {
            Self::Dets => Arc::new(dets::Dets::new(shapes)?),
            Self::Nanodet => Arc::new(nanodet::Nanodet::new(input, classes, shapes, 0.5)?),
            Self::NanodetPlus => Arc::new(nanodet::Nanodet::new(input, classes, shapes, 0.0)?),
            Self::Yolox => Arc::new(yolox::Yolox::new(input, classes, shapes)?),
            Self::Yolov8 => Arc::new(yolov8::Yolov8::new(classes, shapes)?),
            Self::Yolov8Nms => Arc::new(yolov8_nms::Yolov8Nms::new(classes, shapes)?),
        })
    }
}

/// The best of the scores and its place; of equal ones the first.
fn best(scores: impl Iterator<Item = f32>) -> (usize, f32) {
    let no_better = |best: (usize, f32), next: (usize, f32)| if next.1 > best.1 { next } else { best };
    scores.enumerate().fold((0, f32::NEG_INFINITY), no_better)
}

/// A detection, if its score is high enough and its corners are numbers (a comparison with NaN is false).
fn sound(bbox: BoundingBox, score: f32, class: usize, min_score: f32) -> Option<Detection> {
    let finite = [bbox.x1, bbox.y1, bbox.x2, bbox.y2].iter().all(|corner| corner.is_finite());
    (score >= min_score && finite).then_some(Detection { bbox, score, class })
}

/// A box by its middle and size.
fn around(x: f32, y: f32, width: f32, height: f32) -> BoundingBox {
    BoundingBox { x1: x - width / 2.0, y1: y - height / 2.0, x2: x + width / 2.0, y2: y + height / 2.0 }
}
