//! Attempts, the waits between them, and the limits on both.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::credentials::Signer;
use crate::{Config, Error, Store, Target};

/// One attempt that failed.
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// How long the store asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, retry_after: None }
    }
}

/// One attempt that is about to be made.
pub(crate) struct Attempt {
    /// 1 for the first.
    pub(crate) number: u32,
    pub(crate) signer: Arc<Signer>,
}

impl Store {
    /// Makes attempts until one succeeds, fails for good, or a limit is reached; counts and times
    /// the whole.
    pub(crate) async fn run<T, F>(&self, target: &Target, attempt: impl Fn(Attempt) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let started = Instant::now();
        let result = self.attempts(target, started, attempt).await;
        self.metrics().ended(target.operation, result.as_ref().err(), started.elapsed());
        result
    }

    async fn attempts<T, F>(
        &self,
        target: &Target,
        started: Instant,
        attempt: impl Fn(Attempt) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let config = self.config();
        let deadline = started + config.total_timeout;
        let mut renewed = false;
        let mut number = 1;
        loop {
            let signer = self.keyring().signer().await?;
            let made = attempt(Attempt { number, signer: signer.clone() });
            let failure = match limited(config, target, deadline, made).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            // Keys that were rotated a moment ago: the file or role has the new ones by now.
            if matches!(failure.error, Error::Denied { .. })
                && !renewed
                && self.keyring().renew(&signer).await
            {
                renewed = true;
                continue;
            }
            if !failure.error.is_transient() || number >= config.attempts {
                return Err(failure.error.after(number));
            }
            let wait = wait(config, number, failure.retry_after, rand::random());
            if Instant::now() + wait >= deadline {
                return Err(failure.error.after(number));
            }
            tracing::debug!(error = %failure.error, number, ?wait, "storage attempt failed, trying again");
            self.metrics().retried(target.operation);
            tokio::time::sleep(wait).await;
            number += 1;
        }
    }
}

/// Runs one attempt within the limit on an attempt and what is left of the limit on all.
async fn limited<T>(
    config: &Config,
    target: &Target,
    deadline: Instant,
    attempt: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let end = Instant::now() + config.timeout;
    let (end, setting, limit) = if end <= deadline {
        (end, "timeout", config.timeout)
    } else {
        (deadline, "total_timeout", config.total_timeout)
    };
    tokio::time::timeout_at(end, attempt).await.unwrap_or_else(|_| {
        let target = Box::new(target.clone());
        Err(Error::Timeout { target, setting, limit, attempts: 1 }.into())
    })
}

/// The wait after failure number `failures`. It doubles from `backoff_min` to `backoff_max`;
/// `random`, 0 to 1, takes off up to half, so that many clients do not return at the same moment.
/// A longer wait that the store asks for is kept up to `backoff_max`.
fn wait(config: &Config, failures: u32, asked: Option<Duration>, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    let full = config.backoff_min.saturating_mul(1 << doublings).min(config.backoff_max);
    full.mul_f64(1.0 - random / 2.0).max(asked.unwrap_or_default().min(config.backoff_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn waits_double_up_to_the_limit_and_lose_up_to_half() {
        let config = Config { backoff_min: MS(100), backoff_max: MS(1000), ..Config::default() };
        let full: Vec<_> = (1..=6).map(|n| wait(&config, n, None, 0.0)).collect();
        assert_eq!(full, [MS(100), MS(200), MS(400), MS(800), MS(1000), MS(1000)]);
        assert_eq!(wait(&config, 3, None, 1.0), MS(200));
        assert_eq!(wait(&config, u32::MAX, None, 0.0), MS(1000));
    }

    #[test]
    fn the_store_may_ask_for_more_up_to_the_limit() {
        let config = Config { backoff_min: MS(100), backoff_max: MS(1000), ..Config::default() };
        assert_eq!(wait(&config, 1, Some(MS(700)), 0.0), MS(700));
        assert_eq!(wait(&config, 1, Some(MS(60_000)), 0.0), MS(1000));
        assert_eq!(wait(&config, 4, Some(MS(1)), 0.0), MS(800));
    }
}
