//! What is different for some devices: how closely their pictures are looked at, and who counts.

use std::sync::Arc;

use anyhow::{Context, ensure};
use object_detector::{Scan, Tiles};
use people_counter_events::{DeviceID, Person};
use serde::{Deserialize, Serialize};

use crate::region::Region;

/// Options of some devices, a `[[devices]]` table. Of several that fit a device the first one holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceConfig {
    /// Which devices: an id, in which `*` stands for anything.
    pub device: String,
    /// Score from which a detection counts, 0 to 1; that of `[model]` if absent.
    pub threshold: Option<f32>,
    /// Least height of a person, as a fraction of the picture's height.
    pub min_height: f64,
    /// Polygons with corners `[x, y]` in fractions of the upright picture, origin top left: only people whose feet
    /// (the middle of the lower edge of the box) are in one of them count. None: everywhere.
    pub regions: Vec<Vec<[f64; 2]>>,
    /// Look with both networks and fuse their answers.
    pub fuse: bool,
    /// Look at parts of the picture too, for example `"2x2"`.
    pub tiles: Option<String>,
    /// How much tiles overlap, as a fraction of their size.
    pub overlap: Option<f32>,
}

impl DeviceConfig {
    /// How closely to look.
    pub(crate) fn scan(&self) -> anyhow::Result<Scan> {
        scan(self.fuse, self.tiles.as_deref(), self.overlap)
    }

    fn regions(&self) -> anyhow::Result<Vec<Region>> {
        self.regions.iter().map(|corners| Region::new(corners)).collect()
    }

    /// Checks everything, naming the key.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        Glob::new(&self.device)?;
        let share = |key: &str, value: f64| {
            ensure!((0.0..=1.0).contains(&value), "{key} {value} is not between 0 and 1");
            Ok(())
        };
        share("threshold", self.threshold.unwrap_or_default().into())?;
        share("min_height", self.min_height)?;
        self.regions().context("regions")?;
        self.scan().map(drop)
    }
}

/// The same options from a command line.
pub(crate) fn scan(fuse: bool, tiles: Option<&str>, overlap: Option<f32>) -> anyhow::Result<Scan> {
    let tiles = tiles.map(str::parse::<Tiles>).transpose().context("tiles")?;
    let tiles = match (tiles, overlap) {
        (Some(tiles), Some(overlap)) => Some(tiles.with_overlap(overlap).context("overlap")?),
        (None, Some(_)) => {
            anyhow::bail!("overlap is of use with tiles alone, add tiles or leave overlap out")
        }
        (tiles, None) => tiles,
    };
    Ok(Scan::default().with(|scan| {
        scan.tiles = tiles;
        scan.fuse = fuse;
    }))
}

/// A device id in which `*` stands for anything.
#[derive(Debug, Clone)]
struct Glob(String);

impl Glob {
    fn new(text: &str) -> anyhow::Result<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-*".contains(&byte);
        ensure!(
            (1..=DeviceID::MAX_LENGTH).contains(&text.len()) && text.bytes().all(plain),
            "device {text:?} is not valid, write a device id; * in it stands for anything"
        );
        Ok(Self(text.into()))
    }

    fn fits(&self, device: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = device.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

/// How people are looked for in the pictures of one device, and who of them counts.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) scan: Scan,
    pub(crate) threshold: f32,
    min_height: f64,
    regions: Vec<Region>,
}

impl Rule {
    /// Everybody from `threshold` on.
    pub(crate) fn everybody(scan: Scan, threshold: f32) -> Self {
        Self { scan, threshold, min_height: 0.0, regions: Vec::new() }
    }

    /// Whether somebody who was found counts.
    pub(crate) fn counts(&self, person: &Person) -> bool {
        let [x, y, width, height] = person.bounding_box;
        // feet at the lower edge of the picture are inside a region that ends there
        let feet = [x + width / 2.0, (y + height).min(1.0 - f64::EPSILON)];
        height >= self.min_height
            && (self.regions.is_empty() || self.regions.iter().any(|region| region.contains(feet)))
    }
}

/// The rule of every device.
#[derive(Debug)]
pub(crate) struct Rules {
    special: Vec<(Glob, Arc<Rule>)>,
    usual: Arc<Rule>,
}

