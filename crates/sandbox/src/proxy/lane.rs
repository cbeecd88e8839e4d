//! One direction of a connection: what has been read and is not yet written, and when it is due.
//! No sockets here, so that every fault can be tested with made-up times.

use super::fault::Fault;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Bytes under way in one direction; above it the sender has to wait.
const MAX_UNDER_WAY: usize = 256 << 10;
/// The most that is read at once, in bytes.
pub(super) const MAX_CHUNK: usize = 16 << 10;
/// With limited bandwidth bytes are let through in this rhythm.
const SLICES_PER_SECOND: u64 = 20;

#[derive(Debug)]
pub(super) struct Lane {
    fault: Fault,
    under_way: VecDeque<Chunk>,
    bytes: usize,
    /// Bytes taken in since the fault was set.
    carried: u64,
    /// Bytes were swallowed: what follows makes no sense to the receiver.
    has_lost: bool,
    /// Nothing more is taken in; the connection ends when the rest is written.
    cut: bool,
    /// Limited bandwidth: when the last byte taken in will have passed.
    free_at: Instant,
}

#[derive(Debug)]
struct Chunk {
    due: Instant,
    bytes: Bytes,
}

impl Lane {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            fault: Fault::None,
            under_way: VecDeque::new(),
            bytes: 0,
            carried: 0,
            has_lost: false,
            cut: false,
            free_at: now,
        }
    }

    /// Another fault holds from now on, also for what is under way. Returns false when the
    /// connection cannot go on.
    pub(super) fn set(&mut self, fault: Fault, now: Instant) -> bool {
        if fault == self.fault {
            return true;
        }
        self.fault = fault;
        if fault.ends_connections() || self.has_lost {
            return false;
        }
        self.carried = 0;
        self.cut = false;
        self.free_at = now;
        self.bytes = 0;
        for chunk in std::mem::take(&mut self.under_way) {
            self.take(chunk.bytes, now);
        }
        true
    }

    /// How many bytes may be read now.
    pub(super) fn room(&self) -> usize {
        match self.fault {
            _ if self.cut => 0,
            // a slow line has no store of its own: the sender feels it
            Fault::Bandwidth(_) if self.bytes > 0 => 0,
            Fault::Bandwidth(rate) => {
                usize::try_from(rate / SLICES_PER_SECOND).unwrap_or(MAX_CHUNK).clamp(1, MAX_CHUNK)
            }
            _ => (MAX_UNDER_WAY - self.bytes.min(MAX_UNDER_WAY)).min(MAX_CHUNK),
        }
    }

    /// Takes in what was read.
    pub(super) fn take(&mut self, mut bytes: Bytes, now: Instant) {
        let due = match self.fault {
            Fault::HalfOpen => {
                self.has_lost = true;
                return;
            }
            Fault::Latency(latency) => now + latency,
            Fault::Bandwidth(rate) => {
                let seconds = bytes.len() as f64 / rate.max(1) as f64;
                self.free_at = self.free_at.max(now) + Duration::from_secs_f64(seconds);
                self.free_at
            }
            Fault::CutAfter(limit) => {
                let rest = limit.saturating_sub(self.carried);
                if bytes.len() as u64 >= rest {
                    bytes.truncate(usize::try_from(rest).unwrap_or(usize::MAX));
                    self.cut = true;
                }
                now
            }
            Fault::None | Fault::Refuse | Fault::Drop => now,
        };
        self.carried += bytes.len() as u64;
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            self.under_way.push_back(Chunk { due, bytes });
        }
    }

    /// What is to be written next, and when.
    pub(super) fn next(&self) -> Option<(Instant, &[u8])> {
        self.under_way.front().map(|chunk| (chunk.due, &chunk.bytes[..]))
    }

    /// The first `count` bytes of [`next`](Self::next) are written.
    pub(super) fn written(&mut self, count: usize) {
        let Some(chunk) = self.under_way.front_mut() else { return };
        chunk.bytes.advance(count);
        self.bytes -= count;
        if chunk.bytes.is_empty() {
            self.under_way.pop_front();
        }
    }

    /// Is everything that was taken in written?
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Has the connection carried all that the fault allows?
    pub(super) fn is_over(&self) -> bool {
        self.cut && self.is_empty()
    }

    /// Does nothing reach the other side, not even the end?
    pub(super) fn is_silent(&self) -> bool {
        self.fault == Fault::HalfOpen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(fault: Fault) -> (Lane, Instant) {
        let now = Instant::now();
        let mut lane = Lane::new(now);
        assert!(lane.set(fault, now));
        (lane, now)
    }

    fn bytes(count: usize) -> Bytes {
        Bytes::from(vec![7; count])
    }

    /// Writes all there is; returns when the last of it was due, and how much it was.
    fn drain(lane: &mut Lane) -> (Option<Instant>, usize) {
        let (mut last, mut count) = (None, 0);
        while let Some((due, bytes)) = lane.next() {
            (last, count) = (Some(due), count + bytes.len());
            let written = bytes.len();
            lane.written(written);
        }
        (last, count)
    }

    #[test]
    fn without_a_fault_everything_is_due_at_once_and_the_room_is_limited() {
        let (mut lane, now) = lane(Fault::None);
        let mut taken = 0;
        while lane.room() > 0 {
            taken += lane.room();
            lane.take(bytes(lane.room()), now);
        }
        assert_eq!(taken, MAX_UNDER_WAY);
        lane.written(1);
        assert_eq!(lane.room(), 1);
        assert_eq!(drain(&mut lane), (Some(now), MAX_UNDER_WAY - 1));
    }

    #[test]
    fn latency_moves_every_chunk_and_ends_for_those_under_way() {
        let second = Duration::from_secs(1);
        let (mut lane, now) = lane(Fault::Latency(second));
        lane.take(bytes(1), now);
        assert_eq!(lane.next().unwrap().0, now + second);
        assert!(lane.set(Fault::None, now));
        assert_eq!(lane.next().unwrap().0, now);
    }

    #[test]
    fn bandwidth_spaces_the_chunks_and_makes_the_sender_wait() {
        let (mut lane, now) = lane(Fault::Bandwidth(1000));
        assert_eq!(lane.room(), 50);
        lane.take(bytes(50), now);
        assert_eq!(lane.room(), 0);
        assert_eq!(drain(&mut lane), (Some(now + Duration::from_millis(50)), 50));
        lane.take(bytes(50), now);
        assert_eq!(drain(&mut lane), (Some(now + Duration::from_millis(100)), 50));
    }

    #[test]
    fn the_cut_comes_after_exactly_so_many_bytes() {
        let (mut lane, now) = lane(Fault::CutAfter(100));
        lane.take(bytes(60), now);
        assert!(!lane.is_over());
        lane.take(bytes(60), now);
        assert_eq!(lane.room(), 0);
        assert_eq!(drain(&mut lane).1, 100);
        assert!(lane.is_over());
    }

    #[test]
    fn silence_swallows_and_what_has_lost_bytes_cannot_go_on() {
        let (mut lane, now) = lane(Fault::None);
        assert!(lane.set(Fault::HalfOpen, now));
        assert!(lane.set(Fault::None, now), "nothing was lost");
        lane.take(bytes(10), now);
        assert!(lane.set(Fault::HalfOpen, now), "what was under way is lost");
        assert!(lane.is_empty());
        assert!(!lane.set(Fault::None, now));
    }

    #[test]
    fn faults_that_end_connections_end_them() {
        for fault in [Fault::Refuse, Fault::Drop] {
            let (mut lane, now) = lane(Fault::None);
            assert!(!lane.set(fault, now));
        }
    }
}
