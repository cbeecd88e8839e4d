//! From a network's output to boxes, one file per family of networks
//!
//! A family is a module with three functions (`check_classes`, `check_outputs`, `read`), a variant of [`Family`] and a
//! line in each `match` below. It gives boxes in pixels of the network's input; what follows is the same for all.

mod dets;

use serde::Deserialize;
use tract_onnx::prelude::{TValue, TractResult};

use crate::geometry::Detection;

/// What a network's output looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Family {
    /// One class, decoded inside the network: one output `[1, M, 5]`, each row x1, y1, x2, y2 (pixels of the input),
    /// score (0 to 1), before suppression.
    Dets,
}

impl Family {
    /// Whether the family can tell `classes` classes apart.
    pub(crate) fn check_classes(self, classes: usize) -> Result<(), String> {
        match self {
            Self::Dets => dets::check_classes(classes),
        }
    }

    /// Whether the network's outputs, given by their shapes, are this family's.
    pub(crate) fn check_outputs(self, shapes: &[Vec<usize>]) -> Result<(), String> {
        match self {
            Self::Dets => dets::check_outputs(shapes),
        }
    }

    /// Appends every box with a score of at least `min_score` to `found`, in pixels of the network's input.
    pub(crate) fn read(
        self,
        outputs: &[TValue],
        min_score: f32,
        found: &mut Vec<Detection>,
    ) -> TractResult<()> {
        match self {
            Self::Dets => dets::read(outputs, min_score, found),
        }
    }
}
