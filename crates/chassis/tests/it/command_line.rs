//! What the command line promises.

use std::process::Output;

use crate::process::Thermometer;

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn version_and_build_are_printed() {
    let output = Thermometer::new("").run(&["--version"]);
    assert!(output.status.success());
    let expected = format!("thermometer {} ({})\n", env!("CARGO_PKG_VERSION"), iot_chassis::BUILD);
    assert_eq!(printed(&output), expected);
}

#[test]
fn the_resulting_configuration_is_printed_and_can_be_read_again() {
    let thermometer = Thermometer::new("grace = \"3s\"");
    let output = thermometer.run(&["--print-config"]);
    assert!(output.status.success());
    let text = printed(&output);
    assert!(text.contains("grace = \"3s\"") && text.contains("cool_down = \"0s\""), "{text}");
    std::fs::write(thermometer.path("config.toml"), &text).unwrap();
    assert_eq!(printed(&thermometer.run(&["--print-config"])), text);
}

#[test]
fn a_wrong_configuration_is_one_sentence_and_code_78() {
    for (config, expected) in [
        ("evry = \"1s\"", "evry"),
        ("cool_down = \"soon\"", "cool_down"),
        ("[log]\nfilter = \"=\"", "log filter"),
        ("grace = 1s", "config.toml"),
    ] {
        let output = Thermometer::new(config).run(&["--check-config"]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{config}: {error}");
        assert!(error.contains(expected), "{config}: {error}");
    }
    let output = Thermometer::new("").run_with(&["--check-config"], &[("THERMOMETER__HTTP", "localhost")]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{error}");
    assert!(error.contains("unix:/path") && error.trim_end().lines().count() == 1, "{error}");
    let good = Thermometer::new("").run(&["--check-config"]);
    assert!(good.status.success() && good.stdout.is_empty() && good.stderr.is_empty());
}

#[test]
fn an_unknown_argument_is_code_2() {
    assert_eq!(Thermometer::new("").run(&["--colour"]).status.code(), Some(2));
}
