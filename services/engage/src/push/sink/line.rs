//! [`Line`]: brings events to one system: in order, again after a failure, within bounds.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use iot_chassis::Stop;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use uuid::Uuid;

use super::breaker::{Backoff, Breaker};
use super::{Failure, Queue, Sink, View};
use crate::board::Board;
use crate::clock;
use crate::push::event::Event;
use crate::push::metrics::{Attempt, Dropped, SinkMetrics};

/// How long what is left may take when the service stops.
pub(in crate::push) const FAREWELL: Duration = Duration::from_secs(2);
/// The longest wait that a system can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How patient sinks are, each for itself.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delivery {
    /// Most events that wait; when there are more, the oldest is dropped.
    pub queue: usize,
    /// Time limit for one attempt.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Most attempts for an event.
    pub attempts: u32,
    /// First wait after a failure.
    #[serde(with = "humantime_serde")]
    pub backoff_min: Duration,
    /// Longest wait after failures, unless the system asks for more.
    #[serde(with = "humantime_serde")]
    pub backoff_max: Duration,
    /// So many failures in a row, and the system is left alone for a while.
    pub breaker: u32,
    /// How long.
    #[serde(with = "humantime_serde")]
    pub pause: Duration,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            queue: 1000,
            timeout: Duration::from_secs(10),
            attempts: 10,
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            breaker: 5,
            pause: Duration::from_secs(60),
        }
    }
}

impl Delivery {
    /// Checks the settings.
    pub(in crate::push) fn check(&self) -> anyhow::Result<()> {
        for (key, value) in [
            ("queue", self.queue as u64),
            ("attempts", self.attempts.into()),
            ("breaker", self.breaker.into()),
        ] {
            ensure!(value > 0, "[push.delivery] {key} must be at least 1");
        }
        for (key, value) in [("timeout", self.timeout), ("backoff_min", self.backoff_min)] {
            ensure!(value >= Duration::from_millis(10), "[push.delivery] {key} must be at least 10ms");
        }
        Ok(())
    }
}

/// What brings events to one system.
pub(in crate::push) struct Line {
    name: String,
    sink: Box<dyn Sink>,
    queue: Arc<Queue>,
    settings: Delivery,
    breaker: Breaker,
    metrics: SinkMetrics,
    board: Arc<Board>,
    /// Whether this is the replica that pushes.
    active: watch::Receiver<bool>,
}

impl Line {
    pub(in crate::push) fn new(
        name: String,
        sink: Box<dyn Sink>,
        settings: Delivery,
        metrics: SinkMetrics,
        board: Arc<Board>,
        active: watch::Receiver<bool>,
    ) -> Self {
        let queue = Arc::new(Queue::new(settings.queue));
        let breaker = Breaker::new(settings.breaker, settings.pause);
        Self { name, sink, queue, settings, breaker, metrics, board, active }
    }

    /// Where to put events for it.
    pub(in crate::push) fn entrance(&self) -> Entrance {
        Entrance { name: self.name.clone(), queue: Arc::clone(&self.queue), metrics: self.metrics.clone() }
    }

    /// Whether events are to be put there.
    pub(in crate::push) fn wants_events(&self) -> bool {
        self.sink.wants_events()
    }

    /// Works until `stop`, then gives what is left one short chance.
    ///
    /// # Errors
    /// None; a system that does not answer is no reason to stop.
    pub(in crate::push) async fn run(mut self, stop: Stop) -> anyhow::Result<()> {
        let gone = tokio::select! {
            () = stop.cancelled() => None,
            Err(why) = self.work() => Some(why),
        };
        if let Some(why) = gone {
            tracing::error!(
                "sink {} wants nothing any more and is told nothing until a restart: {why}",
                self.name
            );
            self.metrics.gone.set(1);
            tokio::select! {
                () = stop.cancelled() => {}
                _ = self.discard() => {}
            }
        } else {
            self.farewell().await;
        }
        Ok(())
    }

    /// Ends with the words of a system that wants nothing any more.
    async fn work(&mut self) -> Result<Infallible, String> {
        let every = self.sink.every();
        let mut next = Instant::now();
        loop {
            let active = *self.active.borrow_and_update();
            tokio::select! {
                biased;
                event = self.queue.head() => self.deliver(event).await?,
                () = turned(&mut self.active) => next = Instant::now(),
                () = sleep_until(next), if active && every.is_some() => {
                    self.refresh().await?;
                    next = Instant::now() + every.unwrap_or(LONGEST_WAIT);
                }
            }
        }
    }

