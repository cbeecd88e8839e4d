//! [`Feed`]: the messages of the stream, made once for all viewers that need the same.

mod document;
mod interest;
mod make;
mod pages;
mod reader;
mod share;
mod touched;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::MissedTickBehavior;

use crate::board::{Board, Link};
use crate::config::Live;
use crate::metrics::Metrics;
use pages::Pages;
use share::Shared;
use touched::Touched;

pub use document::{Document, to_millis};
pub use interest::{BadSubscription, Subscription, Written};
pub use reader::{Busy, News, Reader};

/// How long a new viewer waits for a state that is complete, before it gets what there is.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// When to try again while too many large messages are under way.
pub const AGAIN: Duration = Duration::from_millis(100);

/// What viewers are woken for. One that differs from what they were last sent calls for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulse {
    /// The version of the state.
    pub version: u64,
    /// How the state stands to the broker's.
    pub link: Link,
    /// Rises with every heartbeat.
    pub beat: u64,
}

/// A pulse and what changed since the one before.
#[derive(Debug, Default)]
pub struct Beat {
    /// The pulse.
    pub pulse: Pulse,
    /// The version of the pulse before.
    from: u64,
    /// The version at which the alerts last changed.
    alerts: u64,
    touched: Touched,
}

/// Wakes the viewers, all at the same time so that they need the same messages, and makes these.
pub struct Feed {
    board: Arc<Board>,
    epoch: String,
    settings: Live,
    beats: watch::Sender<Arc<Beat>>,
    nudge: Notify,
    shared: Shared,
    pages: Pages,
    /// Memory for large messages that are under way, KiB.
    burst: Arc<Semaphore>,
    metrics: Metrics,
}

impl Feed {
    /// The feed of `board`.
    pub fn new(board: Arc<Board>, settings: Live, metrics: Metrics) -> Arc<Self> {
        let epoch = board.read(|state| state.epoch().to_owned());
        let burst = Arc::new(Semaphore::new(settings.burst_kib()));
        Arc::new(Self {
            board,
            epoch,
            settings,
            beats: watch::Sender::default(),
            nudge: Notify::new(),
            shared: Shared::default(),
            pages: Pages::default(),
            burst,
            metrics,
        })
    }

    /// How viewers are treated.
    pub fn settings(&self) -> &Live {
        &self.settings
    }

    /// Names the state that the versions are of.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The beats, from now on.
    pub fn beats(&self) -> watch::Receiver<Arc<Beat>> {
        self.beats.subscribe()
    }

    /// The latest beat.
    pub fn beat(&self) -> Arc<Beat> {
        Arc::clone(&self.beats.borrow())
    }

    /// Asks for a beat, for a viewer that missed one.
    pub fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Beats at once when something changed, but never more often than viewers may be written to; ends
    /// only when dropped.
    pub async fn run(&self) {
        let mut versions = self.board.versions();
        let mut links = self.board.links();
        let mut heart = tokio::time::interval(self.settings.heartbeat);
        heart.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beat = 0;
        let mut from = 0;
        loop {
            // the senders live in the board that this feed holds, so waiting cannot fail
            tokio::select! {
                _ = versions.changed() => {}
                _ = links.changed() => {}
                () = self.nudge.notified() => {}
                _ = heart.tick() => beat += 1,
            }
            versions.borrow_and_update();
            let link = *links.borrow_and_update();
            let (version, alerts, touched) = self.board.read(|state| {
                (state.version(), state.alerts_version(), Touched::of(state.touched_since(from)))
            });
            let pulse = Pulse { version, link, beat };
            self.beats.send_replace(Arc::new(Beat { pulse, from, alerts, touched }));
            from = version;
            self.shared.clear();
            tokio::time::sleep(self.settings.interval()).await;
        }
    }
}
