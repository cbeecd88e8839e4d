//! [`Gauges`]: each device on `/metrics`, where that is wanted. A device is a label, so their number has a limit.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use serde::{Deserialize, Serialize};

use crate::board::Board;
use crate::clock;
use crate::state::{Condition, Device};

/// Devices on `/metrics`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether they are there.
    pub enabled: bool,
    /// Most devices, the first by id.
    pub limit: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { enabled: false, limit: 1000 }
    }
}

/// The devices of a board.
#[derive(Debug)]
pub(super) struct Gauges {
    pub(super) board: Arc<Board>,
    pub(super) limit: usize,
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let devices = self.board.read(|state| state.changes_since(None, clock::now())).devices;
        let left_out = devices.len().saturating_sub(self.limit);
        let devices = &devices[..devices.len() - left_out];
        let live = |device: &Device| device.condition == Condition::Live;
        let one = |yes: bool| if yes { 1.0 } else { 0.0 };
        // a count that is not fresh is not there: a gap is a gap
        family(&mut encoder, "device_people", "People that a live device counts", devices, |device| {
            device.count().filter(|_| live(device)).map(f64::from)
        })?;
        family(&mut encoder, "device_age_seconds", "Age of a device's count", devices, |device| {
            device.age_seconds
        })?;
        family(&mut encoder, "device_live", "Whether a device's count is fresh", devices, |device| {
            Some(one(live(device)))
        })?;
        let left_out = ConstGauge::new(i64::try_from(left_out).unwrap_or(i64::MAX));
        let help = "Devices over the limit of those on this page";
        left_out.encode(encoder.encode_descriptor(
            "device_gauges_left_out",
            help,
            None,
            left_out.metric_type(),
        )?)
    }
}

fn family(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    devices: &[Device],
    value: impl Fn(&Device) -> Option<f64>,
) -> Result<(), std::fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for device in devices {
        if let Some(value) = value(device) {
            ConstGauge::new(value).encode(family.encode_family(&[("device", device.id().as_str())])?)?;
        }
    }
    Ok(())
}
