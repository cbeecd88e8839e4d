//! Encoded pictures, sound and unsound

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use object_detector::picture::{Limits, PictureError, decode, decode_into};
use proptest::prelude::*;

use super::frame;

const FORMATS: [ImageFormat; 3] = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP];

/// Left half red, right half blue, with a green top.
fn pattern(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| match (y < height / 4, x < width / 2) {
        (true, _) => Rgb([0, 255, 0]),
        (_, true) => Rgb([255, 0, 0]),
        (_, false) => Rgb([0, 0, 255]),
    })
}

fn encode(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = vec![];
    picture.into().write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

/// The JPEG file with an EXIF segment that says how the camera was held.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

/// The JPEG file with another size in its header.
fn with_size(mut jpeg: Vec<u8>, width: u16, height: u16) -> Vec<u8> {
    let header = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    jpeg[header + 5..header + 7].copy_from_slice(&height.to_be_bytes());
    jpeg[header + 7..header + 9].copy_from_slice(&width.to_be_bytes());
    jpeg
}

/// A PNG file that is all header.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let chunk = |name: &[u8], body: &[u8]| {
        let named = [name, body].concat();
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&length[..], &named, &crc32(&named).to_be_bytes()].concat()
    };
    let size = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &size), &chunk(b"IDAT", &[]), &chunk(b"IEND", &[])].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// A WebP file that says 16x16 outside and something else inside.
fn webp_with_inner_size(width: u16, height: u16) -> Vec<u8> {
    let chunk =
        |name: &[u8], body: &[u8]| [name, &u32::try_from(body.len()).unwrap().to_le_bytes(), body].concat();
    let outer = chunk(b"VP8X", &[0, 0, 0, 0, 15, 0, 0, 15, 0, 0]);
    let size = [width.to_le_bytes(), height.to_le_bytes()].concat();
    let inner = chunk(b"VP8 ", &[&[0x10, 0, 0, 0x9d, 0x01, 0x2a], &size[..], &[0; 32]].concat());
    chunk(b"RIFF", &[b"WEBP", &outer[..], &inner].concat())
}

fn refused(bytes: &[u8], limits: &Limits) -> PictureError {
    decode(bytes, limits).expect_err("the picture must be refused")
}

#[test]
fn every_format_gives_the_pixels() {
    let picture = pattern(64, 48);
    for format in FORMATS {
        let decoded = decode(&encode(picture.clone(), format), &Limits::default()).unwrap();
        assert_eq!(decoded.dimensions(), (64, 48));
        let difference = decoded.iter().zip(picture.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        // JPEG loses something, the others nothing
        assert!(difference <= if format == ImageFormat::Jpeg { 60 } else { 0 }, "{format:?}: {difference}");
    }
}

#[test]
fn grey_transparent_and_deep_pictures_become_plain_colour() {
    let picture = DynamicImage::from(pattern(20, 10));
    for kind in [
        DynamicImage::from(picture.to_luma8()),
        DynamicImage::from(picture.to_rgba8()),
        DynamicImage::from(picture.to_rgb16()),
        DynamicImage::from(picture.to_luma_alpha16()),
    ] {
        let expected = kind.to_rgb8();
        assert_eq!(decode(&encode(kind, ImageFormat::Png), &Limits::default()).unwrap(), expected);
    }
    let grey = decode(&encode(picture.to_luma8(), ImageFormat::Jpeg), &Limits::default()).unwrap();
    assert!(grey.pixels().all(|p| p[0] == p[1] && p[1] == p[2]));
}

#[test]
fn every_exif_orientation_is_turned_upright() {
    // upright: green above, red on the left; what the camera stored is turned the other way
    let upright = DynamicImage::from(pattern(64, 48));
    for (orientation, stored) in [
        (1, upright.clone()),
        (2, upright.fliph()),
        (3, upright.rotate180()),
        (4, upright.flipv()),
        (5, upright.rotate90().fliph()),
        (6, upright.rotate270()),
        (7, upright.rotate270().fliph()),
        (8, upright.rotate90()),
    ] {
        let bytes = with_orientation(&encode(stored, ImageFormat::Jpeg), orientation);
        let decoded = decode(&bytes, &Limits::default()).unwrap();
        assert_eq!(decoded.dimensions(), (64, 48), "orientation {orientation}");
        let near = |x, y, colour: [u8; 3]| {
            let pixel: &Rgb<u8> = decoded.get_pixel(x, y);
            assert!(
                pixel.0.iter().zip(colour).all(|(a, b)| a.abs_diff(b) < 40),
                "orientation {orientation}: {pixel:?} at {x},{y}"
            );
        };
        near(32, 4, [0, 255, 0]);
        near(8, 40, [255, 0, 0]);
        near(56, 40, [0, 0, 255]);
    }
}

#[test]
fn an_unknown_orientation_changes_nothing() {
    let jpeg = encode(pattern(64, 48), ImageFormat::Jpeg);
    let plain = decode(&jpeg, &Limits::default()).unwrap();
    assert_eq!(decode(&with_orientation(&jpeg, 9), &Limits::default()).unwrap(), plain);
}

#[test]
fn a_missing_end_is_an_error_wherever_it_is_cut() {
    for format in FORMATS {
        let whole = encode(pattern(64, 48), format);
        for length in 12..whole.len() - 4 {
            let error = refused(&whole[..length], &Limits::default());
            assert!(matches!(error, PictureError::Truncated), "{format:?} at {length}: {error:?}");
            assert_eq!(error.code(), "undecodable");
        }
    }
    // the thumbnail inside a segment has an end of its own
    let whole = encode(pattern(64, 48), ImageFormat::Jpeg);
    let segment =
        [&[0xff, 0xe2], &u16::try_from(whole.len() + 2).unwrap().to_be_bytes()[..], &whole].concat();
    let nested = [&whole[..2], &segment, &whole[2..]].concat();
    decode(&nested, &Limits::default()).unwrap();
    let error = refused(&nested[..nested.len() - 2], &Limits::default());
    assert!(matches!(error, PictureError::Truncated), "{error:?}");
}

#[test]
fn bytes_after_the_end_do_no_harm() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png] {
        let mut bytes = encode(pattern(64, 48), format);
        bytes.extend([0; 100]);
        decode(&bytes, &Limits::default()).unwrap();
    }
}

