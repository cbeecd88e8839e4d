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
//!   What has piled up in an outage is worked off at a bounded rate.
//! * `latest`: one frame is under way to the broker at a time, and a newer capture supersedes one that has
//!   not set off. When no result comes in time, the newest picture there is goes out: the one announced last,
//!   or a newer one, which then supersedes all that were announced. An outage of hours so ends with one
//!   fresh picture, not with an old one that would be counted as if it were fresh.
//!
//! Beside all that, frames are written to the spool's folder, which an end of the process does not empty. Those
//! that an earlier boot left there come first, in their own order, and settle like all others.

mod announce;
mod book;
mod boot;
mod bounds;
mod keep;
mod newest;
mod nodes;
mod retry;
mod upload;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use people_counter_events::{Delivery, FailureReason, Order};

pub use announce::{Announcement, Confirmed, Doubt, Verdict};
pub use book::Kept;
pub use boot::{Boot, MAX_BOOT_ID};
pub use newest::{Newest, Seen};
pub use nodes::{Change, Nodes};
pub use upload::Uploaded;

use book::{ALL, Book, Entry, Held, Phase, Stage, UNSETTLED};
use retry::Retry;

/// Time since the camera started.
pub type Instant = Duration;

/// Number of a frame within its ledger, in the order of capture, from 1.
pub type Number = u64;

/// Bounds and patience.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whether a newer frame supersedes an older one.
    pub delivery: Delivery,
    /// Most announcements without a result.
    pub window: usize,
    /// Most frames that wait to be announced (`every`).
    pub max_frames: usize,
    /// Most bytes of pictures in memory.
    pub max_memory: u64,
    /// Most bytes of pictures on disk (`every`); `None`: nothing is written there.
    pub max_disk: Option<u64>,
    /// Longest time until a frame has ended.
    pub max_age: Duration,
    /// How long a frame waits in memory before it is written to disk.
    pub write_after: Duration,
    /// Shortest time between two uploads, and two first announcements, while more wait (`every`).
    pub drain_pause: Duration,
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
    /// More bytes wait than the spool's folder takes.
    SpoolBytes,
    /// More bytes wait than memory may hold, where there is no folder or its disk takes nothing.
    SpoolMemory,
    /// It waited for longer than the spool keeps anything.
    SpoolAge,
    /// It was not found whole in the spool's folder.
    Damaged,
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
            Self::SpoolMemory => "spool-memory",
            Self::SpoolAge => "spool-age",
            Self::Damaged => "spool-damaged",
            Self::Refused => "refused",
            Self::Stopped => "stopped",
            Self::Unsettled => "unsettled",
        }
    }
}

/// What is known of a frame that an earlier boot left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earlier {
    /// Where it stood among all of its device.
    pub order: Order,
    /// How long ago it was captured.
    pub age: Duration,
    /// How often it was announced while a node was online: a picture that nodes die of does not begin anew.
    pub attempts: u32,
}

/// A frame that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled<F> {
    /// Its number.
    pub number: Number,
    /// Where it stood among all of its device.
    pub order: Order,
    /// What the camera keeps of it.
    pub frame: F,
    /// How it ended.
    pub outcome: Outcome,
}

impl<F> Entry<F> {
    /// Whether the store has the picture.
    fn is_stored(&self) -> bool {
        !matches!(self.stage, Stage::Captured | Stage::Uploading)
    }
}

/// The frames of one device that have not ended; `F` is what the camera keeps of each.
#[derive(Debug, Clone)]
pub struct Ledger<F> {
    rules: Rules,
    boot: u64,
    boot_is_fixed: bool,
    /// The broker is there and has told what it keeps of this device.
    online: bool,
    node_online: bool,
    book: Book<F>,
    /// What earlier boots left behind, in order: frame number `n` has index `n - 1`.
    restored: Vec<Order>,
    last: Number,
    last_announced: Number,
    /// `latest`: how often patience is doubled for a picture that takes over.
    doublings: u32,
    uploads: Retry,
    paced_uploads: Instant,
    paced_announcements: Instant,
    writing: Option<Number>,
    wrote_at: Option<Instant>,
    writes: Retry,
    winding_up: bool,
    settled: VecDeque<Settled<F>>,
}

