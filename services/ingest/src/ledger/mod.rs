//! [`Ledger`]: what becomes of every captured frame of one device.
//!
//! No I/O and no clock: the camera tells it what happened and when, and asks what to do next. A frame goes
//!
//! ```text
//! captured ─► uploading ─► stored ─► announcing ─► announced ─► settled
//!     ▲           │                                 │     ▲
//!     └── failed ─┘                     no result ──┘     └── announced again
//! ```
//!
//! and ends with exactly one [`Outcome`]. Two ways of delivery differ in what waits for what:
//!
//! * `every`: frames are uploaded as they come and announced in order, up to `window` unsettled ones. Each is
//!   announced again until it is settled. When too many wait, the oldest that has not been announced goes.
//! * `latest`: one frame is under way to the broker at a time, and a newer capture supersedes one that has
//!   not set off. When no result comes in time, the newest picture there is goes out: the one announced last,
//!   or a newer one, which then supersedes all that were announced. An outage of hours so ends with one
//!   fresh picture, not with an old one that would be counted as if it were fresh.

mod announce;
mod boot;
mod newest;
mod nodes;
mod upload;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use people_counter_events::{Delivery, FailureReason};

pub use announce::{Announcement, Confirmed, Doubt, Verdict};
pub use boot::Boot;
pub use newest::{Newest, Seen};
pub use nodes::{Change, Nodes};
pub use upload::Uploaded;

use announce::Announced;

/// Time since the camera started.
pub type Instant = Duration;

/// Number of a frame within this boot, from 1.
pub type Sequence = u64;

/// Bounds and patience.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whether a newer frame supersedes an older one.
    pub delivery: Delivery,
    /// Most announcements without a result.
    pub window: usize,
    /// Most frames that wait to be announced (`every`).
    pub max_frames: usize,
    /// Most bytes that wait to be uploaded (`every`).
    pub max_bytes: u64,
    /// How long to wait for a result before announcing again; doubles each time.
    pub patience: Duration,
    /// Longest wait for a result.
    pub patience_max: Duration,
    /// First wait after a failed upload or announcement; doubles each time.
    pub retry: Duration,
    /// Longest wait after a failed upload or announcement.
    pub retry_max: Duration,
}

/// How a frame ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was analysed.
    Analysed,
    /// Its analysis failed.
    Failed(FailureReason),
    /// A newer one of the device took its place (`latest`).
    Superseded,
    /// It was given up.
    Dropped(Loss),
}

/// Why a frame was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// More frames wait than the spool takes.
    SpoolFrames,
    /// More bytes wait than the spool takes.
    SpoolBytes,
    /// The store will never take it.
    Refused,
    /// The service stopped before it could be announced.
    Stopped,
    /// The service stopped before its result came. It may well be analysed.
    Unsettled,
}

impl Loss {
    /// A short code for metrics and the device's status.
    pub fn code(self) -> &'static str {
        match self {
            Self::SpoolFrames => "spool-frames",
            Self::SpoolBytes => "spool-bytes",
            Self::Refused => "refused",
            Self::Stopped => "stopped",
            Self::Unsettled => "unsettled",
        }
    }
}

/// A frame that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled<F> {
    /// Its number.
    pub sequence: Sequence,
    /// What the camera keeps of it.
    pub frame: F,
    /// How it ended.
    pub outcome: Outcome,
}

#[derive(Debug, Clone)]
enum Stage {
    /// Waits for its upload.
    Captured,
    /// Is being uploaded.
    Uploading,
    /// Is in the store and waits for its announcement.
    Stored,
    /// Is being announced, for the first time or again.
    Announcing(Announced),
    /// Waits for its result.
    Announced(Announced),
}

impl Stage {
    fn is_unsettled_announcement(&self) -> bool {
        matches!(self, Self::Announcing(_) | Self::Announced(_))
    }

    /// Whether the camera still holds the picture itself.
    fn holds_picture(&self) -> bool {
        matches!(self, Self::Captured | Self::Uploading)
    }
}

#[derive(Debug, Clone)]
struct Entry<F> {
    frame: F,
    bytes: u64,
    stage: Stage,
}

/// The frames of one device that have not ended; `F` is what the camera keeps of each.
#[derive(Debug, Clone)]
pub struct Ledger<F> {
    rules: Rules,
    boot: Option<u64>,
    /// The broker is there and has told what it keeps of this device.
    online: bool,
    node_online: bool,
    /// In the order of capture, which is that of their sequence.
    entries: BTreeMap<Sequence, Entry<F>>,
    last: Sequence,
    last_announced: Sequence,
    /// `latest`: how often patience is doubled for a picture that takes over.
    doublings: u32,
    uploads: upload::Retry,
    winding_up: bool,
    settled: VecDeque<Settled<F>>,
}

