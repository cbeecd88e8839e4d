//! What is really in the pictures: annotations in COCO's JSON format.

use std::collections::HashMap;

use anyhow::{Context, ensure};
use object_detector::BoundingBox;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::model::PERSON;

/// The people in one picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Truth {
    /// The picture's file name, possibly with folders.
    pub(crate) file_name: String,
    /// Where somebody is.
    pub(crate) people: Vec<BoundingBox>,
    /// Where a detection is neither right nor wrong.
    pub(crate) ignored: Vec<Ignored>,
}

/// A region in which a detection is neither right nor wrong.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ignored {
    pub(crate) bbox: BoundingBox,
    /// A whole crowd: any number of detections may lie in it.
    pub(crate) crowd: bool,
}

#[derive(Deserialize)]
struct File {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    #[serde(default)]
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: u64,
    #[serde(default)]
    category_id: Option<u64>,
    bbox: [f32; 4],
    #[serde(default, deserialize_with = "flag")]
    iscrowd: bool,
    #[serde(default, deserialize_with = "flag")]
    ignore: bool,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

/// COCO writes 0 and 1, other tools false and true.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Bool(flag) => Ok(flag),
        Value::Number(number) => Ok(number.as_f64() != Some(0.0)),
        Value::Null => Ok(false),
        other => Err(serde::de::Error::custom(format!("{other} is neither 0 nor 1"))),
    }
}

/// Reads an annotation file; the pictures are in its order. Without categories every annotation is a person.
pub(crate) fn read(text: &[u8]) -> anyhow::Result<Vec<Truth>> {
    let file: File = serde_json::from_slice(text).context("these are no annotations in COCO's format")?;
    let person = file.categories.iter().find(|category| category.name == PERSON).map(|category| category.id);
    ensure!(
        person.is_some() || file.categories.is_empty(),
        "the annotations have no category \"{PERSON}\", export them with it"
    );
    ensure!(!file.images.is_empty(), "the annotations name no picture");
    let mut places = HashMap::new();
    let mut pictures = Vec::with_capacity(file.images.len());
    for image in file.images {
        let before = places.insert(image.id, pictures.len());
        ensure!(before.is_none(), "two pictures have the id {}", image.id);
        pictures.push(Truth { file_name: image.file_name, ..Truth::default() });
    }
    for annotation in file.annotations {
        if person.is_some() && annotation.category_id != person {
            continue;
        }
        let place = places.get(&annotation.image_id).with_context(|| {
            format!("an annotation belongs to picture {}, which is not there", annotation.image_id)
        })?;
        let [x1, y1, width, height] = annotation.bbox;
        ensure!(
            width >= 0.0 && height >= 0.0,
            "a box of picture {} has a negative size",
            annotation.image_id
        );
        let bbox = BoundingBox { x1, y1, x2: x1 + width, y2: y1 + height };
        if annotation.iscrowd || annotation.ignore {
            pictures[*place].ignored.push(Ignored { bbox, crowd: annotation.iscrowd });
        } else {
            pictures[*place].people.push(bbox);
        }
    }
    Ok(pictures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_crowds_and_other_classes_are_told_apart() {
        let text = r#"{"images": [{"id": 7, "file_name": "a.jpg"}, {"id": 3, "file_name": "b/c.jpg", "width": 9}],
            "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}],
            "annotations": [
                {"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0},
                {"image_id": 3, "category_id": 2, "bbox": [1, 2, 3, 4], "iscrowd": 0},
                {"image_id": 3, "category_id": 1, "bbox": [0, 0, 9, 9], "iscrowd": 1},
                {"image_id": 3, "category_id": 1, "bbox": [0, 0, 5, 5], "ignore": true}]}"#;
        let pictures = read(text.as_bytes()).unwrap();
        assert_eq!(pictures[0], Truth { file_name: "a.jpg".into(), ..Truth::default() });
        assert_eq!(pictures[1].people, [BoundingBox { x1: 1.0, y1: 2.0, x2: 4.0, y2: 6.0 }]);
        let crowds: Vec<_> = pictures[1].ignored.iter().map(|ignored| ignored.crowd).collect();
        assert_eq!(crowds, [true, false]);
    }

    #[test]
    fn what_cannot_be_used_says_so() {
        let image = r#""images": [{"id": 1, "file_name": "a.jpg"}]"#;
        for (text, expected) in [
            ("[]".to_owned(), "COCO's format"),
            (
                format!(
                    "{{{image}, \"annotations\": [], \"categories\": [{{\"id\": 1, \"name\": \"dog\"}}]}}"
                ),
                "no category",
            ),
            ("{\"images\": [], \"annotations\": []}".into(), "no picture"),
            (
                format!("{{{image}, \"annotations\": [{{\"image_id\": 2, \"bbox\": [0, 0, 1, 1]}}]}}"),
                "picture 2",
            ),
            (
                format!("{{{image}, \"annotations\": [{{\"image_id\": 1, \"bbox\": [0, 0, -1, 1]}}]}}"),
                "negative",
            ),
        ] {
            let error = format!("{:#}", read(text.as_bytes()).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
