//! [`Tasks`]: the first failure stops the rest and is not swallowed.

use std::future::Future;

use anyhow::{Context, anyhow};
use tokio::task::JoinSet;

use crate::Stop;

/// Tasks that live and die together.
pub struct Tasks {
    running: JoinSet<(String, anyhow::Result<()>)>,
    stop: Stop,
}

impl Tasks {
    /// Tasks that end when `stop` says so, or when one of them fails.
    pub fn new(stop: &Stop) -> Self {
        Self { running: JoinSet::new(), stop: stop.child_token() }
    }

    /// What the tasks shall listen to.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Starts a task. It is expected to run until [`Tasks::stop`]; ending earlier is a failure.
    pub fn spawn(
        &mut self,
        name: impl Into<String>,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let name = name.into();
        self.running.spawn(async move { (name, task.await) });
    }

    /// Waits until all have ended. The first failure stops the others and is what comes back.
    ///
    /// # Errors
    /// The first task that failed, panicked, or ended before it was told to.
    pub async fn join(mut self) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        while let Some(ended) = self.running.join_next().await {
            let result = match ended {
                Ok((name, Ok(()))) if self.stop.is_cancelled() => {
                    tracing::debug!(task = name, "ended");
                    Ok(())
                }
                Ok((name, Ok(()))) => Err(anyhow!("{name} ended although nobody told it to")),
                Ok((name, Err(error))) => Err(error).context(format!("{name} failed")),
                Err(error) => Err(anyhow!("a task broke off: {error}")),
            };
            self.stop.cancel();
            match (result, &outcome) {
                (Err(error), Ok(())) => outcome = Err(error),
                (Err(error), Err(_)) => tracing::error!("{error:#}"),
                (Ok(()), _) => {}
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_stops_the_others() {
        let stop = Stop::new();
        let mut tasks = Tasks::new(&stop);
        let told = tasks.stop();
        tasks.spawn("patient", async move {
            told.cancelled().await;
            Ok(())
        });
        tasks.spawn("broken", async { Err(anyhow!("no bread")) });
        let error = tasks.join().await.unwrap_err();
        assert_eq!(format!("{error:#}"), "broken failed: no bread");
        assert!(!stop.is_cancelled(), "the parent is its owner's");
    }

    #[tokio::test]
    async fn a_panic_and_an_early_end_are_failures() {
        let stop = Stop::new();
        let mut tasks = Tasks::new(&stop);
        tasks.spawn("panics", async { panic!("ouch") });
        assert!(tasks.join().await.is_err());
        let mut tasks = Tasks::new(&stop);
        tasks.spawn("short", async { Ok(()) });
        assert!(tasks.join().await.unwrap_err().to_string().contains("short ended"));
    }

    #[tokio::test]
    async fn told_to_stop_all_end_well() {
        let stop = Stop::new();
        let mut tasks = Tasks::new(&stop);
        let told = tasks.stop();
        tasks.spawn("patient", async move {
            told.cancelled().await;
            Ok(())
        });
        stop.cancel();
        tasks.join().await.unwrap();
    }
}
