//! What the operator writes, and what the program says to it.

use std::path::Path;
use std::process::{Command, Output};

use iot_chassis::{Service as _, Telemetry};
use people_counter_ingest::Service;
use people_counter_ingest::config::{Config, Folder, Source, Video};

use crate::world::{World, write};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/config/ingest.toml");

pub fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_people-counter-ingest"))
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

pub fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_sample_is_valid() {
    let config: Config = iot_chassis::config::load("INGEST", Some(Path::new(SAMPLE))).unwrap();
    config.check().unwrap();
    let kinds: Vec<_> = config.cameras.iter().map(|camera| camera.source.kind()).collect();
    assert_eq!(kinds, ["folder", "video", "folder", "http", "rtsp"]);
    assert!(matches!(&config.cameras[1].source, Source::Video(video) if video.repeat));
    let output = run(&["--config", SAMPLE, "--check-config"], &[]);
    assert!(output.status.success(), "{}", complaint(&output));
}

#[test]
fn the_usb_camera_in_the_sample_is_valid() {
    let text = std::fs::read_to_string(SAMPLE).unwrap();
    let line = text.lines().find(|line| line.contains("kind = \"usb\"")).unwrap();
    #[derive(serde::Deserialize)]
    struct Only {
        source: Source,
    }
    let only: Only = toml::from_str(line.trim_start_matches('#')).unwrap();
    let problem = only.source.check().err().map(|error| error.to_string());
    assert_eq!(problem.is_none(), cfg!(feature = "camera"), "{problem:?}");
    assert!(problem.is_none_or(|problem| problem.contains("--features camera")));
}

#[test]
fn the_defaults_in_the_sample_are_the_defaults() {
    let text = std::fs::read_to_string(SAMPLE).unwrap();
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            // a key with its value, not a sentence
            Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => {
                format!("{rest}\n")
            }
            _ => format!("{line}\n"),
        })
        .filter(|line| !line.starts_with("ca_file"))
        .collect();
    let written: Config = toml::from_str(&text).unwrap();
    let complete: Config = toml::from_str(&uncommented).unwrap();
    assert!(uncommented.contains("\npatience = ") && uncommented.contains("\nkeep = "), "{uncommented}");
    assert_eq!(toml::to_string(&written).unwrap(), toml::to_string(&complete).unwrap());
}

#[test]
fn wrong_settings_end_with_one_sentence() {
    let output = run(&["--check-config"], &[("INGEST__STORE__BUCKET", "frames")]);
    assert_eq!(output.status.code(), Some(78));
    assert!(complaint(&output).contains("no camera is configured"), "{}", complaint(&output));

    let output = run(&["--config", SAMPLE], &[("INGEST__MQTT__URLL", "x")]);
    assert_eq!(output.status.code(), Some(78));
    assert!(complaint(&output).contains("urll"), "{}", complaint(&output));

    let output = run(&["--config", SAMPLE], &[("INGEST__ROOT", "a/+")]);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(complaint(&output).lines().count(), 1, "{}", complaint(&output));
}

#[test]
fn secrets_are_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "ingest.toml",
        b"[mqtt]\nusername = 'a'\npassword = 'hunter2'\n[store]\nbucket = 'frames'\naccess_key = 'b'\nsecret_key = 'hunter3'\n\
          [[cameras]]\ndevice = 'cam-1'\nsource = { kind = 'folder', path = '/p' }\nmqtt = { username = 'c', password = 'hunter4' }\n",
    );
    let path = folder.path().join("ingest.toml");
    let output = run(&["--config", path.to_str().unwrap(), "--print-config"], &[]);
    assert!(output.status.success(), "{}", complaint(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("cam-1") && !text.contains("hunter"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_on_this_machine_is_named_at_the_start() {
    let world = World::start().await;
    let sources = [
        (Source::Folder(Folder::new("/nowhere/at/all")), "cannot read the folder /nowhere/at/all"),
        (Source::Video(Video::new("/nowhere.avi")), "cannot read the video /nowhere.avi"),
        (
            Source::Video(Video { ffmpeg: "no-such-ffmpeg".into(), ..Video::new(SAMPLE) }),
            "apt-get install ffmpeg",
        ),
    ];
    for (source, words) in sources {
        let config = world.config(|_, camera| camera.source = source);
        let Err(problem) = Service::start(config, &Telemetry::default()).await else { panic!("it started") };
        let problem = format!("{problem:#}");
        assert!(problem.contains(words) && problem.contains("cam-1"), "{problem}");
    }
}