impl<F> Ledger<F> {
    /// An empty ledger.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            boot: None,
            online: false,
            node_online: false,
            entries: BTreeMap::new(),
            last: 0,
            last_announced: 0,
            doublings: 0,
            uploads: upload::Retry::default(),
            winding_up: false,
            settled: VecDeque::new(),
        }
    }

    /// Takes a captured frame whose picture has `bytes`.
    pub fn capture(&mut self, frame: F, bytes: u64) -> Sequence {
        self.last += 1;
        self.entries.insert(self.last, Entry { frame, bytes, stage: Stage::Captured });
        match self.rules.delivery {
            Delivery::Latest => self.supersede_captured(),
            Delivery::Every => self.keep_within_bounds(),
        }
        self.last
    }

    /// A frame that has not ended.
    pub fn frame(&self, sequence: Sequence) -> Option<&F> {
        self.entries.get(&sequence).map(|entry| &entry.frame)
    }

    /// A frame that has not ended, to be changed.
    pub fn frame_mut(&mut self, sequence: Sequence) -> Option<&mut F> {
        self.entries.get_mut(&sequence).map(|entry| &mut entry.frame)
    }

    /// All frames that have not ended, oldest first.
    pub fn frames(&self) -> impl Iterator<Item = &F> {
        self.entries.values().map(|entry| &entry.frame)
    }

    /// Number of frames that have not ended.
    pub fn depth(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of the pictures that are not in the store yet.
    pub fn bytes(&self) -> u64 {
        self.entries.values().filter(|entry| entry.stage.holds_picture()).map(|entry| entry.bytes).sum()
    }

    /// Number of announcements without a result, at most the window.
    pub fn unsettled(&self) -> usize {
        self.entries.values().filter(|entry| entry.stage.is_unsettled_announcement()).count()
    }

    /// Nothing new is begun that a stop would only interrupt: `latest` uploads no more, `every` goes on.
    pub fn wind_up(&mut self) {
        self.winding_up = true;
    }

    /// Whether everything that has set off has been announced.
    pub fn is_drained(&self) -> bool {
        self.entries.values().all(|entry| match entry.stage {
            Stage::Announced(_) => true,
            Stage::Captured => self.rules.delivery == Delivery::Latest,
            Stage::Uploading | Stage::Stored | Stage::Announcing(_) => false,
        })
    }

    /// The frames that ended since the last call.
    pub fn take_settled(&mut self) -> impl Iterator<Item = Settled<F>> + '_ {
        self.settled.drain(..)
    }

    /// Gives up everything, because the service stops.
    pub fn stop(&mut self) {
        let sequences: Vec<_> = self.entries.keys().copied().collect();
        for sequence in sequences {
            let announced = self.entries[&sequence].stage.is_unsettled_announcement();
            let reason = if announced { Loss::Unsettled } else { Loss::Stopped };
            self.end(sequence, Outcome::Dropped(reason));
        }
    }

    /// When to ask again although nothing happened.
    pub fn wake(&self, now: Instant) -> Option<Instant> {
        [self.wake_for_upload(now), self.wake_for_announcement()].into_iter().flatten().min()
    }

    fn end(&mut self, sequence: Sequence, outcome: Outcome) {
        if let Some(Entry { frame, .. }) = self.entries.remove(&sequence) {
            self.settled.push_back(Settled { sequence, frame, outcome });
        }
    }

    /// Ends every frame before `before` that is in one of these stages.
    fn supersede(&mut self, before: Sequence, which: impl Fn(&Stage) -> bool) {
        let older: Vec<_> = self
            .entries
            .range(..before)
            .filter(|(_, entry)| which(&entry.stage))
            .map(|(&sequence, _)| sequence)
            .collect();
        for sequence in older {
            self.end(sequence, Outcome::Superseded);
        }
    }

    /// `latest`: of the frames that have not set off, only the newest counts.
    fn supersede_captured(&mut self) {
        let newest = self.entries.iter().rev().find(|(_, entry)| matches!(entry.stage, Stage::Captured));
        if let Some((&newest, _)) = newest {
            self.supersede(newest, |stage| matches!(stage, Stage::Captured));
        }
    }

    /// `every`: gives up the oldest frames that wait while there are too many. What is being uploaded stays.
    fn keep_within_bounds(&mut self) {
        let waiting = |entry: &Entry<F>| !entry.stage.is_unsettled_announcement();
        while self.entries.values().filter(|entry| waiting(entry)).count() > self.rules.max_frames {
            let droppable = |stage: &Stage| matches!(stage, Stage::Captured | Stage::Stored);
            if !self.drop_oldest(droppable, Loss::SpoolFrames) {
                break;
            }
        }
        while self.bytes() > self.rules.max_bytes {
            if !self.drop_oldest(|stage| matches!(stage, Stage::Captured), Loss::SpoolBytes) {
                break;
            }
        }
    }

    fn drop_oldest(&mut self, which: impl Fn(&Stage) -> bool, reason: Loss) -> bool {
        let oldest = self.entries.iter().find(|(_, entry)| which(&entry.stage));
        let Some((&oldest, _)) = oldest else { return false };
        self.end(oldest, Outcome::Dropped(reason));
        true
    }
}

/// `first` doubled `times` times, at most `longest`.
fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(2u32.saturating_pow(times)).min(longest)
}
