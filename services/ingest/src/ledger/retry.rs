//! [`Retry`]: patience with something that fails.

use super::{Duration, Instant, doubled};

/// How often something has failed in a row, and when it may be tried again.
#[derive(Debug, Clone, Default)]
pub(super) struct Retry {
    failures: u32,
    not_before: Instant,
}

impl Retry {
    pub(super) fn is_well(&self) -> bool {
        self.failures == 0
    }

    pub(super) fn not_before(&self) -> Instant {
        self.not_before
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The wait doubles with each failure, from `first` to `longest`.
    pub(super) fn failed(&mut self, now: Instant, first: Duration, longest: Duration) {
        self.not_before = now + doubled(first, self.failures, longest);
        self.failures = self.failures.saturating_add(1);
    }
}
