//! The crate through its public face, with the models and sample pictures of this repository
#![allow(clippy::unwrap_used, reason = "it stops at the first surprise")]
#![allow(clippy::print_stdout, reason = "how close the answers are goes into the model card")]

mod families;
mod golden;
mod loading;
mod pictures;

use std::path::{Path, PathBuf};

use object_detector::Manifest;

/// A path inside the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Reads a file.
fn bytes(path: impl AsRef<Path>) -> Vec<u8> {
    let path = path.as_ref();
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The JPEG file of a sample picture, 0 to 79.
fn frame(number: usize) -> Vec<u8> {
    bytes(repository(&format!("services/demo/sample/frame-{number:03}.jpg")))
}

/// Every model of the repository: its folder and its description.
fn models() -> Vec<(PathBuf, Manifest)> {
    let folders = std::fs::read_dir(repository("models")).unwrap().map(|entry| entry.unwrap().path());
    let mut models: Vec<_> = folders
        .filter(|folder| folder.join("model.toml").exists())
        .map(|folder| {
            let text = String::from_utf8(bytes(folder.join("model.toml"))).unwrap();
            let manifest = Manifest::parse(&text).unwrap();
            (folder, manifest)
        })
        .collect();
    models.sort_by_key(|(folder, _)| folder.clone());
    assert!(!models.is_empty());
    models
}

/// The model whose input is 416x416.
fn square_model() -> (PathBuf, Manifest) {
    models().into_iter().find(|(_, m)| (m.input.width, m.input.height) == (416, 416)).unwrap()
}
