//! [`Worker`]: a running device, between two things that happen to it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use iot_chassis::Check;
use iot_mqtt::{Confirmation, PublishError};
use people_counter_events::{Delivery, DeviceState};
use tokio::time::timeout;

use super::board::Board;
use super::commands::Answers;
use super::disk::{self, Disk};
use super::frame::Frame;
use super::link::{Call, Link, Turn};
use super::prepare::Preparation;
use super::work::{Done, Pace, Work};
use super::{GOODBYE, Surroundings};
use crate::config;
use crate::ledger::{Boot, Confirmed, Instant, Ledger, Loss, Newest, Nodes, Outcome};
use crate::metrics::DeviceMetrics;
use crate::picture::Refusal;
use crate::prepare::Prepared;
use crate::source::{News, Tempo};

/// What can happen to a running camera.
pub enum Event {
    News(News),
    Done(Done),
    Disk(disk::Done),
    Prepared(Result<Prepared, Refusal>),
    Status(Option<iot_mqtt::Delivery>),
    Counts(Option<iot_mqtt::Delivery>),
    Failure(Option<iot_mqtt::Delivery>),
    Node(Option<iot_mqtt::Delivery>),
    Command(Option<iot_mqtt::Delivery>),
    Answered(Result<Confirmation, PublishError>),
    /// Time has come to look around.
    Woken,
}

/// What is wrong, by the part that is concerned; one sentence each.
#[derive(Debug, Default)]
pub struct Problems {
    pub rival: Option<String>,
    pub source: Option<String>,
    pub store: Option<String>,
    pub broker: Option<String>,
    pub spool: Option<String>,
}

/// A running device.
pub struct Worker {
    pub started: tokio::time::Instant,
    pub ledger: Ledger<Frame>,
    pub disk: Disk,
    pub preparation: Preparation,
    pub answers: Answers,
    /// Time between two pictures, as configured or as commanded since.
    pub interval: Duration,
    pub tempo: Tempo,
    pub spool_limits: config::Spool,
    /// What all topics start with.
    pub root: String,
    pub pace: Pace,
    pub config: config::Camera,
    pub call: Call,
    pub around: Surroundings,
    pub health: Check,
    pub metrics: DeviceMetrics,
    pub board: Arc<Board>,
    pub link: Link,
    pub boot: Boot,
    pub nodes: Nodes,
    pub counts: Newest,
    pub failure: Newest,
    pub problems: Problems,
    pub work: Work,
}

impl Worker {
    pub fn now(&self) -> Instant {
        self.started.elapsed()
    }

    /// Catches up with the connection and starts whatever can be started.
    pub fn advance(&mut self, now: Instant) -> anyhow::Result<()> {
        self.follow(now);
        if self.link.listens_until().is_some_and(|until| until <= now) {
            self.listened(now)?;
        }
        let node_online = self.nodes.any_online(now);
        self.ledger.set_node_online(node_online);
        self.start_preparation(now);
        self.ledger.bound(now);
        self.start_work(now)?;
        self.settle();
        self.start_disk(now);
        self.start_answer();
        Ok(())
    }

    /// What was there of an older connection is void.
    fn follow(&mut self, now: Instant) {
        if self.link.follow(now) == Turn::Lost {
            self.ledger.set_online(now, false);
            if let Some(number) = self.work.connection_lost() {
                self.ledger.announced(now, number, Confirmed::No);
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

    pub fn handle(&mut self, event: Event) -> anyhow::Result<()> {
        let now = self.now();
        self.follow(now);
        let closed = || anyhow!("the connection to the broker ended for good");
        match event {
            Event::News(news) => self.captured(news),
            Event::Done(done) => self.finished(now, done),
            Event::Disk(done) => self.disk_done(now, done),
            Event::Prepared(result) => self.prepared(now, result),
            Event::Status(delivery) => self.heard_status(now, delivery.ok_or_else(closed)?),
            Event::Counts(delivery) => self.heard_counts(now, delivery.ok_or_else(closed)?),
            Event::Failure(delivery) => self.heard_failure(now, delivery.ok_or_else(closed)?),
            Event::Node(delivery) => self.heard_node(now, delivery.ok_or_else(closed)?),
            Event::Command(delivery) => self.heard_command(delivery.ok_or_else(closed)?),
            Event::Answered(result) => self.answered(result),
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
        self.overrun(news.overrun);
        self.take_pictures(news.pictures);
        if self.problems.source != news.problem {
            let device = &self.config.device;
            match &news.problem {
                Some(problem) => tracing::warn!(%device, "{problem}"),
                None => tracing::info!(%device, "pictures come again"),
            }
            self.problems.source = news.problem;
        }
    }

    /// Pictures gave way to newer ones before they became frames.
    pub(super) fn overrun(&mut self, pictures: u64) {
        match self.config.delivery {
            _ if pictures == 0 => {}
            Delivery::Latest => self.metrics.settled("superseded", pictures),
            Delivery::Every => self.dropped("overrun", pictures),
        }
    }

    /// Counts the frames that have ended.
    fn settle(&mut self) {
        let settled: Vec<_> = self.ledger.take_settled().collect();
        for settled in settled {
            self.pace.frame_ended();
            self.forget_saved(&settled.frame);
            if let Some(gate) = &mut self.preparation.gate {
                gate.ended(settled.number, settled.outcome == Outcome::Analysed);
            }
            match settled.outcome {
                Outcome::Analysed => self.metrics.settled("analysed", 1),
                Outcome::Failed(_) => self.metrics.settled("failed", 1),
                Outcome::Superseded => self.metrics.settled("superseded", 1),
                Outcome::Dropped(reason) => {
                    self.dropped(reason.code(), 1);
                    if !matches!(reason, Loss::Stopped | Loss::Unsettled) {
                        let (device, order) = (&self.config.device, settled.order);
                        tracing::warn!(%device, ?order, reason = reason.code(), "a frame was given up");
                    }
                }
            }
        }
        self.metrics.spool(self.ledger.depth(), self.ledger.memory_bytes(), self.ledger.disk_bytes());
    }

    /// Whether a stop has nothing to wait for.
    pub fn is_drained(&self) -> bool {
        let answered = self.answers.is_idle() || !self.link.is_ready();
        self.preparation.is_idle() && self.ledger.is_drained() && self.disk.is_tidy() && answered
    }

    pub(super) fn dropped(&mut self, reason: &'static str, frames: u64) {
        self.metrics.dropped(reason, frames);
        self.count_dropped(reason, frames);
    }

    fn count_dropped(&mut self, reason: &str, frames: u64) {
        self.board.change(|status| *status.dropped.entry(reason.into()).or_default() += frames);
    }

    /// Says goodbye: what could not be finished, what waits on disk, and that the device is offline.
    pub async fn leave(mut self) {
        self.ledger.stop();
        self.settle();
        let unprepared = self.preparation.len();
        if unprepared > 0 {
            self.dropped(Loss::Stopped.code(), unprepared);
        }
        let depth = self.ledger.depth() as u64;
        self.board.change(|status| status.spool_depth = depth);
        let client = self.link.client.clone();
        let goodbye = async {
            if self.link.is_ready() {
                let offline = self.board.message(DeviceState::Offline, self.link.connection());
                client.publish(offline).await?;
            }
            client.close(GOODBYE).await;
            Ok::<_, PublishError>(())
        };
        let device = &self.config.device;
        match timeout(GOODBYE, goodbye).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%device, "could not say goodbye: {error}"),
            Err(_elapsed) => tracing::warn!(%device, "the broker did not take the goodbye in time"),
        }
    }
}
