//! [`Newest`]: heals a retained message that an older one overtook.
//!
//! A broker keeps what was published last, which need not be the newest: a slow node's late result, or a
//! broker restored from an old state, rolls it back. The device sees its messages in the broker's own order,
//! so it knows, and publishes the newest again, byte for byte. Whoever else does the same publishes the same
//! bytes, so two healers never answer each other.

use std::time::Duration;

use bytes::Bytes;
use people_counter_events::{FrameID, Order};

use super::{Instant, doubled};

/// Shortest time between two healings. It doubles while they are to no avail.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What an arriving message is compared to the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Newer, or the same frame again.
    Newest,
    /// Older: it overtook the newest.
    Overtook,
}

#[derive(Debug, Clone)]
struct Message {
    order: Order,
    frame: FrameID,
    payload: Bytes,
}

/// The newest message of one retained topic.
#[derive(Debug, Default)]
pub struct Newest {
    newest: Option<Message>,
    /// The broker is not known to keep the newest one.
    lost: bool,
    /// Healings since the newest came.
    healed: u32,
    not_before: Instant,
}

impl Newest {
    /// A message arrived on the topic.
    pub fn saw(&mut self, order: Order, frame: FrameID, payload: &Bytes) -> Seen {
        match &self.newest {
            Some(newest) if order < newest.order => {
                self.lost = true;
                return Seen::Overtook;
            }
            Some(newest) if order == newest.order => {}
            _ => self.healed = 0,
        }
        // of two about one frame the broker keeps the later
        self.newest = Some(Message { order, frame, payload: payload.clone() });
        self.lost = false;
        Seen::Newest
    }

    /// Somebody cleared the topic on purpose.
    pub fn cleared(&mut self) {
        *self = Self::default();
    }

    /// The broker came back; unless it tells otherwise until it has told all, the message is lost.
    pub fn reconnected(&mut self) {
        self.lost = self.newest.is_some();
    }

    /// The frame of the newest message.
    pub fn frame(&self) -> Option<FrameID> {
        self.newest.as_ref().map(|newest| newest.frame)
    }

    /// What to publish again now.
    pub fn heal(&mut self, now: Instant) -> Option<Bytes> {
        let newest = self.newest.as_ref().filter(|_| self.lost && now >= self.not_before)?;
        self.lost = false;
        self.not_before = now + doubled(PAUSE, self.healed, PAUSE_MAX);
        self.healed = self.healed.saturating_add(1);
        Some(newest.payload.clone())
    }

    /// Publishing it again failed.
    pub fn heal_failed(&mut self) {
        self.lost = self.newest.is_some();
    }

    /// When to ask again although nothing happened.
    pub fn wake(&self) -> Option<Instant> {
        (self.lost && self.newest.is_some()).then_some(self.not_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saw(newest: &mut Newest, sequence: u64, payload: &'static str) -> Seen {
        newest.saw(Order::new(1, sequence), FrameID::from_u128(sequence.into()), &Bytes::from(payload))
    }

    const fn at(seconds: u64) -> Instant {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_newest_is_published_again_when_an_older_one_overtook_it() {
        let mut newest = Newest::default();
        assert_eq!(saw(&mut newest, 7, "seven"), Seen::Newest);
        assert_eq!(newest.heal(at(0)), None);
        assert_eq!(saw(&mut newest, 6, "six"), Seen::Overtook);
        assert_eq!(newest.frame(), Some(FrameID::from_u128(7)));
        assert_eq!(newest.heal(at(1)), Some("seven".into()));
        assert_eq!(newest.heal(at(9)), None, "once is enough");
        assert_eq!(saw(&mut newest, 7, "seven"), Seen::Newest);
        assert_eq!(newest.wake(), None);
    }

    #[test]
    fn a_stubborn_writer_is_answered_less_and_less() {
        let mut newest = Newest::default();
        saw(&mut newest, 7, "seven");
        let mut healed = 0;
        for second in 0..600 {
            saw(&mut newest, 6, "six");
            healed += u32::from(newest.heal(at(second)).is_some());
        }
        assert!((5..=16).contains(&healed), "{healed} times in ten minutes");
        // a result of its own starts anew
        saw(&mut newest, 8, "eight");
        saw(&mut newest, 6, "six");
        assert!(newest.heal(at(700)).is_some());
    }

    #[test]
    fn two_healers_do_not_answer_each_other() {
        let mut healers = [Newest::default(), Newest::default()];
        let mut topic = vec![(7, "seven"), (6, "six")];
        let mut published = 0;
        let mut second = 0;
        while let Some((sequence, payload)) = (!topic.is_empty()).then(|| topic.remove(0)) {
            second += 100;
            for healer in &mut healers {
                saw(healer, sequence, payload);
                if healer.heal(at(second)).is_some() {
                    published += 1;
                    topic.push((7, "seven"));
                }
            }
        }
        assert_eq!(published, 2);
    }

    #[test]
    fn a_broker_that_forgot_is_told_again() {
        let mut newest = Newest::default();
        newest.reconnected();
        assert_eq!(newest.heal(at(0)), None, "nothing is known");
        saw(&mut newest, 7, "seven");
        newest.reconnected();
        saw(&mut newest, 7, "seven");
        assert_eq!(newest.heal(at(1)), None, "the broker has it");
        newest.reconnected();
        assert_eq!(newest.heal(at(2)), Some("seven".into()));
        newest.heal_failed();
        assert_eq!(newest.heal(at(2)), None, "not at once again");
        assert!(newest.heal(newest.wake().unwrap()).is_some());
    }

    #[test]
    fn what_was_cleared_on_purpose_stays_cleared() {
        let mut newest = Newest::default();
        saw(&mut newest, 7, "seven");
        newest.cleared();
        newest.reconnected();
        assert_eq!(newest.heal(at(0)), None);
        assert_eq!(saw(&mut newest, 6, "six"), Seen::Newest);
    }
}
