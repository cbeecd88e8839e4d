//! One frame from its announcement to its result: fetch, analyse, store the preview, publish.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use bytes::Bytes;
use iot_mqtt::{Client, Message};
use iot_storage::{Key, PutOptions, Store};
use people_counter_events::{
    AnalysisMetadata, FailureReason, FrameStored, ObjectPath, PeopleCounted, Picture, ResultType, Results,
    Topics, preview_key,
};

use crate::analysis::{Analysis, Failure};
use crate::answered::Answered;
use crate::devices::{Rule, Rules};
use crate::metrics::Metrics;
use crate::model::Models;
use crate::workers::{Verdict, Workers};

/// Wait between two tries to fetch a picture, after the store's own retries; doubles up to the second.
const FETCH_AGAIN: Duration = Duration::from_millis(500);
const FETCH_AGAIN_MAX: Duration = Duration::from_secs(8);
/// Most people listed in one result; more are only counted, so that a message stays under 64 KiB.
const MAX_LISTED: usize = 500;

/// What every frame needs.
pub(crate) struct Desk {
    pub(crate) client: Client,
    pub(crate) store: Store,
    pub(crate) topics: Topics,
    pub(crate) workers: Workers,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) node: String,
    pub(crate) models: Models,
    pub(crate) rules: Rules,
    pub(crate) max_bytes: u64,
    pub(crate) max_attempts: u32,
    pub(crate) fetch_limit: Duration,
    /// Whether originals go once they are analysed.
    pub(crate) delete_originals: bool,
    /// Where results of frames go that the reference's services announced.
    pub(crate) compat_topic: String,
    pub(crate) answered: Mutex<Answered>,
}

/// Who announced a frame, and so who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A device of this system.
    Device,
    /// The reference implementation's ingestion.
    Reference,
}

/// What the fetch came to.
enum Fetched {
    Picture(Bytes),
    Failed(Failure),
    /// Not now: the frame will be announced again.
    Later(String),
}

impl Desk {
    /// What all nodes have answered.
    pub(crate) fn answered(&self) -> MutexGuard<'_, Answered> {
        self.answered.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// Sees a frame through. Whatever happens to it, it is done with here: it has a result or a failure that
    /// the broker has confirmed, or it is counted and left to be announced again.
    ///
    /// # Errors
    /// When the node itself is broken and must restart.
    pub(crate) async fn handle(&self, frame: &FrameStored, origin: Origin) -> anyhow::Result<()> {
        let started = Instant::now();
        if frame.attempt > self.max_attempts {
            let message = format!("announced {} times without a result, not tried again", frame.attempt - 1);
            self.fail(frame, origin, &Failure { reason: FailureReason::Quarantined, message }).await;
            return Ok(());
        }
        let picture = match self.fetch(frame).await {
            Fetched::Picture(picture) => picture,
            Fetched::Failed(failure) => {
                self.fail(frame, origin, &failure).await;
                return Ok(());
            }
            Fetched::Later(why) => {
                self.abandon(frame, &why);
                return Ok(());
            }
        };
        self.metrics.stage("fetch", started.elapsed());
        let analysing = Instant::now();
        let rule = self.rules.of(&frame.device_id);
        let verdict = self.workers.analyse(picture, rule.clone()).await?;
        self.metrics.stage("analyse", analysing.elapsed());
        match verdict {
            Verdict::Done(analysis) => self.publish(frame, origin, &rule, analysis, started).await,
            Verdict::Failed(failure) => self.fail(frame, origin, &failure).await,
            Verdict::Crashed => {
                self.broke_off(frame, origin, FailureReason::Crashed, "the analysis broke off").await;
            }
            Verdict::TimedOut => {
                self.broke_off(frame, origin, FailureReason::Timeout, "the analysis took too long").await;
            }
        }
        Ok(())
    }

    async fn fetch(&self, frame: &FrameStored) -> Fetched {
        let path = &frame.file_path;
        if path.bucket() != self.store.bucket() {
            let message = format!("picture {path} is not in bucket {}", self.store.bucket());
            return Fetched::Failed(Failure { reason: FailureReason::Missing, message });
        }
        let key = match Key::new(path.key()) {
            Ok(key) => key,
            Err(error) => {
                let message = error.to_string();
                return Fetched::Failed(Failure { reason: FailureReason::Missing, message });
            }
        };
        let deadline = tokio::time::Instant::now() + self.fetch_limit;
        let mut wait = FETCH_AGAIN;
        loop {
            let error = match self.store.get(&key, self.max_bytes).await {
                Ok(object) => return Fetched::Picture(object.body),
                Err(error) => error,
            };
            let reason = match &error {
                error if error.is_not_found() => Some(FailureReason::Missing),
                iot_storage::Error::TooLarge { .. } => Some(FailureReason::TooLarge),
                _ => None,
            };
            if let Some(reason) = reason {
                return Fetched::Failed(Failure { reason, message: error.to_string() });
            }
            if tokio::time::Instant::now() + wait > deadline {
                return Fetched::Later(error.to_string());
            }
            tracing::warn!(device = %frame.device_id, "{error}; trying again");
            tokio::time::sleep(wait).await;
            wait = (2 * wait).min(FETCH_AGAIN_MAX);
        }
    }

