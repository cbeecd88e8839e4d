//! [`Job`]: something that is under way beside everything else, at most one of its kind.

use std::future::{Future, pending};
use std::pin::Pin;

/// A place for one future.
pub struct Job<T>(Option<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T> Default for Job<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Job<T> {
    /// Puts `future` under way, in place of what was there.
    pub fn start(&mut self, future: impl Future<Output = T> + Send + 'static) {
        self.0 = Some(Box::pin(future));
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    /// Gives up what is under way.
    pub fn cancel(&mut self) {
        self.0 = None;
    }

    /// Waits for the outcome of what is under way, for ever if nothing is. May be dropped and called again.
    pub async fn done(&mut self) -> T {
        let Some(future) = &mut self.0 else { return pending().await };
        let outcome = future.await;
        self.0 = None;
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiting_may_be_interrupted() {
        let mut job = Job::default();
        job.start(async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            7
        });
        for _ in 0..3 {
            assert!(tokio::time::timeout(Duration::from_secs(2), job.done()).await.is_err());
        }
        assert_eq!(job.done().await, 7);
        assert!(job.is_idle());
        assert!(tokio::time::timeout(Duration::from_secs(2), job.done()).await.is_err());
    }
}
