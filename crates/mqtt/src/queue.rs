//! What arrived and waits for its handler: bounded, and nobody who fills it ever waits.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use rumqttc::v5::mqttbytes::QoS;
use tokio::sync::Notify;

use crate::inbox::Delivery;

/// What may wait beyond the windows, in bytes: mosquitto 2.0 sends much more than the receive maximum when two
/// acknowledgements reach it at once.
const OVERRUN: usize = 16 << 20;
/// What a waiting message takes beside its topic and payload, in bytes, roughly.
const OVERHEAD: usize = 512;

/// Room for one receive window of the running connection and for one that older connections left behind, for a
/// broker that overruns the window within [`OVERRUN`], and for a window of QoS 0 messages, which nothing holds back.
pub(crate) struct Queue {
    window: usize,
    inner: Mutex<Inner>,
    /// Something arrived, or nothing more will.
    filled: Notify,
    /// Something was taken, or nobody will take anything any more.
    emptied: Notify,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Delivery>,
    /// How many of those have QoS 0.
    uncontrolled: usize,
    /// What they take together.
    bytes: usize,
    reader_left: bool,
    ended: bool,
}

/// Why a delivery was not taken.
pub(crate) enum NotTaken {
    /// There is no room.
    Full,
    /// Nobody reads here; the delivery comes back.
    Unread(Box<Delivery>),
}

impl Inner {
    fn controlled(&self) -> usize {
        self.waiting.len() - self.uncontrolled
    }

    fn take(&mut self) -> Option<Delivery> {
        let delivery = self.waiting.pop_front()?;
        if is_uncontrolled(&delivery) {
            self.uncontrolled -= 1;
        }
        self.bytes -= size(&delivery);
        Some(delivery)
    }
}

fn size(delivery: &Delivery) -> usize {
    delivery.topic.len() + delivery.publish.payload.len() + OVERHEAD
}

fn is_uncontrolled(delivery: &Delivery) -> bool {
    delivery.publish.qos == QoS::AtMostOnce
}

impl Queue {
    /// For connections whose receive maximum is `window`.
    pub(crate) fn new(window: u16) -> Self {
        Self { window: window.into(), inner: Mutex::default(), filled: Notify::new(), emptied: Notify::new() }
    }

    /// Never held across an await, so a poisoned lock means a panic in plain bookkeeping: go on with it.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    pub(crate) fn push(&self, delivery: Delivery) -> Result<(), NotTaken> {
        let mut inner = self.lock();
        if inner.reader_left {
            return Err(NotTaken::Unread(Box::new(delivery)));
        }
        if is_uncontrolled(&delivery) {
            if inner.uncontrolled >= self.window {
                return Err(NotTaken::Full);
            }
            inner.uncontrolled += 1;
        } else if inner.controlled() >= 2 * self.window && inner.bytes >= OVERRUN {
            return Err(NotTaken::Full);
        }
        inner.bytes += size(&delivery);
        inner.waiting.push_back(delivery);
        drop(inner);
        self.filled.notify_one();
        Ok(())
    }

    /// The next one; `None` when all have been taken and no more will come.
    pub(crate) async fn next(&self) -> Option<Delivery> {
        loop {
            let filled = self.filled.notified();
            {
                let mut inner = self.lock();
                if let Some(delivery) = inner.take() {
                    drop(inner);
                    self.emptied.notify_waiters();
                    return Some(delivery);
                }
                if inner.ended {
                    return None;
                }
            }
            filled.await;
        }
    }

    /// The next one if it is there.
    pub(crate) fn try_next(&self) -> Option<Delivery> {
        let delivery = self.lock().take();
        if delivery.is_some() {
            self.emptied.notify_waiters();
        }
        delivery
    }

    /// Waits until a full window fits, or nobody reads here.
    pub(crate) async fn room(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // registered before the check, so that what is taken in between is not missed
            emptied.as_mut().enable();
            {
                let inner = self.lock();
                if inner.reader_left || inner.controlled() <= self.window {
                    return;
                }
            }
            emptied.await;
        }
    }

    /// Makes a full window fit by letting go of the oldest: the broker sends them again.
    pub(crate) fn make_room(&self) {
        let mut inner = self.lock();
        while inner.controlled() > self.window {
            inner.take();
        }
    }

    /// Nothing more will come.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        // one reader at most waits; if none does now, the next one is let through
        self.filled.notify_one();
    }

    /// Nobody will read any more.
    pub(crate) fn leave(&self) {
        let left = {
            let mut inner = self.lock();
            inner.reader_left = true;
            inner.uncontrolled = 0;
            inner.bytes = 0;
            std::mem::take(&mut inner.waiting)
        };
        // outside of the lock: a delivery may hold the last handle of the client
        drop(left);
        self.emptied.notify_waiters();
    }
}
