//! Saves what a network sees of pictures: `canvas MODEL FOLDER PICTURE…` writes FOLDER/PICTURE.png
//!
//! For looking at a new model's description: is the picture whole, upright, in the right place?

use std::path::PathBuf;

use object_detector::{Detector, Model, picture};

const USAGE: &str = "usage: canvas MODEL FOLDER PICTURE…";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let model = Model::load(&arguments.next().ok_or(USAGE)?)?;
    let folder = arguments.next().ok_or(USAGE)?;
    let mut detector = Detector::new(&model);
    for path in arguments {
        let picture = picture::decode(&std::fs::read(&path)?, &picture::Limits::default())?;
        detector.detect(&picture, model.manifest().threshold)?;
        let name = path.file_stem().ok_or(USAGE)?;
        detector.canvas().save(folder.join(name).with_extension("png"))?;
    }
    Ok(())
}
