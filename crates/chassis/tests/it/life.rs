//! Health, log and signals of a running service.

use crate::process::Thermometer;

/// What `thermometer health` says: its exit code and error.
fn health(thermometer: &Thermometer) -> (Option<i32>, String) {
    let output = thermometer.run(&["health"]);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn health_tells_what_is_wrong_until_it_is_right() {
    let mut thermometer = Thermometer::new("");
    let (code, error) = health(&thermometer);
    assert_eq!(code, Some(1));
    assert!(error.contains("cannot ask unix:"), "{error}");
    thermometer.start();
    thermometer.eventually("it is ready", |it| health(it).0 == Some(0));
    std::fs::write(thermometer.path("sensor"), "warm").unwrap();
    thermometer.eventually("it says what is wrong", |it| {
        let (code, error) = health(it);
        code == Some(1) && error.contains("not ready (503): sensor: the sensor's answer is no number")
    });
}

#[test]
fn health_works_over_tcp_too() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let thermometer = Thermometer::new("");
    let variables = [("THERMOMETER__HTTP", address.as_str())];
    let ask = || thermometer.run_with(&["health"], &variables);
    assert_eq!(ask().status.code(), Some(1));
    let mut running = std::process::Command::new(crate::process::program())
        .env("THERMOMETER__HTTP", &address)
        .env("THERMOMETER__SENSOR", thermometer.path("sensor"))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::fs::write(thermometer.path("log"), "").unwrap();
    thermometer.eventually("it is ready", |_| ask().status.success());
    running.kill().unwrap();
    running.wait().unwrap();
}

#[test]
fn a_socket_left_behind_by_a_killed_process_is_replaced() {
    let mut thermometer = Thermometer::new("");
    thermometer.start();
    thermometer.signal("KILL");
    assert!(!thermometer.wait().success());
    assert!(thermometer.socket().exists());
    thermometer.start();
    thermometer.signal("TERM");
    assert!(thermometer.wait().success());
    assert!(!thermometer.socket().exists(), "a clean stop takes it away");
}

#[test]
fn two_cannot_listen_on_one_socket() {
    let mut thermometer = Thermometer::new("");
    thermometer.start();
    let output = thermometer.run(&[]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("cannot listen on unix:"), "{error}");
    assert_eq!(health(&thermometer).0, Some(0), "the first one is still served");
}

#[test]
fn the_log_filter_changes_at_a_hangup() {
    let mut thermometer = Thermometer::new("");
    thermometer.start();
    assert!(!thermometer.log().contains("21.5 degrees"));
    thermometer.configure("[log]\nfilter = \"debug\"");
    thermometer.signal("HUP");
    thermometer.eventually("readings are logged", |it| it.log().contains("21.5 degrees"));
    thermometer.configure("[log]\nfilter = \"=\"");
    thermometer.signal("HUP");
    thermometer.eventually("a wrong filter is refused", |it| it.log().contains("nothing changes"));
    let before = thermometer.log().matches("21.5 degrees").count();
    thermometer.eventually("readings go on", |it| it.log().matches("21.5 degrees").count() > before);
    assert!(!thermometer.log().contains('\u{1b}'), "no colours in a file");
    thermometer.signal("TERM");
    assert!(thermometer.wait().success());
}

#[test]
fn a_second_signal_quits_at_once() {
    let mut thermometer = Thermometer::new("cool_down = \"1h\"\ngrace = \"1h\"");
    thermometer.start();
    thermometer.signal("TERM");
    thermometer.eventually("it stops", |it| it.log().contains("a second signal quits"));
    thermometer.eventually("it is not ready any more", |it| health(it).1.contains("is stopping"));
    thermometer.signal("INT");
    assert_eq!(thermometer.wait().code(), Some(130));
}

#[test]
fn a_stop_that_outlasts_its_grace_period_is_a_failure() {
    let mut thermometer = Thermometer::new("cool_down = \"1h\"\ngrace = \"10ms\"");
    thermometer.start();
    thermometer.signal("TERM");
    assert_eq!(thermometer.wait().code(), Some(1));
    assert!(thermometer.log().contains("did not stop within 10ms"), "{}", thermometer.log());
}