#[test]
fn what_is_no_picture_says_so() {
    let limits = Limits::default();
    assert!(matches!(refused(b"", &limits), PictureError::Empty));
    for bytes in
        [&b"x"[..], b"hello, world, this is text", b"GIF89a\x01\0\x01\0\0\0\0;", b"BM\0\0\0\0\0\0\0\0"]
    {
        let error = refused(bytes, &limits);
        assert!(matches!(error, PictureError::UnknownFormat), "{error:?}");
        assert_eq!(error.code(), "undecodable");
    }
    let mut damaged = encode(pattern(64, 48), ImageFormat::Png);
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    let error = refused(&damaged, &limits);
    assert!(matches!(error, PictureError::Damaged { .. }), "{error:?}");
    assert_eq!(error.code(), "undecodable");
}

#[test]
fn limits_hold() {
    let small = Limits::default().with(|limits| {
        limits.max_bytes = 100;
        limits.max_pixels = 64 * 48;
    });
    for format in FORMATS {
        let bytes = encode(pattern(64, 48), format);
        let exact = small.with(|limits| limits.max_bytes = bytes.len());
        decode(&bytes, &exact).unwrap();

        let error = refused(&bytes, &small.with(|limits| limits.max_bytes = bytes.len() - 1));
        assert!(matches!(error, PictureError::TooManyBytes { .. }), "{error:?}");
        assert_eq!(error.code(), "too-large");

        let error = refused(&bytes, &exact.with(|limits| limits.max_pixels = 64 * 48 - 1));
        assert!(matches!(error, PictureError::TooManyPixels { width: 64, height: 48, .. }), "{error:?}");
        assert_eq!(error.code(), "too-large");
    }
}

#[test]
fn bombs_are_refused_by_their_header() {
    let limits = Limits::default();
    for bomb in [
        with_size(encode(pattern(64, 48), ImageFormat::Jpeg), 65500, 65500),
        png_header(1_000_000, 1_000_000),
        png_header(60_000, 60_000),
        webp_with_inner_size(16383, 16383),
    ] {
        let error = refused(&bomb, &limits);
        assert_eq!(error.code(), "too-large", "{error:?}");
    }
}

#[test]
fn the_memory_of_an_earlier_picture_is_used_again() {
    let limits = Limits::default();
    let mut picture = decode(&frame(0), &limits).unwrap();
    let before = picture.as_raw().as_ptr();
    for jpeg in [frame(1), frame(2)] {
        decode_into(&jpeg, &limits, &mut picture).unwrap();
        assert_eq!(picture.as_raw().as_ptr(), before);
        assert_eq!(picture, decode(&jpeg, &limits).unwrap());
    }
    decode_into(b"", &limits, &mut picture).unwrap_err();
    assert_eq!(picture.dimensions(), (0, 0));
    decode_into(&encode(pattern(30, 20), ImageFormat::Png), &limits, &mut picture).unwrap();
    assert_eq!(picture, pattern(30, 20));
}

proptest! {
    /// Whatever happens to the bytes, the answer is a picture within the limits or an error, never a panic.
    #[test]
    fn fuzz_damage_never_panics(
        format in prop::sample::select(&FORMATS[..]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let limits = Limits::default().with(|limits| limits.max_pixels = 200_000);
        let mut bytes = encode(pattern(64, 48), format);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(picture) = decode(&bytes, &limits) {
            prop_assert!(u64::from(picture.width()) * u64::from(picture.height()) <= limits.max_pixels);
        }
    }
}
