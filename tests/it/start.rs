//! Starting with a wrong configuration, and stopping.

use std::time::Duration;

use people_counter_tests::process::{Process, run};
use people_counter_tests::servers::Servers;
use people_counter_tests::system::{System, sample_frames};
use people_counter_tests::wait::eventually;

const SERVICES: [(&str, &str); 3] = [
    ("people-counter-ingest", "INGEST"),
    ("people-counter-inference", "INFERENCE"),
    ("people-counter-engage", "ENGAGE"),
];

/// Exit code and error of a service that is started with `toml`.
fn refused(service: &str, toml: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, toml).unwrap();
    let output = run(service, &["--config", &path.display().to_string(), "--check-config"], &[]);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn sample_configurations_are_accepted() {
    for (service, _) in SERVICES {
        let name = service.strip_prefix("people-counter-").unwrap();
        let path = format!("{}/../deploy/config/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        let (code, error) = refused(service, &text);
        assert_eq!((code, error.as_str()), (Some(0), ""), "{path}");
    }
}

#[test]
fn an_unknown_key_is_one_sentence_and_code_78() {
    for (service, prefix) in SERVICES {
        let (code, error) = refused(service, "[mqtt]\nurll = \"x\"\n");
        assert_eq!(code, Some(78), "{error}");
        assert!(error.contains("urll") && error.trim_end().lines().count() == 1, "{service}: {error}");
        let name = format!("{prefix}__MQTT__URLL");
        let output = run(service, &["--check-config"], &[(&name, "x")]);
        assert_eq!(output.status.code(), Some(78));
    }
}

#[test]
fn wrong_values_say_what_to_write() {
    let store = "[store]\nbucket = \"frames\"\naccess_key = \"a\"\nsecret_key = \"s\"\n";
    let camera = |text: &str| format!("{store}[[cameras]]\n{text}\n");
    let cases = [
        ("people-counter-engage", format!("{store}[mqtt]\nurl = \"broker\"\n"), "mqtt://host:1883"),
        ("people-counter-inference", format!("{store}[mqtt]\npassword = \"x\"\n"), "username"),
        ("people-counter-inference", "[store]\nbucket = \"\"\n".into(), "bucket"),
        ("people-counter-engage", format!("{store}[http]\nlisten = \"0.0.0.0:8080\"\n"), "access control"),
        (
            "people-counter-ingest",
            camera("device = \"../x\"\nsource = { kind = \"folder\", path = \"/tmp\" }"),
            "is not a device id",
        ),
        (
            "people-counter-ingest",
            camera("device = \"a\"\nsource = { kind = \"http\", url = \"ftp://camera/\" }"),
            "http:// or https://",
        ),
        ("people-counter-inference", format!("{store}[log]\nfilter = \"=\"\n"), "log filter"),
    ];
    for (service, toml, expected) in cases {
        let (code, error) = refused(service, &toml);
        assert_eq!(code, Some(78), "{service}: {error}");
        assert!(error.contains(expected), "{service} says {error:?}, not {expected:?}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let secret = "hunter2-hunter2";
    let folder = tempfile::tempdir().unwrap();
    for (service, prefix) in SERVICES {
        let name = service.strip_prefix("people-counter-").unwrap();
        let sample = format!("{}/../deploy/config/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        // the samples name files for their secrets; here they are given by the environment
        let text: Vec<String> = std::fs::read_to_string(sample)
            .unwrap()
            .lines()
            .filter(|line| !line.split('=').next().is_some_and(|key| key.trim_end().ends_with("_file")))
            .map(str::to_owned)
            .collect();
        let path = folder.path().join(format!("{name}.toml"));
        std::fs::write(&path, text.join("\n")).unwrap();
        let names = ["MQTT__USERNAME", "MQTT__PASSWORD", "STORE__ACCESS_KEY", "STORE__SECRET_KEY"]
            .map(|name| format!("{prefix}__{name}"));
        let variables: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), secret)).collect();
        let output = run(service, &["--config", path.to_str().unwrap(), "--print-config"], &variables);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("[mqtt]"), "{service}: {text}{}", String::from_utf8_lossy(&output.stderr));
        let shown: Vec<&str> = text.lines().filter(|line| line.contains(secret)).collect();
        assert!(shown.len() >= 2, "{service}: user name and access key are no secrets: {text}");
        for line in shown {
            let open = ["username", "access_key"].iter().any(|key| line.starts_with(key));
            assert!(open, "{service} prints {line}");
        }
    }
}

