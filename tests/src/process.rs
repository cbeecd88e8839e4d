//! The project's binaries as processes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// A binary of this workspace, built before the tests: `scripts/build`.
///
/// # Panics
/// When it has not been built.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let folder = test.parent().and_then(Path::parent).expect("target/release/deps/test");
    // beside a binary such as the benchmark, or one folder up from a test
    let beside = test.with_file_name(name);
    let path = if beside.exists() { beside } else { folder.join(name) };
    assert!(path.exists(), "{} is missing: scripts/build", path.display());
    path
}

/// User and system time of the process with this id, in seconds.
///
/// # Panics
/// When it has ended.
pub fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    // the name in brackets may hold anything
    let after_name = stat.rsplit(')').next().expect("something follows the name");
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() / 100.0
}

/// Resident memory of the process with this id, in MiB.
///
/// # Panics
/// When it has ended.
pub fn resident(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("it has memory");
    let kib = line.split_whitespace().nth(1).expect("a number follows");
    kib.parse::<f64>().expect("a number") / 1024.0
}

/// A running process; killed when dropped.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `name` with `arguments`; what it prints goes into `folder`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(name: &str, arguments: &[&str], folder: &Path) -> Self {
        Self::start_with(name, arguments, &[], folder)
    }

    /// [`Process::start`] with environment variables.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_with(name: &str, arguments: &[&str], variables: &[(&str, &str)], folder: &Path) -> Self {
        Self::start_program(&binary(name), arguments, variables, folder)
    }

    /// [`Process::start_with`] for a program that is none of ours.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_program(
        program: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
        folder: &Path,
    ) -> Self {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = folder.join(format!("{name}-{}.log", unique()));
        let file = std::fs::File::create(&log).expect("the log can be written");
        let child = Command::new(program)
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file handle can be cloned"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self { name, child, log }
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// `kill -9`, and waits for the end.
    ///
    /// # Panics
    /// When it is not there any more.
    pub fn kill(&mut self) {
        self.child.kill().expect("a running process can be killed");
        self.child.wait().expect("a killed process ends");
    }

    /// Sends `signal` (`TERM`, `INT`, `STOP`, `CONT`).
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success(), "{}: SIG{signal} could not be sent", self.name);
    }

    /// Waits for the end and says how it ended and how long that took.
    ///
    /// # Panics
    /// When it does not end within `limit`.
    pub fn wait(&mut self, limit: Duration) -> (ExitStatus, Duration) {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return (status, started.elapsed());
            }
            assert!(
                started.elapsed() < limit,
                "{} did not end within {limit:?}; it printed:\n{}",
                self.name,
                self.printed()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[expect(clippy::print_stdout, reason = "shown with the failed test")]
impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let printed = self.printed();
            let from = printed.len().saturating_sub(4000);
            let tail: String = printed.chars().skip(from).collect();
            println!("--- {} printed:\n{tail}---", self.name);
        }
    }
}

/// Runs a binary to its end and returns what it printed.
///
/// # Panics
/// When it cannot be started.
pub fn run(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(binary(name))
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn unique() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
