//! Which frame is uploaded next.

use people_counter_events::Delivery;

use super::{Instant, Ledger, Loss, Outcome, Sequence, Stage, doubled};

/// What became of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploaded {
    /// The store has confirmed it.
    Stored,
    /// It failed, and may succeed later.
    Failed,
    /// The store will never take this picture.
    Refused,
}

/// Patience with a store that does not take anything.
#[derive(Debug, Clone, Default)]
pub(super) struct Retry {
    failures: u32,
    not_before: Instant,
}

impl<F> Ledger<F> {
    /// The frame to upload now, if there is one and none is being uploaded.
    pub fn next_upload(&mut self, now: Instant) -> Option<Sequence> {
        self.take_over(now);
        if now < self.uploads.not_before {
            return None;
        }
        let sequence = self.upload_candidate()?;
        self.entries.get_mut(&sequence)?.stage = Stage::Uploading;
        Some(sequence)
    }

    /// What became of the upload of a frame.
    pub fn uploaded(&mut self, now: Instant, sequence: Sequence, result: Uploaded) {
        let Some(entry) = self.entries.get_mut(&sequence) else { return };
        match result {
            Uploaded::Stored => {
                entry.stage = Stage::Stored;
                self.uploads = Retry::default();
            }
            Uploaded::Failed => {
                entry.stage = Stage::Captured;
                let wait = doubled(self.rules.retry, self.uploads.failures, self.rules.retry_max);
                self.uploads.failures = self.uploads.failures.saturating_add(1);
                self.uploads.not_before = now + wait;
                if self.rules.delivery == Delivery::Latest {
                    self.supersede_captured();
                }
            }
            Uploaded::Refused => self.end(sequence, Outcome::Dropped(Loss::Refused)),
        }
    }

    /// One at a time, so that frames are stored in order. `latest`: only what can be announced next, since
    /// anything else would be superseded in the store and its way there wasted.
    fn upload_candidate(&self) -> Option<Sequence> {
        let stages = || self.entries.values().map(|entry| &entry.stage);
        let held_back = match self.rules.delivery {
            Delivery::Every => stages().any(|stage| matches!(stage, Stage::Uploading)),
            Delivery::Latest => {
                self.winding_up
                    || stages().any(|stage| matches!(stage, Stage::Uploading | Stage::Stored))
                    || self.unsettled() >= self.rules.window
            }
        };
        if held_back {
            return None;
        }
        let captured = self.entries.iter().find(|(_, entry)| matches!(entry.stage, Stage::Captured));
        captured.map(|(&sequence, _)| sequence)
    }

    pub(super) fn wake_for_upload(&self, now: Instant) -> Option<Instant> {
        (self.uploads.not_before > now && self.upload_candidate().is_some())
            .then_some(self.uploads.not_before)
    }
}
