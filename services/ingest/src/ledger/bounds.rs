//! What is given up when too much waits, or waits for too long.

use people_counter_events::Delivery;

use super::book::{AT_REST, Held, Kept, Phase, WAITING};
use super::{Instant, Ledger, Loss, Number, Outcome};

impl<F: Kept> Ledger<F> {
    /// Gives up what is over the limits at `now`.
    pub fn bound(&mut self, now: Instant) {
        while let Some((oldest, expires)) = self.next_to_expire()
            && expires <= now
        {
            self.end(oldest, Outcome::Dropped(Loss::SpoolAge));
        }
        match self.rules.delivery {
            Delivery::Latest => self.supersede_captured(),
            Delivery::Every => self.give_up_oldest(),
        }
        self.release_stored();
    }

    /// The oldest frame with nothing under way, and when it is too old.
    pub(super) fn next_to_expire(&self) -> Option<(Number, Instant)> {
        let oldest = self.book.oldest(&AT_REST)?;
        self.book.get(oldest).map(|entry| (oldest, entry.expires))
    }

    /// `latest`: of the frames that have not set off, only the newest counts.
    fn supersede_captured(&mut self) {
        if let Some(&newest) = self.book.of(Phase::Captured).last() {
            self.supersede(newest, &[Phase::Captured]);
        }
    }

    /// `every`: the oldest that waits goes while there are too many. What is under way or announced stays.
    fn give_up_oldest(&mut self) {
        let stored_and_captured = [Phase::Captured, Phase::Stored];
        while self.book.count(&WAITING) > self.rules.max_frames
            && self.drop_oldest(&stored_and_captured, Loss::SpoolFrames)
        {}
        if let Some(max_disk) = self.rules.max_disk {
            while self.book.memory_bytes() + self.book.disk_bytes() > max_disk
                && self.drop_oldest(&stored_and_captured, Loss::SpoolBytes)
            {}
        }
        self.release_stored();
        while self.book.memory_bytes() > self.rules.max_memory {
            let waits = |number: &&Number| self.book.of(Phase::Captured).contains(number);
            let Some(&oldest) = self.book.in_memory().iter().find(waits) else { break };
            self.end(oldest, Outcome::Dropped(Loss::SpoolMemory));
        }
    }

    /// Too much in memory: what the store has need not be there, it only waited for the disk.
    fn release_stored(&mut self) {
        while self.book.memory_bytes() > self.rules.max_memory {
            let stored = |number: &&Number| self.book.get(**number).is_some_and(|entry| entry.is_stored());
            let Some(&oldest) = self.book.in_memory().iter().find(stored) else { break };
            self.book.set_held(oldest, Held::Gone);
        }
    }

    fn drop_oldest(&mut self, phases: &[Phase], reason: Loss) -> bool {
        let Some(oldest) = self.book.oldest(phases) else { return false };
        self.end(oldest, Outcome::Dropped(reason));
        true
    }
}
