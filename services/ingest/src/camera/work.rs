//! What a camera has under way: uploads, announcements, status, healing, pruning.

use std::time::Duration;

use anyhow::Context;
use iot_mqtt::{Confirmation, Message, PublishError};
use iot_storage::Key;
use people_counter_events::{DeviceState, frame_key};

use super::job::Job;
use super::worker::{Problems, Worker};
use super::{frame, retention};
use crate::config;
use crate::ledger::{Announcement, Confirmed, Instant, Newest, Number, Uploaded};

/// Longest wait for the broker's confirmation of an announcement before it is made again.
const ANNOUNCE_TIMEOUT: Duration = Duration::from_secs(10);

/// Shortest time between two statuses.
const STATUS_PAUSE: Duration = Duration::from_secs(1);

/// A change of the spool's depth by less than the window is told no more often than this.
const DEPTH_PAUSE: Duration = Duration::from_secs(30);

/// Shortest wait after pruning failed.
const PRUNE_RETRY: Duration = Duration::from_secs(30);

/// Longest sentence in a status, in characters.
const MAX_PROBLEM: usize = 300;

/// Which retained topic is healed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    Counts,
    Failure,
}

/// What has come to an end.
pub enum Done {
    Upload(Number, Result<Duration, frame::Failure>),
    Announcement(Number, Result<Confirmation, PublishError>),
    Status(Result<Confirmation, PublishError>),
    Heal(Topic, Result<Confirmation, PublishError>),
    Prune(Result<usize, iot_storage::Error>),
}

/// What is under way.
#[derive(Default)]
pub struct Work {
    upload: Job<(Number, Result<Duration, frame::Failure>)>,
    announcement: Job<(Number, Result<Confirmation, PublishError>)>,
    announcing: Option<Number>,
    status: Job<Result<Confirmation, PublishError>>,
    heal: Job<(Topic, Result<Confirmation, PublishError>)>,
    prune: Job<Result<usize, iot_storage::Error>>,
}

impl Work {
    /// Waits for the first thing that ends.
    pub async fn done(&mut self) -> Done {
        tokio::select! {
            (number, result) = self.upload.done() => Done::Upload(number, result),
            (number, result) = self.announcement.done() => {
                self.announcing = None;
                Done::Announcement(number, result)
            }
            result = self.status.done() => Done::Status(result),
            (topic, result) = self.heal.done() => Done::Heal(topic, result),
            result = self.prune.done() => Done::Prune(result),
        }
    }

    /// Takes back what would come too late on the next connection: the status, which names this one, and the
    /// announcement, whose frame is returned.
    pub fn connection_lost(&mut self) -> Option<Number> {
        self.status.cancel();
        self.announcement.cancel();
        self.announcing.take()
    }
}

/// When things were done last.
#[derive(Debug)]
pub struct Pace {
    status_not_before: Instant,
    status_at: Instant,
    prune_pause: Duration,
    prune_not_before: Instant,
    /// Something came into the store or need not be protected any longer.
    prune_is_due: bool,
}

impl Pace {
    pub fn new(config: &config::Camera) -> Self {
        Self {
            status_not_before: Instant::ZERO,
            status_at: Instant::ZERO,
            prune_pause: retention::pause(config.interval, config.keep),
            prune_not_before: Instant::ZERO,
            prune_is_due: false,
        }
    }
}

impl Pace {
    /// Pictures come at another interval.
    pub fn set_interval(&mut self, interval: Duration, keep: usize) {
        self.prune_pause = retention::pause(interval, keep);
    }

    /// A frame has ended, so its picture is no longer protected.
    pub fn frame_ended(&mut self) {
        self.prune_is_due = true;
    }
}

impl Worker {
    /// Starts everything that can be started now.
    pub(super) fn start_work(&mut self, now: Instant) -> anyhow::Result<()> {
        if self.work.upload.is_idle()
            && let Some(number) = self.ledger.next_upload(now)
        {
            self.start_upload(number)?;
        }
        if self.link.is_ready() {
            if self.work.announcement.is_idle()
                && let Some(announcement) = self.ledger.next_announcement(now)
            {
                self.start_announcement(announcement)?;
            }
            self.start_heal(now);
            self.start_status(now);
        }
        if self.prune_is_due() && now >= self.pace.prune_not_before {
            self.start_prune(now);
        }
        Ok(())
    }

