//! The example service in a folder of its own.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The thermometer of `examples/`, which cargo builds beside the tests.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join("examples/thermometer_service");
    assert!(path.exists(), "{} is missing: cargo build --release --workspace --examples", path.display());
    path
}

/// A thermometer with its configuration, sensor and log in one folder; killed when dropped.
pub struct Thermometer {
    folder: TempDir,
    child: Option<Child>,
}

impl Thermometer {
    /// Its sensor says 21.5 degrees.
    pub fn new(config: &str) -> Self {
        let thermometer = Self { folder: tempfile::tempdir().unwrap(), child: None };
        std::fs::write(thermometer.path("sensor"), "21500\n").unwrap();
        thermometer.configure(config);
        thermometer
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where it serves health and metrics.
    pub fn socket(&self) -> PathBuf {
        self.path("admin.sock")
    }

    pub fn configure(&self, config: &str) {
        let (sensor, socket) = (self.path("sensor"), self.socket());
        let text = format!(
            "sensor = {:?}\nhttp = \"unix:{}\"\nevery = \"10ms\"\n{config}\n",
            sensor.display().to_string(),
            socket.display(),
        );
        std::fs::write(self.path("config.toml"), text).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = Command::new(program());
        command.arg("--config").arg(self.path("config.toml")).stdin(Stdio::null());
        command.env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC");
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, &[])
    }

    pub fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        self.command().args(arguments).envs(variables.iter().copied()).output().unwrap()
    }

    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    pub fn start_with(&mut self, variables: &[(&str, &str)]) {
        let log = std::fs::File::create(self.path("log")).unwrap();
        let child = self.command().envs(variables.iter().copied()).stderr(log).spawn().unwrap();
        self.child = Some(child);
        self.eventually("it serves health", |it| UnixStream::connect(it.socket()).is_ok());
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }

    pub fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }

    /// How it ended.
    pub fn wait(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let mut ended = None;
        self.eventually("it ends", |_| {
            ended = child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }

    pub fn eventually(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds(self) {
            assert!(Instant::now() < deadline, "not within 20 s: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Thermometer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