    async fn deliver(&mut self, event: Event) -> Result<(), String> {
        let mut backoff = Backoff::new(self.settings.backoff_min, self.settings.backoff_max);
        for left in (0..self.settings.attempts).rev() {
            if let Some(at) = self.breaker.ready_at().max(self.sink.ready_at()) {
                sleep_until(at).await;
            }
            // dropped to make room for others, or another replica pushes
            if !self.queue.is_head(event.id) {
                return Ok(());
            }
            let (why, after) = match self.attempt(Some(&event)).await {
                Ok(()) => {
                    self.finished(&event);
                    return Ok(());
                }
                Err(Failure::Gone(why)) => return Err(why),
                Err(Failure::Refused(why)) => {
                    self.give_up(&event, Dropped::Refused, &why);
                    return Ok(());
                }
                Err(Failure::Again { why, after }) => (why, after),
            };
            if left == 0 {
                self.give_up(&event, Dropped::Attempts, &why);
            } else {
                sleep(backoff.wait().max(after.unwrap_or_default().min(LONGEST_WAIT))).await;
            }
        }
        Ok(())
    }

    async fn refresh(&mut self) -> Result<(), String> {
        if self.breaker.ready_at().is_some_and(|at| at > Instant::now()) {
            return Ok(());
        }
        match self.attempt(None).await {
            Ok(()) => Ok(()),
            Err(Failure::Gone(why)) => Err(why),
            Err(Failure::Refused(why) | Failure::Again { why, .. }) => {
                tracing::debug!("sink {} was not told how things stand: {why}", self.name);
                Ok(())
            }
        }
    }

    /// Tells an event once, or how things stand.
    async fn attempt(&mut self, event: Option<&Event>) -> Result<(), Failure> {
        let limit = self.settings.timeout;
        let telling = async {
            match event {
                Some(event) => self.sink.event(event).await,
                None => {
                    let now = clock::now();
                    let all = self.board.read(|state| state.changes_since(None, now));
                    let view = View { devices: all.devices, alerts: all.alerts.unwrap_or_default(), now };
                    self.sink.refresh(&view).await
                }
            }
        };
        let outcome = timeout(limit, telling)
            .await
            .unwrap_or_else(|_elapsed| Err(Failure::again(format!("no answer within {limit:?}"))));
        match &outcome {
            Ok(()) => {
                self.metrics.attempt(Attempt::Delivered);
                self.closed();
            }
            // it answers, so there is no reason to leave it alone
            Err(Failure::Refused(_) | Failure::Gone(_)) => {
                self.metrics.attempt(Attempt::Refused);
                self.closed();
            }
            Err(Failure::Again { why, .. }) => {
                self.metrics.attempt(Attempt::Failed);
                if self.breaker.failed(Instant::now()) && self.metrics.open.set(1) == 0 {
                    let pause = self.settings.pause;
                    tracing::warn!("sink {} does not answer and is tried every {pause:?}: {why}", self.name);
                }
            }
        }
        outcome
    }

    fn closed(&mut self) {
        self.breaker.succeeded();
        if self.metrics.open.set(0) != 0 {
            tracing::info!("sink {} answers again", self.name);
        }
    }

    fn finished(&self, event: &Event) {
        self.queue.done(event.id);
        self.metrics.waiting(self.queue.len());
    }

    fn give_up(&self, event: &Event, reason: Dropped, why: &str) {
        self.finished(event);
        self.metrics.dropped(reason);
        let (name, kind) = (&self.name, event.kind.as_str());
        tracing::warn!(
            "sink {name} was not told that {}/{} {kind}: {why}",
            event.alert.rule,
            event.alert.target
        );
    }

    /// For a system that wants nothing any more.
    async fn discard(&mut self) -> Infallible {
        loop {
            let event = self.queue.head().await;
            self.finished(&event);
            self.metrics.dropped(Dropped::Gone);
        }
    }

    async fn farewell(mut self) {
        let rest = async {
            while let Some(event) = self.queue.first() {
                if self.attempt(Some(&event)).await.is_err() {
                    break;
                }
                self.finished(&event);
            }
        };
        // the broker keeps what was not told by then
        drop(timeout(FAREWELL, rest).await);
        let left = self.queue.len();
        if left > 0 {
            tracing::warn!(
                "sink {} was not told the last {left} events; the next replica that pushes tells them",
                self.name
            );
        }
    }
}

/// Waits until another replica pushes, or this one; for ever when that can no longer be.
async fn turned(active: &mut watch::Receiver<bool>) {
    if active.changed().await.is_err() {
        std::future::pending().await
    }
}

/// Where events for a system go in.
#[derive(Debug, Clone)]
pub(in crate::push) struct Entrance {
    /// Name of the sink.
    pub(in crate::push) name: String,
    queue: Arc<Queue>,
    metrics: SinkMetrics,
}

impl Entrance {
    /// Never waits: when the queue is full, the oldest event is dropped and counted.
    pub(in crate::push) fn put(&self, event: Event) {
        if self.queue.push(event).is_some() {
            self.metrics.dropped(Dropped::Full);
        }
        self.metrics.waiting(self.queue.len());
    }

    /// What was told or given up since the last call.
    pub(in crate::push) fn take_settled(&self) -> Vec<Uuid> {
        self.queue.take_settled()
    }

    /// Another replica tells what waits.
    pub(in crate::push) fn clear(&self) {
        self.queue.clear();
        self.metrics.waiting(0);
    }
}
