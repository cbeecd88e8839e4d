//! [`Queue`]: announced frames in their order, and which of them a newer one has superseded. No I/O.

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

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self { frames: VecDeque::new(), newest: HashMap::new() }
    }

    /// Takes a frame.
    pub(crate) fn push(&mut self, frame: FrameStored, with: T) {
        if self.newest.len() >= MAX_DEVICES && !self.newest.contains_key(&frame.device_id) {
            self.newest.clear();
        }
        let newest = self.newest.entry(frame.device_id.clone()).or_default();
        *newest = frame.order().max(*newest);
        self.frames.push_back((frame, with));
    }

    /// The next frame, and whether a newer one has superseded it.
    pub(crate) fn pop(&mut self) -> Option<(FrameStored, T, bool)> {
        let (frame, with) = self.frames.pop_front()?;
        let superseded = self.is_superseded(&frame);
        Some((frame, with, superseded))
    }

    /// Whether a newer frame makes this one unnecessary.
    pub(crate) fn is_superseded(&self, frame: &FrameStored) -> bool {
        frame.delivery == Delivery::Latest
            && self.newest.get(&frame.device_id).is_some_and(|newest| *newest > frame.order())
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

    #[test]
    fn only_older_frames_of_the_same_latest_device_are_superseded() {
        let mut queue = Queue::new();
        for (device, sequence, delivery) in [
            ("a", 1, Delivery::Latest),
            ("b", 1, Delivery::Latest),
            ("c", 1, Delivery::Every),
            ("a", 2, Delivery::Latest),
            ("c", 2, Delivery::Every),
        ] {
            queue.push(frame(device, sequence, delivery), ());
        }
        let mut superseded = Vec::new();
        while let Some((frame, (), is)) = queue.pop() {
            superseded.push((frame.device_id.to_string(), frame.sequence, is));
        }
        let expected = [("a", 1, true), ("b", 1, false), ("c", 1, false), ("a", 2, false), ("c", 2, false)];
        assert_eq!(superseded, expected.map(|(device, sequence, is)| (device.to_string(), sequence, is)));
    }

    #[test]
    fn a_late_frame_is_superseded_by_one_that_is_done() {
        let mut queue = Queue::new();
        queue.push(frame("a", 5, Delivery::Latest), ());
        queue.pop();
        queue.push(frame("a", 4, Delivery::Latest), ());
        assert!(queue.pop().unwrap().2);
        queue.push(frame("a", 5, Delivery::Latest), ());
        assert!(!queue.pop().unwrap().2, "announced again is not superseded by itself");
    }
}
