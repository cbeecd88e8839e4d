//! Counting in one picture: bytes in, people and a preview out. No I/O.

use anyhow::Context;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, RgbImage};
use object_detector::{BoundingBox, Detection, Detector, Model, picture};
use people_counter_events::{FailureReason, Person, Picture};

use crate::blur::blur_boxes;
use crate::config::Config;
use crate::model::person_class;

/// People below the threshold are blurred too: a detector that is not sure may still be right.
const BLUR_AT: f32 = 0.4;
/// Quality of the preview's JPEG.
const PREVIEW_QUALITY: u8 = 80;

/// What to look for; shared by the workers.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) limits: picture::Limits,
    pub(crate) class: usize,
    pub(crate) threshold: f32,
    pub(crate) show: Picture,
    pub(crate) preview_width: u32,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Analysis {
    /// Width of the upright picture in pixels.
    pub(crate) width: u32,
    /// Height of the upright picture in pixels.
    pub(crate) height: u32,
    /// By falling score.
    pub(crate) people: Vec<Person>,
    /// JPEG, if viewers need one.
    pub(crate) preview: Option<Vec<u8>>,
    /// What viewers may see of this picture.
    pub(crate) show: Picture,
}

/// Why nothing was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: FailureReason,
    pub(crate) message: String,
}

impl Settings {
    pub(crate) fn new(config: &Config, model: &Model) -> anyhow::Result<Self> {
        Ok(Self {
            limits: picture::Limits {
                max_bytes: config.limits.picture_bytes,
                max_pixels: config.limits.picture_pixels,
            },
            class: person_class(model)?,
            threshold: config.model.threshold.unwrap_or(model.manifest().threshold),
            show: config.picture.show,
            preview_width: config.picture.preview_width,
        })
    }
}

/// Counts in the encoded picture `bytes`; `pixels` is scratch memory that is used again.
pub(crate) fn analyse(
    detector: &mut Detector,
    settings: &Settings,
    bytes: &[u8],
    pixels: &mut RgbImage,
) -> Result<Analysis, Failure> {
    picture::decode_into(bytes, &settings.limits, pixels).map_err(|error| Failure {
        reason: if error.code() == "too-large" {
            FailureReason::TooLarge
        } else {
            FailureReason::Undecodable
        },
        message: error.to_string(),
    })?;
    let lowest = match settings.show {
        Picture::Blurred => settings.threshold * BLUR_AT,
        Picture::Original | Picture::Withheld => settings.threshold,
    };
    let mut found = detector
        .detect(pixels, lowest)
        .map_err(|error| Failure { reason: FailureReason::Undecodable, message: error.to_string() })?;
    found.retain(|detection| detection.class == settings.class);
    let (width, height) = pixels.dimensions();
    let people = found
        .iter()
        .filter(|detection| detection.score >= settings.threshold)
        .map(|detection| person(detection, width, height))
        .collect();
    let (show, preview) = preview(settings, pixels, &found);
    Ok(Analysis { width, height, people, preview, show })
}

/// What viewers get. When no preview can be made of a picture that must be blurred, they get none.
fn preview(settings: &Settings, pixels: &RgbImage, found: &[Detection]) -> (Picture, Option<Vec<u8>>) {
    let wide = pixels.width() > settings.preview_width;
    let made = match settings.show {
        Picture::Withheld => return (Picture::Withheld, None),
        Picture::Original if !wide => return (Picture::Original, None),
        Picture::Original => encode(&shrink(pixels, settings.preview_width)),
        Picture::Blurred => {
            let mut small = if wide { shrink(pixels, settings.preview_width) } else { pixels.clone() };
            let scale = small.width() as f32 / pixels.width() as f32;
            let boxes: Vec<BoundingBox> = found.iter().map(|found| scaled(&found.bbox, scale)).collect();
            blur_boxes(&mut small, &boxes);
            encode(&small)
        }
    };
    match (made, settings.show) {
        (Ok(jpeg), show) => (show, Some(jpeg)),
        (Err(error), Picture::Original) => {
            tracing::warn!("{error:#}; viewers get the original");
            (Picture::Original, None)
        }
        (Err(error), _) => {
            tracing::warn!("{error:#}; viewers get no picture");
            (Picture::Withheld, None)
        }
    }
}

fn shrink(pixels: &RgbImage, width: u32) -> RgbImage {
    let height = (u64::from(pixels.height()) * u64::from(width) / u64::from(pixels.width())).max(1) as u32;
    image::imageops::resize(pixels, width, height, FilterType::Triangle)
}

fn encode(pixels: &RgbImage) -> anyhow::Result<Vec<u8>> {
    let mut jpeg = Vec::new();
    DynamicImage::ImageRgb8(pixels.clone())
        .write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, PREVIEW_QUALITY))
        .context("cannot encode the preview")?;
    Ok(jpeg)
}

fn scaled(bbox: &BoundingBox, scale: f32) -> BoundingBox {
    BoundingBox { x1: bbox.x1 * scale, y1: bbox.y1 * scale, x2: bbox.x2 * scale, y2: bbox.y2 * scale }
}

/// A detection in the contract's terms: fractions of the picture, four digits are a tenth of a pixel.
fn person(detection: &Detection, width: u32, height: u32) -> Person {
    let round = |value: f32| (f64::from(value) * 10_000.0).round() / 10_000.0;
    let bbox = &detection.bbox;
    let (width, height) = (width as f32, height as f32);
    let bounding_box = [
        round(bbox.x1 / width),
        round(bbox.y1 / height),
        round(bbox.width() / width),
        round(bbox.height() / height),
    ];
    Person { bounding_box, score: round(detection.score.clamp(0.0, 1.0)) }
}
