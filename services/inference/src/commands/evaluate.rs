//! `people-counter-inference evaluate`: how good a model is on annotated pictures of one's own.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::json;

use super::{Looker, path};
use crate::accuracy::coco::{self, Truth};
use crate::accuracy::{Accuracy, Step, proposal};

/// Boxes from this score on are judged; what is less sure changes no figure that can be seen.
const LOWEST: f32 = 0.01;
/// A sweep tries every hundredth and prints every fifth.
const PRINTED: usize = 5;

pub(super) fn command() -> Command {
    let argument = |name, value, help| {
        Arg::new(name)
            .long(name)
            .value_name(value)
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help(help)
    };
    let flag = |name, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    Command::new("evaluate")
        .about("Measure a model on pictures with annotations")
        .arg(argument(
            "annotations",
            "FILE",
            "Annotations in COCO's JSON format, of the pictures held upright",
        ))
        .arg(argument("images", "DIR", "Folder of the pictures that the annotations name"))
        .arg(flag("threshold-sweep", "Try thresholds from 0.05 to 0.95 and propose one"))
        .arg(flag("json", "Print JSON"))
}

/// Looks at every annotated picture and writes the figures.
///
/// # Errors
/// Annotations that cannot be read, a picture that is missing or cannot be decoded.
pub(super) fn run(looker: &Looker, arguments: &ArgMatches, out: &mut impl Write) -> anyhow::Result<()> {
    let file = path(arguments, "annotations").context("--annotations is missing")?;
    let folder = path(arguments, "images").context("--images is missing")?;
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let pictures = coco::read(&text).with_context(|| format!("cannot use {}", file.display()))?;
    let accuracy = judge(looker, folder, &pictures)?;

    let summary = accuracy.summary(looker.threshold);
    let steps = if arguments.get_flag("threshold-sweep") { accuracy.sweep() } else { Vec::new() };
    let proposed = proposal(&steps);
    let model = looker.models.identity(&looker.scan);
    if arguments.get_flag("json") {
        let document = json!({ "model": model, "summary": summary, "sweep": steps, "proposed": proposed });
        serde_json::to_writer_pretty(&mut *out, &document)?;
        writeln!(out)?;
        return Ok(());
    }
    writeln!(out, "{}: {summary}", model.name)?;
    if let Some(proposed) = proposed {
        writeln!(out, "{}", Step::HEADER)?;
        for step in steps.iter().step_by(PRINTED) {
            writeln!(out, "{step}")?;
        }
        writeln!(out, "\nLeast error of the count, proposed:\n{proposed}")?;
        writeln!(out, "\nTo use it: threshold = {:.2}", proposed.threshold)?;
    }
    Ok(())
}

fn judge(looker: &Looker, folder: &Path, pictures: &[Truth]) -> anyhow::Result<Accuracy> {
    let mut eyes = looker.eyes()?;
    let mut accuracy = Accuracy::default();
    for truth in pictures {
        let path = find(folder, &truth.file_name)?;
        let (_, found) = eyes.look(&path, LOWEST).with_context(|| path.display().to_string())?;
        accuracy.add(truth, &found);
    }
    Ok(accuracy)
}

