//! The spool's folder: frames are written to it beside everything else, and removed when they have ended.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use people_counter_events::Order;
use tokio::task::spawn_blocking;

use super::frame::Frame;
use super::job::Job;
use super::worker::Worker;
use crate::ledger::{Earlier, Instant, Number};
use crate::spool::{Remains, Spool, complaint};

/// Most frames that are removed in one go, so that a write need not wait for long.
const MAX_REMOVED: usize = 64;

/// Wait after frames could not be removed.
const REMOVE_RETRY: Duration = Duration::from_secs(30);

/// What has come to an end.
pub enum Done {
    /// A frame, and the attempts that were written with it.
    Write(Number, Order, u32, io::Result<()>),
    /// How often a frame has been announced.
    Attempts(io::Result<()>),
    /// The frames that are still there, if any.
    Remove(Vec<Order>, io::Result<()>),
}

/// The folder and what is under way there, one thing at a time.
#[derive(Default)]
pub struct Disk {
    pub spool: Option<Spool>,
    pub job: Job<Done>,
    /// Attempts to announce frames that lie there, to be noted with them. At most a window of them.
    attempts: BTreeMap<Order, u32>,
    /// Frames that have ended.
    ended: VecDeque<Order>,
    remove_not_before: Instant,
}

impl Disk {
    pub fn new(spool: Option<Spool>) -> Self {
        Self { spool, ..Self::default() }
    }

    /// Whether all that is to be noted is, and everything that has ended is gone or cannot be removed now.
    pub fn is_tidy(&self) -> bool {
        self.job.is_idle()
            && self.attempts.is_empty()
            && (self.ended.is_empty() || self.remove_not_before > Instant::ZERO)
    }

    pub fn wake(&self) -> Option<Instant> {
        (self.job.is_idle() && !self.ended.is_empty()).then_some(self.remove_not_before)
    }
}

/// What an earlier start left behind.
///
/// # Errors
/// What the system said.
pub async fn recover(spool: &Spool) -> io::Result<Remains> {
    let spool = spool.clone();
    spawn_blocking(move || spool.recover()).await?
}

impl Worker {
    /// Takes over what an earlier start left behind. The boot id must be higher than all of it.
    pub(super) fn restore(&mut self, remains: io::Result<Remains>) {
        let remains = match remains {
            Ok(remains) => remains,
            Err(error) => {
                self.disk_failed(&error);
                return;
            }
        };
        let device = &self.config.device;
        if !remains.frames.is_empty() {
            tracing::info!(%device, "{} frames of earlier starts wait in the spool", remains.frames.len());
        }
        self.metrics.restored(remains.frames.len() as u64 + remains.damaged);
        for left in remains.frames {
            let (order, attempts) = (left.order, left.record.attempts);
            let frame = Frame::left(left);
            let (bytes, age) = (frame.bytes(), frame.age());
            self.ledger.restore(frame, bytes, Earlier { order, age, attempts });
        }
        if remains.damaged > 0 {
            self.dropped("spool-damaged", remains.damaged);
        }
    }

    /// Starts what can be started on the disk.
    pub(super) fn start_disk(&mut self, now: Instant) {
        let Some(spool) = self.disk.spool.clone().filter(|_| self.disk.job.is_idle()) else { return };
        if !self.disk.ended.is_empty() && now >= self.disk.remove_not_before {
            let count = self.disk.ended.len().min(MAX_REMOVED);
            let orders = self.disk.ended.drain(..count).collect();
            self.disk.job.start(async move {
                let removing = spawn_blocking(move || remove(&spool, orders));
                removing.await.unwrap_or_else(|panic| Done::Remove(Vec::new(), Err(panic.into())))
            });
            return;
        }
        if let Some((order, attempts)) = self.disk.attempts.pop_first() {
            self.disk.job.start(async move {
                let noting = spawn_blocking(move || spool.note_attempts(order, attempts));
                Done::Attempts(noting.await.unwrap_or_else(|panic| Err(panic.into())))
            });
            return;
        }
        let Some(number) = self.ledger.next_write(now) else { return };
        let (order, attempts) = (self.ledger.order(number), self.ledger.attempts(number));
        let Some((record, jpeg)) = self.ledger.frame(number).and_then(|frame| frame.record(attempts)) else {
            // what is not in memory is never to be written
            self.ledger.written(now, number, false);
            return;
        };
        self.disk.job.start(async move {
            let writing = spawn_blocking(move || spool.write(order, &record, &jpeg));
            let written = writing.await.unwrap_or_else(|panic| Err(panic.into()));
            Done::Write(number, order, attempts, written)
        });
    }

    /// Something on the disk has come to an end.
    pub(super) fn disk_done(&mut self, now: Instant, done: Done) {
        match done {
            Done::Write(number, order, attempts, result) => {
                if let Err(error) = &result {
                    self.metrics.spool_write_failed();
                    self.disk_failed(error);
                } else {
                    if self.problems.spool.take().is_some() {
                        tracing::info!(device = %self.config.device, "the spool's disk takes pictures again");
                    }
                    match self.ledger.frame_mut(number) {
                        Some(frame) => {
                            frame.set_saved(order);
                            if self.ledger.attempts(number) > attempts {
                                self.note_attempts(number);
                            }
                        }
                        // it ended meanwhile
                        None => self.disk.ended.push_back(order),
                    }
                }
                self.ledger.written(now, number, result.is_ok());
            }
            Done::Attempts(Ok(())) => {}
            Done::Attempts(Err(error)) => {
                self.metrics.spool_write_failed();
                tracing::warn!(device = %self.config.device, "attempts of a frame cannot be noted in the spool: {error}");
            }
            Done::Remove(_, Ok(())) => self.disk.remove_not_before = Instant::ZERO,
            Done::Remove(left, Err(error)) => {
                tracing::warn!(device = %self.config.device, "frames that have ended stay in the spool: {error}");
                self.disk.ended.extend(left);
                self.disk.remove_not_before = now + REMOVE_RETRY;
            }
        }
    }

    /// A frame was announced: where it lies in the folder, how often is noted there, so that a restart does not give a
    /// picture that nodes die of as many attempts again.
    pub(super) fn note_attempts(&mut self, number: Number) {
        if let Some(order) = self.ledger.frame(number).and_then(Frame::saved) {
            self.disk.attempts.insert(order, self.ledger.attempts(number));
        }
    }

    /// A frame has ended: its file can go.
    pub(super) fn forget_saved(&mut self, frame: &Frame) {
        if let Some(order) = frame.saved() {
            self.disk.attempts.remove(&order);
            self.disk.ended.push_back(order);
        }
    }

    fn disk_failed(&mut self, error: &io::Error) {
        let problem =
            format!("pictures wait in memory alone: the spool cannot be used, {}", complaint(error));
        if self.problems.spool.as_ref() != Some(&problem) {
            let folder = self.disk.spool.as_ref().map(|spool| spool.folder().display().to_string());
            tracing::warn!(device = %self.config.device, folder, "{problem}: {error}");
            self.problems.spool = Some(problem);
        }
    }
}

fn remove(spool: &Spool, orders: Vec<Order>) -> Done {
    let mut orders = orders.into_iter();
    while let Some(order) = orders.next() {
        if let Err(error) = spool.remove(order) {
            return Done::Remove(std::iter::once(order).chain(orders).collect(), Err(error));
        }
    }
    Done::Remove(Vec::new(), Ok(()))
}
