//! Which cameras there are.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use people_counter_ingest::config::{Camera, Folder, Source};
use people_counter_ingest::parse_source;

use crate::arguments::Arguments;
use crate::sample;

/// The sample cameras' paces, so that they do not tick together.
const PACES_MS: [u64; 6] = [1000, 700, 1300, 900, 1600, 1100];
/// Pace of a camera of one's own.
const OWN_PACE: Duration = Duration::from_secs(1);
const PLACES: [&str; 6] = ["North gate", "South gate", "Car park", "Footbridge", "Bus stop", "Lawn"];

/// The sample cameras, each at its own offset and pace, and those of the command line.
pub(crate) fn choose(arguments: &Arguments, clip: &Path) -> anyhow::Result<Vec<Camera>> {
    let mut cameras = Vec::new();
    for number in 0..usize::from(arguments.cameras) {
        let mut source = Folder::new(clip);
        source.start = number * sample::frames() / PACES_MS.len();
        let mut camera = Camera::new(format!("camera-{}", number + 1).parse()?, Source::Folder(source));
        camera.interval = Duration::from_millis(PACES_MS[number % PACES_MS.len()]);
        camera.labels.insert("name".into(), PLACES[number % PLACES.len()].into());
        cameras.push(camera);
    }
    for (number, text) in arguments.source.iter().enumerate() {
        let source = parse_source(text).with_context(|| format!("--source {text}"))?;
        let mut camera = Camera::new(format!("own-{}", number + 1).parse()?, source);
        camera.interval = OWN_PACE;
        cameras.push(camera);
    }
    anyhow::ensure!(!cameras.is_empty(), "there is no camera, give --cameras N or --source");
    Ok(cameras)
}
