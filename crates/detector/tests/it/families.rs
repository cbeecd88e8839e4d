//! Each family of networks, on a small generated one: the boxes are those that an independent decoder in Python finds
//! in ONNX Runtime's output (`scripts/model/make_test_models.py` wrote both)

use std::path::PathBuf;

use image::{Rgb, RgbImage};
use object_detector::{Detector, Error, Manifest, Model};
use serde::Deserialize;

use super::bytes;

const FAMILIES: [&str; 5] = ["nanodet", "nanodet-plus", "yolox", "yolov8", "yolov8-nms"];
const SIZE: u32 = 64;

#[derive(Deserialize)]
struct Golden {
    sha256: String,
    min_score: f32,
    /// x1, y1, x2, y2, score, class; by falling score.
    boxes: Vec<[f32; 6]>,
}

fn folder(family: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(family)
}

/// The picture that the script computes too.
fn picture() -> RgbImage {
    RgbImage::from_fn(SIZE, SIZE, |x, y| {
        Rgb([0, 1, 2].map(|c| ((x * y * (c + 1) / 8 + 3 * x + 60 * c) % 256) as u8))
    })
}

#[test]
fn every_family_finds_what_its_authors_formulas_say() {
    for family in FAMILIES {
        let model = Model::load(&folder(family)).unwrap();
        let golden: Golden = serde_json::from_slice(&bytes(folder(family).join("golden.json"))).unwrap();
        assert_eq!(golden.sha256, model.manifest().sha256, "run scripts/model/make_test_models.py");
        let mut found = Detector::new(&model).detect(&picture(), golden.min_score).unwrap();
        assert_eq!(found.len(), golden.boxes.len(), "{family}: {found:?}");
        for &[x1, y1, x2, y2, score, class] in &golden.boxes {
            let near = |a: f32, b: f32| (a - b).abs() < 2e-3;
            let place = found.iter().position(|found| {
                let b = found.bbox;
                found.class == class as usize
                    && near(found.score, score)
                    && near(b.x1, x1)
                    && near(b.y1, y1)
                    && near(b.x2, x2)
                    && near(b.y2, y2)
            });
            let place = place
                .unwrap_or_else(|| panic!("{family}: [{x1}, {y1}, {x2}, {y2}] {score} is not in {found:?}"));
            found.remove(place);
        }
    }
}

#[test]
fn a_network_of_another_family_or_with_other_classes_is_refused() {
    for family in FAMILIES {
        let folder = folder(family);
        let text = String::from_utf8(bytes(folder.join("model.toml"))).unwrap();
        let network = bytes(folder.join(Manifest::parse(&text).unwrap().file));
        let named = format!("family = \"{family}\"");
        let one_class = text.replace("[\"ball\", \"person\", \"ring\"]", "[\"person\"]");
        let mut wrong: Vec<String> = FAMILIES
            .iter()
            // the two kinds of NanoDet look alike
            .filter(|other| {
                **other != family && !(other.starts_with("nanodet") && family.starts_with("nanodet"))
            })
            .map(|other| text.replace(&named, &format!("family = \"{other}\"")))
            .collect();
        wrong.push(one_class.replace(&named, "family = \"dets\""));
        // how many classes there are cannot be seen in a list of boxes, and in NanoDet's rows only sometimes
        if !family.ends_with("nms") {
            wrong.push(text.replace("\"ball\", ", ""));
        }
        for text in wrong {
            let error = Model::from_bytes(&text, &network).unwrap_err();
            assert!(matches!(error, Error::Mismatch { .. }), "{family}: {error:?}");
            assert!(error.to_string().contains("the network gives"), "{error}");
        }
    }
}