/// The picture by its name in the annotations, with or without the folders in it.
fn find(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let as_written = folder.join(name);
    let alone = Path::new(name).file_name().map(|name| folder.join(name));
    let found = [Some(as_written), alone].into_iter().flatten().find(|path| path.is_file());
    ensure!(found.is_some(), "the picture {name} of the annotations is not in {}", folder.display());
    found.context("a picture without a name")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn evaluate(arguments: &[&str]) -> anyhow::Result<String> {
        let command = Command::new("people-counter-inference").subcommands(crate::commands::all());
        let line = ["people-counter-inference", "evaluate"].into_iter().chain(arguments.iter().copied());
        let matches = command.try_get_matches_from(line)?;
        let (name, arguments) = matches.subcommand().context("no subcommand")?;
        let mut out = vec![];
        crate::commands::run(name, arguments, &mut out)?;
        Ok(String::from_utf8(out)?)
    }

    const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../demo/sample");

    /// Annotations that say the model is right about two pictures of the sample, but for one person whom it does not
    /// see, and an empty picture.
    fn annotations(folder: &Path) -> PathBuf {
        let images = folder.join("images");
        std::fs::create_dir_all(&images).unwrap();
        let looker = Looker::with(Default::default(), Default::default()).unwrap();
        let mut eyes = looker.eyes().unwrap();
        let (mut pictures, mut people) = (vec![], vec![]);
        for id in [0, 40] {
            let name = format!("frame-{id:03}.jpg");
            std::fs::copy(Path::new(SAMPLE).join(&name), images.join(&name)).unwrap();
            let (_, found) = eyes.look(&images.join(&name), looker.threshold).unwrap();
            pictures.push(json!({ "id": id, "file_name": format!("images/{name}") }));
            people.extend(found.iter().map(|found| {
                let b = found.bbox;
                json!({ "image_id": id, "category_id": 1, "bbox": [b.x1, b.y1, b.width(), b.height()] })
            }));
        }
        people.push(json!({ "image_id": 0, "category_id": 1, "bbox": [2, 2, 4, 9] }));
        image::RgbImage::new(64, 48).save(images.join("empty.png")).unwrap();
        pictures.push(json!({ "id": 99, "file_name": "empty.png" }));
        let file = folder.join("annotations.json");
        let categories = json!([{ "id": 1, "name": "person" }]);
        let document = json!({ "images": pictures, "annotations": people, "categories": categories });
        std::fs::write(&file, document.to_string()).unwrap();
        file
    }

    #[test]
    fn figures_and_a_proposal_for_pictures_of_ones_own() {
        let dir = tempfile::tempdir().unwrap();
        let file = annotations(dir.path());
        let images = dir.path().join("images");
        let paths = ["--annotations", file.to_str().unwrap(), "--images", images.to_str().unwrap()];
        let text = evaluate(&[&paths[..], &["--json", "--threshold-sweep"]].concat()).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        let summary = &document["summary"];
        assert_eq!((&summary["pictures"], &summary["empty"]), (&json!(3), &json!(1)));
        assert_eq!(summary["precision"], 1.0);
        let people = summary["people"].as_f64().unwrap();
        assert!((summary["recall"].as_f64().unwrap() - (people - 1.0) / people).abs() < 1e-9, "{summary}");
        assert_eq!(summary["count_mae"].as_f64().unwrap(), 1.0 / 3.0);
        assert_eq!(summary["false_positive_rate"], 0.0);
        assert_eq!(document["sweep"].as_array().unwrap().len(), 91);
        assert!(document["proposed"]["count_mae"].as_f64().unwrap() <= 1.0 / 3.0);
        assert_eq!(document["model"]["name"], "person-nanodet-g-416x416");

        let text = evaluate(&[&paths[..], &["--threshold-sweep", "--threshold", "0.9"]].concat()).unwrap();
        assert!(text.contains("threshold 0.90") && text.contains("To use it: threshold = 0."), "{text}");
        assert!(!evaluate(&paths).unwrap().contains("proposed"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = annotations(dir.path());
        let file = file.to_str().unwrap();
        let nowhere = dir.path().join("nowhere");
        let nowhere = nowhere.to_str().unwrap();
        let images = dir.path().join("images");
        std::fs::write(images.join("empty.png"), b"no picture").unwrap();
        let images = images.to_str().unwrap();
        for (annotations, images, expected) in [
            (nowhere, images, "cannot read"),
            (file, nowhere, "images/frame-000.jpg of the annotations is not in"),
            (concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), images, "COCO's format"),
            (file, images, "empty.png"),
        ] {
            let error = evaluate(&["--annotations", annotations, "--images", images]).unwrap_err();
            assert!(format!("{error:#}").contains(expected), "{error:#}");
        }
    }
}
