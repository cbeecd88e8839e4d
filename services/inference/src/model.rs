//! The models that are part of the program, and those that a node uses

use anyhow::{Context, ensure};
use object_detector::{Model, Scan, Scanner};

use crate::config::Config;

const MANIFEST: &str = include_str!("../../../models/person-nanodet-g/model.toml");
const NETWORK: &[u8] = include_bytes!("../../../models/person-nanodet-g/person-nanodet-g-416x416.onnx");
const WIDE_MANIFEST: &str = include_str!("../../../models/person-nanodet-g-wide/model.toml");
const WIDE_NETWORK: &[u8] =
    include_bytes!("../../../models/person-nanodet-g-wide/person-nanodet-g-384x640.onnx");

/// The class that is counted, as models name it.
pub const PERSON: &str = "person";

/// The default model. It is part of the program, so that nothing has to be found or installed.
///
/// # Errors
/// Only where the network cannot be prepared, e.g. for lack of memory.
pub fn default_model() -> anyhow::Result<Model> {
    Model::from_bytes(MANIFEST, NETWORK).context("cannot prepare the built-in model")
}

/// The default model with a wide input, which `fuse` adds.
fn wide_model() -> anyhow::Result<Model> {
    Model::from_bytes(WIDE_MANIFEST, WIDE_NETWORK).context("cannot prepare the built-in wide model")
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

fn fuses(config: &Config) -> bool {
    config.devices.iter().any(|device| device.fuse)
}

/// The network that looks at every picture, and the one that helps where `fuse` is set.
#[derive(Debug, Clone)]
pub(crate) struct Models {
    main: Model,
    second: Option<Model>,
}

impl Models {
    /// Checks, without loading anything, that there is a second model where a device needs it.
    pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
        ensure!(
            !fuses(config) || config.model.folder.is_none() || config.model.fuse_with.is_some(),
            "fuse needs a second model beside your own, name its folder: model.fuse_with, or --fuse-with on the command line"
        );
        Ok(())
    }

    /// The models of a configuration; the second one only if a device needs it.
    pub(crate) fn load(config: &Config) -> anyhow::Result<Self> {
        Self::check(config)?;
        let second = match &config.model.fuse_with {
            _ if !fuses(config) => None,
            Some(folder) => Some(Model::load(folder)?),
            None => Some(wide_model()?),
        };
        let main = match &config.model.folder {
            Some(folder) => Model::load(folder)?,
            None => default_model()?,
        };
        Self::new(main, second)
    }

    fn new(main: Model, second: Option<Model>) -> anyhow::Result<Self> {
        person_class(&main)?;
        Scanner::new(&main, second.as_ref())?;
        Ok(Self { main, second })
    }

    /// A scanner for one thread.
    pub(crate) fn scanner(&self) -> anyhow::Result<Scanner> {
        Ok(Scanner::new(&self.main, self.second.as_ref())?)
    }

    /// The class that is counted.
    pub(crate) fn class(&self) -> anyhow::Result<usize> {
        person_class(&self.main)
    }

    /// The score from which people count for a way of looking, unless `configured`: the model's own, or the mean of
    /// both when their scores are fused.
    pub(crate) fn threshold(&self, configured: Option<f32>, scan: &Scan) -> f32 {
        let own = self.main.manifest().threshold;
        configured.unwrap_or(match &self.second {
            Some(second) if scan.fuse => (own + second.manifest().threshold) / 2.0,
            _ => own,
        })
    }

    /// Who counted, for the result.
    pub(crate) fn identity(&self, scan: &Scan) -> people_counter_events::Model {
        let main = self.main.manifest();
        let name = match &self.second {
            Some(second) if scan.fuse => format!("{}+{}", main.name, second.manifest().name),
            _ => main.name.clone(),
        };
        people_counter_events::Model { name, sha256: main.sha256.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::DeviceConfig;

    #[test]
    fn the_default_model_loads_and_knows_people() {
        let model = default_model().unwrap();
        assert_eq!(person_class(&model).unwrap(), 0);
    }

    #[test]
    fn the_second_model_is_there_when_a_device_needs_it() {
        let mut config = Config::default();
        let fused = Scan::default().with(|scan| scan.fuse = true);
        let models = Models::load(&config).unwrap();
        assert!(models.second.is_none());
        assert_eq!(models.identity(&fused).name, "person-nanodet-g-416x416", "there is nothing to fuse with");

        config.devices.push(DeviceConfig { device: "a".into(), fuse: true, ..DeviceConfig::default() });
        let models = Models::load(&config).unwrap();
        assert_eq!(models.identity(&fused).name, "person-nanodet-g-416x416+person-nanodet-g-384x640");
        assert_eq!(models.identity(&Scan::default()).name, "person-nanodet-g-416x416");
        assert!((models.threshold(None, &fused) - 0.38).abs() < 1e-6);
        assert_eq!(models.threshold(None, &Scan::default()), 0.36);
        assert_eq!(models.threshold(Some(0.5), &fused), 0.5);

        config.model.folder = Some("/somewhere".into());
        let error = Models::load(&config).unwrap_err().to_string();
        assert!(error.contains("model.fuse_with"), "{error}");
    }
}
