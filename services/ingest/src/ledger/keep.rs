//! Which frame is written to the spool's folder next, and what a failed write means.

use std::time::Duration;

use people_counter_events::Delivery;

use super::book::{Held, Kept, Phase, UNSETTLED};
use super::{Instant, Ledger, Number};

/// `latest`: how long a picture waits before it is written. While all is well none ever is.
const LATEST_AFTER: Duration = Duration::from_secs(1);

/// `latest`: shortest time between two writes. A picture of an outage is soon superseded, and flash wears.
const LATEST_PAUSE: Duration = Duration::from_secs(10);

impl<F: Kept> Ledger<F> {
    /// The frame to write now, if there is one and none is being written.
    pub fn next_write(&mut self, now: Instant) -> Option<Number> {
        let (number, due) = self.write_candidate()?;
        if due > now {
            return None;
        }
        self.writing = Some(number);
        self.wrote_at = Some(now);
        Some(number)
    }

    /// What became of the write of a frame. While the disk takes nothing, pictures wait in memory and what is
    /// in the store is let go.
    pub fn written(&mut self, now: Instant, number: Number, written: bool) {
        self.writing = None;
        if written {
            self.writes.succeeded();
            self.book.set_held(number, Held::Disk);
            return;
        }
        self.writes.failed(now, self.rules.retry, self.rules.retry_max);
        let stored = |&number: &Number| self.book.get(number).is_some_and(|entry| entry.is_stored());
        let stored: Vec<_> = self.book.in_memory().iter().copied().filter(stored).collect();
        for number in stored {
            self.book.set_held(number, Held::Gone);
        }
        self.bound(now);
    }

    /// Whether pictures are written to disk and the disk takes them.
    pub(super) fn disk_works(&self) -> bool {
        self.rules.max_disk.is_some() && self.writes.is_well()
    }

    /// The frame to write next and when it is due.
    fn write_candidate(&self) -> Option<(Number, Instant)> {
        if self.rules.max_disk.is_none() || self.writing.is_some() {
            return None;
        }
        let (number, after) = match self.rules.delivery {
            Delivery::Every => (self.book.in_memory().first(), self.rules.write_after),
            Delivery::Latest => (self.book.in_memory().last(), self.rules.write_after.max(LATEST_AFTER)),
        };
        let &number = number?;
        let mut due = self.writes.not_before();
        if !self.winding_up {
            due = due.max(self.book.get(number)?.captured + after);
            if let (Delivery::Latest, Some(wrote_at)) = (self.rules.delivery, self.wrote_at) {
                due = due.max(wrote_at + LATEST_PAUSE);
            }
        }
        Some((number, due))
    }

    /// When to ask for a write that is not due yet.
    pub(super) fn wake_for_write(&self, now: Instant) -> Option<Instant> {
        self.write_candidate().map(|(_, due)| due).filter(|&due| due > now)
    }

    /// Whether everything that has set off has been announced, and everything else is safe where it is or has
    /// nowhere to go.
    pub fn is_drained(&self) -> bool {
        if self.book.count(&[Phase::Uploading, Phase::Announcing]) > 0 {
            return false;
        }
        let unsaved = match self.rules.delivery {
            Delivery::Every => !self.book.in_memory().is_empty(),
            Delivery::Latest => self.book.newest().is_some_and(|it| self.book.in_memory().contains(&it)),
        };
        if self.disk_works() {
            // what is on disk waits there for the next start, unless it can go now
            let stuck = !self.uploads.is_well() || !self.online;
            return self.writing.is_none() && !unsaved && (stuck || self.has_nothing_to_send());
        }
        self.has_nothing_to_send()
    }

    fn has_nothing_to_send(&self) -> bool {
        let captured = self.rules.delivery == Delivery::Every && self.book.count(&[Phase::Captured]) > 0;
        !captured && self.book.count(&[Phase::Stored]) == 0
    }

    /// Gives up everything that is not on disk, because the service stops. What is stays, for the next start.
    pub fn stop(&mut self) {
        let numbers: Vec<_> = self.book.numbers().collect();
        for number in numbers {
            let Some(entry) = self.book.get(number) else { continue };
            if entry.held == Held::Disk {
                continue;
            }
            let announced = UNSETTLED.contains(&entry.stage.phase());
            let reason = if announced { super::Loss::Unsettled } else { super::Loss::Stopped };
            self.end(number, super::Outcome::Dropped(reason));
        }
    }
}
