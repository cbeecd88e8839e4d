//! Counting in one picture: bytes in, people and a preview out. No I/O.

use image::RgbImage;
use object_detector::{Detection, Scanner, picture};
use people_counter_events::{FailureReason, Person, Picture};

use crate::config::Config;
use crate::devices::Rule;
use crate::model::Models;
use crate::preview::{Preview, Previewer};

/// People below the threshold are blurred too: a detector that is not sure may still be right.
const BLUR_AT: f32 = 0.4;

/// What holds for every picture; shared by the workers.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) limits: picture::Limits,
    pub(crate) preview: Preview,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Analysis {
    /// Width of the upright picture in pixels.
    pub(crate) width: u32,
    /// Height of the upright picture in pixels.
    pub(crate) height: u32,
    /// Those who count, by falling score.
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
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            limits: picture::Limits::default().with(|limits| {
                limits.max_bytes = config.limits.picture_bytes;
                limits.max_pixels = config.limits.picture_pixels;
            }),
            preview: Preview {
                show: config.picture.show,
                width: config.picture.preview_width,
                always: config.picture.deletes(),
            },
        }
    }
}

/// What a worker thread analyses with: networks, and memory that is used again for every picture.
pub(crate) struct Analyst {
    scanner: Scanner,
    /// The class that is counted.
    class: usize,
    pixels: RgbImage,
    previewer: Previewer,
}

impl Analyst {
    pub(crate) fn new(models: &Models) -> anyhow::Result<Self> {
        Ok(Self {
            scanner: models.scanner()?,
            class: models.class()?,
            pixels: RgbImage::default(),
            previewer: Previewer::default(),
        })
    }

    /// Counts in an encoded picture.
    pub(crate) fn analyse(
        &mut self,
        settings: &Settings,
        rule: &Rule,
        bytes: &[u8],
    ) -> Result<Analysis, Failure> {
        picture::decode_into(bytes, &settings.limits, &mut self.pixels).map_err(|error| Failure {
            reason: if error.code() == "too-large" {
                FailureReason::TooLarge
            } else {
                FailureReason::Undecodable
            },
            message: error.to_string(),
        })?;
        let lowest = match settings.preview.show {
            Picture::Blurred => rule.threshold * BLUR_AT,
            Picture::Original | Picture::Withheld => rule.threshold,
        };
        let mut found = self
            .scanner
            .detect(&self.pixels, &rule.scan, lowest)
            .map_err(|error| Failure { reason: FailureReason::Undecodable, message: error.to_string() })?;
        found.retain(|detection| detection.class == self.class);
        let (width, height) = self.pixels.dimensions();
        let people = people(rule, &found, width, height);
        let (show, preview) = self.previewer.make(&settings.preview, &self.pixels, &found);
        Ok(Analysis { width, height, people, preview, show })
    }
}

/// Those of the found who count in a picture of this size.
pub(crate) fn people(rule: &Rule, found: &[Detection], width: u32, height: u32) -> Vec<Person> {
    found
        .iter()
        .filter(|detection| detection.score >= rule.threshold)
        .map(|detection| person(detection, width, height))
        .filter(|person| rule.counts(person))
        .collect()
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

#[cfg(test)]
mod tests {
    use object_detector::Scan;

    use super::*;
    use crate::devices::{DeviceConfig, Rules};

    fn sample(number: usize) -> Vec<u8> {
        let path = format!("{}/../demo/sample/frame-{number:03}.jpg", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).unwrap()
    }

    fn analyse(options: &str, picture: &[u8]) -> Analysis {
        let device: DeviceConfig = toml::from_str(&format!("device = \"*\"\n{options}")).unwrap();
        let config = Config { devices: vec![device.clone()], ..Config::default() };
        let models = Models::load(&config).unwrap();
        let rules = Rules::new(&config.devices, |scan| models.threshold(None, scan)).unwrap();
        let rule = rules.of(&"any".parse().unwrap());
        Analyst::new(&models).unwrap().analyse(&Settings::new(&config), &rule, picture).unwrap()
    }

    #[test]
    fn options_of_a_device_change_who_counts() {
        let picture = sample(40);
        let all = analyse("", &picture).people;
        assert!(all.len() >= 3, "{all:?}");
        assert!(analyse("threshold = 0.05", &picture).people.len() > all.len());
        assert!(analyse("threshold = 0.99", &picture).people.is_empty());
        assert!(analyse("min_height = 0.9", &picture).people.is_empty());

        let left = analyse("regions = [[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]]", &picture).people;
        let right = analyse("regions = [[[0.5, 0], [1, 0], [1, 1], [0.5, 1]]]", &picture).people;
        assert!(!left.is_empty() && !right.is_empty() && left.len() + right.len() == all.len());
        assert!(left.iter().all(|person| person.bounding_box[0] < 0.5));
    }

    #[test]
    fn tiles_and_fusing_find_the_people_that_are_there() {
        let picture = sample(40);
        let plain = analyse("", &picture).people;
        for options in ["tiles = \"2x2\"", "fuse = true", "fuse = true\ntiles = \"2x2\"\noverlap = 0.3"] {
            let found = analyse(options, &picture).people;
            for person in plain.iter().filter(|person| person.score > 0.7) {
                let near = |a: f64, b: f64| (a - b).abs() < 0.05;
                let there = found.iter().any(|other| {
                    person.bounding_box.iter().zip(other.bounding_box).all(|(a, b)| near(*a, b))
                });
                assert!(there, "{options}: {person:?} is missing among {found:?}");
            }
        }
    }

    #[test]
    fn a_further_picture_allocates_nothing_of_its_size() {
        const PIXELS: (u32, u32) = (2000, 1500);
        let pixels =
            RgbImage::from_fn(PIXELS.0, PIXELS.1, |x, y| image::Rgb([x as u8, y as u8, (x / 9) as u8]));
        let mut picture = Vec::new();
        image::codecs::jpeg::JpegEncoder::new(&mut picture).encode_image(&pixels).unwrap();
        // the activations of a network are its runtime's: this one has hardly any
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/detector/tests/models/yolov8");
        let mut config = Config::default();
        config.model.folder = Some(folder.into());
        config.picture.show = Picture::Blurred;
        let models = Models::load(&config).unwrap();
        let (settings, rule) = (Settings::new(&config), Rule::everybody(Scan::default(), 0.5));
        let mut analyst = Analyst::new(&models).unwrap();
        analyst.analyse(&settings, &rule, &picture).unwrap();

        let used = allocation_counter::measure(|| {
            analyst.analyse(&settings, &rule, &picture).unwrap();
        });
        let size = 3 * u64::from(PIXELS.0) * u64::from(PIXELS.1);
        let most = size / 4 + picture.len() as u64;
        assert!(used.bytes_max < most, "{} bytes at once for a picture of {size}", used.bytes_max);
    }
}
