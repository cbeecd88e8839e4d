//! What the program does beside serving: counting in files, measuring a model, deleting old originals.

mod detect;
mod draw;
mod evaluate;
mod purge;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use image::RgbImage;
use object_detector::{Detection, Scan, Scanner, picture};

use crate::config::{Config, ModelConfig};
use crate::devices::{self, DeviceConfig};
use crate::model::Models;

/// The subcommands.
pub(crate) fn all() -> Vec<Command> {
    vec![with_model(detect::command()), with_model(evaluate::command()), purge::command()]
}

/// Runs one of them; what it has to say goes to `out`.
pub(crate) fn run(name: &str, arguments: &ArgMatches, out: &mut impl Write) -> anyhow::Result<()> {
    match name {
        "detect" => detect::run(&Looker::new(arguments)?, arguments, out),
        "evaluate" => evaluate::run(&Looker::new(arguments)?, arguments, out),
        "purge" => purge::run(arguments, out),
        _ => bail!("there is no subcommand {name}"),
    }
}

/// Adds the options that say which model looks and how closely.
fn with_model(command: Command) -> Command {
    let folder = |name, help| {
        Arg::new(name).long(name).value_name("DIR").value_parser(value_parser!(PathBuf)).help(help)
    };
    command
        .arg(folder("model", "Folder of the model; the built-in one if absent"))
        .arg(folder("fuse-with", "Folder of the model that --fuse adds; the built-in wide one if absent"))
        .arg(
            Arg::new("fuse")
                .long("fuse")
                .action(ArgAction::SetTrue)
                .help("Look with both models and fuse their answers"),
        )
        .arg(Arg::new("tiles").long("tiles").value_name("CxR").help("Look at parts too, for example 2x2"))
        .arg(
            Arg::new("overlap")
                .long("overlap")
                .value_name("SHARE")
                .value_parser(value_parser!(f32))
                .help("How much tiles overlap, a share of their size"),
        )
        .arg(
            Arg::new("threshold")
                .long("threshold")
                .value_name("SCORE")
                .value_parser(value_parser!(f32))
                .help("Score from which a person counts; the model's own if absent"),
        )
}

fn path<'a>(arguments: &'a ArgMatches, name: &str) -> Option<&'a Path> {
    arguments.get_one::<PathBuf>(name).map(PathBuf::as_path)
}

/// A model and a way of looking, as the command line chose them.
struct Looker {
    models: Models,
    scan: Scan,
    threshold: f32,
}

impl Looker {
    fn new(arguments: &ArgMatches) -> anyhow::Result<Self> {
        let tiles = arguments.get_one::<String>("tiles").map(String::as_str);
        let scan = devices::scan(arguments.get_flag("fuse"), tiles, arguments.get_one("overlap").copied())?;
        let model = ModelConfig {
            folder: path(arguments, "model").map(Into::into),
            threshold: arguments
                .get_one("threshold")
                .copied()
                .map(|score| score_of("threshold", score))
                .transpose()?,
            fuse_with: path(arguments, "fuse-with").map(Into::into),
        };
        Self::with(model, scan)
    }

    fn with(model: ModelConfig, scan: Scan) -> anyhow::Result<Self> {
        let device = DeviceConfig { device: "*".into(), fuse: scan.fuse, ..DeviceConfig::default() };
        let config = Config { model, devices: vec![device], ..Config::default() };
        let models = Models::load(&config).with_context(|| match &config.model.folder {
            Some(folder) => format!("cannot use the model in {}", folder.display()),
            None => "cannot use the built-in model".into(),
        })?;
        let threshold = models.threshold(config.model.threshold, &scan);
        Ok(Self { models, scan, threshold })
    }

    fn eyes(&self) -> anyhow::Result<Eyes> {
        Ok(Eyes { scanner: self.models.scanner()?, scan: self.scan, class: self.models.class()? })
    }
}

/// Looks at picture files.
struct Eyes {
    scanner: Scanner,
    scan: Scan,
    class: usize,
}

impl Eyes {
    /// The pixels of a file and the people in it, surest first.
    fn look(&mut self, path: &Path, min_score: f32) -> anyhow::Result<(RgbImage, Vec<Detection>)> {
        let bytes = std::fs::read(path).context("cannot read the picture")?;
        let pixels = picture::decode(&bytes, &picture::Limits::default())?;
        let mut people = self.scanner.detect(&pixels, &self.scan, min_score)?;
        people.retain(|found| found.class == self.class);
        Ok((pixels, people))
    }
}

/// Checks a score from the command line.
fn score_of(name: &str, score: f32) -> anyhow::Result<f32> {
    anyhow::ensure!((0.0..=1.0).contains(&score), "the {name} {score} is not between 0 and 1");
    Ok(score)
}
