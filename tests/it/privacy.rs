//! What viewers may see is decided by the inference node, and engage keeps to it.

use std::time::{Duration, Instant};

use iot_mqtt::{Client, Config, Delivery, Inbox, Message, Options};
use iot_storage::{Key, PutOptions, Store};
use iot_topic::Topic;
use people_counter_events::{
    DeviceID, FrameID, PeopleCounted, Picture, Topics, decode, frame_key, preview_key,
};
use people_counter_tests::process::Process;
use people_counter_tests::rest::Rest;
use people_counter_tests::servers::{BUCKET, Servers};
use people_counter_tests::system::sample_frames;
use people_counter_tests::wait::{PATIENCE, eventually, free_port};
use serde_json::json;
use tempfile::TempDir;

/// An inference node that shows pictures as `show` says, engage, and a camera that the test plays.
struct Stage {
    // dropped in this order: the processes first
    _processes: Vec<Process>,
    _servers: Servers,
    _folder: TempDir,
    rest: Rest,
    store: Store,
    client: Client,
    answers: Inbox,
    topics: Topics,
}

const DEVICE: &str = "cam-1";

impl Stage {
    async fn start<T>(show: &str, answers: impl Fn(&Topics) -> &Topic<T>) -> Self {
        let servers = Servers::embedded().await;
        let folder = tempfile::tempdir().unwrap();
        let common = format!("[mqtt]\nurl = \"{}\"\n{}", servers.broker_url(), servers.store_config());
        let port = free_port();
        let configs = [
            ("people-counter-inference", format!("workers = 1\n[picture]\nshow = \"{show}\"\n{common}")),
            ("people-counter-engage", format!("{common}[http]\nlisten = \"127.0.0.1:{port}\"\n")),
        ];
        let processes: Vec<Process> = configs
            .into_iter()
            .map(|(name, text)| {
                let path = folder.path().join(format!("{name}.toml"));
                std::fs::write(&path, text).unwrap();
                Process::start(name, &["--config", path.to_str().unwrap()], folder.path())
            })
            .collect();
        let store = servers.bucket().await;
        let topics = Topics::new(Topics::DEFAULT_ROOT).unwrap();
        let config = Config::default().with(|config| config.url = servers.broker_url());
        let mut options = Options::new(config, "camera").unwrap();
        let answers = options.subscribe(answers(&topics).filter());
        let client = options.connect();
        client.state().wait_for(|state| state.subscribed).await.unwrap();
        let rest = Rest::new(format!("http://127.0.0.1:{port}"));
        let stage = Self {
            _processes: processes,
            _folder: folder,
            _servers: servers,
            rest,
            store,
            client,
            answers,
            topics,
        };
        let status = json!({
            "type": "status", "deviceID": DEVICE, "state": "online", "bootID": 1, "connection": 1,
            "version": "1", "source": "folder", "cadenceSeconds": 60.0, "delivery": "every"
        });
        stage.send(stage.topics.status.name(&[DEVICE]).unwrap(), &status, true).await;
        stage
    }

    async fn send(&self, topic: String, message: &serde_json::Value, retain: bool) {
        let message = Message::new(topic, message.to_string());
        let message = if retain { message.retained() } else { message };
        self.client.publish(message).await.unwrap();
    }

