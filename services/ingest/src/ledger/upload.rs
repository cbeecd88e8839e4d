//! Which frame is uploaded next.

use people_counter_events::Delivery;

use super::book::{Held, Kept, Phase, Stage};
use super::{Instant, Ledger, Loss, Number, Outcome};

/// What became of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploaded {
    /// The store has confirmed it.
    Stored,
    /// It failed, and may succeed later.
    Failed,
    /// The store will never take this picture.
    Refused,
    /// The picture was not found whole in the spool's folder.
    Damaged,
}

impl<F: Kept> Ledger<F> {
    /// The frame to upload now, if there is one and none is being uploaded.
    pub fn next_upload(&mut self, now: Instant) -> Option<Number> {
        self.take_over(now);
        let number = self.upload_candidate().filter(|_| now >= self.upload_not_before())?;
        self.book.set_stage(number, Stage::Uploading);
        // with others behind it this one is part of a backlog
        if self.rules.delivery == Delivery::Every && !self.book.of(Phase::Captured).is_empty() {
            self.paced_uploads = now + self.rules.drain_pause;
        }
        Some(number)
    }

    /// What became of the upload of a frame.
    pub fn uploaded(&mut self, now: Instant, number: Number, result: Uploaded) {
        let Some(entry) = self.book.get(number) else { return };
        let in_memory = entry.held == Held::Memory;
        match result {
            Uploaded::Stored => {
                self.uploads.succeeded();
                self.book.set_stage(number, Stage::Stored);
                if in_memory && !self.disk_works() {
                    self.book.set_held(number, Held::Gone);
                }
            }
            Uploaded::Failed => {
                self.uploads.failed(now, self.rules.retry, self.rules.retry_max);
                self.book.set_stage(number, Stage::Captured);
                self.bound(now);
            }
            Uploaded::Refused => self.end(number, Outcome::Dropped(Loss::Refused)),
            Uploaded::Damaged => self.end(number, Outcome::Dropped(Loss::Damaged)),
        }
    }

    fn upload_not_before(&self) -> Instant {
        self.uploads.not_before().max(self.paced_uploads)
    }

    /// One at a time, so that frames are stored in order. `latest`: only what can be announced next, since
    /// anything else would be superseded in the store and its way there wasted.
    fn upload_candidate(&self) -> Option<Number> {
        let held_back = match self.rules.delivery {
            Delivery::Every => self.book.count(&[Phase::Uploading]) > 0,
            Delivery::Latest => {
                self.winding_up
                    || self.book.count(&[Phase::Uploading, Phase::Stored]) > 0
                    || self.unsettled() >= self.rules.window
            }
        };
        if held_back { None } else { self.book.of(Phase::Captured).first().copied() }
    }

    pub(super) fn wake_for_upload(&self, now: Instant) -> Option<Instant> {
        let due = self.upload_not_before();
        (due > now && self.upload_candidate().is_some()).then_some(due)
    }
}
