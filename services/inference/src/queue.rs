//! [`Queue`]: announced frames in their order; those that have become unnecessary leave at once. No I/O.

use std::collections::{HashMap, VecDeque};

use people_counter_events::{Delivery, DeviceID, FrameStored, Order};

/// Devices whose newest frame is remembered; beyond that the memory starts afresh, which costs at most an
/// analysis that a newer frame had made unnecessary.
const MAX_DEVICES: usize = 100_000;

/// Frames that wait for their turn, each with what belongs to it.
pub(crate) struct Queue<T> {
    frames: VecDeque<(FrameStored, T)>,
    newest: HashMap<DeviceID, Order>,
}

/// What became unnecessary when a frame came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unnecessary<T> {
    pub(crate) with: T,
    /// `superseded` by a newer frame, or `repeated`: announced again while it waits.
    pub(crate) why: &'static str,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self { frames: VecDeque::new(), newest: HashMap::new() }
    }

    /// Takes a frame, and gives back what need not be analysed (any more): older frames of a `latest` device, perhaps
    /// this one itself, and an earlier announcement of the same frame.
    pub(crate) fn push(&mut self, frame: FrameStored, with: T) -> Vec<Unnecessary<T>> {
        let (device, order) = (frame.device_id.clone(), frame.order());
        let earlier = self
            .frames
            .iter_mut()
            .find(|(waiting, _)| waiting.device_id == frame.device_id && waiting.order() == frame.order());
        let mut unnecessary = Vec::new();
        if let Some(earlier) = earlier {
            // the later announcement, with the higher attempt, takes the place of the earlier one
            let (_, with) = std::mem::replace(earlier, (frame, with));
            unnecessary.push(Unnecessary { with, why: "repeated" });
        } else {
            self.frames.push_back((frame, with));
        }
        unnecessary.extend(self.newer(&device, order));
        unnecessary
    }

    /// Hears of a frame of `device` that exists, here or elsewhere, and gives back older ones of a `latest` device.
    pub(crate) fn newer(&mut self, device: &DeviceID, order: Order) -> Vec<Unnecessary<T>> {
        if self.newest.len() >= MAX_DEVICES && !self.newest.contains_key(device) {
            self.newest.clear();
        }
        let newest = self.newest.entry(device.clone()).or_default();
        *newest = order.max(*newest);
        let newest = *newest;
        let superseded = |frame: &FrameStored| {
            frame.delivery == Delivery::Latest && frame.device_id == *device && frame.order() < newest
        };
        let mut unnecessary = Vec::new();
        if self.frames.iter().any(|(frame, _)| superseded(frame)) {
            for (frame, with) in std::mem::take(&mut self.frames) {
                if superseded(&frame) {
                    unnecessary.push(Unnecessary { with, why: "superseded" });
                } else {
                    self.frames.push_back((frame, with));
                }
            }
        }
        unnecessary
    }

    /// The next frame.
    pub(crate) fn pop(&mut self) -> Option<(FrameStored, T)> {
        self.frames.pop_front()
    }

    /// Frames that wait.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }
}

#[cfg(test)]
mod tests {
    use people_counter_events::{DataType, FrameID, ObjectPath, frame_key};

    use super::*;

    fn frame(device: &str, sequence: u64, delivery: Delivery) -> FrameStored {
        let device_id: DeviceID = device.parse().unwrap();
        let frame_id = FrameID::from_u128(sequence.into());
        FrameStored {
            kind: DataType::Data,
            file_path: ObjectPath::new("frames", &frame_key(&device_id, frame_id)).unwrap(),
            device_id,
            creation_timestamp: 1.0,
            frame_id,
            boot_id: 1,
            sequence,
            delivery,
            width: 640,
            height: 480,
            bytes: 1,
            attempt: 1,
        }
    }

    fn waiting<T>(queue: &mut Queue<T>) -> Vec<(String, u64)> {
        std::iter::from_fn(|| queue.pop())
            .map(|(frame, _)| (frame.device_id.to_string(), frame.sequence))
            .collect()
    }

    #[test]
    fn only_older_frames_of_the_same_latest_device_are_superseded_and_at_once() {
        let mut queue = Queue::new();
        for (n, (device, sequence, delivery)) in [
            ("a", 1, Delivery::Latest),
            ("b", 1, Delivery::Latest),
            ("c", 1, Delivery::Every),
            ("c", 2, Delivery::Every),
        ]
        .into_iter()
        .enumerate()
        {
            assert!(queue.push(frame(device, sequence, delivery), n).is_empty());
        }
        let first = [Unnecessary { with: 0, why: "superseded" }];
        assert_eq!(queue.push(frame("a", 2, Delivery::Latest), 9), first);
        let expected = [("b", 1), ("c", 1), ("c", 2), ("a", 2)];
        assert_eq!(waiting(&mut queue), expected.map(|(device, sequence)| (device.to_string(), sequence)));
    }

    #[test]
    fn a_late_frame_is_superseded_by_one_that_is_done() {
        let mut queue = Queue::new();
        assert!(queue.push(frame("a", 5, Delivery::Latest), 1).is_empty());
        queue.pop();
        let itself = [Unnecessary { with: 2, why: "superseded" }];
        assert_eq!(queue.push(frame("a", 4, Delivery::Latest), 2), itself);
        let again = queue.push(frame("a", 5, Delivery::Latest), 3);
        assert!(again.is_empty(), "announced again: not superseded by itself");
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn a_result_of_another_node_supersedes_what_waits_here() {
        let mut queue = Queue::new();
        queue.push(frame("a", 1, Delivery::Latest), 1);
        queue.push(frame("b", 1, Delivery::Every), 2);
        assert!(queue.newer(&"b".parse().unwrap(), Order::new(1, 9)).is_empty(), "every means every");
        let superseded = [Unnecessary { with: 1, why: "superseded" }];
        assert_eq!(queue.newer(&"a".parse().unwrap(), Order::new(1, 2)), superseded);
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn a_frame_that_is_announced_again_while_it_waits_is_analysed_once() {
        let mut queue = Queue::new();
        queue.push(frame("a", 1, Delivery::Every), 1);
        queue.push(frame("b", 1, Delivery::Every), 2);
        let again = FrameStored { attempt: 2, ..frame("a", 1, Delivery::Every) };
        assert_eq!(queue.push(again, 3), [Unnecessary { with: 1, why: "repeated" }]);
        let (first, with) = queue.pop().unwrap();
        assert_eq!((first.device_id.as_str(), first.attempt, with), ("a", 2, 3), "in its old place");
        assert_eq!(queue.len(), 1);
    }
}
