//! Cameras and nodes: what they publish.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use iot_mqtt::{Client, Message};
use people_counter_events::{
    AnalysisMetadata, Delivery, DeviceID, DeviceState, DeviceStatus, FrameID, Model, ObjectPath,
    PeopleCounted, Person, Picture, ResultType, Results, StatusType, Topics, frame_key,
};

/// All cameras, counted by one node.
pub struct Cameras<'a> {
    /// Publishes.
    pub client: &'a Client,
    /// Where.
    pub topics: &'a Topics,
    /// Their ids.
    pub names: &'a [String],
    /// Results per second, over all of them.
    pub rate: usize,
}

impl Cameras<'_> {
    /// Publishes results evenly over all cameras, beginning with number `from`; returns that of the next one.
    pub async fn publish(&self, length: Duration, from: usize) -> usize {
        let total = self.rate * length.as_secs() as usize;
        let started = Instant::now();
        let results = (from..from + total).map(|number| async move {
            let due = started + Duration::from_secs_f64((number - from) as f64 / self.rate as f64);
            tokio::time::sleep_until(due.into()).await;
            let name = &self.names[number % self.names.len()];
            self.count(name, (number / self.names.len()) as u64 + 2).await;
        });
        futures_util::stream::iter(results).buffer_unordered(512).collect::<Vec<()>>().await;
        from + total
    }

    /// Publishes a result of one of them.
    pub async fn count(&self, name: &str, sequence: u64) {
        let payload = self.topics.counts.encode(&result(name, sequence)).unwrap();
        let topic = self.topics.counts.name(&[name]).unwrap();
        self.client.publish(Message::new(topic, payload).retained()).await.unwrap();
    }
}

/// Seconds since 1970.
pub fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// The status of a camera with two labels.
pub fn status(name: &str) -> DeviceStatus {
    DeviceStatus {
        kind: StatusType::Status,
        device_id: name.parse().unwrap(),
        state: DeviceState::Online,
        boot_id: 1,
        connection: 1,
        version: "0.1.0".into(),
        source: "rtsp".into(),
        cadence_seconds: 600.0,
        delivery: Delivery::Latest,
        labels: [("floor".to_owned(), "2".to_owned()), ("room".to_owned(), "lobby".to_owned())].into(),
        spool_depth: 0,
        dropped: Default::default(),
        problem: None,
        unchanged: None,
    }
}

/// A result with three people, as the built-in model gives them.
fn result(name: &str, sequence: u64) -> PeopleCounted {
    let device_id: DeviceID = name.parse().unwrap();
    let frame_id = FrameID::now_v7();
    let file_path = ObjectPath::new("bench", &frame_key(&device_id, frame_id)).unwrap();
    let person = Person { bounding_box: [0.25, 0.5, 0.125, 0.375], score: 0.875 };
    PeopleCounted {
        kind: ResultType::Result,
        message: PeopleCounted::message_for(&file_path),
        device_id,
        file_path,
        creation_timestamp: unix_now(),
        frame_id,
        boot_id: 1,
        sequence,
        width: 640,
        height: 480,
        analysed_timestamp: unix_now(),
        picture: Picture::Original,
        preview_path: None,
        analysis_metadata: AnalysisMetadata {
            results: Results { count: 3, people: vec![person; 3] },
            model: Model { name: "person-nanodet-g-416x416".into(), sha256: "ab".repeat(32) },
            node: "gateway-1".into(),
            duration_ms: 43.5,
        },
    }
}
