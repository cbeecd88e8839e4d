//! The arrows of ARCHITECTURE.md, and what the shared crates may not know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Each package of the workspace and those of the workspace that it depends on (not for its tests).
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    packages
        .iter()
        .map(|package| {
            let needs = package["dependencies"].as_array().unwrap().iter();
            let needs = needs
                .filter(|needed| needed["kind"] != "dev")
                .map(|needed| needed["name"].as_str().unwrap())
                .filter(|needed| ours.contains(needed))
                .map(str::to_owned)
                .collect();
            (package["name"].as_str().unwrap().to_owned(), needs)
        })
        .collect()
}

#[test]
fn arrows_only_point_down() {
    let shared = ["iot-chassis", "iot-mqtt", "iot-storage", "iot-topic"];
    let service: Vec<&str> = [&shared[..], &["people-counter-events"]].concat();
    let inference: Vec<&str> = [&service[..], &["object-detector"]].concat();
    let demo = [
        "iot-chassis",
        "iot-sandbox",
        "people-counter-engage",
        "people-counter-inference",
        "people-counter-ingest",
    ];
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("iot-chassis", &[][..]),
        ("iot-sandbox", &[]),
        ("iot-storage", &[]),
        ("iot-topic", &[]),
        ("object-detector", &[]),
        ("iot-mqtt", &["iot-topic"]),
        ("people-counter-events", &["iot-topic"]),
        ("people-counter-ingest", &service),
        ("people-counter-engage", &service),
        ("people-counter-inference", &inference),
        ("people-counter-demo", &demo),
    ]);
    let mut arrows = arrows();
    arrows.remove("people-counter-tests");
    let known: BTreeSet<&str> = allowed.keys().copied().collect();
    let found: BTreeSet<&str> = arrows.keys().map(String::as_str).collect();
    assert_eq!(known, found, "a package came or went: say here what it may depend on");
    for (package, needs) in &arrows {
        for needed in needs {
            assert!(allowed[package.as_str()].contains(&needed.as_str()), "{package} must not use {needed}");
        }
    }
}

/// Calls `look` with each of our text files below `folder`.
fn each_file(folder: &Path, look: &mut impl FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | ".git" | ".venv" | "node_modules") {
                each_file(&path, look);
            }
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            look(&path, &text);
        }
    }
}

#[test]
fn the_shared_crates_know_nothing_of_people() {
    for name in ["chassis", "detector", "mqtt", "sandbox", "storage", "topic"] {
        each_file(&root().join("crates").join(name), &mut |path, text| {
            let lower = text.to_lowercase();
            assert!(!lower.contains("people"), "{} speaks of people", path.display());
        });
    }
}

/// Other teams build against the shared crates: a field or a variant that is added must not break them.
#[test]
fn public_types_of_the_shared_crates_can_grow() {
    // what anybody may make, and what would mean something else with one more field
    let plain = ["BoundingBox", "Detection", "OperationLabels", "RequestLabels"];
    for name in ["chassis", "detector", "mqtt", "sandbox", "storage", "topic"] {
        each_file(&root().join("crates").join(name).join("src"), &mut |path, text| {
            let lines: Vec<&str> = text.lines().collect();
            for (at, line) in lines.iter().enumerate() {
                let Some((kind, rest)) = line.strip_prefix("pub ").and_then(|line| line.split_once(' '))
                else {
                    continue;
                };
                let open = match kind {
                    "enum" => true,
                    "struct" if line.ends_with('{') => {
                        let fields = lines[at + 1..].iter().take_while(|line| **line != "}");
                        fields.clone().any(|line| line.starts_with("    pub "))
                            && !fields.clone().any(|line| line.starts_with("    pub("))
                    }
                    _ => continue,
                };
                let named = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap();
                let marked = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
                let marked = marked.clone().any(|line| *line == "#[non_exhaustive]");
                assert!(
                    !open || marked || plain.contains(&named),
                    "{}: {named} lacks #[non_exhaustive]",
                    path.display()
                );
            }
        });
    }
}

#[test]
fn files_hold_one_idea_each() {
    each_file(&root(), &mut |path, text| {
        let code = path
            .extension()
            .is_some_and(|kind| ["rs", "js", "css", "html"].contains(&kind.to_str().unwrap()));
        let lines = text.lines().count();
        assert!(!code || lines <= 600, "{} has {lines} lines, split it", path.display());
    });
}

#[test]
fn only_one_file_names_the_deprecated_actors() {
    let mut found = Vec::new();
    each_file(&root().join("services"), &mut |path, text| {
        if path.extension().is_some_and(|kind| kind == "rs") && text.contains("actix_web_actors") {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    });
    assert_eq!(found, ["live.rs"]);
}

#[test]
fn mains_are_thin() {
    for service in ["ingest", "inference", "engage", "demo"] {
        let path = root().join("services").join(service).join("src/main.rs");
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 15, "{} has {lines} lines", path.display());
    }
}
