//! With `delivery = "every"` each of 200 frames ends analysed and is counted once, whatever is lost in the middle.

use std::time::Duration;

use people_counter_tests::observer::Observer;
use people_counter_tests::process::Process;
use people_counter_tests::rest::Rest;
use people_counter_tests::servers::Servers;
use people_counter_tests::system::sample_frames;
use people_counter_tests::wait::{eventually, free_port};
use tempfile::TempDir;

const FRAMES: usize = 200;

/// A camera that shows 200 pictures once, and two nodes with a network that takes hardly any time.
struct Run {
    // dropped in this order: the processes first
    nodes: Vec<Process>,
    _ingest: Process,
    ingest_metrics: Rest,
    observer: Observer,
    servers: Servers,
    folder: TempDir,
}

impl Run {
    async fn start() -> Self {
        let servers = Servers::embedded().await;
        let observer = Observer::start(servers.broker_url()).await;
        let folder = tempfile::tempdir().unwrap();
        let pictures = folder.path().join("pictures");
        std::fs::create_dir(&pictures).unwrap();
        for number in 0..FRAMES {
            let sample = sample_frames().join(format!("frame-{:03}.jpg", number % 80));
            std::fs::copy(sample, pictures.join(format!("{number:03}.jpg"))).unwrap();
        }
        let common = format!("[mqtt]\nurl = \"{}\"\n{}", servers.broker_url(), servers.store_config());
        let model = sample_frames().join("../../../crates/detector/tests/models/yolov8");
        let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        for node in 1..=2 {
            let head =
                format!("node = \"node-{node}\"\nworkers = 1\n[model]\nfolder = \"{}\"\n", model.display());
            write(&format!("node-{node}.toml"), format!("{head}{common}"));
        }
        let port = free_port();
        write(
            "ingest.toml",
            format!(
                "{common}[http]\nlisten = \"127.0.0.1:{port}\"\n[results]\npatience = \"2s\"\n[[cameras]]\n\
                 device = \"cam-1\"\ninterval = \"40ms\"\ndelivery = \"every\"\n\
                 source = {{ kind = \"folder\", path = \"{}\", loop = false }}\n",
                pictures.display()
            ),
        );
        let nodes =
            ["node-1.toml", "node-2.toml"].map(|config| start("people-counter-inference", config, &folder));
        Self {
            nodes: nodes.into(),
            _ingest: start("people-counter-ingest", "ingest.toml", &folder),
            ingest_metrics: Rest::new(format!("http://127.0.0.1:{port}")),
            observer,
            servers,
            folder,
        }
    }

    /// Waits until a good part of the frames has been analysed, and a good part has not.
    async fn until_the_middle(&self) {
        eventually("some frames are analysed", || async { (self.observer.len() >= 50).then_some(()) }).await;
        assert!(self.observer.len() < 150, "too fast for this test: {} are done", self.observer.len());
    }

    /// Waits until ingest has settled all frames, and checks that none was counted twice or given up.
    async fn until_all_are_counted_once(&self) {
        eventually("all frames are settled", || async {
            let (_, body) = self.ingest_metrics.get("/metrics").await?;
            let text = String::from_utf8(body).ok()?;
            let sum = |name: &str, label: &str| -> f64 {
                let samples = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
                samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
            };
            assert_eq!(sum("ingest_dropped_total", ""), 0.0, "{text}");
            assert_eq!(sum("ingest_settled_total", "failed"), 0.0, "{text}");
            let analysed = sum("ingest_settled_total", "analysed");
            assert!(analysed <= FRAMES as f64, "{analysed} settled of {FRAMES}");
            (analysed == FRAMES as f64).then_some(())
        })
        .await;
        eventually("the observer has heard of all", || async {
            (self.observer.len() == FRAMES).then_some(())
        })
        .await;
    }
}

fn start(name: &str, config: &str, folder: &TempDir) -> Process {
    let config = folder.path().join(config).display().to_string();
    Process::start(name, &["--config", &config], folder.path())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_killed_in_the_middle() {
    let mut run = Run::start().await;
    run.until_the_middle().await;
    run.nodes[0].kill();
    run.until_all_are_counted_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_are_killed_in_the_middle_and_one_comes_back() {
    let mut run = Run::start().await;
    run.until_the_middle().await;
    for node in &mut run.nodes {
        node.kill();
    }
    run.nodes[0] = start("people-counter-inference", "node-1.toml", &run.folder);
    run.until_all_are_counted_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_restarted_in_the_middle() {
    let mut run = Run::start().await;
    run.until_the_middle().await;
    run.servers.restart_broker(tokio::time::sleep(Duration::from_millis(500))).await;
    run.until_all_are_counted_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_away_in_the_middle() {
    let mut run = Run::start().await;
    run.until_the_middle().await;
    run.servers.restart_store(tokio::time::sleep(Duration::from_secs(2))).await;
    run.until_all_are_counted_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_originals_are_purged_but_the_newest_stays() {
    let run = Run::start().await;
    run.until_all_are_counted_once().await;
    let config = run.folder.path().join("node-1.toml").display().to_string();
    let purge = |more: &[&str]| {
        let arguments = ["purge", "--config", &config, "--device", "cam-1", "--older-than", "0s"];
        let output = people_counter_tests::process::run(
            "people-counter-inference",
            &[&arguments[..], more].concat(),
            &[],
        );
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).unwrap();
        printed.lines().last().unwrap().split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    assert!(purge(&["--dry-run"]) > 0, "ingest keeps the last pictures");
    assert!(purge(&[]) > 0);
    assert_eq!(purge(&[]), 0);
    assert_eq!(purge(&["--all"]), 1);
}
