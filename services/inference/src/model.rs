//! The model that is part of the program

use anyhow::Context;
use object_detector::Model;

const MANIFEST: &str = include_str!("../../../models/person-nanodet-g/model.toml");
const NETWORK: &[u8] = include_bytes!("../../../models/person-nanodet-g/person-nanodet-g-416x416.onnx");

/// The class that is counted, as models name it.
pub const PERSON: &str = "person";

/// The default model. It is part of the program, so that nothing has to be found or installed.
///
/// # Errors
/// Only where the network cannot be prepared, e.g. for lack of memory.
pub fn default_model() -> anyhow::Result<Model> {
    Model::from_bytes(MANIFEST, NETWORK).context("cannot prepare the built-in model")
}

/// The place of "person" among the classes of `model`.
///
/// # Errors
/// A model that does not know the class.
pub fn person_class(model: &Model) -> anyhow::Result<usize> {
    let manifest = model.manifest();
    manifest.classes.iter().position(|class| class == PERSON).with_context(|| {
        format!(
            "the model {} has no class \"{PERSON}\" (it has {}); choose one that has it",
            manifest.name,
            manifest.classes.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_model_loads_and_knows_people() {
        let model = default_model().unwrap();
        assert_eq!(person_class(&model).unwrap(), 0);
    }
}
