//! [`Camera`]: one device, from its source to the results of its frames.
//!
//! Everything happens in one task that never waits for one thing alone: what takes long (an upload, an
//! announcement, a deletion) is a [`job::Job`] beside the others, and the [`Ledger`] says what to start next.

mod board;
mod commands;
mod disk;
mod frame;
mod inbound;
mod job;
mod link;
mod prepare;
mod retention;
mod work;
mod worker;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use iot_chassis::{Check, Stop};
use iot_storage::Store;
use people_counter_events::Topics;
use tokio::time::{sleep_until, timeout};

use crate::config::{self, Config};
use crate::gate::Gate;
use crate::ledger::{Boot, Ledger, Newest, Nodes, Rules};
use crate::metrics::DeviceMetrics;
use crate::prepare::Preparer;
use crate::source::{Manner, Source, Tempo, feed};
use crate::spool::{Remains, Spool};
use board::Board;
use commands::Answers;
use disk::Disk;
use link::{Call, Link, Names};
use prepare::Preparation;
use work::{Pace, Work};
use worker::{Event, Problems, Worker};

/// First and longest wait after an upload or announcement that failed.
const RETRY: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Part of the grace period that is kept for saying goodbye and for the source to end.
const GOODBYE: Duration = Duration::from_secs(1);

/// Shortest time between two heartbeats of a still scene. Readers take a count for stale after five seconds at the
/// earliest.
const HEARTBEAT: Duration = Duration::from_secs(2);

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
    spool: Option<Spool>,
    preparation: Preparation,
    spool_limits: config::Spool,
    root: String,
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
        let manner = Manner { interval: config.interval, limits: common.limits };
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
                max_memory: common.spool.memory,
                max_disk: common.spool.folder.is_some().then_some(common.spool.bytes),
                max_age: common.spool.age,
                write_after: common.spool.after,
                drain_pause: common.spool.drain_pause(config.interval),
                patience: common.results.patience,
                patience_max: common.results.patience_max,
                retry: RETRY,
                retry_max: RETRY_MAX,
            },
            spool: common.spool.folder.as_deref().map(|folder| Spool::new(folder, &config.device)),
            spool_limits: common.spool.clone(),
            root: common.root.clone(),
            preparation: Preparation::new(
                Preparer::new(config.picture.clone(), common.limits, config.gate.is_some()),
                config.gate.map(|gate| Gate::new(gate.threshold, gate.silence)),
            ),
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
        let remains = match &self.spool {
            Some(spool) => disk::recover(spool).await,
            None => Ok(Remains::default()),
        };
        let mut boot = Boot::default();
        for left in remains.iter().flat_map(|remains| &remains.frames) {
            boot.saw(left.order.boot_id);
        }
        let boot_id = boot.id(unix_ms());
        let board = Board::new(self.around.topics.clone(), self.names.status.clone(), self.config.status());
        board.set_boot(boot_id, false);
        let call = Call {
            config: self.mqtt,
            client_id: self.config.client_id(),
            names: self.names,
            metrics: self.around.mqtt_metrics.clone(),
        };
        let tempo = Tempo::default();
        let mut worker = Worker {
            link: Link::open(&call, &board)?,
            call,
            started: tokio::time::Instant::now(),
            ledger: Ledger::new(self.rules, boot_id),
            disk: Disk::new(self.spool),
            preparation: self.preparation,
            answers: Answers::default(),
            interval: self.config.interval,
            tempo: tempo.clone(),
            spool_limits: self.spool_limits,
            root: self.root,
            pace: Pace::new(&self.config),
            config: self.config,
            around: self.around,
            health: self.health,
            metrics: self.metrics,
            board,
            boot,
            nodes: Nodes::default(),
            counts: Newest::default(),
            failure: Newest::default(),
            problems: Problems::default(),
            work: Work::default(),
        };
        worker.restore(remains);
        let (feed, intake) = feed(worker.config.delivery);
        let feed = feed.with_tempo(tempo);
        let source_stop = stop.child_token();
        let mut source = tokio::spawn(self.source.run(feed, source_stop.clone()));
        let mut deadline = None;
        let mut source_ended = false;
        loop {
            let now = worker.now();
            worker.advance(now)?;
            if let Some(deadline) = deadline
                && (worker.is_drained() || now >= deadline)
            {
                break;
            }
            let wake = worker.wake(now).into_iter().chain(deadline).min();
            let event = tokio::select! {
                news = intake.recv() => Event::News(news),
                done = worker.work.done() => Event::Done(done),
                done = worker.disk.job.done() => Event::Disk(done),
                prepared = worker.preparation.job.done() => Event::Prepared(prepared),
                delivery = worker.link.status.recv() => Event::Status(delivery),
                delivery = worker.link.counts.recv() => Event::Counts(delivery),
                delivery = worker.link.failure.recv() => Event::Failure(delivery),
                delivery = worker.link.nodes.recv() => Event::Node(delivery),
                delivery = worker.link.commands.recv() => Event::Command(delivery),
                sent = worker.answers.job.done() => Event::Answered(sent),
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
        let end_of_source = async {
            if source_ended {
                return Ok(());
            }
            match timeout(GOODBYE, &mut source).await {
                Ok(ended) => ended.context("the source broke off"),
                Err(_elapsed) => {
                    source.abort();
                    Ok(())
                }
            }
        };
        let ((), ended) = tokio::join!(worker.leave(), end_of_source);
        ended
    }
}

/// The time in Unix milliseconds.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
