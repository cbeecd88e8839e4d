//! Broker, store and engage restart in each order, and what is shown is compared with the truth at every look.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::task::JoinHandle;

use crate::messages::{result, status};
use crate::stage::{Engage, Stage, eventually};

/// What was published: the count of each sequence number, and the newest one.
type Truth = Arc<Mutex<BTreeMap<u64, u64>>>;

const NAMES: [&str; 3] = ["cam-1", "cam-2", "cam-3"];

/// Looks again and again, until the address is no more wanted.
struct Watcher {
    stop: tokio::sync::watch::Sender<bool>,
    task: JoinHandle<usize>,
}

impl Watcher {
    fn start(address: SocketAddr, truth: &Truth) -> Self {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let truth = Arc::clone(truth);
        let task = tokio::spawn(async move {
            let http = reqwest::Client::new();
            let mut newest: BTreeMap<String, u64> = BTreeMap::new();
            let mut looks = 0;
            while !*stopped.borrow() {
                let answer = http.get(format!("http://{address}/api/v1/devices")).send().await;
                if let Ok(answer) = answer
                    && let Ok(all) = answer.json::<Value>().await
                {
                    looks += 1;
                    check(&all, &truth, &mut newest);
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            looks
        });
        Self { stop, task }
    }

    async fn finish(self) {
        self.stop.send_replace(true);
        let looks = self.task.await.expect("what was shown was true");
        assert!(looks > 20, "{looks} looks");
    }
}

fn check(all: &Value, truth: &Truth, newest: &mut BTreeMap<String, u64>) {
    let mut people = 0;
    for device in all["devices"].as_array().unwrap() {
        let Some(sequence) = device["sequence"].as_u64() else {
            assert!(device["state"] == "unknown" && device["count"].is_null(), "{device}");
            continue;
        };
        let published = truth.lock().unwrap().get(&sequence).copied();
        assert_eq!(device["count"].as_u64(), published, "that count was never published: {device}");
        let known = newest.entry(device["deviceID"].as_str().unwrap().to_owned()).or_default();
        assert!(sequence >= *known, "rolled back from {known}: {device}");
        *known = sequence;
        if device["state"] == "live" {
            people += published.unwrap();
        }
    }
    assert_eq!(all["summary"]["people"], people, "{all}");
}

async fn count(stage: &Stage, truth: &Truth) -> u64 {
    let sequence = {
        let mut truth = truth.lock().unwrap();
        let sequence = truth.len() as u64 + 1;
        truth.insert(sequence, sequence * 7 % 13);
        sequence
    };
    for name in NAMES {
        stage.counted(&result(name, sequence, (sequence * 7 % 13) as u32)).await;
    }
    sequence
}

/// Every device shows this result, and the replica has its broker.
async fn shown(engage: &Engage, sequence: u64) {
    eventually("the newest counts", async || {
        let all = engage.http.get(format!("http://{}/api/v1/devices", engage.addr)).send().await.ok()?;
        let all: Value = all.json().await.ok()?;
        let devices = all["devices"].as_array()?;
        let newest = devices.iter().filter(|device| device["sequence"] == sequence).count();
        (newest == NAMES.len() && all["connected"] == true).then_some(())
    })
    .await;
}

async fn picture(engage: &Engage, stage: &Stage, truth: &Truth) {
    let sequence = truth.lock().unwrap().len() as u64 + 1;
    truth.lock().unwrap().insert(sequence, 1);
    for name in NAMES {
        let result = result(name, sequence, 1);
        stage.put(result.file_path.key(), b"\xFF\xD8\xFF\xE0 a picture".as_slice()).await;
        stage.counted(&result).await;
    }
    shown(engage, sequence).await;
    let answer = engage.get("/api/v1/devices/cam-1/image").await;
    assert_eq!(answer.status(), 200, "the picture of the newest count");
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_in_each_order_never_show_what_is_not_true() {
    let mut stage = Stage::lasting().await;
    for name in NAMES {
        stage.status(&status(name, 1)).await;
    }
    let truth = Truth::default();
    let mut config = stage.config();
    let mut engage = stage.engage_with(config.clone()).await;
    config.http.listen = engage.addr;
    let first = count(&stage, &truth).await;
    shown(&engage, first).await;
    let watcher = Watcher::start(engage.addr, &truth);
    for order in [
        ["broker", "store", "engage"],
        ["broker", "engage", "store"],
        ["store", "broker", "engage"],
        ["store", "engage", "broker"],
        ["engage", "broker", "store"],
        ["engage", "store", "broker"],
    ] {
        for what in order {
            match what {
                "broker" => stage.broker.restart().await.unwrap(),
                "store" => stage.store.restart().await.unwrap(),
                _ => {
                    engage.stop().await;
                    engage = Engage::start(config.clone()).await;
                }
            }
            // published without waiting for what restarts
            let sequence = count(&stage, &truth).await;
            shown(&engage, sequence).await;
        }
        picture(&engage, &stage, &truth).await;
    }
    watcher.finish().await;
    engage.stop().await;
}
