//! [`Sync`]: when has everything the broker keeps been heard?
//!
//! MQTT does not mark the end of the retained messages. A message of our own, published once the broker has
//! confirmed the subscriptions, comes back behind most of them; after that, a pause without any says that
//! it was all. Pure: the time is a parameter.

use std::time::Duration;

use tokio::time::Instant;

/// A pause this long without a retained message is the end of them.
const QUIET: Duration = Duration::from_millis(250);

/// After this long without the own message, another one is published.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far the reading of the retained messages has come, on the current connection.
#[derive(Debug)]
pub(super) struct Sync {
    connection: u64,
    stage: Stage,
    began: Instant,
    last_retained: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The subscriptions are not confirmed.
    Waiting,
    /// The own message was published.
    Marked { at: Instant },
    /// It has come back.
    Returned,
    /// It is done.
    Complete,
}

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Publish the own message.
    Mark,
    /// The own message has not come back; publish it again.
    MarkAgain,
    /// Everything has been heard.
    Complete {
        /// How long that took.
        took: Duration,
    },
}

impl Sync {
    pub(super) fn new(now: Instant) -> Self {
        Self { connection: 0, stage: Stage::Waiting, began: now, last_retained: now }
    }

    /// The connection whose messages are being read.
    pub(super) fn connection(&self) -> u64 {
        self.connection
    }

    /// Whether everything the broker keeps has been heard on this connection.
    pub(super) fn is_complete(&self) -> bool {
        self.stage == Stage::Complete
    }

    /// A new connection: everything comes again.
    pub(super) fn begin(&mut self, connection: u64, now: Instant) {
        *self = Self { connection, ..Self::new(now) };
    }

    /// A retained message came.
    pub(super) fn retained(&mut self, now: Instant) {
        self.last_retained = now;
    }

    /// What the own message says: which connection it was published for.
    pub(super) fn marker(&self, node: &str) -> String {
        format!("{node} {}", self.connection)
    }

    /// An own message came back.
    pub(super) fn returned(&mut self, node: &str, marker: &str, now: Instant) {
        if matches!(self.stage, Stage::Marked { .. }) && marker == self.marker(node) {
            self.stage = Stage::Returned;
            // the pause is counted from here: what came before it says nothing of what comes behind
            self.last_retained = self.last_retained.max(now);
        }
    }

    /// When to look again, unless something comes.
    pub(super) fn due(&self, subscribed: bool) -> Option<Instant> {
        match self.stage {
            _ if !subscribed => None,
            Stage::Waiting => Some(self.began),
            Stage::Marked { at } => Some(at + PATIENCE),
            Stage::Returned => Some(self.last_retained + QUIET),
            Stage::Complete => None,
        }
    }

    /// What there is to do at `now`; `subscribed` says that the broker has confirmed the subscriptions.
    pub(super) fn step(&mut self, subscribed: bool, now: Instant) -> Option<Step> {
        if self.due(subscribed)? > now {
            return None;
        }
        let (stage, step) = match self.stage {
            Stage::Waiting => (Stage::Marked { at: now }, Step::Mark),
            Stage::Marked { .. } => (Stage::Marked { at: now }, Step::MarkAgain),
            Stage::Returned => (Stage::Complete, Step::Complete { took: now - self.began }),
            Stage::Complete => return None,
        };
        self.stage = stage;
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn complete_means_marked_returned_and_quiet() {
        let start = Instant::now();
        let mut sync = Sync::new(start);
        sync.begin(3, start);
        assert_eq!(sync.step(false, start + 100 * MS), None, "not before the subscriptions");
        assert_eq!(sync.step(true, start + 100 * MS), Some(Step::Mark));
        assert_eq!(sync.step(true, start + 100 * MS), None);
        sync.retained(start + 150 * MS);
        sync.returned("me", "me 2", start + 160 * MS);
        assert_eq!(sync.step(true, start + 900 * MS), None, "that was an older connection's");
        sync.returned("me", "me 3", start + 1000 * MS);
        assert_eq!(sync.step(true, start + 1249 * MS), None);
        sync.retained(start + 1249 * MS);
        assert_eq!(sync.step(true, start + 1400 * MS), None, "one more came");
        assert_eq!(sync.step(true, start + 1499 * MS), Some(Step::Complete { took: 1499 * MS }));
        assert!(sync.is_complete());
        assert_eq!(sync.due(true), None);
    }

    #[test]
    fn a_connection_that_breaks_before_the_end_does_not_reach_it() {
        let start = Instant::now();
        let mut sync = Sync::new(start);
        sync.begin(1, start);
        sync.step(true, start);
        sync.returned("me", "me 1", start);
        assert_eq!(sync.step(false, start + QUIET), None);
        assert!(!sync.is_complete());
    }

    #[test]
    fn a_marker_that_does_not_come_back_is_published_again() {
        let start = Instant::now();
        let mut sync = Sync::new(start);
        sync.begin(1, start);
        assert_eq!(sync.step(true, start), Some(Step::Mark));
        assert_eq!(sync.step(true, start + PATIENCE - MS), None);
        assert_eq!(sync.step(true, start + PATIENCE), Some(Step::MarkAgain));
        assert_eq!(sync.step(true, start + PATIENCE), None);
    }

    #[test]
    fn a_new_connection_starts_again() {
        let start = Instant::now();
        let mut sync = Sync::new(start);
        sync.begin(1, start);
        sync.step(true, start);
        sync.returned("me", "me 1", start);
        sync.step(true, start + QUIET);
        assert!(sync.is_complete());
        sync.begin(2, start + QUIET);
        assert!(!sync.is_complete());
        assert_eq!(sync.due(false), None);
    }
}
