//! [`Camera`]: one device, from its source to the results of its frames.
//!
//! Everything happens in one task that never waits for one thing alone: what takes long (an upload, an
//! announcement, a deletion) is a [`Job`] beside the others, and the [`Ledger`] says what to start next.

mod board;
mod frame;
mod inbound;
mod job;
mod link;
mod retention;
mod work;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use iot_chassis::{Check, Stop};
use iot_storage::Store;
use people_counter_events::{Delivery, DeviceState, Topics};
use tokio::time::{sleep_until, timeout};

use crate::config::{self, Config};
use crate::ledger::{Boot, Confirmed, Instant, Ledger, Loss, Newest, Nodes, Outcome, Rules};
use crate::metrics::DeviceMetrics;
use crate::source::{Manner, News, Source, feed};
use board::Board;
use frame::Frame;
use link::{Call, Link, Names, Turn};
use work::{Done, Pace, Work};

/// First and longest wait after an upload or announcement that failed.
const RETRY: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Part of the grace period that is kept for saying goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long a source may take to end.
const SOURCE_END: Duration = Duration::from_secs(2);

/// What a camera shares with the others of its service.
#[derive(Clone)]
pub struct Surroundings {
    /// The store.
    pub store: Store,
    /// Whether the store takes pictures.
    pub store_health: Check,
    /// The topics.
    pub topics: Topics,
    /// Counters of all connections.
    pub mqtt_metrics: iot_mqtt::Metrics,
}

/// A device that can start.
pub struct Camera {
    config: config::Camera,
    mqtt: iot_mqtt::Config,
    grace: Duration,
    around: Surroundings,
    health: Check,
    metrics: DeviceMetrics,
    names: Names,
    source: Source,
    rules: Rules,
}

impl Camera {
    /// Makes sure that everything the device needs on this machine is there.
    ///
    /// # Errors
    /// One sentence: what is missing and what to do.
    pub async fn open(
        common: &Config,
        config: &config::Camera,
        around: Surroundings,
        health: Check,
        metrics: DeviceMetrics,
    ) -> anyhow::Result<Self> {
        let manner =
            Manner { interval: config.interval, delivery: config.delivery, limits: common.limits };
        let mqtt = config.mqtt(&common.mqtt);
        // reads what the configuration names, so that a missing file is seen now
        iot_mqtt::Options::new(mqtt.clone(), config.client_id())?;
        Ok(Self {
            names: Names::new(&around.topics, &config.device)?,
            source: Source::open(&config.source, manner).await?,
            rules: Rules {
                delivery: config.delivery,
                window: config.window,
                max_frames: common.spool.frames,
                max_bytes: common.spool.bytes,
                patience: common.results.patience,
                patience_max: common.results.patience_max,
                retry: RETRY,
                retry_max: RETRY_MAX,
            },
            config: config.clone(),
            grace: common.grace,
            mqtt,
            around,
            health,
            metrics,
        })
    }

    /// Works until `stop`, then finishes what is under way within the grace period.
    ///
    /// # Errors
    /// When the source or the connection broke in a way that cannot be mended here.
    pub async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let (feed, intake) = feed(self.config.delivery);
        let source_stop = stop.child_token();
        let mut source = tokio::spawn(self.source.run(feed, source_stop.clone()));

