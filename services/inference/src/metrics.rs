//! What a node counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use iot_chassis::Metrics as Registry;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

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
    pub(crate) replaced_workers: Counter,
    analysed: AtomicU64,
    analysed_us: AtomicU64,
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
            replaced_workers: Counter::default(),
            analysed: AtomicU64::new(0),
            analysed_us: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        };
        registry.register(|registry| {
            let registry = registry.sub_registry_with_prefix("inference");
            registry.register("frames", "Announced frames by what became of them", metrics.frames.clone());
            registry.register("stage_seconds", "Time per frame by stage", metrics.stages.clone());
            registry.register("waiting_frames", "Frames taken and not started", metrics.waiting.clone());
            registry.register(
                "replaced_workers",
                "Worker threads given up because a picture took too long",
                metrics.replaced_workers.clone(),
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
        self.analysed.fetch_add(1, Ordering::Relaxed);
        let us = took.as_micros().try_into().unwrap_or(u64::MAX);
        self.analysed_us.fetch_add(us, Ordering::Relaxed);
        self.ended("analysed");
    }

    /// How long a stage took: `fetch`, `analyse` or `publish`.
    pub(crate) fn stage(&self, stage: &'static str, took: Duration) {
        self.stages.get_or_create(&StageLabel { stage }).observe(took.as_secs_f64());
    }

    /// Frames analysed, their microseconds, and failures, since the start.
    pub(crate) fn totals(&self) -> (u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.analysed), read(&self.analysed_us), read(&self.failed))
    }
}
