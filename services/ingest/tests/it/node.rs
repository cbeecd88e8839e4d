//! An inference node without inference.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use iot_mqtt::{Client, Inbox, Message, Options, Presence, Will};
use iot_storage::{Key, PutOptions, Store};
use people_counter_events::{
    AnalysisMetadata, FailureReason, FrameStored, Model, ObjectPath, Order, PeopleCounted, Picture,
    ResultType, Results, ServiceState, ServiceStatus, Topics, decode, preview_key,
};
use tokio::task::JoinHandle;

use crate::world::{World, soon, unique};

/// What the node does with its frames is up to the test.
pub struct Node {
    client: Client,
    frames: Inbox,
    topics: Topics,
    store: Store,
    name: String,
}

struct Online {
    topic: String,
    topics: Topics,
    name: String,
}

impl Online {
    fn payload(&self, state: ServiceState) -> Vec<u8> {
        let status = ServiceStatus { state, ..ServiceStatus::online("inference", &self.name, "0", now()) };
        self.topics.nodes.encode(&status).unwrap()
    }
}

impl Presence for Online {
    fn will(&self, _connection: u64) -> Will {
        Will::new(&self.topic, self.payload(ServiceState::Offline))
    }

    fn birth(&self, _connection: u64) -> Option<Message> {
        Some(Message::new(&self.topic, self.payload(ServiceState::Online)).retained())
    }
}

pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

impl Node {
    /// A node that others see.
    pub async fn online(world: &World) -> Self {
        Self::connect(world, true).await
    }

    /// A node that hears frames and answers them, but says nothing of itself.
    pub async fn hidden(world: &World) -> Self {
        Self::connect(world, false).await
    }

    async fn connect(world: &World, visible: bool) -> Self {
        let (topics, name) = (world.topics.clone(), unique("node"));
        let mut options = Options::new(world.mqtt(), &name).unwrap();
        let frames = options.subscribe(topics.frames.filter());
        if visible {
            let topic = topics.nodes.name(&["inference", &name]).unwrap();
            options.presence(Online { topic, topics: topics.clone(), name: name.clone() });
        }
        let client = options.connect();
        client.state().wait_for(|state| state.subscribed).await.unwrap();
        Self { client, frames, topics, store: world.objects(), name }
    }

    /// The next announcement; its picture must be in the store.
    pub async fn next(&mut self) -> FrameStored {
        let delivery = soon("an announcement", self.frames.recv()).await.unwrap();
        let frame = decode(&self.topics.frames, delivery.topic(), delivery.payload()).unwrap();
        delivery.ack();
        let key = Key::new(frame.file_path.key()).unwrap();
        match self.store.get(&key, 1 << 20).await {
            Ok(picture) => assert_eq!(picture.body.len() as u64, frame.bytes),
            // whether the store runs is up to the test
            Err(error) => assert!(error.is_transient(), "announced before it was stored: {error}"),
        }
        frame
    }

    /// An announcement that has come already.
    pub fn try_next(&mut self) -> Option<FrameStored> {
        let delivery = self.frames.try_recv()?;
        let frame = decode(&self.topics.frames, delivery.topic(), delivery.payload()).unwrap();
        delivery.ack();
        Some(frame)
    }

    /// Publishes a result and returns it.
    pub async fn answer(&self, frame: &FrameStored) -> Vec<u8> {
        let key = preview_key(&frame.device_id, frame.frame_id);
        let result = PeopleCounted {
            kind: ResultType::Result,
            device_id: frame.device_id.clone(),
            file_path: frame.file_path.clone(),
            creation_timestamp: frame.creation_timestamp,
            frame_id: frame.frame_id,
            boot_id: frame.boot_id,
            sequence: frame.sequence,
            width: frame.width,
            height: frame.height,
            message: PeopleCounted::message_for(&frame.file_path),
            analysed_timestamp: now(),
            picture: Picture::Original,
            preview_path: Some(ObjectPath::new(frame.file_path.bucket(), &key).unwrap()),
            analysis_metadata: AnalysisMetadata {
                results: Results { count: 3, people: Vec::new() },
                model: Model::default(),
                node: self.name.clone(),
                duration_ms: 1.0,
            },
        };
        let payload = self.topics.counts.encode(&result).unwrap();
        let topic = self.topics.counts.name(&[frame.device_id.as_str()]).unwrap();
        self.client.publish(Message::new(topic, payload.clone()).retained()).await.unwrap();
        payload
    }

    /// Publishes a failure.
    pub async fn fail(&self, frame: &FrameStored) {
        let failure = frame.failed(FailureReason::Undecodable, "not a picture".into(), now(), &self.name);
        let payload = self.topics.failure.encode(&failure).unwrap();
        let topic = self.topics.failure.name(&[frame.device_id.as_str()]).unwrap();
        self.client.publish(Message::new(topic, payload).retained()).await.unwrap();
    }

    /// Puts a preview beside the picture.
    pub async fn preview(&self, frame: &FrameStored) {
        let key = Key::new(&preview_key(&frame.device_id, frame.frame_id)).unwrap();
        self.store.put(&key, "preview".into(), &PutOptions::content_type("image/jpeg")).await.unwrap();
    }

    /// Leaves with a goodbye, as its last will would.
    pub async fn leave(self) {
        let topic = self.topics.nodes.name(&["inference", &self.name]).unwrap();
        let online = Online { topic: topic.clone(), topics: self.topics.clone(), name: self.name.clone() };
        let gone = Message::new(topic, online.payload(ServiceState::Offline)).retained();
        self.client.publish(gone).await.unwrap();
        self.client.close(crate::world::LONG).await;
    }

    /// Answers everything from now on.
    pub fn at_work(mut self) -> Busy {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = seen.clone();
        let task = tokio::spawn(async move {
            while let Some(delivery) = self.frames.recv().await {
                let frame = decode(&self.topics.frames, delivery.topic(), delivery.payload()).unwrap();
                delivery.ack();
                note.lock().unwrap().push(frame.clone());
                self.answer(&frame).await;
            }
        });
        Busy { seen, task }
    }
}

/// A node that answers everything.
pub struct Busy {
    seen: Arc<Mutex<Vec<FrameStored>>>,
    task: JoinHandle<()>,
}

impl Busy {
    /// All announcements so far.
    pub fn seen(&self) -> Vec<FrameStored> {
        assert!(!self.task.is_finished(), "the node broke off");
        self.seen.lock().unwrap().clone()
    }

    /// Panics unless each of the frames 1 to `last` came, and first before at most `window` - 1 older ones:
    /// announcements of a window may go to nobody or be lost with the broker, and what is announced again
    /// comes behind what was heard.
    pub fn assert_all_in_order(&self, last: u64, window: usize) {
        let first = self.first_seen();
        let older_later = |n: usize| first[n..].iter().filter(|&&later| later < first[n]).count();
        assert!((0..first.len()).all(|n| older_later(n) < window), "{first:?}");
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (1..=last).collect::<Vec<_>>(), "{first:?}");
    }

    /// Where the frames stand, in the order in which they came first.
    pub fn orders(&self) -> Vec<Order> {
        let mut first = Vec::new();
        for frame in self.seen() {
            if !first.contains(&frame.order()) {
                first.push(frame.order());
            }
        }
        first
    }

    /// The sequences in the order in which they came first.
    pub fn first_seen(&self) -> Vec<u64> {
        self.orders().into_iter().map(|order| order.sequence).collect()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.task.abort();
    }
}