    async fn publish(
        &self,
        frame: &FrameStored,
        origin: Origin,
        rule: &Rule,
        analysis: Analysis,
        started: Instant,
    ) {
        let (show, preview_path) = match origin {
            Origin::Device => self.store_preview(frame, &analysis).await,
            // its pages show the original
            Origin::Reference => (analysis.show, None),
        };
        let count = analysis.people.len().try_into().unwrap_or(u32::MAX);
        let mut people = analysis.people;
        people.truncate(MAX_LISTED);
        let result = PeopleCounted {
            kind: ResultType::Result,
            device_id: frame.device_id.clone(),
            file_path: frame.file_path.clone(),
            creation_timestamp: frame.creation_timestamp,
            frame_id: frame.frame_id,
            boot_id: frame.boot_id,
            sequence: frame.sequence,
            width: analysis.width,
            height: analysis.height,
            message: PeopleCounted::message_for(&frame.file_path),
            analysed_timestamp: unix_now(),
            picture: show,
            preview_path,
            analysis_metadata: AnalysisMetadata {
                results: Results { count, people },
                model: self.models.identity(&rule.scan),
                node: self.node.clone(),
                duration_ms: (started.elapsed().as_secs_f64() * 10_000.0).round() / 10.0,
            },
        };
        let publishing = Instant::now();
        let sent = async {
            let payload = self.topics.counts.encode(&result)?;
            let message = match origin {
                Origin::Device => {
                    Message::new(self.topics.counts.name(&[frame.device_id.as_str()])?, payload).retained()
                }
                Origin::Reference => Message::new(&self.compat_topic, payload),
            };
            self.client.publish(message).await?;
            anyhow::Ok(())
        };
        match sent.await {
            Ok(()) => {
                self.metrics.stage("publish", publishing.elapsed());
                self.metrics.analysed(started.elapsed());
                tracing::debug!(device = %frame.device_id, sequence = frame.sequence, count, "counted");
                if self.delete_originals {
                    self.delete_original(frame).await;
                }
            }
            Err(error) => self.abandon(frame, &format!("{error:#}")),
        }
    }

    /// A preview that cannot be stored must not cost the count; a picture that may only be seen blurred is
    /// then not seen at all.
    async fn store_preview(&self, frame: &FrameStored, analysis: &Analysis) -> (Picture, Option<ObjectPath>) {
        let Some(jpeg) = &analysis.preview else { return (analysis.show, None) };
        let stored = async {
            let name = preview_key(&frame.device_id, frame.frame_id);
            let path = ObjectPath::new(self.store.bucket(), &name)?;
            let body = Bytes::copy_from_slice(jpeg);
            self.store.put(&Key::new(&name)?, body, &PutOptions::content_type("image/jpeg")).await?;
            anyhow::Ok(path)
        };
        match stored.await {
            Ok(path) => (analysis.show, Some(path)),
            Err(error) => {
                tracing::warn!(device = %frame.device_id, "cannot store the preview: {error:#}");
                let show =
                    if analysis.show == Picture::Original { Picture::Original } else { Picture::Withheld };
                (show, None)
            }
        }
    }

    /// Pictures that viewers may not see do not stay in the store.
    async fn delete_original(&self, frame: &FrameStored) {
        let deleted = async {
            self.store.delete(&Key::new(frame.file_path.key())?).await?;
            anyhow::Ok(())
        };
        if let Err(error) = deleted.await {
            tracing::warn!(device = %frame.device_id, "cannot delete {}: {error:#}", frame.file_path);
        }
    }

    /// A worker was lost: perhaps the picture's fault, perhaps not. It is tried again until its attempts are
    /// used up.
    async fn broke_off(&self, frame: &FrameStored, origin: Origin, reason: FailureReason, message: &str) {
        if origin == Origin::Device && frame.attempt < self.max_attempts {
            self.abandon(frame, message);
        } else {
            self.fail(frame, origin, &Failure { reason, message: message.into() }).await;
        }
    }

    /// Tells why a frame has no result, unless it has one: another node may have counted in it. A frame above the
    /// limit of attempts is answered all the same, so that it ends.
    async fn fail(&self, frame: &FrameStored, origin: Origin, failure: &Failure) {
        if failure.reason != FailureReason::Quarantined
            && self.answered().has(&frame.device_id, frame.order())
        {
            tracing::debug!(device = %frame.device_id, sequence = frame.sequence, "{}", failure.message);
            self.metrics.ended("answered");
            return;
        }
        tracing::warn!(
            device = %frame.device_id,
            sequence = frame.sequence,
            reason = failure.reason.as_str(),
            "{}",
            failure.message
        );
        if origin == Origin::Reference {
            // it has no message for this
            self.metrics.failed(failure.reason.as_str());
            return;
        }
        let sent = async {
            let message = frame.failed(failure.reason, printable(&failure.message), unix_now(), &self.node);
            let topic = self.topics.failure.name(&[frame.device_id.as_str()])?;
            let payload = self.topics.failure.encode(&message)?;
            self.client.publish(Message::new(topic, payload).retained()).await.context("failure")?;
            anyhow::Ok(())
        };
        match sent.await {
            Ok(()) => self.metrics.failed(failure.reason.as_str()),
            Err(error) => self.abandon(frame, &format!("{error:#}")),
        }
    }

    fn abandon(&self, frame: &FrameStored, why: &str) {
        self.metrics.ended("abandoned");
        tracing::warn!(device = %frame.device_id, sequence = frame.sequence, "left to be announced again: {why}");
    }
}

/// An error's text as the contract takes it: one line, bounded.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect()
}

/// Unix seconds with fractions.
pub(crate) fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