    /// When to look around although nothing happens.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        let ready = self.link.is_ready();
        let heal = (ready && self.work.heal.is_idle())
            .then(|| [self.counts.wake(), self.failure.wake()].into_iter().flatten().min())
            .flatten();
        let status = (ready && self.work.status.is_idle()).then(|| self.status_due()).flatten();
        let prune = self.prune_is_due().then_some(self.pace.prune_not_before);
        [self.ledger.wake(now), self.disk.wake(), self.link.listens_until(), heal, status, prune]
            .into_iter()
            .flatten()
            .min()
    }

    fn start_upload(&mut self, number: Number) -> anyhow::Result<()> {
        let Some(frame) = self.ledger.frame(number) else { return Ok(()) };
        let picture = frame.picture(self.disk.spool.as_ref()).context("a frame without a picture")?;
        let key = Key::new(&frame_key(&self.config.device, frame.id))?;
        let store = self.around.store.clone();
        self.work.upload.start(async move {
            let started = tokio::time::Instant::now();
            let result = frame::upload(&store, &key, picture).await;
            (number, result.map(|()| started.elapsed()))
        });
        Ok(())
    }

    fn start_announcement(&mut self, announcement: Announcement) -> anyhow::Result<()> {
        let number = announcement.number;
        let Some(frame) = self.ledger.frame(number) else { return Ok(()) };
        let bucket = self.around.store.bucket();
        let stored = frame.stored(&self.config.device, bucket, self.config.delivery, &announcement)?;
        let payload = self.around.topics.frames.encode(&stored)?;
        let message = Message::new(&self.call.names.frames, payload)
            .content_type("application/json")
            .expires(announcement.expires)
            .timeout(ANNOUNCE_TIMEOUT);
        let client = self.link.client.clone();
        self.work.announcing = Some(number);
        self.work.announcement.start(async move { (number, client.publish(message).await) });
        Ok(())
    }

    fn start_heal(&mut self, now: Instant) {
        if !self.work.heal.is_idle() {
            return;
        }
        let overtaken = match self.counts.heal(now) {
            Some(payload) => Some((Topic::Counts, &self.call.names.counts, payload)),
            None => self.failure.heal(now).map(|payload| (Topic::Failure, &self.call.names.failure, payload)),
        };
        let Some((topic, name, payload)) = overtaken else { return };
        let message = Message::new(name, payload).content_type("application/json").retained();
        let client = self.link.client.clone();
        self.work.heal.start(async move { (topic, client.publish(message).await) });
    }

    fn start_status(&mut self, now: Instant) {
        let (depth, window) = (self.ledger.depth() as u64, self.config.window as u64);
        let problem = self.problem();
        let depth_is_due = now >= self.pace.status_at + DEPTH_PAUSE;
        self.board.change(|status| {
            status.problem = problem;
            if depth_is_due || status.spool_depth.abs_diff(depth) > window {
                status.spool_depth = depth;
            }
        });
        let outdated = self.board.is_outdated(self.link.connection());
        if outdated && self.work.status.is_idle() && now >= self.pace.status_not_before {
            let message = self.board.message(DeviceState::Online, self.link.connection());
            let client = self.link.client.clone();
            self.work.status.start(async move { client.publish(message).await });
            self.pace.status_at = now;
            self.pace.status_not_before = now + STATUS_PAUSE;
        }
    }

    fn status_due(&self) -> Option<Instant> {
        if self.board.is_outdated(self.link.connection()) {
            return Some(self.pace.status_not_before);
        }
        let depth_differs = self.board.status().spool_depth != self.ledger.depth() as u64;
        depth_differs.then_some(self.pace.status_at + DEPTH_PAUSE)
    }

    /// What is wrong, fit for a status.
    fn problem(&self) -> Option<String> {
        let Problems { rival, source, spool, store, broker } = &self.problems;
        let all: Vec<_> = [rival, source, spool, store, broker].into_iter().flatten().cloned().collect();
        let text = all.join("; ");
        (!text.is_empty()).then(|| text.chars().filter(|c| !c.is_control()).take(MAX_PROBLEM).collect())
    }

    fn prune_is_due(&self) -> bool {
        // the current result's picture is known, and so kept, once the broker has told what it has
        self.pace.prune_is_due && self.work.prune.is_idle() && self.ledger.boot().is_some()
    }

    fn start_prune(&mut self, now: Instant) {
        let frames = self.ledger.frames().map(|frame| frame.id).chain(self.counts.frame());
        let protected = retention::Protected::from_now_on(frames.collect());
        let (store, device, keep) = (self.around.store.clone(), self.config.device.clone(), self.config.keep);
        self.pace.prune_is_due = false;
        self.pace.prune_not_before = now + self.pace.prune_pause;
        self.work.prune.start(async move { retention::prune(&store, &device, keep, &protected).await });
    }

    /// Something has come to an end.
    pub(super) fn finished(&mut self, now: Instant, done: Done) {
        match done {
            Done::Upload(number, result) => self.uploaded(now, number, result),
            Done::Announcement(number, result) => self.announced(now, number, result),
            Done::Status(result) => {
                if let Err(error) = result {
                    tracing::warn!(device = %self.config.device, "status: {error}");
                    self.board.forget_published();
                }
            }
            Done::Heal(topic, result) => self.healed(topic, result),
            Done::Prune(Ok(objects)) => self.metrics.pruned(objects),
            Done::Prune(Err(error)) => {
                tracing::warn!(device = %self.config.device, "old pictures stay in the store: {error}");
                self.pace.prune_is_due = true;
                self.pace.prune_not_before = now + self.pace.prune_pause.max(PRUNE_RETRY);
            }
        }
    }

    fn uploaded(&mut self, now: Instant, number: Number, result: Result<Duration, frame::Failure>) {
        let (device, order) = (&self.config.device, self.ledger.order(number));
        let outcome = match result {
            Ok(took) => {
                self.metrics.uploaded(took.as_secs_f64());
                self.pace.prune_is_due = true;
                if self.problems.store.take().is_some() {
                    tracing::info!(%device, "the store takes pictures again");
                }
                self.around.store_health.set(Ok::<(), String>(()));
                Uploaded::Stored
            }
            Err(frame::Failure::Lost(error)) => {
                tracing::warn!(%device, ?order, "a picture in the spool is lost: {error}");
                Uploaded::Damaged
            }
            Err(frame::Failure::Store(error)) if frame::is_refusal(&error) => {
                tracing::warn!(%device, ?order, "a picture cannot be stored: {error}");
                Uploaded::Refused
            }
            Err(frame::Failure::Store(error)) => {
                self.metrics.upload_failed();
                tracing::warn!(%device, ?order, "upload failed and is tried again: {error}");
                self.around.store_health.set(Err(error.to_string()));
                self.problems.store =
                    Some(format!("pictures cannot be stored: {}", frame::complaint(&error)));
                Uploaded::Failed
            }
        };
        self.ledger.uploaded(now, number, outcome);
    }

    fn announced(&mut self, now: Instant, number: Number, result: Result<Confirmation, PublishError>) {
        let confirmed = match result {
            Ok(confirmation) => {
                self.metrics.announced();
                self.problems.broker = None;
                if confirmation.had_subscribers { Confirmed::Heard } else { Confirmed::Unheard }
            }
            Err(error) => {
                let (device, order) = (&self.config.device, self.ledger.order(number));
                tracing::warn!(%device, ?order, "announcement failed and is made again: {error}");
                self.problems.broker =
                    Some("pictures cannot be announced: the broker does not take them".into());
                Confirmed::No
            }
        };
        let before = self.ledger.attempts(number);
        self.ledger.announced(now, number, confirmed);
        if self.ledger.attempts(number) > before {
            self.note_attempts(number);
        }
    }

    fn healed(&mut self, topic: Topic, result: Result<Confirmation, PublishError>) {
        match result {
            Ok(_) => {
                self.metrics.healed();
                tracing::info!(device = %self.config.device, ?topic, "published the newest again");
            }
            Err(error) => {
                tracing::warn!(device = %self.config.device, ?topic, "could not publish the newest again: {error}");
                self.newest(topic).heal_failed();
            }
        }
    }

    fn newest(&mut self, topic: Topic) -> &mut Newest {
        match topic {
            Topic::Counts => &mut self.counts,
            Topic::Failure => &mut self.failure,
        }
    }
}
