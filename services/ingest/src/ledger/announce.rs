//! Which frame is announced next, and what its result settles.

use std::time::Duration;

use people_counter_events::{Delivery, FailureReason, Order};

use super::book::{Kept, Phase, Stage, UNSETTLED, WAITING};
use super::{ALL, Instant, Ledger, Number, Outcome, doubled};

/// How likely it is that an announcement is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Nobody had it, or whoever had it is gone: made again before anything newer, so that order is kept.
    Lost,
    /// One of several nodes is gone: made again unless it is so young that its result may be on its way.
    Perhaps,
}

/// Age of an announcement that [`Doubt::Perhaps`] concerns.
const DOUBTFUL_AFTER: Duration = Duration::from_secs(1);

/// What is known of a frame's announcements.
#[derive(Debug, Clone, Default)]
pub(super) struct Announced {
    /// Those that were heard while a node was online.
    counted: u32,
    /// Whether the last one counts if it was heard.
    counts: bool,
    /// What the last one said.
    attempt: u32,
    /// How often patience is doubled with the next one.
    doublings: u32,
    /// When the last one was made.
    last: Instant,
    /// When to make the next one.
    due: Instant,
}

/// An announcement to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// The frame's number.
    pub number: Number,
    /// Where the frame stands among all of its device.
    pub order: Order,
    /// How often it has been announced while a node was online, this time included; at least 1.
    pub attempt: u32,
    /// When the next announcement replaces this one. The broker need not keep it longer, so two of one frame
    /// never stand in a queue.
    pub expires: Duration,
}

/// What the broker said to an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// It has it, and somebody listens.
    Heard,
    /// It has it, but nobody listened.
    Unheard,
    /// Nothing, or no.
    No,
}

/// A node's answer to an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The frame was analysed.
    Analysed,
    /// Its analysis failed.
    Failed(FailureReason),
}

impl<F: Kept> Ledger<F> {
    /// The boot id, once it is fixed.
    pub fn boot(&self) -> Option<u64> {
        self.boot_is_fixed.then_some(self.boot)
    }

    /// Fixes the boot id; nothing is announced before.
    pub fn set_boot(&mut self, boot_id: u64) {
        self.boot = boot_id;
        self.boot_is_fixed = true;
    }

    /// The broker went away, or is back and has told what it keeps of this device.
    ///
    /// A broker that comes back may have lost announcements, and nodes have lost those they held.
    pub fn set_online(&mut self, now: Instant, online: bool) {
        let came_back = online && !self.online;
        self.online = online;
        if came_back {
            self.hurry(now, Doubt::Lost);
            if let (Delivery::Latest, Some(newest)) = (self.rules.delivery, self.book.newest()) {
                // stored before the outage: the newer one goes out instead
                self.supersede(newest, &[Phase::Stored]);
            }
        }
    }

    /// Whether an inference node is online; attempts count only then.
    pub fn set_node_online(&mut self, online: bool) {
        self.node_online = online;
    }

    /// Announces what is unsettled again without waiting for its time, and begins with fresh patience.
    pub fn hurry(&mut self, now: Instant, doubt: Doubt) {
        let numbers: Vec<_> = self.book.of(Phase::Announced).iter().copied().collect();
        for number in numbers {
            if let Some(announced) = self.book.announced_mut(number) {
                let at = match doubt {
                    Doubt::Lost => now,
                    Doubt::Perhaps => now.max(announced.last + DOUBTFUL_AFTER),
                };
                announced.doublings = 0;
                announced.due = announced.due.min(at);
            }
        }
        self.doublings = 0;
    }

    /// The announcement to make now, if there is one and none is being made.
    pub fn next_announcement(&mut self, now: Instant) -> Option<Announcement> {
        if !self.may_announce() {
            return None;
        }
        self.take_over(now);
        let first = || self.first_to_announce().filter(|_| now >= self.paced_announcements);
        let number = self.overdue(now).or_else(first)?;
        let order = self.order(number);
        let entry = self.book.get(number)?;
        let before = match &entry.stage {
            Stage::Announced(before) => before.clone(),
            _ => Announced {
                counted: entry.earlier_attempts,
                doublings: self.doublings,
                ..Announced::default()
            },
        };
        let expires = doubled(self.rules.patience, before.doublings, self.rules.patience_max);
        let counted = before.counted.saturating_add(self.node_online.into());
        let attempt = counted.max(before.attempt).max(1);
        let is_first = before.attempt == 0;
        let announcing = Announced {
            counted: before.counted,
            counts: self.node_online,
            attempt,
            doublings: before.doublings.saturating_add(1),
            last: now,
            due: now + expires,
        };
        self.book.set_stage(number, Stage::Announcing(announcing));
        if is_first && self.rules.delivery == Delivery::Every && !self.book.of(Phase::Stored).is_empty() {
            self.paced_announcements = now + self.rules.drain_pause;
        }
        self.last_announced = self.last_announced.max(number);
        Some(Announcement { number, order, attempt, expires })
    }