impl<F: Kept> Ledger<F> {
    /// An empty ledger; `boot` is the boot id until it is fixed.
    pub fn new(rules: Rules, boot: u64) -> Self {
        Self {
            rules,
            boot,
            boot_is_fixed: false,
            online: false,
            node_online: false,
            book: Book::default(),
            restored: Vec::new(),
            last: 0,
            last_announced: 0,
            doublings: 0,
            uploads: Retry::default(),
            paced_uploads: Instant::ZERO,
            paced_announcements: Instant::ZERO,
            writing: None,
            wrote_at: None,
            writes: Retry::default(),
            winding_up: false,
            settled: VecDeque::new(),
        }
    }

    /// Takes a frame that an earlier boot left on disk. To be called before the first capture, in the order of the
    /// frames.
    pub fn restore(&mut self, frame: F, bytes: u64, earlier: Earlier) {
        self.restored.push(earlier.order);
        self.insert(Entry {
            frame,
            bytes,
            captured: Instant::ZERO,
            expires: self.rules.max_age.saturating_sub(earlier.age),
            earlier_attempts: earlier.attempts,
            stage: Stage::Captured,
            held: Held::Disk,
        });
    }

    /// Takes a captured frame whose picture has `bytes`.
    pub fn capture(&mut self, now: Instant, frame: F, bytes: u64) -> Number {
        let number = self.insert(Entry {
            frame,
            bytes,
            captured: now,
            expires: now + self.rules.max_age,
            earlier_attempts: 0,
            stage: Stage::Captured,
            held: Held::Memory,
        });
        self.bound(now);
        number
    }

    fn insert(&mut self, entry: Entry<F>) -> Number {
        self.last += 1;
        self.book.insert(self.last, entry);
        self.last
    }

    /// Where a frame stands among all of its device.
    pub fn order(&self, number: Number) -> Order {
        let earlier = usize::try_from(number - 1).ok().and_then(|index| self.restored.get(index));
        earlier.copied().unwrap_or_else(|| Order::new(self.boot, number - self.restored.len() as Number))
    }

    /// A frame that has not ended.
    pub fn frame(&self, number: Number) -> Option<&F> {
        self.book.get(number).map(|entry| &entry.frame)
    }

    /// A frame that has not ended, to be changed.
    pub fn frame_mut(&mut self, number: Number) -> Option<&mut F> {
        self.book.frame_mut(number)
    }

    /// All frames that have not ended, oldest first.
    pub fn frames(&self) -> impl Iterator<Item = &F> {
        self.book.frames()
    }

    /// Number of frames that have not ended.
    pub fn depth(&self) -> usize {
        self.book.len()
    }

    /// Bytes of the pictures in memory.
    pub fn memory_bytes(&self) -> u64 {
        self.book.memory_bytes()
    }

    /// Bytes of the pictures on disk.
    pub fn disk_bytes(&self) -> u64 {
        self.book.disk_bytes()
    }

    /// Number of announcements without a result, at most the window.
    pub fn unsettled(&self) -> usize {
        self.book.count(&UNSETTLED)
    }

    /// Changes the rule of the same name.
    pub fn set_drain_pause(&mut self, pause: Duration) {
        self.rules.drain_pause = pause;
    }

    /// Nothing new is begun that a stop would only interrupt: `latest` uploads no more, `every` goes on. What
    /// is not on disk is written there.
    pub fn wind_up(&mut self) {
        self.winding_up = true;
    }

    /// The frames that ended since the last call.
    pub fn take_settled(&mut self) -> impl Iterator<Item = Settled<F>> + '_ {
        self.settled.drain(..)
    }

    /// When to ask again although nothing happened.
    pub fn wake(&self, now: Instant) -> Option<Instant> {
        let expires = self.next_to_expire().map(|(_, expires)| expires);
        [self.wake_for_upload(now), self.wake_for_announcement(now), self.wake_for_write(now), expires]
            .into_iter()
            .flatten()
            .min()
    }

    fn end(&mut self, number: Number, outcome: Outcome) {
        if let Some(Entry { frame, .. }) = self.book.remove(number) {
            let order = self.order(number);
            self.settled.push_back(Settled { number, order, frame, outcome });
        }
    }

    /// Ends every frame before `before` that is in one of these phases.
    fn supersede(&mut self, before: Number, phases: &[Phase]) {
        let older = |&phase: &Phase| self.book.of(phase).range(..before).copied().collect::<Vec<_>>();
        let mut older: Vec<_> = phases.iter().flat_map(older).collect();
        older.sort_unstable();
        for number in older {
            self.end(number, Outcome::Superseded);
        }
    }
}

/// `first` doubled `times` times, at most `longest`.
fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(2u32.saturating_pow(times)).min(longest)
}
