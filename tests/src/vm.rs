//! A virtual machine with the kernel's USB and video drivers, which sees the host's files and loopback ports.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Where the machine sees the host's loopback.
pub const HOST: &str = "10.0.2.2";

/// A running machine; killed when dropped.
pub struct Machine {
    process: Child,
    console: ChildStdin,
    printed: Arc<Mutex<String>>,
}

impl Machine {
    /// Boots and runs the shell script `job`, a file of the host, as root; the machine ends when the script does.
    /// What it prints can be seen, and it reads what [`Machine::say`] says.
    ///
    /// # Panics
    /// When QEMU or the kernel is not there.
    pub fn boot(job: &Path) -> Self {
        let folder = prepared();
        let append = format!(
            "console=ttyS0 quiet panic=-1 edd=off tsc=reliable mitigations=off nokaslr job={}",
            job.display()
        );
        let mut process = Command::new("qemu-system-x86_64")
            // emulated: where tests run there is seldom a /dev/kvm that works
            .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "512", "-M", "q35"])
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"])
            .arg("-kernel")
            .arg(folder.join("vmlinuz"))
            .arg("-initrd")
            .arg(folder.join("initramfs.gz"))
            .args(["-append", &append, "-nic", "user,model=virtio-net-pci"])
            .args(["-virtfs", "local,path=/,mount_tag=host,security_model=none,multidevs=remap,readonly=on"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("QEMU is missing: apt-get install qemu-system-x86");
        let console = process.stdin.take().expect("a piped input");
        let output = process.stdout.take().expect("a piped output");
        let printed = Arc::new(Mutex::new(String::new()));
        let log = printed.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&line);
                let mut log = log.lock().expect("nobody panics with the log");
                log.push_str(text.trim_end());
                log.push('\n');
            }
        });
        Self { process, console, printed }
    }

    /// Says a line to the script.
    ///
    /// # Panics
    /// When the machine is off.
    pub fn say(&mut self, line: &str) {
        writeln!(self.console, "{line}").expect("the machine runs");
    }

    /// What it has printed so far.
    ///
    /// # Panics
    /// After a panic elsewhere.
    pub fn printed(&self) -> String {
        self.printed.lock().expect("nobody panics with the log").clone()
    }

    /// Waits until the script has ended and returns its exit code.
    ///
    /// # Panics
    /// When it does not end within `limit`.
    pub fn wait(&mut self, limit: Duration) -> i32 {
        let started = Instant::now();
        while self.process.try_wait().expect("a child can be waited for").is_none() {
            assert!(started.elapsed() < limit, "the machine runs on; it printed:\n{}", self.printed());
            std::thread::sleep(Duration::from_millis(20));
        }
        let printed = self.printed();
        let code = printed.rsplit_once("the job ended with ").and_then(|(_, rest)| rest.lines().next());
        code.and_then(|code| code.trim().parse().ok())
            .unwrap_or_else(|| panic!("the machine ended without its job; it printed:\n{printed}"))
    }
}

#[expect(clippy::print_stdout, reason = "shown with the failed test")]
impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        if std::thread::panicking() {
            println!("--- the machine printed:\n{}---", self.printed());
        }
    }
}

/// Kernel and RAM disk, kept in the target folder from one run to the next.
fn prepared() -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let folder = test.ancestors().nth(3).expect("target/release/deps/test").join("usb-vm");
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/usb-vm");
    let output = Command::new(script).arg(&folder).output().expect("scripts/usb-vm can be run");
    assert!(output.status.success(), "scripts/usb-vm: {}", String::from_utf8_lossy(&output.stderr));
    folder
}