    /// What the broker said to the announcement of a frame. One that was not confirmed may have arrived all
    /// the same, so it counts as unsettled and is made again soon.
    pub fn announced(&mut self, now: Instant, number: Number, confirmed: Confirmed) {
        let Some(entry) = self.book.get(number) else { return };
        let Stage::Announcing(announced) = &entry.stage else { return };
        let mut announced = announced.clone();
        match confirmed {
            Confirmed::Heard => announced.counted = announced.counted.saturating_add(announced.counts.into()),
            Confirmed::Unheard => {}
            Confirmed::No => {
                let doublings = announced.doublings.saturating_sub(1);
                announced.due = now + doubled(self.rules.retry, doublings, self.rules.retry_max);
            }
        }
        self.book.set_stage(number, Stage::Announced(announced));
    }

    /// How often a frame has been announced while a node was online.
    pub fn attempts(&self, number: Number) -> u32 {
        let Some(entry) = self.book.get(number) else { return 0 };
        match &entry.stage {
            Stage::Announcing(announced) | Stage::Announced(announced) => announced.counted,
            _ => entry.earlier_attempts,
        }
    }

    /// A node has answered. What it settles depends on the delivery; answers about frames that this boot has
    /// not announced settle nothing. Of frames of earlier boots it is not known what had been announced, so
    /// they are settled whatever their stage.
    pub fn settle(&mut self, order: Order, verdict: Verdict) {
        let Some((number, is_exact)) = self.find(order) else { return };
        let is_earlier = number <= self.restored.len() as Number;
        if self.rules.delivery == Delivery::Latest {
            self.supersede(number, &UNSETTLED);
            self.supersede(number.min(self.restored.len() as Number + 1), &ALL);
            self.doublings = 0;
        }
        let is_unsettled = |entry: &super::book::Entry<F>| UNSETTLED.contains(&entry.stage.phase());
        if is_exact && self.book.get(number).is_some_and(|entry| is_earlier || is_unsettled(entry)) {
            let outcome = match verdict {
                Verdict::Analysed => Outcome::Analysed,
                Verdict::Failed(reason) => Outcome::Failed(reason),
            };
            self.end(number, outcome);
        }
    }

    /// The number of the frame of this order, or of the first one behind it (then `false`).
    fn find(&self, order: Order) -> Option<(Number, bool)> {
        let restored = self.restored.len() as Number;
        if self.boot_is_fixed && order.boot_id == self.boot {
            let number = restored.checked_add(order.sequence)?;
            return (order.sequence > 0 && number <= self.last_announced).then_some((number, true));
        }
        if order.boot_id >= self.boot {
            return None;
        }
        match self.restored.binary_search(&order) {
            Ok(index) => Some((index as Number + 1, true)),
            Err(index) => Some((index as Number + 1, false)),
        }
    }

    fn may_announce(&self) -> bool {
        self.online && self.boot_is_fixed && self.book.count(&[Phase::Announcing]) == 0
    }

    fn due(&self, number: Number) -> Option<Instant> {
        match &self.book.get(number)?.stage {
            Stage::Announced(announced) => Some(announced.due),
            _ => None,
        }
    }

    /// The announced frame whose result is overdue; of `latest` only the newest one's counts.
    fn overdue(&self, now: Instant) -> Option<Number> {
        let announced = self.book.of(Phase::Announced);
        let is_overdue = |&&number: &&Number| self.due(number).is_some_and(|due| due <= now);
        match self.rules.delivery {
            Delivery::Every => announced.iter().find(is_overdue).copied(),
            Delivery::Latest => announced.last().filter(is_overdue).copied(),
        }
    }

    /// The oldest frame that has never been announced, if it is stored and the window has room.
    fn first_to_announce(&self) -> Option<Number> {
        if self.unsettled() >= self.rules.window {
            return None;
        }
        self.book.oldest(&WAITING).filter(|oldest| self.book.of(Phase::Stored).contains(oldest))
    }

    /// `latest`: when the result of the newest announcement is overdue and a newer picture is there, that one
    /// goes out instead. It inherits the patience, so that an absent node costs less and less.
    pub(super) fn take_over(&mut self, now: Instant) {
        if self.rules.delivery != Delivery::Latest || !self.online || !self.boot_is_fixed {
            return;
        }
        let (Some(overdue), Some(newest)) = (self.overdue(now), self.book.newest()) else { return };
        if newest > overdue {
            if let Some(announced) = self.book.announced_mut(overdue) {
                self.doublings = announced.doublings;
            }
            self.supersede(newest, &[Phase::Announced]);
        }
    }

    pub(super) fn wake_for_announcement(&self, now: Instant) -> Option<Instant> {
        if !self.may_announce() {
            return None;
        }
        let announced = self.book.of(Phase::Announced);
        let again = match self.rules.delivery {
            Delivery::Every => announced.iter().filter_map(|&number| self.due(number)).min(),
            Delivery::Latest => announced.last().and_then(|&number| self.due(number)),
        };
        let paced = self.paced_announcements;
        let first = (paced > now && self.first_to_announce().is_some()).then_some(paced);
        again.into_iter().chain(first).min()
    }
}
