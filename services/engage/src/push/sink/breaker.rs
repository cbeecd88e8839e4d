//! [`Breaker`] and [`Backoff`]: how long to leave a system alone that does not answer. The time is a parameter.

use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;

/// After so many failures in a row a system is left alone for a while, then tried once.
#[derive(Debug)]
pub(super) struct Breaker {
    limit: u32,
    pause: Duration,
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    pub(super) fn new(limit: u32, pause: Duration) -> Self {
        Self { limit, pause, failures: 0, open_until: None }
    }

    /// Not before then; `None`: at once.
    pub(super) fn ready_at(&self) -> Option<Instant> {
        self.open_until
    }

    pub(super) fn succeeded(&mut self) {
        (self.failures, self.open_until) = (0, None);
    }

    /// Counts a failure; `true` if the system is left alone from now on.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        let open = self.failures >= self.limit;
        self.open_until = open.then(|| now + self.pause);
        open
    }
}

/// Waits that double, with jitter so that many replicas and sinks do not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, next: min }
    }

    /// The next wait: between half and all of the span.
    pub(super) fn wait(&mut self) -> Duration {
        let span = self.next;
        self.next = (span * 2).min(self.max).max(self.min);
        span.mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_so_many_failures_and_one_more_opens_it_again() {
        let (now, pause) = (Instant::now(), Duration::from_secs(60));
        let mut breaker = Breaker::new(2, pause);
        assert!(!breaker.failed(now));
        breaker.succeeded();
        assert!(!breaker.failed(now), "failures have to be in a row");
        assert_eq!(breaker.ready_at(), None);
        assert!(breaker.failed(now));
        assert_eq!(breaker.ready_at(), Some(now + pause));
        assert!(breaker.failed(now + pause), "the one trial failed");
        assert_eq!(breaker.ready_at(), Some(now + 2 * pause));
        breaker.succeeded();
        assert_eq!(breaker.ready_at(), None);
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, 5 * second);
        for span in [1, 2, 4, 5, 5] {
            let wait = backoff.wait();
            assert!(wait <= span * second && wait >= span * second / 2, "{wait:?} of {span} s");
        }
    }
}
