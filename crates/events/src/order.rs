//! [`Order`]: newest wins by sequence, not by wall clock.

use serde::{Deserialize, Serialize};

/// Where a frame stands among all frames of its device: first by boot, then by sequence.
///
/// `boot_id` is the larger of Unix milliseconds and 1 + the highest seen so far, so it rises with every
/// start even when the clock was set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Order {
    /// Number of the start of the device's service.
    #[serde(rename = "bootID")]
    pub boot_id: u64,
    /// Number of the frame within that start, from 1.
    pub sequence: u64,
}

impl Order {
    /// The order of frame `sequence` of boot `boot_id`.
    pub const fn new(boot_id: u64, sequence: u64) -> Self {
        Self { boot_id, sequence }
    }
}
