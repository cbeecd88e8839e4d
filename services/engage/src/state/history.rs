//! [`History`]: the last counts of a device, enough for a small chart.

use std::collections::VecDeque;

use serde::Serialize;
use utoipa::ToSchema;

/// A count at a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Point {
    /// When it was counted, by the gateway's clock; Unix seconds.
    pub timestamp: f64,
    /// People.
    pub count: u32,
}

/// The last counts, oldest first, in the order of the frames.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Point>);

impl History {
    /// Adds the newest; the oldest goes when there are more than `capacity`.
    pub(super) fn push(&mut self, point: Point, capacity: usize) {
        while self.0.len() >= capacity.max(1) {
            self.0.pop_front();
        }
        if capacity > 0 {
            self.0.push_back(point);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0 = VecDeque::new();
    }

    /// Time of the oldest that is held.
    pub(super) fn oldest(&self) -> Option<f64> {
        self.0.front().map(|point| point.timestamp)
    }

    /// What was counted after `since`.
    pub(super) fn after(&self, since: f64) -> Vec<Point> {
        self.0.iter().filter(|point| point.timestamp > since).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes() {
        let mut history = History::default();
        assert_eq!(history.oldest(), None);
        for count in 1..=5 {
            history.push(Point { timestamp: f64::from(count), count }, 3);
        }
        assert_eq!(history.oldest(), Some(3.0));
        let counts = |since| history.after(since).iter().map(|point| point.count).collect::<Vec<_>>();
        assert_eq!(counts(f64::NEG_INFINITY), [3, 4, 5]);
        assert_eq!(counts(4.0), [5]);
        let mut none = History::default();
        none.push(Point { timestamp: 1.0, count: 1 }, 0);
        assert_eq!(none.oldest(), None, "history is switched off");
    }
}
