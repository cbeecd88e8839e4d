//! A service manager (systemd) that wants to be told.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::process::Thermometer;

/// The next line that is told.
fn told(manager: &UnixDatagram) -> String {
    let mut text = [0; 256];
    let length = manager.recv(&mut text).expect("nothing told within 20 s");
    String::from_utf8_lossy(&text[..length]).into_owned()
}

fn until(manager: &UnixDatagram, expected: &str) {
    while told(manager) != expected {}
}

#[test]
fn start_watchdog_and_stop_are_told() {
    let mut thermometer = Thermometer::new("");
    let path = thermometer.path("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let variables = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "100000")];
    thermometer.start_with(&variables);
    assert_eq!(told(&manager), "READY=1");
    until(&manager, "STATUS=ready");
    until(&manager, "WATCHDOG=1");
    until(&manager, "WATCHDOG=1");
    thermometer.signal("TERM");
    until(&manager, "STOPPING=1");
    assert!(thermometer.wait().success());
}

#[test]
fn a_watchdog_of_another_process_is_not_fed() {
    let mut thermometer = Thermometer::new("");
    let path = thermometer.path("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let notify = path.to_str().unwrap();
    let variables = [("NOTIFY_SOCKET", notify), ("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")];
    thermometer.start_with(&variables);
    until(&manager, "STATUS=ready");
    thermometer.signal("TERM");
    assert_eq!(told(&manager), "STOPPING=1");
    assert!(thermometer.wait().success());
}

#[test]
fn a_manager_that_cannot_be_reached_fails_the_start() {
    let thermometer = Thermometer::new("");
    let output = thermometer.run_with(&[], &[("NOTIFY_SOCKET", "/nowhere/notify")]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("NOTIFY_SOCKET"), "{error}");
}