    /// Announces a stored picture again and again, as ingest does, until there is an answer on `answers`.
    async fn announce(&mut self, frame: FrameID, attempt: u32) -> Delivery {
        let device: DeviceID = DEVICE.parse().unwrap();
        let payload = json!({
            "type": "data", "deviceID": DEVICE, "frameID": frame, "bootID": 1, "sequence": 1,
            "filePath": format!("{BUCKET}/{}", frame_key(&device, frame)),
            "creationTimestamp": 1_789_000_000.0, "delivery": "every", "width": 640, "height": 480,
            "bytes": 1000, "attempt": attempt
        });
        let topic = self.topics.frames.name(&[DEVICE]).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "no answer to the announcement");
            self.client.publish(Message::new(&topic, payload.to_string())).await.unwrap();
            let answer = tokio::time::timeout(Duration::from_secs(2), self.answers.recv()).await;
            if let Ok(answer) = answer {
                return answer.unwrap();
            }
        }
    }

    async fn count(&mut self, frame: FrameID) -> PeopleCounted {
        let device: DeviceID = DEVICE.parse().unwrap();
        let key = Key::new(&frame_key(&device, frame)).unwrap();
        let body = std::fs::read(sample_frames().join("frame-000.jpg")).unwrap();
        self.store.put(&key, body.into(), &PutOptions::content_type("image/jpeg")).await.unwrap();
        let answer = self.announce(frame, 1).await;
        let result = decode(&self.topics.counts, answer.topic(), answer.payload()).unwrap();
        answer.ack();
        result
    }

    async fn exists(&self, name: String) -> bool {
        self.store.get(&Key::new(&name).unwrap(), 1 << 20).await.is_ok()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blurred_pictures_are_flattened_where_people_are_and_the_original_goes() {
    let mut stage = Stage::start("blurred", |topics| &topics.counts).await;
    let (device, frame): (DeviceID, _) = (DEVICE.parse().unwrap(), FrameID::from_u128(1));
    let result = stage.count(frame).await;
    assert_eq!(result.picture, Picture::Blurred);
    assert!(result.count() >= 3);
    eventually("the original is deleted", || async {
        (!stage.exists(frame_key(&device, frame)).await).then_some(())
    })
    .await;
    assert!(stage.exists(preview_key(&device, frame)).await);

    let image =
        eventually("engage knows the picture", || async { stage.rest.device(DEVICE).await?.image }).await;
    let (status, seen) = stage.rest.get(&image).await.unwrap();
    assert_eq!(status, 200);
    let seen = image::load_from_memory(&seen).unwrap().to_luma8();
    let original = image::open(sample_frames().join("frame-000.jpg")).unwrap().to_luma8();
    // how far what is seen is from the original, on average over an area
    let changed = |[x, y, width, height]: [f64; 4]| {
        let (across, down) = (f64::from(seen.width()), f64::from(seen.height()));
        let (x1, x2) = ((x * across) as u32, ((x + width) * across) as u32);
        let (y1, y2) = ((y * down) as u32, ((y + height) * down) as u32);
        let area: Vec<(u32, u32)> = (y1..y2).flat_map(|y| (x1..x2).map(move |x| (x, y))).collect();
        let apart = |&(x, y): &(u32, u32)| seen.get_pixel(x, y).0[0].abs_diff(original.get_pixel(x, y).0[0]);
        area.iter().map(apart).map(f64::from).sum::<f64>() / area.len() as f64
    };
    let everywhere = changed([0.0, 0.0, 1.0, 1.0]);
    for person in &result.analysis_metadata.results.people {
        let here = changed(person.bounding_box);
        assert!(here > 10.0 && here > 4.0 * everywhere, "{person:?}: {here}, everywhere {everywhere}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn withheld_pictures_are_nowhere() {
    let mut stage = Stage::start("withheld", |topics| &topics.counts).await;
    let (device, frame): (DeviceID, _) = (DEVICE.parse().unwrap(), FrameID::from_u128(2));
    let result = stage.count(frame).await;
    assert_eq!((result.picture, &result.preview_path), (Picture::Withheld, &None));
    eventually("the original is deleted", || async {
        (!stage.exists(frame_key(&device, frame)).await).then_some(())
    })
    .await;
    let shown = eventually("engage shows the count", || async {
        stage.rest.device(DEVICE).await.filter(|device| device.count.is_some())
    })
    .await;
    assert_eq!(shown.image, None);
    let (status, body) = stage.rest.get(&format!("/api/v1/devices/{DEVICE}/image")).await.unwrap();
    assert_eq!(status, 404);
    assert!(String::from_utf8_lossy(&body).contains("withheld"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_was_announced_too_often_is_quarantined() {
    let mut stage = Stage::start("original", |topics| &topics.failure).await;
    let failure = stage.announce(FrameID::from_u128(3), 6).await;
    let message = decode(&stage.topics.failure, failure.topic(), failure.payload()).unwrap();
    assert_eq!(message.reason.as_str(), "quarantined");
    failure.ack();
}
