//! Models that load and models that do not

use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use object_detector::{Detector, Error, Model, picture};
use sha2::{Digest, Sha256};

use super::{bytes, frame, models, square_model};

/// The text of a description and the bytes of its network.
fn parts() -> (String, Vec<u8>) {
    let (folder, manifest) = square_model();
    let text = String::from_utf8(bytes(folder.join("model.toml"))).unwrap();
    (text, bytes(folder.join(&manifest.file)))
}

/// A copy of the model that may be spoilt.
fn copy() -> (tempfile::TempDir, PathBuf) {
    let (folder, manifest) = square_model();
    let dir = tempfile::tempdir().unwrap();
    for name in ["model.toml", &manifest.file] {
        std::fs::copy(folder.join(name), dir.path().join(name)).unwrap();
    }
    let network = dir.path().join(manifest.file);
    (dir, network)
}

/// What a user sees: the error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

#[test]
fn every_model_loads_and_tells_what_it_is() {
    for (folder, manifest) in models() {
        let model = Model::load(&folder).unwrap();
        assert_eq!(model.clone().manifest(), &manifest);
        assert!(format!("{model:?}").contains(&manifest.name));
    }
}

#[test]
fn a_missing_folder_or_file_is_named() {
    let error = Model::load(Path::new("/no/such/model")).unwrap_err();
    assert!(
        chain(&error).contains("cannot read the model file /no/such/model/model.toml"),
        "{}",
        chain(&error)
    );

    let (dir, network) = copy();
    std::fs::remove_file(&network).unwrap();
    let error = Model::load(dir.path()).unwrap_err();
    assert!(matches!(&error, Error::Read { path, .. } if *path == network), "{error:?}");
}

#[test]
fn an_altered_network_is_refused() {
    let (dir, path) = copy();
    let mut network = std::fs::read(&path).unwrap();
    let middle = network.len() / 2;
    network[middle] ^= 1;
    std::fs::write(&path, network).unwrap();
    let error = Model::load(dir.path()).unwrap_err();
    assert!(matches!(error, Error::Altered { .. }), "{error:?}");
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(error.to_string().contains(name) && error.to_string().contains("restore the file"), "{error}");
}

#[test]
fn a_wrong_description_is_named_with_its_line() {
    let (dir, _) = copy();
    std::fs::write(dir.path().join("model.toml"), parts().0.replace("threshold", "treshold")).unwrap();
    let message = chain(&Model::load(dir.path()).unwrap_err());
    assert!(message.contains("model.toml is wrong: line ") && message.contains("treshold"), "{message}");
}

#[test]
fn bytes_that_are_no_network_are_refused() {
    let junk = b"this is no network";
    let (_, manifest) = square_model();
    let text = parts().0.replace(&manifest.sha256, &hex::encode(Sha256::digest(junk)));
    let error = Model::from_bytes(&text, junk).unwrap_err();
    assert!(matches!(error, Error::Load { .. } | Error::Mismatch { .. }), "{error:?}");
}

#[test]
fn a_network_of_another_size_than_described_is_refused() {
    let (text, network) = parts();
    Model::from_bytes(&text, &network).unwrap();
    let error = Model::from_bytes(&text.replace("width = 416", "width = 384"), &network).unwrap_err();
    assert!(matches!(error, Error::Mismatch { .. }), "{error:?}");
    assert!(error.to_string().contains("384"), "{error}");
}

#[test]
fn odd_pictures_and_arguments() {
    fn is_send<T: Send>(_: &T) {}
    let model = Model::load(&square_model().0).unwrap();
    let mut detector = Detector::new(&model);
    is_send(&detector);
    let error = detector.detect(&RgbImage::new(0, 7), 0.5).unwrap_err();
    assert!(matches!(error, Error::EmptyPicture { width: 0, height: 7 }), "{error:?}");
    let grey = |width, height| RgbImage::from_pixel(width, height, Rgb([90; 3]));
    let error = detector.detect(&grey(8, 8), f32::NAN).unwrap_err();
    assert!(matches!(error, Error::MinScore(_)), "{error:?}");
    // still usable, and boxes never leave the picture however thin it is
    for (width, height) in [(1, 1), (5000, 1), (1, 5000), (3, 700), (416, 416)] {
        for found in detector.detect(&grey(width, height), 0.0).unwrap() {
            let b = found.bbox;
            assert!(0.0 <= b.x1 && b.x1 < b.x2 && b.x2 <= width as f32, "{b:?}");
            assert!(0.0 <= b.y1 && b.y1 < b.y2 && b.y2 <= height as f32, "{b:?}");
        }
    }
}

#[test]
fn the_same_picture_gives_the_same_answer_whatever_was_seen_before() {
    let model = Model::load(&square_model().0).unwrap();
    let street = picture::decode(&frame(40), &picture::Limits::default()).unwrap();
    let tall = RgbImage::from_pixel(100, 900, Rgb([200, 10, 10]));
    let fresh = Detector::new(&model).detect(&street, 0.1).unwrap();
    let mut detector = Detector::new(&model);
    for seen in [&tall, &street, &street, &tall] {
        let found = detector.detect(seen, 0.1).unwrap();
        if std::ptr::eq(seen, &street) {
            assert_eq!(found, fresh);
        }
    }
    assert!(fresh.is_sorted_by(|a, b| a.score >= b.score));
}