        let board = Board::new(self.around.topics.clone(), self.names.status.clone(), self.config.status());
        board.set_boot(unix_ms(), false);
        let call = Call {
            config: self.mqtt,
            client_id: self.config.client_id(),
            names: self.names,
            metrics: self.around.mqtt_metrics.clone(),
        };
        let mut worker = Worker {
            link: Link::open(&call, &board)?,
            call,
            started: tokio::time::Instant::now(),
            ledger: Ledger::new(self.rules),
            pace: Pace::new(&self.config),
            config: self.config,
            around: self.around,
            health: self.health,
            metrics: self.metrics,
            board,
            boot: Boot::default(),
            nodes: Nodes::default(),
            counts: Newest::default(),
            failure: Newest::default(),
            problems: Problems::default(),
            work: Work::default(),
        };
        let mut deadline = None;
        let mut source_ended = false;
        loop {
            let now = worker.now();
            worker.advance(now)?;
            if let Some(deadline) = deadline
                && (worker.ledger.is_drained() || now >= deadline)
            {
                break;
            }
            let wake = worker.wake(now).into_iter().chain(deadline).min();
            let event = tokio::select! {
                news = intake.recv() => Event::News(news),
                done = worker.work.done() => Event::Done(done),
                delivery = worker.link.status.recv() => Event::Status(delivery),
                delivery = worker.link.counts.recv() => Event::Counts(delivery),
                delivery = worker.link.failure.recv() => Event::Failure(delivery),
                delivery = worker.link.nodes.recv() => Event::Node(delivery),
                _ = worker.link.state.changed() => Event::Woken,
                () = sleep_until(worker.started + wake.unwrap_or_default()), if wake.is_some() => Event::Woken,
                () = stop.cancelled(), if deadline.is_none() => {
                    deadline = Some(worker.now() + self.grace.saturating_sub(GOODBYE));
                    worker.ledger.wind_up();
                    Event::Woken
                }
                ended = &mut source, if !source_ended => {
                    ended.context("the source broke off")?;
                    source_ended = true;
                    Event::Woken
                }
            };
            worker.handle(event)?;
        }
        source_stop.cancel();
        worker.leave().await;
        if !source_ended {
            match timeout(SOURCE_END, &mut source).await {
                Ok(ended) => ended.context("the source broke off")?,
                Err(_elapsed) => source.abort(),
            }
        }
        Ok(())
    }
}

/// What can happen to a running camera.
enum Event {
    News(News),
    Done(Done),
    Status(Option<iot_mqtt::Delivery>),
    Counts(Option<iot_mqtt::Delivery>),
    Failure(Option<iot_mqtt::Delivery>),
    Node(Option<iot_mqtt::Delivery>),
    /// Time has come to look around.
    Woken,
}

/// What is wrong, by the part that is concerned; one sentence each.
#[derive(Debug, Default)]
struct Problems {
    rival: Option<String>,
    source: Option<String>,
    store: Option<String>,
    broker: Option<String>,
}

/// A running device.
struct Worker {
    started: tokio::time::Instant,
    ledger: Ledger<Frame>,
    pace: Pace,
    config: config::Camera,
    call: Call,
    around: Surroundings,
    health: Check,
    metrics: DeviceMetrics,
    board: Arc<Board>,
    link: Link,
    boot: Boot,
    nodes: Nodes,
    counts: Newest,
    failure: Newest,
    problems: Problems,
    work: Work,
}

impl Worker {
    fn now(&self) -> Instant {
        self.started.elapsed()
    }

    /// Catches up with the connection and starts whatever can be started.
    fn advance(&mut self, now: Instant) -> anyhow::Result<()> {
        self.follow(now);
        if self.link.listens_until().is_some_and(|until| until <= now) {
            self.listened(now)?;
        }
        let node_online = self.nodes.any_online(now);
        self.ledger.set_node_online(node_online);
        self.start_work(now)?;
        self.settle();
        Ok(())
    }

    /// What was there of an older connection is void.
    fn follow(&mut self, now: Instant) {
        if self.link.follow(now) == Turn::Lost {
            self.ledger.set_online(now, false);
            if let Some(sequence) = self.work.connection_lost() {
                self.ledger.announced(now, sequence, Confirmed::No);
            }
            self.nodes.clear();
            self.counts.reconnected();
            self.failure.reconnected();
        }
        if !self.link.is_ready() {
            let why = self.link.last_error().unwrap_or_else(|| "connecting".into());
            self.health.set(Err(why));
        }
    }

