//! Object detection with an ONNX network: a picture in, boxes with classes and scores out.
//!
//! A model is a folder: the network as an ONNX file and `model.toml`, which says what the network is and how to talk
//! to it ([`Manifest`]). Swapping the model is pointing at another folder. Everything here is synchronous and runs on
//! the calling thread; [`Model`] is shared, every worker thread has a [`Detector`] of its own.
//!
//! ```no_run
//! use object_detector::{Detector, Model, picture};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = Model::load("models/my-model".as_ref())?;
//! let mut detector = Detector::new(&model);
//! let picture = picture::decode(&std::fs::read("street.jpg")?, &picture::Limits::default())?;
//! for found in detector.detect(&picture, model.manifest().threshold)? {
//!     let class = &model.manifest().classes[found.class];
//!     println!("{class} {:.2} at {:?}", found.score, found.bbox);
//! }
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]

mod decode;
mod detector;
mod error;
mod geometry;
mod letterbox;
pub mod manifest;
mod model;
mod nms;
mod ops;
pub mod picture;
mod scan;
mod tensor;

pub use detector::Detector;
pub use error::Error;
pub use geometry::{BoundingBox, Detection};
pub use manifest::{Manifest, ManifestError};
pub use model::Model;
pub use ops::Operators;
pub use scan::{Scan, Scanner, Tiles, TilesError};
