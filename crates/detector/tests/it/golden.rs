//! The models give the answers that ONNX Runtime gives (`scripts/model/golden.py` wrote them)

use std::path::Path;

use image::{Rgb, RgbImage};
use object_detector::{BoundingBox, Detection, Detector, Model, Operators, picture};
use serde::Deserialize;

use super::{bytes, frame, models, repository, square_model};

/// The largest difference of a score.
const SCORE: f32 = 1e-3;
/// The largest difference of a box's edge in pixels of the picture.
const EDGE: f32 = 0.25;

#[derive(Deserialize)]
struct Golden {
    sha256: String,
    min_score: f32,
    pictures: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    image: String,
    boxes: Vec<[f32; 5]>,
}

fn golden(folder: &Path, name: &str) -> Golden {
    serde_json::from_slice(&bytes(folder.join("golden").join(name))).unwrap()
}

/// The largest differences of score and edges, once the boxes are found to be the same ones.
fn compare(expected: &Answer, found: &[Detection]) -> (f32, f32) {
    let scores: Vec<_> = found.iter().map(|found| found.score).collect();
    assert_eq!(found.len(), expected.boxes.len(), "{}: {scores:?}\n{:?}", expected.image, expected.boxes);
    let mut left: Vec<_> = found.iter().collect();
    let mut worst = (0.0f32, 0.0f32);
    for &[x1, y1, x2, y2, score] in &expected.boxes {
        let wanted = BoundingBox { x1, y1, x2, y2 };
        let (at, _) = left
            .iter()
            .enumerate()
            .max_by(|(_, a), (_, b)| a.bbox.iou(&wanted).total_cmp(&b.bbox.iou(&wanted)))
            .unwrap();
        let found = left.swap_remove(at);
        let b = found.bbox;
        let edges = [b.x1 - x1, b.y1 - y1, b.x2 - x2, b.y2 - y2];
        let edge = edges.iter().fold(0.0f32, |worst, edge| worst.max(edge.abs()));
        worst = (worst.0.max((found.score - score).abs()), worst.1.max(edge));
    }
    worst
}

/// A detector for the model in `folder`, and the golden answers `name` for it.
fn load(folder: &Path, name: &str) -> (Detector, Golden) {
    let model = Model::load(folder).unwrap();
    let golden = golden(folder, name);
    assert_eq!(golden.sha256, model.manifest().sha256, "run scripts/model/golden.py {}", folder.display());
    (Detector::new(&model), golden)
}

#[test]
fn every_model_finds_in_a_computed_picture_what_onnx_runtime_finds() {
    for (folder, manifest) in models() {
        let (mut detector, golden) = load(&folder, "synthetic.json");
        let value = |c: u32, x: u32, y: u32| ((37 * c + 11 * y + 7 * x) % 256) as u8;
        let picture = RgbImage::from_fn(manifest.input.width, manifest.input.height, |x, y| {
            Rgb([0, 1, 2].map(|c| value(c, x, y)))
        });
        let found = detector.detect(&picture, golden.min_score).unwrap();
        let (score, edge) = compare(&golden.pictures[0], &found);
        println!("{}: score {score:.1e}, edge {edge:.1e} px", manifest.name);
        // neither a JPEG decoder nor scaling lies between the two, so they agree to rounding
        assert!(score < 1e-5 && edge < 1e-2, "{}: score {score}, edge {edge}", manifest.name);
    }
}

/// Compares all golden answers `name` for the model in `folder` with what is found in the files that `file` reads.
fn check_all(folder: &Path, name: &str, least: usize, file: impl Fn(&str) -> Vec<u8>) {
    let (mut detector, golden) = load(folder, name);
    assert!(golden.pictures.len() >= least);
    let mut worst = (0.0f32, 0.0f32);
    for answer in &golden.pictures {
        let picture = picture::decode(&file(&answer.image), &picture::Limits::default()).unwrap();
        let found = detector.detect(&picture, golden.min_score).unwrap();
        let (score, edge) = compare(answer, &found);
        assert!(score < SCORE && edge < EDGE, "{}: score {score}, edge {edge}", answer.image);
        worst = (worst.0.max(score), worst.1.max(edge));
    }
    println!("{} {name}: score {:.1e}, edge {:.1e} px", folder.display(), worst.0, worst.1);
}

#[test]
fn every_model_finds_in_the_sample_pictures_what_onnx_runtime_finds() {
    for (folder, _) in models() {
        check_all(&folder, "sample.json", 80, |name| bytes(repository("services/demo/sample").join(name)));
    }
}

#[test]
fn every_model_finds_in_the_pictures_of_opencv_doc_what_onnx_runtime_finds() {
    let pictures = Path::new("/usr/share/doc/opencv-doc/examples/data");
    assert!(pictures.exists(), "{} is missing; apt-get install opencv-doc", pictures.display());
    for (folder, _) in models() {
        check_all(&folder, "opencv-doc.json", 40, |name| bytes(pictures.join(name)));
    }
}

#[test]
fn both_sets_of_operators_find_the_same() {
    let (folder, manifest) = square_model();
    let [mut fast, mut stock] = [Operators::Fast, Operators::Stock]
        .map(|operators| Detector::new(&Model::load_with(&folder, operators).unwrap()));
    for number in [0, 40, 79] {
        let picture = picture::decode(&frame(number), &picture::Limits::default()).unwrap();
        let expected = stock.detect(&picture, 0.1).unwrap();
        assert!(!expected.is_empty());
        let image = format!("frame {number}");
        let boxes = expected.iter().map(|found| {
            let b = found.bbox;
            [b.x1, b.y1, b.x2, b.y2, found.score]
        });
        let answer = Answer { image, boxes: boxes.collect() };
        let (score, edge) = compare(&answer, &fast.detect(&picture, 0.1).unwrap());
        assert!(score < 1e-5 && edge < 1e-2, "{}: score {score}, edge {edge}", manifest.name);
    }
    assert!(fast.network_time() > std::time::Duration::ZERO);
}
