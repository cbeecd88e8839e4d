use std::time::SystemTime;

use image::Rgb;
use image::codecs::jpeg::JpegEncoder;

use super::*;
use crate::jpeg;
use crate::jpeg::tests::sample;

fn take(file: Vec<u8>) -> Picture {
    Picture::from_file(file, SystemTime::UNIX_EPOCH, &Limits::default()).unwrap()
}

fn prepare(how: Preparation, file: Vec<u8>) -> Result<Prepared, Refusal> {
    Preparer::new(how, Limits::default(), true).prepare(take(file))
}

fn pixels(picture: &Picture) -> RgbImage {
    assert_eq!(jpeg::scan(&picture.jpeg).unwrap().bytes, picture.jpeg.len());
    let pixels = image::load_from_memory(&picture.jpeg).unwrap().into_rgb8();
    assert_eq!(pixels.dimensions(), (picture.width, picture.height));
    pixels
}

/// Red on the left, green on the right, with a blue strip at the top.
fn flag() -> Vec<u8> {
    let pixels = RgbImage::from_fn(80, 60, |x, y| match (x, y) {
        (_, 0..8) => Rgb([0, 0, 255]),
        (0..40, _) => Rgb([255, 0, 0]),
        _ => Rgb([0, 255, 0]),
    });
    // with all its colour, so that edges stay where they are
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, 95).encode_image(&pixels).unwrap();
    file
}

/// The file with an orientation in its EXIF part: 6 says that the top is on the right.
fn lying(mut file: Vec<u8>) -> Vec<u8> {
    let tiff: &[u8] = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let length = (2 + 6 + tiff.len()) as u16;
    let segment = [&[0xff, 0xe1], &length.to_be_bytes()[..], b"Exif\0\0", tiff].concat();
    file.splice(2..2, segment);
    file
}

fn is(pixel: &Rgb<u8>, colour: [u8; 3]) -> bool {
    pixel.0.iter().zip(colour).all(|(&one, two)| one.abs_diff(two) < 40)
}

#[test]
fn a_picture_passes_untouched_unless_something_asks() {
    let file = lying(sample(64, 48, 80));
    for how in [
        Preparation::default(),
        Preparation { width: Some(64), height: Some(64), ..Preparation::default() },
        Preparation { bytes: Some(file.len() as u64), ..Preparation::default() },
        // upright it is 48 x 64, which is within; as stored it is not
        Preparation { width: Some(48), ..Preparation::default() },
    ] {
        let prepared = prepare(how.clone(), file.clone()).unwrap();
        assert_eq!(prepared.picture.jpeg, file, "{how:?}");
        assert!(prepared.sketch.is_some());
    }
    let idle = Preparer::new(Preparation::default(), Limits::default(), false);
    assert!(!idle.has_work(&take(file)));
}

#[test]
fn size_limits_keep_the_proportions() {
    for (how, size) in [
        (Preparation { width: Some(40), ..Preparation::default() }, (40, 30)),
        (Preparation { height: Some(15), ..Preparation::default() }, (20, 15)),
        (Preparation { width: Some(60), height: Some(15), ..Preparation::default() }, (20, 15)),
    ] {
        let picture = prepare(how, flag()).unwrap().picture;
        let pixels = pixels(&picture);
        assert_eq!(pixels.dimensions(), size);
        assert!(is(pixels.get_pixel(2, size.1 - 2), [255, 0, 0]));
    }
}

#[test]
fn a_crop_keeps_its_part() {
    let how = Preparation { crop: Some([0.5, 0.2, 0.25, 0.5]), ..Preparation::default() };
    let picture = prepare(how, flag()).unwrap().picture;
    let pixels = pixels(&picture);
    assert_eq!(pixels.dimensions(), (20, 30));
    assert!(pixels.pixels().all(|pixel| is(pixel, [0, 255, 0])));
}

#[test]
fn a_mask_covers_its_part_and_no_more() {
    let left = vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]];
    let how = Preparation { mask: vec![left], ..Preparation::default() };
    let pixels = pixels(&prepare(how, flag()).unwrap().picture);
    assert_eq!(pixels.dimensions(), (80, 60));
    for (x, y, pixel) in pixels.enumerate_pixels().filter(|(x, y, _)| x.abs_diff(40) > 8 && y.abs_diff(8) > 8)
    {
        let colour = match (x < 40, y < 8) {
            (true, _) => [0, 0, 0],
            (false, true) => [0, 0, 255],
            (false, false) => [0, 255, 0],
        };
        assert!(is(pixel, colour), "{x} {y} {pixel:?}");
    }
}

#[test]
fn fractions_are_those_of_the_upright_picture() {
    // the strip at the top of the stored picture is on the right of the upright one
    let right = vec![[0.8, 0.0], [1.0, 0.0], [1.0, 1.0], [0.8, 1.0]];
    let how = Preparation { mask: vec![right], ..Preparation::default() };
    let picture = prepare(how, lying(flag())).unwrap().picture;
    let pixels = pixels(&picture);
    assert_eq!(pixels.dimensions(), (60, 80));
    assert!(!pixels.pixels().any(|pixel| is(pixel, [0, 0, 255])), "no blue is left");
    assert!(!picture.jpeg.windows(4).any(|bytes| bytes == b"Exif"), "nor a thumbnail");
}

#[test]
fn bytes_are_met_by_quality_and_then_by_size() {
    let file = sample(400, 300, 95);
    for limit in [file.len() as u64 - 1, 20_000, 4_000, 1_200] {
        let how = Preparation { bytes: Some(limit), ..Preparation::default() };
        let picture = prepare(how, file.clone()).unwrap().picture;
        assert!(picture.jpeg.len() as u64 <= limit);
        pixels(&picture);
    }
    let how = Preparation { bytes: Some(200), ..Preparation::default() };
    assert_eq!(prepare(how, file).unwrap_err(), Refusal::TooLarge);
}

#[test]
fn what_cannot_be_decoded_is_refused() {
    // whole by its outer form alone
    let mut file = sample(64, 48, 80);
    let tables = file.windows(2).position(|bytes| bytes == [0xff, 0xc4]).unwrap();
    file[tables + 5..tables + 21].fill(0xff);
    let how = Preparation { width: Some(10), ..Preparation::default() };
    assert_eq!(prepare(how, file.clone()).unwrap_err(), Refusal::Damaged);
    let untouched = prepare(Preparation::default(), file.clone()).unwrap();
    assert_eq!((untouched.picture.jpeg, untouched.sketch), (file.into(), None));
}

#[test]
fn both_ways_to_a_sketch_agree() {
    let file = sample(200, 150, 90);
    let direct = prepare(Preparation::default(), file.clone()).unwrap().sketch.unwrap();
    let nowhere = vec![vec![[0.0, 0.0], [0.001, 0.0], [0.0, 0.001]]];
    let changed = prepare(Preparation { mask: nowhere, ..Preparation::default() }, file).unwrap();
    assert!(direct.difference(&changed.sketch.unwrap()) < 8);
}
