//! Which frame is announced next, and what its result settles.

use std::time::Duration;

use people_counter_events::{Delivery, FailureReason, Order};

use super::{Instant, Ledger, Outcome, Sequence, Stage, doubled};

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
    pub sequence: Sequence,
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

impl<F> Ledger<F> {
    /// The boot id, once it is fixed.
    pub fn boot(&self) -> Option<u64> {
        self.boot
    }

    /// Fixes the boot id; nothing is announced before.
    pub fn set_boot(&mut self, boot_id: u64) {
        self.boot = Some(boot_id);
    }

    /// The broker went away, or is back and has told what it keeps of this device.
    ///
    /// A broker that comes back may have lost announcements, and nodes have lost those they held.
    pub fn set_online(&mut self, now: Instant, online: bool) {
        let came_back = online && !self.online;
        self.online = online;
        if came_back {
            self.hurry(now, Doubt::Lost);
            if let (Delivery::Latest, Some(&newest)) = (self.rules.delivery, self.entries.keys().next_back())
            {
                // stored before the outage: the newer one goes out instead
                self.supersede(newest, |stage| matches!(stage, Stage::Stored));
            }
        }
    }

    /// Whether an inference node is online; attempts count only then.
    pub fn set_node_online(&mut self, online: bool) {
        self.node_online = online;
    }

    /// Announces what is unsettled again without waiting for its time, and begins with fresh patience.
    pub fn hurry(&mut self, now: Instant, doubt: Doubt) {
        for entry in self.entries.values_mut() {
            if let Stage::Announced(announced) = &mut entry.stage {
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
        let boot_id = self.boot?;
        if !self.online || self.is_announcing() {
            return None;
        }
        self.take_over(now);
        let sequence = self.overdue(now).or_else(|| self.first_to_announce())?;
        let inherited = self.doublings;
        let entry = self.entries.get_mut(&sequence)?;
        let before = match &entry.stage {
            Stage::Announced(before) => before.clone(),
            _ => Announced { doublings: inherited, ..Announced::default() },
        };
        let expires = doubled(self.rules.patience, before.doublings, self.rules.patience_max);
        let counted = before.counted.saturating_add(self.node_online.into());
        let attempt = counted.max(before.attempt).max(1);
        entry.stage = Stage::Announcing(Announced {
            counted: before.counted,
            counts: self.node_online,
            attempt,
            doublings: before.doublings.saturating_add(1),
            last: now,
            due: now + expires,
        });
        self.last_announced = self.last_announced.max(sequence);
        Some(Announcement { sequence, order: Order::new(boot_id, sequence), attempt, expires })
    }

    /// What the broker said to the announcement of a frame. One that was not confirmed may have arrived all
    /// the same, so it counts as unsettled and is made again soon.
    pub fn announced(&mut self, now: Instant, sequence: Sequence, confirmed: Confirmed) {
        let (retry, retry_max) = (self.rules.retry, self.rules.retry_max);
        let Some(entry) = self.entries.get_mut(&sequence) else { return };
        let Stage::Announcing(announced) = &mut entry.stage else { return };
        match confirmed {
            Confirmed::Heard => announced.counted = announced.counted.saturating_add(announced.counts.into()),
            Confirmed::Unheard => {}
            Confirmed::No => {
                announced.due = now + doubled(retry, announced.doublings.saturating_sub(1), retry_max)
            }
        }
        entry.stage = Stage::Announced(announced.clone());
    }

    /// A node has answered. What it settles depends on the delivery; answers about frames that were not
    /// announced by this boot settle nothing.
    pub fn settle(&mut self, order: Order, verdict: Verdict) {
        if self.boot != Some(order.boot_id) || order.sequence > self.last_announced {
            return;
        }
        if self.rules.delivery == Delivery::Latest {
            self.supersede(order.sequence, Stage::is_unsettled_announcement);
            self.doublings = 0;
        }
        let announced = |entry: &super::Entry<F>| entry.stage.is_unsettled_announcement();
        if self.entries.get(&order.sequence).is_some_and(announced) {
            let outcome = match verdict {
                Verdict::Analysed => Outcome::Analysed,
                Verdict::Failed(reason) => Outcome::Failed(reason),
            };
            self.end(order.sequence, outcome);
        }
    }

    fn is_announcing(&self) -> bool {
        self.entries.values().any(|entry| matches!(entry.stage, Stage::Announcing(_)))
    }

    /// The announced frame whose result is overdue; of `latest` only the newest one's counts.
    fn overdue(&self, now: Instant) -> Option<Sequence> {
        let mut announced = self.entries.iter().filter_map(|(&sequence, entry)| match &entry.stage {
            Stage::Announced(announced) => Some((sequence, announced.due <= now)),
            _ => None,
        });
        let found = match self.rules.delivery {
            Delivery::Every => announced.find(|&(_, overdue)| overdue),
            Delivery::Latest => announced.last().filter(|&(_, overdue)| overdue),
        };
        found.map(|(sequence, _)| sequence)
    }

    /// The oldest frame that has never been announced, if it is stored and the window has room.
    fn first_to_announce(&self) -> Option<Sequence> {
        if self.unsettled() >= self.rules.window {
            return None;
        }
        let (&sequence, entry) =
            self.entries.iter().find(|(_, entry)| !entry.stage.is_unsettled_announcement())?;
        matches!(entry.stage, Stage::Stored).then_some(sequence)
    }

    /// `latest`: when the result of the newest announcement is overdue and a newer picture is there, that one
    /// goes out instead. It inherits the patience, so that an absent node costs less and less.
    pub(super) fn take_over(&mut self, now: Instant) {
        if self.rules.delivery != Delivery::Latest || !self.online || self.boot.is_none() {
            return;
        }
        let (Some(overdue), Some(&newest)) = (self.overdue(now), self.entries.keys().next_back()) else {
            return;
        };
        if newest > overdue {
            if let Some(Stage::Announced(announced)) = self.entries.get(&overdue).map(|entry| &entry.stage) {
                self.doublings = announced.doublings;
            }
            self.supersede(newest, |stage| matches!(stage, Stage::Announced(_)));
        }
    }

    pub(super) fn wake_for_announcement(&self) -> Option<Instant> {
        if !self.online || self.boot.is_none() || self.is_announcing() {
            return None;
        }
        let due = |entry: &super::Entry<F>| match &entry.stage {
            Stage::Announced(announced) => Some(announced.due),
            _ => None,
        };
        match self.rules.delivery {
            Delivery::Every => self.entries.values().filter_map(due).min(),
            Delivery::Latest => self.entries.values().filter_map(due).next_back(),
        }
    }
}
