//! What a node counts.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use iot_chassis::Metrics as Registry;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use crate::durations::{Rates, Recent};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StageLabel {
    stage: &'static str,
}

/// Figures of one node.
#[derive(Debug)]
pub(crate) struct Metrics {
    frames: Family<OutcomeLabel, Counter>,
    stages: Family<StageLabel, Histogram>,
    pub(crate) waiting: Gauge,
    pub(crate) under_way: Gauge,
    pub(crate) replaced_workers: Counter,
    pub(crate) heard_results: Counter,
    started: Instant,
    recent: Mutex<Recent>,
    failed: AtomicU64,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        // 1 ms to 16 s
        let buckets = || Histogram::new(exponential_buckets(0.001, 2.0, 15));
        let metrics = Self {
            frames: Family::default(),
            stages: Family::new_with_constructor(buckets),
            waiting: Gauge::default(),
            under_way: Gauge::default(),
            replaced_workers: Counter::default(),
            heard_results: Counter::default(),
            started: Instant::now(),
            recent: Mutex::default(),
            failed: AtomicU64::new(0),
        };
        registry.register(|registry| {
            let registry = registry.sub_registry_with_prefix("inference");
            registry.register("frames", "Announced frames by what became of them", metrics.frames.clone());
            registry.register("stage_seconds", "Time per frame by stage", metrics.stages.clone());
            registry.register("waiting_frames", "Frames taken and not started", metrics.waiting.clone());
            registry.register(
                "under_way_frames",
                "Frames started and not finished",
                metrics.under_way.clone(),
            );
            registry.register(
                "replaced_workers",
                "Worker threads given up because a picture took too long",
                metrics.replaced_workers.clone(),
            );
            registry.register(
                "heard_results",
                "Results heard of, of this and other nodes",
                metrics.heard_results.clone(),
            );
        });
        metrics
    }

    /// A frame that ended without a result: `rejected`, `superseded`, `abandoned`, or a failure's code.
    pub(crate) fn ended(&self, outcome: &'static str) {
        self.frames.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// A frame whose failure was published.
    pub(crate) fn failed(&self, reason: &'static str) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.ended(reason);
    }

    /// A frame whose result was published.
    pub(crate) fn analysed(&self, took: Duration) {
        self.recent().add(Instant::now(), took);
        self.ended("analysed");
    }

    /// How long a stage took: `fetch`, `analyse` or `publish`.
    pub(crate) fn stage(&self, stage: &'static str, took: Duration) {
        self.stages.get_or_create(&StageLabel { stage }).observe(took.as_secs_f64());
    }

    /// Failures since the start.
    pub(crate) fn failures(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Frames taken and not finished.
    pub(crate) fn queue(&self) -> u64 {
        (self.waiting.get() + self.under_way.get()).try_into().unwrap_or_default()
    }

    /// What the frames of the last minute say.
    pub(crate) fn rates(&self) -> Rates {
        self.recent().rates(self.started, Instant::now())
    }

    /// Plain bookkeeping, so a panic elsewhere does not matter.
    fn recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(|poison| poison.into_inner())
    }
}
