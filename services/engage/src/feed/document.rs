//! [`Document`]: how the state is told, by REST and by the stream.

use people_counter_events::{Alert, DeviceID};
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::{Device, Summary};

/// The state, or what changed of it. Long texts are made once: the devices are spliced in as those that they have.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Devices, description = "The state, or what changed of it")]
pub struct Document<'a> {
    /// `snapshot` or `delta`; REST has none.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// Names the state.
    pub epoch: &'a str,
    /// The version that this leads to.
    pub version: u64,
    /// The version that this starts from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// When it was made, by the clock of this process; Unix seconds.
    pub server_time: f64,
    /// Whether the state is what the broker has.
    pub connected: bool,
    /// The sums over all devices that the reader may see.
    pub summary: Summary,
    /// Number of devices that were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<usize>,
    /// The devices of a page, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<&'a [DeviceID]>,
    /// All alerts, if they changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Vec<&'a Alert>>,
    /// The devices that went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<Vec<&'a DeviceID>>,
    /// The devices that were asked for, or those of them that changed.
    #[schema(value_type = Vec<Device>)]
    pub devices: [(); 0],
}

impl Document<'_> {
    /// The JSON with these devices.
    pub fn with(&self, devices: &[Device]) -> String {
        let mut text = serde_json::to_string(self).expect("the document has text keys and finite numbers");
        text.reserve(devices.iter().map(|device| device.size() + 1).sum::<usize>() + 16);
        text.truncate(text.len() - "]}".len());
        for (n, device) in devices.iter().enumerate() {
            if n > 0 {
                text.push(',');
            }
            device.write(&mut text);
        }
        text.push_str("]}");
        text
    }
}

/// Unix seconds as they are told: to the millisecond.
pub fn to_millis(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