    /// The broker has told what it keeps of this device: the boot id can be fixed.
    fn listened(&mut self, now: Instant) -> anyhow::Result<()> {
        let provisional = self.board.boot_id();
        let boot_id = if self.ledger.boot().is_some() { provisional } else { self.boot.id(provisional) };
        self.board.set_boot(boot_id, true);
        self.ledger.set_boot(boot_id);
        if boot_id != provisional {
            // the last will stands with the broker under the wrong number: connect again with the right one
            tracing::warn!(
                device = %self.config.device,
                "the clock is behind what the broker keeps of this device; boot id {boot_id} follows it"
            );
            let before = std::mem::replace(&mut self.link, Link::open(&self.call, &self.board)?);
            // with a goodbye, so that this will does not fire
            tokio::spawn(async move { before.client.close(GOODBYE).await });
            return Ok(());
        }
        self.link.set_ready();
        self.health.set(Ok::<(), String>(()));
        self.ledger.set_online(now, true);
        Ok(())
    }

    fn handle(&mut self, event: Event) -> anyhow::Result<()> {
        let now = self.now();
        self.follow(now);
        let closed = || anyhow!("the connection to the broker ended for good");
        match event {
            Event::News(news) => self.captured(news),
            Event::Done(done) => self.finished(now, done),
            Event::Status(delivery) => self.heard_status(now, delivery.ok_or_else(closed)?),
            Event::Counts(delivery) => self.heard_counts(now, delivery.ok_or_else(closed)?),
            Event::Failure(delivery) => self.heard_failure(now, delivery.ok_or_else(closed)?),
            Event::Node(delivery) => self.heard_node(now, delivery.ok_or_else(closed)?),
            Event::Woken => {}
        }
        Ok(())
    }

    fn captured(&mut self, news: News) {
        self.metrics.captured(news.pictures.len() as u64 + news.overrun);
        for (refusal, pictures) in news.refused {
            self.metrics.refused(refusal.code(), pictures);
            self.count_dropped(refusal.code(), pictures);
        }
        if news.overrun > 0 {
            match self.config.delivery {
                Delivery::Latest => self.metrics.settled("superseded", news.overrun),
                Delivery::Every => self.dropped("overrun", news.overrun),
            }
        }
        for picture in news.pictures {
            let frame = Frame::new(picture);
            let bytes = frame.bytes();
            self.ledger.capture(frame, bytes);
        }
        self.problems.source = news.problem;
    }

    /// Counts the frames that have ended.
    fn settle(&mut self) {
        let settled: Vec<_> = self.ledger.take_settled().collect();
        for frame in settled {
            match frame.outcome {
                Outcome::Analysed => self.metrics.settled("analysed", 1),
                Outcome::Failed(_) => self.metrics.settled("failed", 1),
                Outcome::Superseded => self.metrics.settled("superseded", 1),
                Outcome::Dropped(reason) => {
                    self.dropped(reason.code(), 1);
                    if !matches!(reason, Loss::Stopped | Loss::Unsettled) {
                        let (device, sequence) = (&self.config.device, frame.sequence);
                        tracing::warn!(%device, sequence, reason = reason.code(), "a frame was given up");
                    }
                }
            }
        }
        self.metrics.spool(self.ledger.depth(), self.ledger.bytes());
    }

    fn dropped(&mut self, reason: &'static str, frames: u64) {
        self.metrics.dropped(reason, frames);
        self.count_dropped(reason, frames);
    }

    fn count_dropped(&mut self, reason: &str, frames: u64) {
        self.board.change(|status| *status.dropped.entry(reason.into()).or_default() += frames);
    }

    /// Says goodbye: what could not be finished, and that the device is offline.
    async fn leave(mut self) {
        self.ledger.stop();
        self.settle();
        self.board.change(|status| status.spool_depth = 0);
        if self.link.is_ready() {
            let goodbye = self.board.message(DeviceState::Offline, self.link.connection());
            if let Err(error) = self.link.client.publish(goodbye.timeout(GOODBYE)).await {
                tracing::warn!(device = %self.config.device, "could not say goodbye: {error}");
            }
        }
        self.link.client.close(GOODBYE).await;
    }
}

/// The time in Unix milliseconds.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