#[test]
fn a_missing_or_altered_model_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let picture = sample_frames().join("frame-000.jpg").display().to_string();
    let detect = |model: &str| {
        let output = run("people-counter-inference", &["detect", "--model", model, &picture], &[]);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let error = detect(&path);
    assert!(error.contains("model.toml"), "{error}");
    let source = format!("{}/../models/person-nanodet-g", env!("CARGO_MANIFEST_DIR"));
    let name = "person-nanodet-g-416x416.onnx";
    std::fs::copy(format!("{source}/model.toml"), folder.path().join("model.toml")).unwrap();
    let mut network = std::fs::read(format!("{source}/{name}")).unwrap();
    network[1_000_000] ^= 1;
    std::fs::write(folder.path().join(name), network).unwrap();
    let error = detect(&path);
    assert!(error.contains("sha256") || error.to_lowercase().contains("hash"), "{error}");
}

#[test]
fn detect_works_from_any_directory() {
    let picture = sample_frames().canonicalize().unwrap().join("frame-000.jpg").display().to_string();
    let output =
        std::process::Command::new(people_counter_tests::process::binary("people-counter-inference"))
            .args(["detect", "--min-score", "0.1", &picture])
            .current_dir("/")
            .output()
            .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let records: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let record = &records[0];
    assert_eq!(record["image"], picture.as_str());
    let boxes = record["boxes"].as_array().unwrap();
    let sure = boxes.iter().filter(|found| found[4].as_f64().unwrap() >= 0.36).count();
    assert_eq!(record["count"], sure);
    assert!(boxes.len() >= sure && sure >= 3, "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_broker_is_retried_visibly_and_stopping_still_works() {
    let folder = tempfile::tempdir().unwrap();
    let store = "[store]\nendpoint = \"http://127.0.0.1:1\"\nbucket = \"frames\"\naccess_key = \"a\"\nsecret_key = \"s\"\n";
    let pictures = sample_frames();
    for (service, _) in SERVICES {
        let path = folder.path().join(format!("{service}.toml"));
        let more = match service {
            "people-counter-engage" => "[http]\nlisten = \"127.0.0.1:0\"\n".to_owned(),
            "people-counter-ingest" => format!(
                "[[cameras]]\ndevice = \"a\"\nsource = {{ kind = \"folder\", path = \"{}\" }}\n",
                pictures.display()
            ),
            _ => String::new(),
        };
        std::fs::write(&path, format!("[mqtt]\nurl = \"mqtt://127.0.0.1:1\"\n{store}{more}")).unwrap();
        let mut process = Process::start(service, &["--config", &path.display().to_string()], folder.path());
        eventually("it says that the broker is away and that it tries again", || async {
            let printed = process.printed();
            (printed.contains("no connection to the broker") && printed.contains("next try")).then_some(())
        })
        .await;
        assert!(process.is_running());
        process.signal("TERM");
        let (status, _) = process.wait(Duration::from_secs(15));
        assert!(status.success(), "{service}: {status}\n{}", process.printed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_every_service_cleanly() {
    let mut system = System::start(Servers::embedded().await, 2, &sample_frames()).await;
    let mut processes = vec![&mut system.ingest, &mut system.engage];
    processes.extend(&mut system.inference);
    for process in processes {
        process.signal("TERM");
        let (status, _) = process.wait(Duration::from_secs(15));
        assert!(status.success(), "{status}\n{}", process.printed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_one_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let listen = format!("127.0.0.1:{port}");
    let variables = [
        ("ENGAGE__HTTP__LISTEN", listen.as_str()),
        ("ENGAGE__STORE__BUCKET", "frames"),
        ("ENGAGE__STORE__ACCESS_KEY", "a"),
        ("ENGAGE__STORE__SECRET_KEY", "s"),
    ];
    let output = run("people-counter-engage", &[], &variables);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&port) && error.contains("error: "), "{error}");
}
