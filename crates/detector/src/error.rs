//! What can go wrong with a model

use std::path::PathBuf;

use crate::manifest::ManifestError;

/// The cause as the network's runtime reports it.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Why a model could not be loaded or run.
///
/// None of them passes by itself: a model that fails to load needs other files, a picture that fails in the network
/// fails again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the model is missing or cannot be read.
    #[error("cannot read the model file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// `model.toml` is wrong.
    #[error("the model description{} is wrong", at(path.as_ref()))]
    Manifest {
        /// The file, where it came from one.
        path: Option<PathBuf>,
        /// What is wrong with it.
        source: ManifestError,
    },

    /// The network is not the one the description speaks of.
    #[error(
        "the network {file} was altered or is incomplete: its sha256 is {actual}, its description says {expected}; \
         restore the file, or correct the description if the change is wanted"
    )]
    Altered {
        /// The name of the ONNX file.
        file: String,
        /// The hash in the description, lower-case hexadecimal.
        expected: String,
        /// The hash of the bytes at hand.
        actual: String,
    },

    /// The bytes are no ONNX network that can be run here.
    #[error("cannot load the network {name}: it is no ONNX file, or uses what is not supported")]
    Load {
        /// The model's name.
        name: String,
        /// What the runtime said.
        source: Cause,
    },

    /// The network's inputs or outputs are not what its description says.
    #[error("the network {name} does not fit its description: {reason}")]
    Mismatch {
        /// The model's name.
        name: String,
        /// What differs.
        reason: String,
    },

    /// Two networks that shall work together see different things.
    #[error("the networks {first} and {second} cannot be used together: their classes differ")]
    Classes {
        /// The name of one.
        first: String,
        /// The name of the other.
        second: String,
    },

    /// The network failed on a picture.
    #[error("the network {name} failed on a picture of {width}x{height}")]
    Run {
        /// The model's name.
        name: String,
        /// The picture's width in pixels.
        width: u32,
        /// The picture's height in pixels.
        height: u32,
        /// What the runtime said.
        source: Cause,
    },

    /// A picture without pixels.
    #[error("cannot look for objects in a picture of {width}x{height}: it has no pixels")]
    EmptyPicture {
        /// The picture's width in pixels.
        width: u32,
        /// The picture's height in pixels.
        height: u32,
    },

    /// A score to ask for that is not a number.
    #[error("cannot look for objects with a score of {0} or more: give a number between 0 and 1")]
    MinScore(f32),
}

fn at(path: Option<&PathBuf>) -> String {
    path.map(|path| format!(" {}", path.display())).unwrap_or_default()
}
