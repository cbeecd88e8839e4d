//! A USB camera on a real kernel: in a virtual machine, where `uvcvideo` serves a camera made in user space.
//! What comes out of the machine is judged here, at the broker and the store.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use iot_mqtt::{Client, Config, Inbox, Options};
use iot_sandbox::{Broker, BrokerOptions, ObjectStore, StoreOptions};
use iot_storage::{Key, Store};
use people_counter_events::{DeviceState, DeviceStatus, FrameStored, Topics, decode};
use people_counter_tests::process::binary;
use people_counter_tests::system::sample_frames;
use people_counter_tests::vm::{HOST, Machine};

/// Booting without hardware support on a busy machine takes a while.
const LONG: Duration = Duration::from_secs(300);

/// Broker and store, and what the camera in the machine tells them.
struct Outside {
    broker: Broker,
    store: ObjectStore,
    topics: Topics,
    frames: Inbox,
    statuses: Inbox,
    _client: Client,
}

impl Outside {
    async fn start() -> Self {
        let broker = Broker::start(BrokerOptions::default()).await.unwrap();
        let store = ObjectStore::start(StoreOptions::default()).await.unwrap();
        let topics = Topics::new(Topics::DEFAULT_ROOT).unwrap();
        let config = Config::default().with(|config| config.url = broker.url());
        let mut options = Options::new(config, "outside").unwrap();
        let frames = options.subscribe(topics.frames.filter());
        let statuses = options.subscribe(topics.status.filter());
        let client = options.connect();
        client.state().wait_for(|state| state.subscribed).await.unwrap();
        Self { broker, store, topics, frames, statuses, _client: client }
    }

    /// The configuration of a camera inside the machine.
    fn config(&self) -> String {
        let inside = |url: String| url.replace("127.0.0.1", HOST).replace("localhost", HOST);
        format!(
            "[mqtt]\nurl = \"{}\"\n[store]\nendpoint = \"{}\"\nbucket = \"frames\"\naccess_key = \"{}\"\n\
             secret_key = \"{}\"\n[results]\npatience = \"30s\"\n\
             [[cameras]]\ndevice = \"usb\"\ninterval = \"200ms\"\nwindow = 1000\nkeep = 1000\n\
             source = {{ kind = \"usb\", device = \"name:Test Camera\", width = 640, height = 480, timeout = \"2s\" }}\n",
            inside(self.broker.url()),
            inside(self.store.endpoint()),
            self.store.access_key(),
            self.store.secret_key()
        )
    }

    /// The next frame with its picture.
    async fn frame(&mut self) -> (FrameStored, Vec<u8>) {
        let delivery = within("a frame", self.frames.recv()).await.unwrap();
        let frame = decode(&self.topics.frames, delivery.topic(), delivery.payload()).unwrap();
        delivery.ack();
        let config = iot_storage::Config::default().with(|config| {
            config.endpoint = self.store.endpoint();
            config.bucket = "frames".into();
            config.access_key = Some(self.store.access_key().into());
            config.secret_key = Some(self.store.secret_key().into());
        });
        let key = Key::new(frame.file_path.key()).unwrap();
        let object = Store::new(&config).unwrap().get(&key, 16 << 20).await.unwrap();
        (frame, object.body.to_vec())
    }

    /// Takes frames until one was captured after the status last looked at, `count` times.
    async fn frames(&mut self, count: usize, of: &HashSet<Vec<u8>>) {
        // what has waited until now is old
        while let Some(delivery) = self.frames.try_recv() {
            delivery.ack();
        }
        for _ in 0..count {
            let (frame, picture) = self.frame().await;
            assert_eq!((frame.width, frame.height), (640, 480));
            assert!(of.contains(&picture), "a picture that the camera has not shown");
        }
    }

    /// Waits for a status that is as `wanted`.
    async fn status(&mut self, what: &str, wanted: impl Fn(&DeviceStatus) -> bool) -> DeviceStatus {
        let search = async {
            loop {
                let delivery = self.statuses.recv().await.unwrap();
                let status = decode(&self.topics.status, delivery.topic(), delivery.payload()).unwrap();
                delivery.ack();
                if wanted(&status) {
                    return status;
                }
            }
        };
        within(what, search).await
    }

    async fn problem(&mut self, words: &str) {
        self.status(words, |status| status.problem.as_ref().is_some_and(|text| text.contains(words))).await;
    }

    async fn no_problem(&mut self) {
        self.status("no problem", |status| status.problem.is_none()).await;
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.unwrap_or_else(|_| panic!("never came: {what}"))
}

/// A script that lists the cameras, starts ingest, and is the camera itself.
fn write_job(folder: &Path) {
    let ingest = binary("people-counter-ingest");
    let camera = binary("people-counter-usb-camera");
    let (ingest, camera, here) = (ingest.display(), camera.display(), folder.display());
    let job = format!(
        "{ingest} --config {here}/ingest.toml &\n\
         running=$!\n\
         {camera} {here}/pictures\n\
         {ingest} devices\n\
         kill $running\n\
         wait $running\n"
    );
    std::fs::write(folder.join("job"), job).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_usb_camera_survives_unplugging_freezing_and_pictures_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    let mut shown = HashSet::new();
    let mut names: Vec<_> =
        std::fs::read_dir(sample_frames()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "jpg"));
    names.sort();
    for path in names.iter().take(40) {
        let picture = std::fs::read(path).unwrap();
        std::fs::write(pictures.join(path.file_name().unwrap()), &picture).unwrap();
        shown.insert(picture);
    }
    let mut outside = Outside::start().await;
    std::fs::write(folder.path().join("ingest.toml"), outside.config()).unwrap();
    write_job(folder.path());
    let mut machine = Machine::boot(&folder.path().join("job"));

    // MJPEG goes through the kernel, the driver and the service without a change
    outside.frames(5, &shown).await;

    machine.say("unplug");
    outside.problem("plug it in").await;
    machine.say("plug");
    outside.no_problem().await;
    outside.frames(3, &shown).await;

    machine.say("freeze");
    outside.problem("has sent nothing for 2s").await;
    machine.say("thaw");
    outside.no_problem().await;
    outside.frames(3, &shown).await;

    machine.say("cut");
    outside
        .status("cut-off pictures are counted", |status| {
            status.dropped.get("truncated").is_some_and(|n| *n > 0)
        })
        .await;
    // frame after frame is one that the camera has shown, though its driver gives cut ones with an old end
    outside.frames(10, &shown).await;

    machine.say("quit");
    assert_eq!(machine.wait(LONG), 0);
    outside.status("a goodbye", |status| status.state == DeviceState::Offline).await;
}
