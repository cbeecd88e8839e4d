//! The service as a process of its own, which may be killed, or see another time.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use people_counter_ingest::config::Config;

use crate::world::World;

/// The running program.
pub struct Process(Child);

impl Process {
    pub fn start<'a>(config: &Path, environment: impl IntoIterator<Item = (&'a str, &'a OsStr)>) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_people-counter-ingest"))
            .arg("--config")
            .arg(config)
            .envs(environment)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// No goodbye and no chance to finish anything.
    pub fn kill(mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "it ended by itself");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Writes `config` as a file for the program.
pub fn write_config(world: &World, config: &Config) -> PathBuf {
    let mut text = toml::to_string(config).unwrap();
    // secrets are not printed
    text = text.replace("\"[redacted]\"", &format!("\"{}\"", world.store.secret_key()));
    let path = world.dir.path().join("ingest.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// The place of a frame in the spool as its file's name tells: boot and sequence.
pub fn order(path: &Path) -> (u64, u64) {
    let (boot, sequence) = path.file_stem().unwrap().to_str().unwrap().split_once('-').unwrap();
    (boot.parse().unwrap(), sequence.parse().unwrap())
}
