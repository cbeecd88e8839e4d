//! `people-counter-inference detect`: counts people in picture files and prints JSON
//!
//! ```json
//! [{"image": "street.jpg", "boxes": [[102.5, 34.0, 150.25, 161.5, 0.83]], "count": 1}]
//! ```

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use object_detector::{Detection, Detector, Model, picture};
use serde::Serialize;

use crate::model::{default_model, person_class};

/// What is printed for one picture.
#[derive(Debug, Serialize)]
struct Record {
    image: String,
    /// x1, y1, x2, y2 in pixels of the upright picture, and the score; surest first.
    boxes: Vec<[f32; 5]>,
    /// People at or above the model's threshold; null where the picture could not be analysed.
    count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Counts people in `pictures` and writes one JSON array to `out`, in the order given.
///
/// `model` is a model's folder, or `None` for the built-in one. Boxes are listed from `min_score` on, by default the
/// model's threshold; the count always goes by the threshold.
///
/// # Errors
/// A model that cannot be loaded or does not know people, a `min_score` outside 0 to 1, no pictures, `out` that
/// cannot be written. A picture that cannot be read or decoded does not stop the others: its record says why, and
/// once all are written the error names it.
pub fn run(
    model: Option<&Path>,
    min_score: Option<f32>,
    pictures: &[PathBuf],
    out: &mut impl Write,
) -> anyhow::Result<()> {
    ensure!(!pictures.is_empty(), "no picture to look at: name at least one");
    let model = match model {
        Some(dir) => {
            Model::load(dir).with_context(|| format!("cannot use the model in {}", dir.display()))?
        }
        None => default_model()?,
    };
    let threshold = model.manifest().threshold;
    let min_score = min_score.unwrap_or(threshold);
    ensure!((0.0..=1.0).contains(&min_score), "the score {min_score} is not between 0 and 1");
    let person = person_class(&model)?;
    let mut detector = Detector::new(&model);

    let mut failed = vec![];
    for (n, path) in pictures.iter().enumerate() {
        let image = path.display().to_string();
        let found = look(&mut detector, path, min_score.min(threshold));
        let record = match found {
            Ok(mut people) => {
                people.retain(|found| found.class == person);
                record(image, &people, min_score, threshold)
            }
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

fn look(detector: &mut Detector, path: &Path, min_score: f32) -> anyhow::Result<Vec<Detection>> {
    let bytes = std::fs::read(path).context("cannot read the picture")?;
    let picture = picture::decode(&bytes, &picture::Limits::default())?;
    Ok(detector.detect(&picture, min_score)?)
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
    use serde_json::Value;

    use super::*;

    fn root(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
    }

    fn detect(
        model: Option<&Path>,
        min_score: Option<f32>,
        pictures: &[PathBuf],
    ) -> (anyhow::Result<()>, Value) {
        let mut out = vec![];
        let result = run(model, min_score, pictures, &mut out);
        let value = if out.is_empty() { Value::Null } else { serde_json::from_slice(&out).unwrap() };
        (result, value)
    }

    #[test]
    fn one_record_for_every_picture_in_order() {
        let pictures = [0, 40].map(|n| root(&format!("services/demo/sample/frame-{n:03}.jpg")));
        let (result, records) = detect(None, None, &pictures);
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
        let picture = [root("services/demo/sample/frame-040.jpg")];
        let (_, default) = detect(None, None, &picture);
        let (_, many) = detect(None, Some(0.05), &picture);
        let (_, few) = detect(None, Some(0.99), &picture);
        let boxes = |records: &Value| records[0]["boxes"].as_array().unwrap().len();
        assert_eq!(many[0]["count"], default[0]["count"]);
        assert_eq!(few[0]["count"], default[0]["count"]);
        assert!(boxes(&many) > boxes(&default));
        assert_eq!(boxes(&few), 0);
    }

    #[test]
    fn a_folder_is_used_as_model() {
        let picture = [root("services/demo/sample/frame-000.jpg")];
        let (result, records) = detect(Some(&root("models/person-nanodet-g")), None, &picture);
        result.unwrap();
        assert_eq!(records, detect(None, None, &picture).1);
    }

    #[test]
    fn an_unreadable_picture_is_named_after_the_others_were_done() {
        let dir = tempfile::tempdir().unwrap();
        let broken = dir.path().join("broken.jpg");
        std::fs::write(&broken, b"no picture").unwrap();
        let pictures =
            [dir.path().join("absent.jpg"), root("services/demo/sample/frame-000.jpg"), broken.clone()];
        let (result, records) = detect(None, None, &pictures);
        let message = result.unwrap_err().to_string();
        assert!(message.contains("absent.jpg: cannot read the picture"), "{message}");
        assert!(message.contains("1 more"), "{message}");
        assert_eq!(records[0]["count"], Value::Null);
        assert!(records[1]["count"].as_u64().unwrap() > 0);
        assert!(records[2]["error"].as_str().unwrap().contains("neither JPEG"), "{}", records[2]);
    }

    #[test]
    fn wrong_arguments_are_one_clear_sentence() {
        let picture = [root("services/demo/sample/frame-000.jpg")];
        for (model, min_score, pictures, expected) in [
            (None, None, &[][..], "name at least one"),
            (None, Some(1.5), &picture, "the score 1.5 is not between 0 and 1"),
            (Some(Path::new("/no/such/model")), None, &picture, "cannot use the model in /no/such/model"),
        ] {
            let (result, records) = detect(model, min_score, pictures);
            let message = format!("{:#}", result.unwrap_err());
            assert!(message.contains(expected), "{message}");
            assert_eq!(records, Value::Null);
        }
    }
}
