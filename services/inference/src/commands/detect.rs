//! `people-counter-inference detect`: counts people in picture files and prints JSON
//!
//! ```json
//! [{"image": "street.jpg", "boxes": [[102.5, 34.0, 150.25, 161.5, 0.83]], "count": 1}]
//! ```

use std::io::Write;
use std::path::PathBuf;

use anyhow::{bail, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use object_detector::Detection;
use serde::Serialize;

use super::draw::Folder;
use super::{Looker, path, score_of};

/// What is printed for one picture.
#[derive(Debug, Serialize)]
struct Record {
    image: String,
    /// x1, y1, x2, y2 in pixels of the upright picture, and the score; surest first.
    boxes: Vec<[f32; 5]>,
    /// People at or above the threshold; null where the picture could not be analysed.
    count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) fn command() -> Command {
    Command::new("detect")
        .about("Count the people in pictures and print JSON")
        .arg(
            Arg::new("min-score")
                .long("min-score")
                .value_name("SCORE")
                .value_parser(value_parser!(f32))
                .help("Lowest score of a box that is printed; the threshold if absent"),
        )
        .arg(
            Arg::new("draw")
                .long("draw")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("Draw the boxes into copies of the pictures in this folder"),
        )
        .arg(
            Arg::new("pictures")
                .value_name("PICTURE")
                .required(true)
                .action(ArgAction::Append)
                .value_parser(value_parser!(PathBuf))
                .help("JPEG, PNG or WebP files"),
        )
}

/// Counts people in the pictures and writes one JSON array, in the order given.
///
/// Boxes are listed from `--min-score` on; the count always goes by the threshold. A picture that cannot be read or
/// decoded does not stop the others: its record says why, and once all are written the error names it.
pub(super) fn run(looker: &Looker, arguments: &ArgMatches, out: &mut impl Write) -> anyhow::Result<()> {
    let pictures: Vec<PathBuf> = arguments.get_many("pictures").into_iter().flatten().cloned().collect();
    let min_score = arguments.get_one::<f32>("min-score").copied().unwrap_or(looker.threshold);
    let folder = path(arguments, "draw").map(|folder| Folder::new(folder, &pictures)).transpose()?;
    detect(looker, min_score, folder.as_ref(), &pictures, out)
}

fn detect(
    looker: &Looker,
    min_score: f32,
    draw: Option<&Folder>,
    pictures: &[PathBuf],
    out: &mut impl Write,
) -> anyhow::Result<()> {
    ensure!(!pictures.is_empty(), "no picture to look at: name at least one");
    score_of("score", min_score)?;
    let threshold = looker.threshold;
    let mut eyes = looker.eyes()?;

    let mut failed = vec![];
    for (n, path) in pictures.iter().enumerate() {
        let image = path.display().to_string();
        let seen = eyes.look(path, min_score.min(threshold)).and_then(|(pixels, people)| {
            if let Some(folder) = draw {
                let shown: Vec<_> = people.iter().filter(|found| found.score >= min_score).copied().collect();
                folder.save(path, pixels, &shown, threshold)?;
            }
            Ok(people)
        });
        let record = match seen {
            Ok(people) => record(image, &people, min_score, threshold),
            Err(error) => {
                let error = format!("{error:#}");
                failed.push(format!("{image}: {error}"));
                Record { image, boxes: vec![], count: None, error: Some(error) }
            }
        };
        // line by line, so that a reader sees every picture as soon as it is done
        out.write_all(if n == 0 { b"[" } else { b",\n " })?;
        serde_json::to_writer(&mut *out, &record)?;
        out.flush()?;
    }
    out.write_all(b"]\n")?;
    out.flush()?;

    match failed.as_slice() {
        [] => Ok(()),
        [only] => bail!("{only}"),
        [first, rest @ ..] => bail!("{first} (and {} more pictures failed, see their records)", rest.len()),
    }
}

fn record(image: String, people: &[Detection], min_score: f32, threshold: f32) -> Record {
    let row = |found: &Detection| {
        let b = found.bbox;
        [b.x1, b.y1, b.x2, b.y2, found.score]
    };
    Record {
        image,
        boxes: people.iter().filter(|found| found.score >= min_score).map(row).collect(),
        count: Some(people.iter().filter(|found| found.score >= threshold).count()),
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::config::ModelConfig;

    fn root(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
    }

    fn sample(number: usize) -> PathBuf {
        root(&format!("services/demo/sample/frame-{number:03}.jpg"))
    }

    /// What the command line prints.
    fn detect(arguments: &[&str], pictures: &[PathBuf]) -> (anyhow::Result<()>, Value) {
        let pictures = pictures.iter().map(|path| path.to_str().unwrap());
        let line = ["people-counter-inference", "detect"].into_iter().chain(arguments.iter().copied());
        let command = Command::new("people-counter-inference").subcommands(crate::commands::all());
        let matches = command.try_get_matches_from(line.chain(pictures)).unwrap();
        let mut out = vec![];
        let (name, arguments) = matches.subcommand().unwrap();
        let result = crate::commands::run(name, arguments, &mut out);
        let value = if out.is_empty() { Value::Null } else { serde_json::from_slice(&out).unwrap() };
        (result, value)
    }

    #[test]
    fn one_record_for_every_picture_in_order() {
        let pictures = [0, 40].map(sample);
        let (result, records) = detect(&[], &pictures);
        result.unwrap();
        let records = records.as_array().unwrap();
        assert_eq!(records.len(), 2);
        for (record, picture) in records.iter().zip(&pictures) {
            assert_eq!(record["image"], picture.display().to_string());
            let boxes = record["boxes"].as_array().unwrap();
            assert!(boxes.iter().all(|b| b.as_array().unwrap().len() == 5));
            assert_eq!(record["count"], boxes.len());
            assert!(boxes.len() >= 3, "{record}");
            assert!(record.get("error").is_none());
        }
    }

    #[test]
    fn the_count_goes_by_the_threshold_whatever_boxes_are_asked_for() {
        let picture = [sample(40)];
        let (_, default) = detect(&[], &picture);
        let (_, many) = detect(&["--min-score", "0.05"], &picture);
        let (_, few) = detect(&["--min-score", "0.99"], &picture);
        let (_, lower) = detect(&["--threshold", "0.05"], &picture);
        let boxes = |records: &Value| records[0]["boxes"].as_array().unwrap().len();
        assert_eq!(many[0]["count"], default[0]["count"]);
        assert_eq!(few[0]["count"], default[0]["count"]);
        assert!(boxes(&many) > boxes(&default));
        assert_eq!(boxes(&few), 0);
        assert_eq!(lower[0]["count"], boxes(&many));
    }

    #[test]
    fn a_folder_is_used_as_model() {
        let picture = [sample(0)];
        let (result, records) =
            detect(&["--model", root("models/person-nanodet-g").to_str().unwrap()], &picture);
        result.unwrap();
        assert_eq!(records, detect(&[], &picture).1);
    }

    #[test]
    fn boxes_are_drawn_into_copies() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("drawn");
        let (result, records) = detect(&["--draw", folder.to_str().unwrap()], &[sample(40)]);
        result.unwrap();
        let copy = image::open(folder.join("frame-040.png")).unwrap().to_rgb8();
        let original = image::open(sample(40)).unwrap().to_rgb8();
        assert_eq!(copy.dimensions(), original.dimensions());
        for b in records[0]["boxes"].as_array().unwrap() {
            let at = |n: usize| b[n].as_f64().unwrap() as u32;
            assert_eq!(copy.get_pixel(at(0), (at(1) + at(3)) / 2).0, [0, 230, 90], "the left edge of {b}");
        }
        assert_eq!(copy.get_pixel(0, 0), original.get_pixel(0, 0));

        let other = dir.path().join("frame-040.jpg");
        std::fs::copy(sample(40), &other).unwrap();
        let (result, _) = detect(&["--draw", folder.to_str().unwrap()], &[sample(40), other]);
        assert!(result.unwrap_err().to_string().contains("two pictures are called frame-040"));
    }

    #[test]
    fn an_unreadable_picture_is_named_after_the_others_were_done() {
        let dir = tempfile::tempdir().unwrap();
        let broken = dir.path().join("broken.jpg");
        std::fs::write(&broken, b"no picture").unwrap();
        let pictures = [dir.path().join("absent.jpg"), sample(0), broken.clone()];
        let (result, records) = detect(&[], &pictures);
        let message = result.unwrap_err().to_string();
        assert!(message.contains("absent.jpg: cannot read the picture"), "{message}");
        assert!(message.contains("1 more"), "{message}");
        assert_eq!(records[0]["count"], Value::Null);
        assert!(records[1]["count"].as_u64().unwrap() > 0);
        assert!(records[2]["error"].as_str().unwrap().contains("neither JPEG"), "{}", records[2]);
    }

    #[test]
    fn wrong_arguments_are_one_clear_sentence() {
        for (arguments, expected) in [
            (&["--min-score", "1.5"][..], "the score 1.5 is not between 0 and 1"),
            (&["--threshold", "7"], "the threshold 7 is not between 0 and 1"),
            (&["--tiles", "4"], "columns x rows"),
            (&["--overlap", "0.1"], "add tiles"),
            (&["--model", "/no/such/model"], "cannot use the model in /no/such/model"),
            (&["--model", "/no/such/model", "--fuse"], "model.fuse_with"),
        ] {
            let (result, records) = detect(arguments, &[sample(0)]);
            let message = format!("{:#}", result.unwrap_err());
            assert!(message.contains(expected), "{message}");
            assert_eq!(records, Value::Null);
        }
        let looker = Looker::with(ModelConfig::default(), object_detector::Scan::default()).unwrap();
        let error = super::detect(&looker, 0.5, None, &[], &mut vec![]).unwrap_err();
        assert!(error.to_string().contains("name at least one"), "{error}");
    }
}
