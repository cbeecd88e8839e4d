//! The service as a process, which can be killed and whose log can be read.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::stage::Stage;

/// The service as a process, with a configuration file.
pub struct Process {
    child: Child,
    folder: tempfile::TempDir,
}

impl Process {
    pub fn start(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("engage.toml"), text).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_people-counter-engage"))
            .arg("--config")
            .arg(folder.path().join("engage.toml"))
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    /// Its configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("engage.toml")
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // ignored: it may have ended
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A configuration file for the broker and store of the stage.
pub fn file(stage: &Stage, rules: &Path, push: &str) -> String {
    let (broker, store) = (stage.broker.url(), &stage.store);
    format!(
        "[mqtt]\nurl = \"{broker}\"\n[store]\nendpoint = \"{}\"\nbucket = \"people-counter\"\naccess_key = \"{}\"\n\
         secret_key = \"{}\"\n[http]\nlisten = \"127.0.0.1:0\"\n[log]\nfilter = \"trace,mio=off\"\n\
         [push]\nenabled = true\nrules = \"{}\"\n{push}",
        store.endpoint(),
        store.access_key(),
        store.secret_key(),
        rules.display(),
    )
}
