//! A network and its description, loaded once and shared

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;

use crate::decode::{Decoder, Shape};
use crate::error::{Cause, Error};
use crate::manifest::Manifest;
use crate::ops::{self, Operators};
use crate::tensor;

/// The name of the description inside a model's folder.
const MANIFEST: &str = "model.toml";
/// Descriptions and networks above these sizes are refused before they are read.
const MAX_MANIFEST_BYTES: u64 = 64 << 10;
const MAX_NETWORK_BYTES: u64 = 1 << 30;

/// A network ready to run, with its description. Cheap to clone; every [`Detector`](crate::Detector) shares it.
#[derive(Clone)]
pub struct Model {
    manifest: Arc<Manifest>,
    plan: Arc<TypedRunnableModel>,
    decoder: Arc<dyn Decoder>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("manifest", &self.manifest).finish_non_exhaustive()
    }
}

impl Model {
    /// Loads the model in the folder `dir`: its `model.toml` and the ONNX file that this names.
    ///
    /// # Errors
    /// A missing or unreadable file, a wrong description, a network that was altered (its SHA-256 differs from the
    /// description), that cannot be run here, or that does not fit its description.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        Self::load_with(dir, Operators::default())
    }

    /// As [`load`](Self::load), computed by these operators.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(dir: &Path, operators: Operators) -> Result<Self, Error> {
        let path = dir.join(MANIFEST);
        let text = read(&path, MAX_MANIFEST_BYTES)?;
        let text = String::from_utf8(text).map_err(|e| Error::Read {
            path: path.clone(),
            source: io::Error::new(io::ErrorKind::InvalidData, e.utf8_error()),
        })?;
        let manifest =
            Manifest::parse(&text).map_err(|source| Error::Manifest { path: Some(path), source })?;
        let onnx = read(&dir.join(&manifest.file), MAX_NETWORK_BYTES)?;
        Self::new(manifest, &onnx, operators)
    }

    /// As [`load`](Self::load), from the text of a `model.toml` and the bytes of the ONNX file, e.g. for a model that
    /// is part of the program.
    pub fn from_bytes(manifest: &str, onnx: &[u8]) -> Result<Self, Error> {
        let manifest = Manifest::parse(manifest).map_err(|source| Error::Manifest { path: None, source })?;
        Self::new(manifest, onnx, Operators::default())
    }

    /// The model's description.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn new(manifest: Manifest, onnx: &[u8], operators: Operators) -> Result<Self, Error> {
        let actual = hex::encode(Sha256::digest(onnx));
        if actual != manifest.sha256 {
            return Err(Error::Altered { file: manifest.file, expected: manifest.sha256, actual });
        }
        let (plan, decoder) = plan(&manifest, onnx, operators)?;
        Ok(Self { manifest: Arc::new(manifest), plan, decoder })
    }

    /// Reads the network's outputs.
    pub(crate) fn decoder(&self) -> &dyn Decoder {
        self.decoder.as_ref()
    }

    /// A state to run the network in, for one thread.
    pub(crate) fn spawn(&self) -> TractResult<TypedSimpleState> {
        self.plan.spawn()
    }
}

/// Reads a whole file of at most `limit` bytes.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read { path: PathBuf::from(path), source };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = vec![];
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {limit} bytes"))));
    }
    Ok(bytes)
}

/// Parses, checks and optimises the network.
fn plan(
    manifest: &Manifest,
    mut onnx: &[u8],
    operators: Operators,
) -> Result<(Arc<TypedRunnableModel>, Arc<dyn Decoder>), Error> {
    let failed = |e: TractError| Error::Load { name: manifest.name.clone(), source: cause(e) };
    let mismatch = |reason| Error::Mismatch { name: manifest.name.clone(), reason };

    let network = tract_onnx::onnx().model_for_read(&mut onnx).map_err(failed)?;
    let inputs = network.input_outlets().map_err(failed)?.len();
    if inputs != 1 {
        return Err(mismatch(format!("it has {inputs} inputs, one is expected")));
    }
    let shape = tensor::shape(&manifest.input);
    let declared = network.input_fact(0).map_err(failed)?.clone();
    let fact = InferenceFact::dt_shape(f32::datum_type(), shape);
    if declared.unify(&fact).is_err() {
        return Err(mismatch(format!("its input is {declared:?}, the description says f32 {shape:?}")));
    }
    let network =
        network.with_input_fact(0, fact).and_then(|n| ops::optimise(n, operators)).map_err(failed)?;

    let mut shapes = vec![];
    for output in network.output_outlets().map_err(failed)? {
        let fact = network.outlet_fact(*output).map_err(failed)?;
        if fact.datum_type != f32::datum_type() {
            return Err(mismatch(format!("its output is {:?}, f32 is expected", fact.datum_type)));
        }
        let lengths = fact.shape.iter().map(|length| usize::try_from(length.to_i64().ok()?).ok());
        shapes.push(lengths.collect::<Shape>());
    }
    let (input, classes) = (&manifest.input, manifest.classes.len());
    let decoder = manifest.output.family.decoder(input, classes, &shapes).map_err(mismatch)?;
    Ok((ops::runnable(network).map_err(failed)?, decoder))
}

/// The runtime's error as a plain error whose text holds the whole chain.
pub(crate) fn cause(error: TractError) -> Cause {
    format!("{error:#}").into()
}
