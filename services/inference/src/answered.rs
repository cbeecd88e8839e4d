//! [`Answered`]: frames that some node has counted in. No I/O.
//!
//! The same frame may be announced twice and end well at one node and badly at another; a result is worth more than
//! a failure, so a failure of a frame that has one is not told.

use std::collections::{HashMap, VecDeque};

use people_counter_events::{DeviceID, Order};

/// Results remembered for each device: more than a device has unsettled at once.
const REMEMBERED: usize = 16;
/// Devices that are remembered; beyond that the memory starts afresh, which costs at most a failure that is told
/// beside a result.
const MAX_DEVICES: usize = 100_000;

/// The last results of every device, whoever published them.
#[derive(Debug, Default)]
pub(crate) struct Answered(HashMap<DeviceID, VecDeque<Order>>);

impl Answered {
    /// A result was heard.
    pub(crate) fn add(&mut self, device: &DeviceID, order: Order) {
        if self.0.len() >= MAX_DEVICES && !self.0.contains_key(device) {
            self.0.clear();
        }
        let orders = self.0.entry(device.clone()).or_default();
        if orders.contains(&order) {
            return;
        }
        if orders.len() == REMEMBERED {
            orders.pop_front();
        }
        orders.push_back(order);
    }

    /// Whether there is a result of this very frame.
    pub(crate) fn has(&self, device: &DeviceID, order: Order) -> bool {
        self.0.get(device).is_some_and(|orders| orders.contains(&order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_results_of_a_device_are_known_and_no_others() {
        let (a, b): (DeviceID, DeviceID) = ("a".parse().unwrap(), "b".parse().unwrap());
        let mut answered = Answered::default();
        for sequence in 1..=20 {
            answered.add(&a, Order::new(1, sequence));
            answered.add(&a, Order::new(1, 1 + sequence / 2));
        }
        assert!(answered.has(&a, Order::new(1, 20)) && answered.has(&a, Order::new(1, 11)));
        assert!(!answered.has(&a, Order::new(1, 1)), "it is forgotten");
        assert!(!answered.has(&a, Order::new(2, 20)) && !answered.has(&b, Order::new(1, 20)));
    }
}
