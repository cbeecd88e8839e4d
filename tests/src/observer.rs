//! The truth: every result as it went over the broker, and whether what viewers see agrees with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use iot_mqtt::{Client, Config, Options};
use people_counter_events::{Order, PeopleCounted, Topics, decode};

use crate::rest::Rest;

/// Results by frame id.
type Results = Arc<Mutex<HashMap<String, PeopleCounted>>>;

/// Listens to every result.
pub struct Observer {
    results: Results,
    _client: Client,
}

/// Watches what a viewer sees until told to stop.
pub struct Watcher {
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<usize>,
}

impl Observer {
    /// Listens on the broker at `url`.
    ///
    /// # Panics
    /// When the broker does not take it.
    pub async fn start(url: String) -> Self {
        let topics = Topics::new(Topics::DEFAULT_ROOT).expect("the default root is valid");
        let config = Config::default().with(|config| {
            config.url = url;
            config.session_expiry = Duration::from_secs(600);
            config.backoff_max = Duration::from_millis(200);
        });
        let mut options = Options::new(config, "observer").expect("the configuration is valid");
        let mut inbox = options.subscribe(topics.counts.filter());
        let client = options.connect();
        let mut states = client.state();
        states.wait_for(|state| state.subscribed).await.expect("the client lives");
        let results = Results::default();
        let seen = results.clone();
        tokio::spawn(async move {
            while let Some(delivery) = inbox.recv().await {
                if let Ok(result) = decode(&topics.counts, delivery.topic(), delivery.payload()) {
                    let mut seen = seen.lock().expect("nobody panicked");
                    seen.insert(result.frame_id.to_string(), result);
                }
                delivery.ack();
            }
        });
        Self { results, _client: client }
    }

    /// Number of different results so far.
    ///
    /// # Panics
    /// After a panic elsewhere.
    pub fn len(&self) -> usize {
        self.results.lock().expect("nobody panicked").len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks from now on that every count a viewer sees is one that was published for that frame, that it
    /// never rolls back, and that nothing older than its cadence allows is called live.
    pub fn watch(&self, rest: Rest) -> Watcher {
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let results = self.results.clone();
        let task = tokio::spawn(async move {
            let mut newest: HashMap<String, Order> = HashMap::new();
            let mut looks = 0;
            while matches!(stopped.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Empty)) {
                if let Some(all) = rest.devices().await {
                    for device in &all.devices {
                        check(device, &results, &mut newest);
                    }
                    looks += 1;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            looks
        });
        Watcher { stop, task }
    }
}

fn check(device: &crate::rest::Device, results: &Results, newest: &mut HashMap<String, Order>) {
    let Some(count) = device.count else {
        assert_ne!(device.state, "live", "{device:?} has no count");
        return;
    };
    let frame = device.frame_id.as_ref().expect("a count has a frame");
    let order = Order::new(device.boot_id.expect("a boot"), device.sequence.expect("a sequence"));
    let last = newest.entry(device.device_id.clone()).or_default();
    assert!(order >= *last, "{device:?} rolled back from {last:?}");
    *last = order;
    // viewers may be told a moment before the observer is
    if let Some(result) = results.lock().expect("nobody panicked").get(frame) {
        assert_eq!(u64::from(result.count()), count, "{device:?} is not what was published");
        assert_eq!(result.order(), order);
    }
    if device.state == "live" {
        let age = device.age_seconds.expect("a live count has an age");
        assert!(age <= device.stale_after_seconds + 1.0, "{device:?} is called live");
    }
}

impl Watcher {
    /// Stops watching.
    ///
    /// # Panics
    /// When something was seen that was not true, or nothing at all was seen.
    pub async fn finish(self) {
        drop(self.stop);
        let looks = self.task.await.expect("everything that was seen was true");
        assert!(looks > 0, "nothing was seen");
    }
}
