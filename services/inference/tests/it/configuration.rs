//! The sample configuration, and what is refused.

use std::collections::HashMap;
use std::path::Path;

use iot_chassis::Service as _;
use people_counter_inference::{Config, Service, Threads};

/// What has no default.
const STORE: &str = "[store]\nbucket = \"frames\"\n";

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("inference.toml");
    std::fs::write(&file, text).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    iot_chassis::config::load_from(Service::ENV, Some(&file), None, variables)
        .map_err(|error| error.to_string())
}

#[test]
fn the_sample_is_valid() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config/inference.toml");
    let config: Config =
        iot_chassis::config::load_from(Service::ENV, Some(&sample), None, HashMap::new()).unwrap();
    Service::check(&config).unwrap();
    assert_eq!(config.workers, Threads::Auto);
}

#[test]
fn every_option_of_the_sample_is_valid_once_it_is_uncommented() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config/inference.toml");
    let text = std::fs::read_to_string(sample).unwrap();
    let (_, devices) = text.split_once("# [[devices]]").unwrap();
    let table: String = devices
        .lines()
        .skip(1)
        .map_while(|line| line.strip_prefix("# "))
        .map(|line| format!("{line}\n"))
        .collect();
    let config = load(&format!("[[devices]]\n{table}\n{STORE}"), &[]).unwrap();
    Service::check(&config).unwrap();
    let device = &config.devices[0];
    assert!(device.threshold.is_some() && device.fuse && device.tiles.is_some() && device.overlap.is_some());
    assert!(device.min_height > 0.0 && !device.regions.is_empty());
}

#[test]
fn workers_come_from_the_environment_too() {
    assert_eq!(load("", &[("INFERENCE__WORKERS", "3")]).unwrap().workers, Threads::Number(3));
    assert_eq!(load("workers = 3", &[("INFERENCE__WORKERS", "auto")]).unwrap().workers, Threads::Auto);
    assert!(load("workers = 0", &[]).unwrap_err().contains("\"auto\" or a number"));
}

#[test]
fn contradictions_are_one_clear_sentence() {
    for (text, expected) in [
        ("[[devices]]\ndevice = \"a b\"", "devices, \"a b\": device \"a b\" is not valid"),
        ("[[devices]]\ndevice = \"a\"\nregions = [[[0, 0], [9, 9], [0, 9]]]", "write fractions"),
        ("[model]\nfolder = \"/own\"\n[[devices]]\ndevice = \"a\"\nfuse = true", "model.fuse_with"),
        ("[picture]\nshow = \"blurred\"\noriginals = \"keep\"", "picture.originals"),
        ("[picture]\nshow = \"blurred\"\n[compat]\ntopic = \"image/latest\"", "picture.show = \"original\""),
        (
            "[picture]\noriginals = \"delete\"\n[compat]\ntopic = \"image/latest\"",
            "picture.show = \"original\"",
        ),
        ("[compat]\ntopic = \"image/#\"", "is not one topic"),
        ("[compat]\ntopic = \"people-counter/v1/devices/a/frames\"", "is below root"),
    ] {
        let config = load(
            &format!("{text}\n[store]\nbucket = \"frames\"\naccess_key = \"a\"\nsecret_key = \"b\"\n"),
            &[],
        )
        .unwrap();
        let error = format!("{:#}", Service::check(&config).unwrap_err());
        assert!(error.contains(expected), "{text}: {error}");
    }
}
