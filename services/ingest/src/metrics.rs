//! What the service counts. The one label with open values is the device, whose number the configuration
//! bounds.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Device {
    device: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    device: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    device: String,
    reason: &'static str,
}

/// All of it; clones count into the same place.
#[derive(Debug, Clone)]
pub struct Metrics {
    captured: Family<Device, Counter>,
    uploaded: Family<Device, Counter>,
    upload_failures: Family<Device, Counter>,
    upload_seconds: Family<Device, Histogram, fn() -> Histogram>,
    announced: Family<Device, Counter>,
    settled: Family<Outcome, Counter>,
    dropped: Family<Reason, Counter>,
    refused: Family<Reason, Counter>,
    rejected: Family<Reason, Counter>,
    healed: Family<Device, Counter>,
    pruned: Family<Device, Counter>,
    restored: Family<Device, Counter>,
    spool_frames: Family<Device, Gauge>,
    spool_memory_bytes: Family<Device, Gauge>,
    spool_disk_bytes: Family<Device, Gauge>,
    spool_write_failures: Family<Device, Counter>,
}

/// 5 ms to 80 s in factors of four.
fn latencies() -> Histogram {
    Histogram::new(exponential_buckets(0.005, 4.0, 8))
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            captured: Family::default(),
            uploaded: Family::default(),
            upload_failures: Family::default(),
            upload_seconds: Family::new_with_constructor(latencies),
            announced: Family::default(),
            settled: Family::default(),
            dropped: Family::default(),
            refused: Family::default(),
            rejected: Family::default(),
            healed: Family::default(),
            pruned: Family::default(),
            restored: Family::default(),
            spool_frames: Family::default(),
            spool_memory_bytes: Family::default(),
            spool_disk_bytes: Family::default(),
            spool_write_failures: Family::default(),
        }
    }
}

impl Metrics {
    /// Adds them to `registry`, each name with the prefix `ingest_`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("ingest");
        registry.register("captured", "Frames taken from the source", self.captured.clone());
        registry.register("uploaded", "Frames that the store confirmed", self.uploaded.clone());
        registry.register(
            "upload_failures",
            "Uploads that failed with all attempts",
            self.upload_failures.clone(),
        );
        registry.register("upload_seconds", "How long confirmed uploads took", self.upload_seconds.clone());
        registry.register(
            "announced",
            "Announcements that the broker confirmed, repeated ones too",
            self.announced.clone(),
        );
        registry.register("settled", "Frames that ended by a result or a newer frame", self.settled.clone());
        registry.register("dropped", "Frames that were given up", self.dropped.clone());
        registry.register(
            "refused_pictures",
            "Pictures of the source that were not taken",
            self.refused.clone(),
        );
        registry.register("rejected_messages", "Messages that make no sense", self.rejected.clone());
        registry.register(
            "healed",
            "Retained messages published again after an older one overtook them",
            self.healed.clone(),
        );
        registry.register("pruned_objects", "Objects deleted from the store", self.pruned.clone());
        registry.register("restored", "Frames that earlier starts left in the spool", self.restored.clone());
        registry.register("spool_frames", "Frames that have not ended", self.spool_frames.clone());
        registry.register(
            "spool_memory_bytes",
            "Bytes of pictures that wait in memory",
            self.spool_memory_bytes.clone(),
        );
        registry.register(
            "spool_disk_bytes",
            "Bytes of pictures that wait in the spool's folder",
            self.spool_disk_bytes.clone(),
        );
        registry.register(
            "spool_write_failures",
            "Frames that the spool's disk did not take",
            self.spool_write_failures.clone(),
        );
    }

    /// Those of one device.
    pub fn device(&self, device: &str) -> DeviceMetrics {
        DeviceMetrics { all: self.clone(), device: device.into() }
    }
}

/// The metrics of one device.
#[derive(Debug, Clone)]
pub struct DeviceMetrics {
    all: Metrics,
    device: String,
}

impl DeviceMetrics {
    fn labels(&self) -> Device {
        Device { device: self.device.clone() }
    }

    fn reason(&self, reason: &'static str) -> Reason {
        Reason { device: self.device.clone(), reason }
    }

    pub(crate) fn captured(&self, frames: u64) {
        self.all.captured.get_or_create(&self.labels()).inc_by(frames);
    }

    pub(crate) fn uploaded(&self, seconds: f64) {
        self.all.uploaded.get_or_create(&self.labels()).inc();
        self.all.upload_seconds.get_or_create(&self.labels()).observe(seconds);
    }

    pub(crate) fn upload_failed(&self) {
        self.all.upload_failures.get_or_create(&self.labels()).inc();
    }

    pub(crate) fn announced(&self) {
        self.all.announced.get_or_create(&self.labels()).inc();
    }

    pub(crate) fn settled(&self, outcome: &'static str, frames: u64) {
        let labels = Outcome { device: self.device.clone(), outcome };
        self.all.settled.get_or_create(&labels).inc_by(frames);
    }

    pub(crate) fn dropped(&self, reason: &'static str, frames: u64) {
        self.all.dropped.get_or_create(&self.reason(reason)).inc_by(frames);
    }

    pub(crate) fn refused(&self, reason: &'static str, pictures: u64) {
        self.all.refused.get_or_create(&self.reason(reason)).inc_by(pictures);
    }

    pub(crate) fn rejected(&self, reason: &'static str) {
        self.all.rejected.get_or_create(&self.reason(reason)).inc();
    }

    pub(crate) fn healed(&self) {
        self.all.healed.get_or_create(&self.labels()).inc();
    }

    pub(crate) fn pruned(&self, objects: usize) {
        self.all.pruned.get_or_create(&self.labels()).inc_by(objects as u64);
    }

    pub(crate) fn restored(&self, frames: u64) {
        self.all.restored.get_or_create(&self.labels()).inc_by(frames);
    }

    pub(crate) fn spool_write_failed(&self) {
        self.all.spool_write_failures.get_or_create(&self.labels()).inc();
    }

    pub(crate) fn spool(&self, frames: usize, memory_bytes: u64, disk_bytes: u64) {
        let set = |gauge: &Family<Device, Gauge>, value: u64| {
            gauge.get_or_create(&self.labels()).set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&self.all.spool_frames, frames as u64);
        set(&self.all.spool_memory_bytes, memory_bytes);
        set(&self.all.spool_disk_bytes, disk_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_prefix_and_base_units() {
        let metrics = Metrics::default();
        let device = metrics.device("cam-1");
        device.captured(2);
        device.uploaded(0.01);
        device.settled("analysed", 1);
        device.dropped("spool-frames", 1);
        device.spool(3, 4_000, 5_000);
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "ingest_captured_total{device=\"cam-1\"} 2",
            "ingest_uploaded_total{device=\"cam-1\"} 1",
            "ingest_settled_total{device=\"cam-1\",outcome=\"analysed\"} 1",
            "ingest_dropped_total{device=\"cam-1\",reason=\"spool-frames\"} 1",
            "ingest_spool_memory_bytes{device=\"cam-1\"} 4000",
            "ingest_spool_disk_bytes{device=\"cam-1\"} 5000",
            "ingest_upload_seconds_count{device=\"cam-1\"} 1",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert!(text.lines().all(|line| line.starts_with('#') || line.starts_with("ingest_")));
    }
}
