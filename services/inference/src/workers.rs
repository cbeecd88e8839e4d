//! The threads that analyse, one picture each at a time.
//!
//! A picture that makes a worker panic or hang costs that worker alone: it starts afresh, or is left behind
//! and replaced.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};

use crate::analysis::{Analysis, Analyst, Failure, Settings};
use crate::devices::Rule;
use crate::metrics::Metrics;
use crate::model::Models;

/// How the analysis of a picture ended.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Counted.
    Done(Analysis),
    /// It can never be counted.
    Failed(Failure),
    /// The worker panicked.
    Crashed,
    /// The worker took too long and was left behind.
    TimedOut,
}

struct Job {
    picture: Bytes,
    rule: Arc<Rule>,
    verdict: oneshot::Sender<Verdict>,
}

/// A pool of worker threads; they end when it is dropped.
pub(crate) struct Workers {
    jobs: mpsc::Sender<Job>,
    /// One permit a worker: the time limit starts when there is one for the picture.
    free: Semaphore,
    shared: Arc<Shared>,
    limit: Duration,
    metrics: Arc<Metrics>,
    /// Workers that may still be left behind before the pool gives up.
    spare: Mutex<usize>,
}

struct Shared {
    jobs: Mutex<mpsc::Receiver<Job>>,
    models: Models,
    settings: Settings,
}

impl Workers {
    /// Starts `threads` workers; a picture may take `limit`.
    pub(crate) fn start(
        threads: usize,
        models: Models,
        settings: Settings,
        limit: Duration,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let (jobs, receiver) = mpsc::channel();
        let shared = Arc::new(Shared { jobs: Mutex::new(receiver), models, settings });
        for _ in 0..threads {
            spawn(&shared)?;
        }
        let (free, spare) = (Semaphore::new(threads), Mutex::new(4 * threads.max(1)));
        Ok(Self { jobs, free, shared, limit, metrics, spare })
    }

    /// Analyses an encoded picture as soon as a worker is free.
    ///
    /// # Errors
    /// When too many workers have been left behind, or a thread cannot be started: the node must restart.
    pub(crate) async fn analyse(&self, picture: Bytes, rule: Arc<Rule>) -> anyhow::Result<Verdict> {
        let _worker = self.free.acquire().await.context("the worker threads are gone")?;
        let (verdict, outcome) = oneshot::channel();
        self.jobs.send(Job { picture, rule, verdict }).ok().context("the worker threads are gone")?;
        match tokio::time::timeout(self.limit, outcome).await {
            Ok(verdict) => Ok(verdict.unwrap_or(Verdict::Crashed)),
            Err(_elapsed) => {
                self.replace_one()?;
                Ok(Verdict::TimedOut)
            }
        }
    }

    /// A thread cannot be killed: the hanging one is left behind, and there is a bound to that.
    fn replace_one(&self) -> anyhow::Result<()> {
        self.metrics.replaced_workers.inc();
        let mut spare = self.spare.lock().unwrap_or_else(|poison| poison.into_inner());
        *spare = spare.checked_sub(1).context(
            "too many pictures took longer than limits.analysis, the machine is overloaded or the model hangs",
        )?;
        spawn(&self.shared)
    }
}

fn spawn(shared: &Arc<Shared>) -> anyhow::Result<()> {
    let shared = shared.clone();
    let analyst = Analyst::new(&shared.models)?;
    std::thread::Builder::new()
        .name("analyse".into())
        .spawn(move || work(&shared, analyst))
        .map(drop)
        .context("cannot start a worker thread")
}

fn work(shared: &Shared, mut analyst: Analyst) {
    loop {
        let job = shared.jobs.lock().unwrap_or_else(|poison| poison.into_inner()).recv();
        let Ok(Job { picture, rule, verdict }) = job else { return };
        let outcome = catch_unwind(AssertUnwindSafe(|| analyst.analyse(&shared.settings, &rule, &picture)));
        let broken = outcome.is_err();
        let outcome = match outcome {
            Ok(Ok(analysis)) => Verdict::Done(analysis),
            Ok(Err(failure)) => Verdict::Failed(failure),
            Err(_panic) => Verdict::Crashed,
        };
        if verdict.send(outcome).is_err() {
            // given up as hanging and replaced meanwhile: one worker too many now
            return;
        }
        if broken {
            // what the panic left behind is not trusted
            match Analyst::new(&shared.models) {
                Ok(fresh) => analyst = fresh,
                Err(error) => {
                    tracing::error!("a worker cannot start afresh: {error:#}");
                    return;
                }
            }
        }
    }
}
