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
    use std::future::ready;

    use tokio::sync::oneshot;

    use super::*;

    async fn is_done(job: &mut Job<u8>) -> bool {
        tokio::select! {
            biased;
            _ = job.done() => true,
            () = ready(()) => false,
        }
    }

    #[tokio::test]
    async fn waiting_may_be_interrupted() {
        let mut job = Job::default();
        assert!(job.is_idle() && !is_done(&mut job).await);
        let (outcome, wait) = oneshot::channel();
        job.start(async { wait.await.unwrap() });
        for _ in 0..3 {
            assert!(!is_done(&mut job).await);
        }
        assert!(!job.is_idle());
        outcome.send(7).unwrap();
        assert_eq!(job.done().await, 7);
        assert!(job.is_idle() && !is_done(&mut job).await);
    }
}
