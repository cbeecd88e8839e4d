//! [`Feed`]: the messages of the stream, made once for all viewers that need the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytestring::ByteString;
use people_counter_events::DeviceID;
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

use crate::board::{Board, Link};
use crate::clock;
use crate::config::Live;
use crate::metrics::Metrics;
use crate::state::{Changes, Device, Summary};

/// How long a message may be handed to further viewers: its ages are true at its server time.
const SHARED_FOR: Duration = Duration::from_millis(200);

/// Most different messages kept for sharing.
const SHARED_MOST: usize = 64;

/// What viewers are woken with. One that differs from what they last sent calls for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulse {
    /// The version of the state.
    pub version: u64,
    /// How the state stands to the broker's.
    pub link: Link,
    /// Rises with every heartbeat.
    pub beat: u64,
}

impl Pulse {
    /// Whether a viewer that was last sent what `sent` called for needs another message.
    pub fn calls_for_more_than(self, sent: Self) -> bool {
        self.version > sent.version || self.link != sent.link || self.beat != sent.beat
    }
}

/// A message as it goes to viewers.
#[derive(Debug)]
pub struct Message {
    /// What a viewer knows that has it.
    pub pulse: Pulse,
    /// Its JSON.
    pub text: ByteString,
    made: Instant,
}

/// The document of REST and of the stream.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    epoch: &'a str,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    server_time: f64,
    connected: bool,
    summary: Summary,
    devices: &'a [Device],
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<Vec<&'a DeviceID>>,
}

/// Wakes the viewers, all at the same time so that they need the same messages, and makes these.
pub struct Feed {
    board: Arc<Board>,
    epoch: String,
    settings: Live,
    pulses: watch::Sender<Pulse>,
    nudge: Notify,
    shared: Mutex<HashMap<Option<u64>, Arc<Message>>>,
    metrics: Metrics,
}

impl Feed {
    /// The feed of `board`.
    pub fn new(board: Arc<Board>, settings: Live, metrics: Metrics) -> Arc<Self> {
        let epoch = board.read(|state| state.epoch().to_owned());
        Arc::new(Self {
            board,
            epoch,
            settings,
            pulses: watch::Sender::default(),
            nudge: Notify::new(),
            shared: Mutex::default(),
            metrics,
        })
    }

    /// How viewers are treated.
    pub fn settings(&self) -> &Live {
        &self.settings
    }

    /// The pulses, from now on.
    pub fn pulses(&self) -> watch::Receiver<Pulse> {
        self.pulses.subscribe()
    }

    /// The latest pulse.
    pub fn pulse(&self) -> Pulse {
        *self.pulses.borrow()
    }

    /// Asks for a pulse, for a viewer that missed one.
    pub fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Pulses at once when something changed, but never more often than viewers may be written to; ends
    /// only when dropped.
    pub async fn run(&self) {
        let mut versions = self.board.versions();
        let mut links = self.board.links();
        let mut beats = tokio::time::interval(self.settings.heartbeat);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beat = 0;
        loop {
            // the senders live in the board that this feed holds, so waiting cannot fail
            tokio::select! {
                _ = versions.changed() => {}
                _ = links.changed() => {}
                () = self.nudge.notified() => {}
                _ = beats.tick() => beat += 1,
            }
            let version = *versions.borrow_and_update();
            let link = *links.borrow_and_update();
            self.pulses.send_replace(Pulse { version, link, beat });
            tokio::time::sleep(self.settings.interval()).await;
        }
    }

    /// What leads a viewer from `since` to now: a delta, or a snapshot if it knows nothing or too little.
    pub fn message(&self, since: Option<u64>) -> Arc<Message> {
        let pulse = self.pulse();
        // held while a message is made, so that a thousand viewers in need of the same wait for one
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let usable = |message: &Message| {
            message.made.elapsed() < SHARED_FOR
                && message.pulse.version >= pulse.version
                && message.pulse.link == pulse.link
                && message.pulse.beat == pulse.beat
        };
        if let Some(message) = shared.get(&since).filter(|message| usable(message)) {
            return Arc::clone(message);
        }
        let message = Arc::new(self.make(since, pulse));
        shared.retain(|_, message| usable(message));
        if shared.len() < SHARED_MOST {
            shared.insert(since, Arc::clone(&message));
        }
        message
    }

    fn make(&self, since: Option<u64>, pulse: Pulse) -> Message {
        let now = clock::now();
        let changes = self.board.read(|state| state.changes_since(since, now));
        let kind = if changes.since.is_some() { "delta" } else { "snapshot" };
        let text = self.document(Some(kind), &changes, pulse.link, now);
        self.metrics.messages_made.inc();
        Message {
            pulse: Pulse { version: changes.version, ..pulse },
            text: text.into(),
            made: Instant::now(),
        }
    }

    fn document(&self, kind: Option<&'static str>, changes: &Changes, link: Link, now: f64) -> String {
        let document = Document {
            kind,
            epoch: &self.epoch,
            version: changes.version,
            since: changes.since,
            server_time: (now * 1000.0).round() / 1000.0,
            connected: link.current,
            summary: changes.summary,
            devices: &changes.devices,
            removed: changes.since.map(|_| changes.removed.iter().map(Arc::as_ref).collect()),
        };
        serde_json::to_string(&document).expect("the document has text keys and finite numbers")
    }

    /// Everything there is now, for REST.
    pub fn everything(&self) -> String {
        let now = clock::now();
        let changes = self.board.read(|state| state.changes_since(None, now));
        self.document(None, &changes, self.board.link(), now)
    }
}