impl Rules {
    /// `threshold` says from which score people count for a way of looking.
    pub(crate) fn new(devices: &[DeviceConfig], threshold: impl Fn(&Scan) -> f32) -> anyhow::Result<Self> {
        let special = devices.iter().map(|config| {
            let scan = config.scan()?;
            let rule = Rule {
                scan,
                threshold: config.threshold.unwrap_or_else(|| threshold(&scan)),
                min_height: config.min_height,
                regions: config.regions()?,
            };
            Ok((Glob::new(&config.device)?, Arc::new(rule)))
        });
        let usual = Rule::everybody(Scan::default(), threshold(&Scan::default()));
        Ok(Self { special: special.collect::<anyhow::Result<_>>()?, usual: Arc::new(usual) })
    }

    /// The rule of one device.
    pub(crate) fn of(&self, device: &DeviceID) -> Arc<Rule> {
        let special = self.special.iter().find(|(glob, _)| glob.fits(device.as_str()));
        special.map_or(&self.usual, |(_, rule)| rule).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(text: &str) -> DeviceConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (glob, device, fits) in [
            ("cam-1", "cam-1", true),
            ("cam-1", "cam-10", false),
            ("cam-*", "cam-10", true),
            ("cam-*", "cam-", true),
            ("cam-*", "dam-1", false),
            ("*", "anything", true),
            ("*-door", "front-door", true),
            ("*-door", "front-door-2", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "abbc", true),
            ("a*b*c", "ac", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(Glob::new(glob).unwrap().fits(device), fits, "{glob} {device}");
        }
        for bad in ["", "cam 1", "cam/1", &"x".repeat(65)] {
            assert!(Glob::new(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn the_first_table_that_fits_holds() {
        let tables =
            ["device = \"hall-1\"\nthreshold = 0.2", "device = \"hall-*\"\nfuse = true\ntiles = \"2x2\""];
        let threshold = |scan: &Scan| if scan.fuse { 0.4 } else { 0.3 };
        let rules = Rules::new(&tables.map(device), threshold).unwrap();
        let rule = |id: &str| rules.of(&id.parse().unwrap());
        assert_eq!((rule("hall-1").threshold, rule("hall-1").scan), (0.2, Scan::default()));
        let hall = rule("hall-2");
        assert!(hall.scan.fuse && hall.scan.tiles.is_some());
        assert_eq!(hall.threshold, 0.4);
        assert_eq!((rule("door").threshold, rule("door").scan), (0.3, Scan::default()));
    }

    #[test]
    fn people_count_by_their_feet_and_their_height() {
        let config = device(
            "device = \"a\"\nmin_height = 0.2\nregions = [[[0, 0.5], [1, 0.5], [1, 1], [0, 1]], \
             [[0.0, 0.0], [0.1, 0.0], [0.1, 0.4], [0.0, 0.4]]]",
        );
        config.check().unwrap();
        let rules = Rules::new(&[config], |_| 0.3).unwrap();
        let rule = rules.of(&"a".parse().unwrap());
        for (bounding_box, counts) in [
            ([0.4, 0.2, 0.1, 0.4], true),   // the feet are in the lower half, the head is not
            ([0.4, 0.05, 0.1, 0.4], false), // the feet are not
            ([0.4, 0.7, 0.1, 0.1], false),  // too small
            ([0.4, 0.6, 0.1, 0.4], true),   // feet on the lower edge of the picture
            ([0.0, 0.1, 0.1, 0.25], true),  // in the other region
        ] {
            assert_eq!(rule.counts(&Person { bounding_box, score: 0.9 }), counts, "{bounding_box:?}");
        }
    }

    #[test]
    fn wrong_options_are_one_clear_sentence() {
        for (text, expected) in [
            ("device = \"\"", "write a device id"),
            ("device = \"a\"\nthreshold = 1.5", "threshold 1.5"),
            ("device = \"a\"\nmin_height = 20", "min_height 20"),
            ("device = \"a\"\nregions = [[[0, 0], [1, 1]]]", "3 to 200 corners"),
            ("device = \"a\"\ntiles = \"many\"", "columns x rows"),
            ("device = \"a\"\ntiles = \"2x2\"\noverlap = 0.9", "0 to 0.5"),
            ("device = \"a\"\noverlap = 0.2", "add tiles"),
        ] {
            let error = format!("{:#}", device(text).check().unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(toml::from_str::<DeviceConfig>("devise = \"a\"").is_err());
    }
}
