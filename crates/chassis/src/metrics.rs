//! [`Metrics`]: a registry that belongs to one service instance, not to the process.

use std::sync::{Arc, Mutex, MutexGuard};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::BUILD;

/// What a service counts; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
}

impl Metrics {
    /// MIME type of [`Metrics::render`].
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Registers metrics.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.lock());
    }

    /// All of them in the OpenMetrics text format, which Prometheus reads.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.lock())?;
        Ok(text)
    }

    /// Says what runs: `build_info{service="…", version="…", build="…"} 1`.
    pub(crate) fn build_info(&self, service: &'static str, version: &'static str) {
        let info = Info::new(vec![("service", service), ("version", version), ("build", BUILD)]);
        self.register(|registry| registry.register("build", "Service, version and build", info));
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(|poison| poison.into_inner())
    }
}
