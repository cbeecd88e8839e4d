//! How long to wait before the next try.

use std::time::Duration;

/// Exponential back-off with jitter: each wait is drawn from the upper half of a span that doubles from `min`
/// to `max`.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(min: Duration, max: Duration) -> Self {
        Self { min, max: max.max(min), next: min }
    }

    /// The next wait.
    pub(crate) fn wait(&mut self) -> Duration {
        let span = self.next;
        self.next = (span * 2).min(self.max);
        span.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// The last try was a success: start from the shortest wait again.
    pub(crate) fn reset(&mut self) {
        self.next = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_maximum_and_start_again() {
        let (min, max) = (Duration::from_millis(100), Duration::from_millis(450));
        let mut backoff = Backoff::new(min, max);
        for span in [100, 200, 400, 450, 450] {
            let wait = backoff.wait();
            assert!(
                wait <= Duration::from_millis(span) && wait >= Duration::from_millis(span / 2),
                "{wait:?}"
            );
        }
        backoff.reset();
        assert!(backoff.wait() <= min);
    }
}
