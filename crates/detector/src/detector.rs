//! Pictures in, detections out

use std::sync::Arc;
use std::time::{Duration, Instant};

use image::RgbImage;
use tract_onnx::prelude::*;

use crate::error::{Cause, Error};
use crate::geometry::Detection;
use crate::letterbox::{Letterbox, Placement};
use crate::model::{Model, cause};
use crate::scan::Part;
use crate::{nms, tensor};

/// Finds objects in pictures, one after the other.
///
/// A detector keeps its buffers from picture to picture, so every worker thread has one of its own; they share the
/// [`Model`]. It stays usable after an error.
pub struct Detector {
    model: Model,
    letterbox: Letterbox,
    /// The network's input; it is ours alone again as soon as a run is over.
    input: Arc<Tensor>,
    /// Made at the first picture and again after a failed run, which leaves it undefined.
    state: Option<TypedSimpleState>,
    network_time: Duration,
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detector").field("model", &self.model).finish_non_exhaustive()
    }
}

impl Detector {
    /// A detector for one thread.
    pub fn new(model: &Model) -> Self {
        Self {
            model: model.clone(),
            letterbox: Letterbox::new(model.manifest()),
            input: Arc::new(blank(model)),
            state: None,
            network_time: Duration::ZERO,
        }
    }

    /// The model it runs.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The last picture as the network saw it, scaled and with its margins; black before the first.
    pub fn canvas(&self) -> &RgbImage {
        self.letterbox.canvas()
    }

    /// How long the network alone took on the last picture; zero before the first.
    pub fn network_time(&self) -> Duration {
        self.network_time
    }

    /// What is seen in `picture` with a score of at least `min_score` (0 to 1), surest first.
    ///
    /// Boxes are in pixels of `picture`, cut at its edges; of boxes of one class that overlap by more than the model's
    /// `nms_iou`, the surest is left.
    ///
    /// # Errors
    /// A picture without pixels, a `min_score` that is not a number, a network that fails.
    pub fn detect(&mut self, picture: &RgbImage, min_score: f32) -> Result<Vec<Detection>, Error> {
        self.detect_part(picture, Part::whole(picture.dimensions()), min_score)
    }

    /// As [`detect`](Self::detect), within a part of `picture` alone. Boxes are in pixels of the picture, cut at the
    /// part's edges.
    pub(crate) fn detect_part(
        &mut self,
        picture: &RgbImage,
        part: Part,
        min_score: f32,
    ) -> Result<Vec<Detection>, Error> {
        let (width, height) = picture.dimensions();
        if width == 0 || height == 0 {
            return Err(Error::EmptyPicture { width, height });
        }
        if min_score.is_nan() {
            return Err(Error::MinScore(min_score));
        }
        self.run(picture, part, min_score).map_err(|source| {
            self.state = None;
            Error::Run { name: self.model.manifest().name.clone(), width, height, source }
        })
    }

    fn run(&mut self, picture: &RgbImage, part: Part, min_score: f32) -> Result<Vec<Detection>, Cause> {
        let placement = self.letterbox.draw(picture, part)?;
        let outputs = self.infer().map_err(cause)?;
        let mut found = vec![];
        self.model.decoder().read(&outputs, min_score, &mut found).map_err(cause)?;
        back_to_picture(&mut found, placement);
        nms::suppress(&mut found, self.model.manifest().output.nms_iou);
        Ok(found)
    }

    /// Runs the network on the canvas.
    fn infer(&mut self) -> TractResult<TVec<TValue>> {
        if Arc::get_mut(&mut self.input).is_none() {
            // a failed run may still hold it
            self.input = Arc::new(blank(&self.model));
        }
        let input = Arc::get_mut(&mut self.input).expect("nobody else holds the input between two runs");
        tensor::fill(
            &self.model.manifest().input,
            self.letterbox.canvas(),
            input.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?,
        );
        let state = match &mut self.state {
            Some(state) => state,
            none => none.insert(self.model.spawn()?),
        };
        let start = Instant::now();
        let outputs = state.run(tvec![TValue::from_const(self.input.clone())]);
        self.network_time = start.elapsed();
        outputs
    }
}

fn blank(model: &Model) -> Tensor {
    Tensor::zero::<f32>(&tensor::shape(&model.manifest().input))
        .expect("the description's limits keep the input's size in bounds")
}

/// Moves boxes from the canvas to the picture; those that lie in the margins alone are none.
fn back_to_picture(found: &mut Vec<Detection>, placement: Placement) {
    for detection in found.iter_mut() {
        detection.bbox = placement.to_picture(&detection.bbox);
    }
    found.retain(|detection| detection.bbox.width() > 0.0 && detection.bbox.height() > 0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_is_used_again_and_a_lost_one_is_replaced() {
        let models = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models")).unwrap();
        let folders = models.map(|entry| entry.unwrap().path());
        let folder = folders.into_iter().find(|folder| folder.join("model.toml").exists()).unwrap();
        let mut detector = Detector::new(&Model::load(&folder).unwrap());
        let picture = RgbImage::new(640, 480);
        let expected = detector.detect(&picture, 0.0).unwrap();
        let input = Arc::as_ptr(&detector.input);
        assert_eq!(detector.detect(&picture, 0.0).unwrap(), expected);
        assert_eq!(Arc::as_ptr(&detector.input), input);
        let held = detector.input.clone();
        assert_eq!(detector.detect(&picture, 0.0).unwrap(), expected);
        assert_ne!(Arc::as_ptr(&detector.input), Arc::as_ptr(&held));
    }
}
