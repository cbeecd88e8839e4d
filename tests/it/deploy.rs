//! What `deploy/` offers does what it says: rights on the broker, configurations, policies, units.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use iot_mqtt::{Client, Config, Inbox, Message, Options};
use iot_sandbox::{ObjectStore, StoreOptions};
use people_counter_events::Topics;
use people_counter_tests::process::{Process, run};
use people_counter_tests::rest::Rest;
use people_counter_tests::servers::{BUCKET, Mosquitto};
use people_counter_tests::system::sample_frames;
use people_counter_tests::wait::{eventually, free_port};
use serde_json::Value;

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(path).canonicalize().unwrap()
}

/// A password per user; nothing secret about it.
fn password(user: &str) -> String {
    format!("password-of-{user}")
}

const CAMERA: &str = "front-door";
const NEIGHBOUR: &str = "back-door";

async fn broker() -> Mosquitto {
    let passwords = [CAMERA, NEIGHBOUR, "inference", "engage", "operator"].map(|user| (user, password(user)));
    let users: Vec<(&str, &str)> =
        passwords.iter().map(|(user, password)| (*user, password.as_str())).collect();
    Mosquitto::with_rights(&deploy("mosquitto/acl"), &users).await
}

/// Connects as `user` and listens to `filter`.
async fn connect(broker: &Mosquitto, user: &str, filter: &str) -> (Client, Inbox) {
    let config = Config::default().with(|config| {
        config.url = broker.url();
        config.username = Some(user.into());
        config.password = Some(password(user));
    });
    let mut options = Options::new(config, format!("test-{user}")).unwrap();
    let inbox = options.subscribe(filter);
    let client = options.connect();
    let mut state = client.state();
    state.wait_for(|state| state.subscribed).await.unwrap();
    (client, inbox)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_its_rights_on_the_broker_every_service_can_do_its_work() {
    let broker = broker().await;
    let store = ObjectStore::start(StoreOptions::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let common = |user: &str| {
        format!(
            "[mqtt]\nurl = \"{}\"\nusername = \"{user}\"\npassword = \"{}\"\n[store]\nendpoint = \"{}\"\n\
             bucket = \"{BUCKET}\"\naccess_key = \"{}\"\nsecret_key = \"{}\"\n",
            broker.url(),
            password(user),
            store.endpoint(),
            store.access_key(),
            store.secret_key()
        )
    };
    let camera = format!(
        "[[cameras]]\ndevice = \"{CAMERA}\"\ninterval = \"500ms\"\nsource = {{ kind = \"folder\", path = \"{}\" }}\n",
        sample_frames().display()
    );
    let configs = [
        ("people-counter-engage", format!("{}[http]\nlisten = \"127.0.0.1:{port}\"\n", common("engage"))),
        ("people-counter-inference", format!("workers = 1\n{}", common("inference"))),
        ("people-counter-ingest", format!("{}{camera}", common(CAMERA))),
    ];
    let _processes = configs.map(|(name, text)| {
        let path = folder.path().join(format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        Process::start(name, &["--config", path.to_str().unwrap()], folder.path())
    });
    let rest = Rest::new(format!("http://127.0.0.1:{port}"));
    let first = eventually("the camera is live", || async {
        let all = rest.devices().await?;
        let device = all.devices.into_iter().find(|device| device.state == "live")?;
        device.sequence
    })
    .await;
    eventually("its frames are settled, so that more follow", || async {
        let all = rest.devices().await?;
        (all.devices.first()?.sequence? >= first + 10).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_can_write_its_own_topics_alone() {
    let broker = broker().await;
    let topics = Topics::new(Topics::DEFAULT_ROOT).unwrap();
    // who may read everything, to see what gets through
    let (_engage, mut seen) =
        connect(&broker, "engage", &format!("{}/devices/#", Topics::DEFAULT_ROOT)).await;
    let (camera, _own) = connect(&broker, CAMERA, &topics.counts.name(&[CAMERA]).unwrap()).await;

    for topic in [
        topics.status.name(&[NEIGHBOUR]).unwrap(),
        topics.frames.name(&[NEIGHBOUR]).unwrap(),
        topics.counts.name(&[NEIGHBOUR]).unwrap(),
        topics.commands.name(&[CAMERA]).unwrap(),
        topics.nodes.name(&["inference", "intruder"]).unwrap(),
    ] {
        let refused = camera.publish(Message::new(topic.clone(), "{}").retained()).await;
        assert!(refused.is_err(), "{CAMERA} could publish to {topic}");
    }
    let own = topics.status.name(&[CAMERA]).unwrap();
    camera.publish(Message::new(own.clone(), "{}").retained()).await.unwrap();
    let delivery = tokio::time::timeout(Duration::from_secs(20), seen.recv()).await.unwrap().unwrap();
    assert_eq!(delivery.topic(), own, "nothing that was refused arrived before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_cannot_read_what_others_send() {
    let broker = broker().await;
    let topics = Topics::new(Topics::DEFAULT_ROOT).unwrap();
    let (neighbour, _inbox) = connect(&broker, NEIGHBOUR, &topics.counts.name(&[NEIGHBOUR]).unwrap()).await;
    // mosquitto grants the subscription, and delivers nothing that the rules do not allow
    let (camera, mut seen) = connect(&broker, CAMERA, &format!("{}/devices/#", Topics::DEFAULT_ROOT)).await;
    neighbour.publish(Message::new(topics.status.name(&[NEIGHBOUR]).unwrap(), "{}")).await.unwrap();
    let own = topics.counts.name(&[CAMERA]).unwrap();
    camera.publish(Message::new(own.clone(), "{}")).await.unwrap();
    let delivery = tokio::time::timeout(Duration::from_secs(20), seen.recv()).await.unwrap().unwrap();
    assert_eq!(delivery.topic(), own);
}

#[test]
fn configurations_of_compose_and_kubernetes_are_accepted() {
    let files = [
        ("ingest", "compose/config/ingest.toml"),
        ("inference", "compose/config/inference.toml"),
        ("engage", "compose/config/engage.toml"),
        ("inference", "kubernetes/base/inference.toml"),
        ("engage", "kubernetes/base/engage.toml"),
    ];
    for (service, file) in files {
        let prefix = service.to_uppercase();
        let variables = [
            ("MQTT__URL", "mqtt://broker:1883"),
            ("MQTT__USERNAME", service),
            ("MQTT__PASSWORD", "x"),
            ("STORE__ENDPOINT", "http://store:3900"),
            ("STORE__REGION", "garage"),
            ("STORE__BUCKET", "people-counter"),
            ("STORE__ACCESS_KEY", "x"),
            ("STORE__SECRET_KEY", "x"),
        ]
        .map(|(key, value)| (format!("{prefix}__{key}"), value));
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(key, value)| (key.as_str(), *value)).collect();
        let path = deploy(file).display().to_string();
        let output =
            run(&format!("people-counter-{service}"), &["--config", &path, "--check-config"], &variables);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        // the sample pictures are mounted into the container, not here
        assert!(output.status.success() || error.contains("/pictures"), "{file}: {error}");
    }
}

#[test]
fn the_copies_of_the_access_rules_are_the_same() {
    let original = std::fs::read_to_string(deploy("mosquitto/acl")).unwrap();
    assert_eq!(original, std::fs::read_to_string(deploy("kubernetes/overlays/trial/acl")).unwrap());
}

#[test]
fn store_policies_grant_what_they_name_and_nothing_else() {
    let folder = deploy("store");
    let mut policies = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let policy: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let Some(statements) = policy["Statement"].as_array() else { continue };
        policies += 1;
        for statement in statements {
            for action in statement["Action"].as_array().unwrap() {
                assert!(!action.as_str().unwrap().contains('*'), "{}: {action}", path.display());
            }
            for resource in statement["Resource"].as_array().unwrap() {
                let resource = resource.as_str().unwrap();
                assert!(
                    resource.starts_with("arn:aws:s3:::people-counter"),
                    "{}: {resource}",
                    path.display()
                );
            }
        }
        if path.ends_with("engage-private.policy.json") {
            let text = statements[0]["Resource"].to_string();
            assert_eq!(statements.len(), 1);
            assert!(text.contains("*.preview.jpg") && !text.contains("/*.jpg"), "{text}");
        }
    }
    assert_eq!(policies, 4);
}

#[test]
fn units_are_hardened() {
    for service in ["ingest", "inference", "engage"] {
        let unit = deploy(&format!("systemd/people-counter-{service}.service"));
        // the threshold is ten times the exposure level
        let output = Command::new("systemd-analyze")
            .args(["security", "--offline=yes", "--threshold=20", "--no-pager"])
            .arg(&unit)
            .output()
            .expect("systemd-analyze is missing: apt-get install systemd");
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{service}:\n{report}");
        assert!(report.contains("Overall exposure level"), "{report}");
    }
}
