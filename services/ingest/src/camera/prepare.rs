//! Between the source and the ledger: pictures are prepared, one at a time and in order, and those that show
//! nothing new go no further.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use people_counter_events::{Delivery, Unchanged};
use tokio::task::spawn_blocking;

use super::frame::Frame;
use super::job::Job;
use super::worker::Worker;
use crate::gate::{Gate, Sketch, Verdict};
use crate::ledger::Instant;
use crate::picture::{Picture, Refusal};
use crate::prepare::{Prepared, Preparer};

/// Pictures that wait to be prepared (`every`); more means that the machine is too slow for what is asked of it.
const MAX_WAITING: usize = 16;

/// Pictures on their way to the ledger.
pub struct Preparation {
    preparer: Arc<Preparer>,
    pub gate: Option<Gate>,
    waiting: VecDeque<Picture>,
    pub job: Job<Result<Prepared, Refusal>>,
    told: Option<Instant>,
}

impl Preparation {
    pub fn new(preparer: Preparer, gate: Option<Gate>) -> Self {
        let (waiting, job) = (VecDeque::new(), Job::default());
        Self { preparer: Arc::new(preparer), gate, waiting, job, told: None }
    }

    /// Whether nothing waits or is under way.
    pub fn is_idle(&self) -> bool {
        self.job.is_idle() && self.waiting.is_empty()
    }

    /// Number of pictures that wait or are under way.
    pub fn len(&self) -> u64 {
        self.waiting.len() as u64 + u64::from(!self.job.is_idle())
    }
}

impl Worker {
    /// Takes pictures from the source. Above the bound the oldest gives way.
    pub(super) fn take_pictures(&mut self, pictures: VecDeque<Picture>) {
        let waiting = &mut self.preparation.waiting;
        waiting.extend(pictures);
        let bound = match self.config.delivery {
            Delivery::Latest => 1,
            Delivery::Every => MAX_WAITING,
        };
        let surplus = waiting.len().saturating_sub(bound);
        waiting.drain(..surplus);
        self.overrun(surplus as u64);
    }

    /// Goes on with the next picture.
    pub(super) fn start_preparation(&mut self, now: Instant) {
        while self.preparation.job.is_idle() {
            let Some(picture) = self.preparation.waiting.pop_front() else { return };
            if self.preparation.preparer.has_work(&picture) {
                let preparer = self.preparation.preparer.clone();
                self.preparation.job.start(async move {
                    // it only breaks off by a defect of a decoder
                    spawn_blocking(move || preparer.prepare(picture)).await.unwrap_or(Err(Refusal::Damaged))
                });
            } else {
                self.capture(now, picture, None);
            }
        }
    }

    /// A picture has been prepared.
    pub(super) fn prepared(&mut self, now: Instant, result: Result<Prepared, Refusal>) {
        let Prepared { picture, sketch } = match result {
            Ok(prepared) => prepared,
            Err(refusal) => {
                tracing::warn!(device = %self.config.device, reason = refusal.code(), "a picture is not sent: {refusal}");
                self.dropped(refusal.code(), 1);
                return;
            }
        };
        let verdict = match (&self.preparation.gate, &sketch) {
            (Some(gate), Some(sketch)) => gate.judge(now, sketch),
            _ => Verdict::Send,
        };
        match verdict {
            Verdict::Send => self.capture(now, picture, sketch),
            Verdict::Unchanged { number, counted } => {
                self.metrics.settled("unchanged", 1);
                if counted {
                    self.tell_unchanged(now, number, &picture);
                }
            }
        }
    }

    fn capture(&mut self, now: Instant, picture: Picture, sketch: Option<Sketch>) {
        let frame = Frame::new(picture);
        let bytes = frame.bytes();
        let number = self.ledger.capture(now, frame, bytes);
        if let Some(gate) = &mut self.preparation.gate {
            gate.sent(now, number, sketch);
        }
    }

    /// The heartbeat of a still scene, as often as its count has to be confirmed to stay fresh.
    fn tell_unchanged(&mut self, now: Instant, number: u64, picture: &Picture) {
        let pause = self.interval.max(super::HEARTBEAT);
        if self.preparation.told.is_some_and(|told| now < told + pause) {
            return;
        }
        self.preparation.told = Some(now);
        let order = self.ledger.order(number);
        let timestamp = picture.captured.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let unchanged = Unchanged { boot_id: order.boot_id, sequence: order.sequence, timestamp };
        self.board.change(|status| status.unchanged = Some(unchanged));
    }
}
