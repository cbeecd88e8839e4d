//! [`Failures`]: the last frames of a device that could not be analysed.

use std::collections::VecDeque;
use std::sync::Arc;

use people_counter_events::{AnalysisFailed, FailureReason, FrameID};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a picture could not be analysed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure<'a> {
    reason: FailureReason,
    /// The same for people.
    message: &'a str,
    /// When, by the gateway's clock; Unix seconds.
    failed_timestamp: f64,
    #[serde(rename = "frameID")]
    #[schema(value_type = String, format = "uuid")]
    frame_id: FrameID,
}

impl<'a> From<&'a AnalysisFailed> for Failure<'a> {
    fn from(failed: &'a AnalysisFailed) -> Self {
        Self {
            reason: failed.reason,
            message: &failed.message,
            failed_timestamp: failed.failed_timestamp,
            frame_id: failed.frame_id,
        }
    }
}

/// The last failures, oldest first, in the order of their frames.
#[derive(Debug, Default)]
pub(super) struct Failures(VecDeque<Arc<AnalysisFailed>>);

impl Failures {
    /// Adds one, which may have come late. The oldest goes when there are more than `capacity`; a frame that failed
    /// again, after another announcement, counts once.
    pub(super) fn push(&mut self, failed: &Arc<AnalysisFailed>, capacity: usize) {
        match self.0.binary_search_by_key(&failed.order(), |known| known.order()) {
            Ok(position) => self.0[position] = Arc::clone(failed),
            Err(position) => self.0.insert(position, Arc::clone(failed)),
        }
        while self.0.len() > capacity {
            self.0.pop_front();
        }
    }

    pub(super) fn clear(&mut self) {
        self.0 = VecDeque::new();
    }

    /// What failed after `since`.
    pub(super) fn after(&self, since: f64) -> Vec<Arc<AnalysisFailed>> {
        self.0.iter().filter(|failed| failed.failed_timestamp > since).map(Arc::clone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{NOW, failure};
    use super::*;

    fn sequences(failures: &Failures) -> Vec<u64> {
        failures.after(f64::NEG_INFINITY).iter().map(|failed| failed.sequence).collect()
    }

    #[test]
    fn in_the_order_of_frames_each_once_and_the_oldest_goes() {
        let mut failures = Failures::default();
        for sequence in [4, 2, 4, 7, 3] {
            failures.push(&Arc::new(failure("cam-1", 1, sequence)), 3);
        }
        assert_eq!(sequences(&failures), [3, 4, 7]);
        let mut again = failure("cam-1", 1, 4);
        (again.attempt, again.failed_timestamp) = (2, NOW + 1.0);
        failures.push(&Arc::new(again.clone()), 3);
        assert_eq!(sequences(&failures), [3, 4, 7]);
        assert_eq!(failures.after(NOW), [Arc::new(again)]);
        failures.push(&Arc::new(failure("cam-1", 1, 1)), 3);
        assert_eq!(sequences(&failures), [3, 4, 7], "older than all that fit");
        failures.clear();
        assert!(sequences(&failures).is_empty());
    }

    #[test]
    fn none_are_kept_where_that_is_switched_off() {
        let mut failures = Failures::default();
        failures.push(&Arc::new(failure("cam-1", 1, 1)), 0);
        assert!(sequences(&failures).is_empty());
    }
}
