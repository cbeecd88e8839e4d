//! [`Queue`]: what waits to be told to one system. Bounded; when it is full, the oldest goes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::push::event::Event;

/// Events in their order.
#[derive(Debug)]
pub(in crate::push) struct Queue {
    events: Mutex<VecDeque<Event>>,
    capacity: usize,
    arrived: Notify,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self { events: Mutex::default(), capacity, arrived: Notify::new() }
    }

    /// Adds an event. Gives back the oldest when there is no more room.
    pub(super) fn push(&self, event: Event) -> Option<Event> {
        let mut events = self.lock();
        let dropped = if events.len() >= self.capacity { events.pop_front() } else { None };
        events.push_back(event);
        self.arrived.notify_one();
        dropped
    }

    /// The oldest event, when there is one. It stays until [`Queue::done`].
    pub(super) async fn head(&self) -> Event {
        loop {
            let arrived = self.arrived.notified();
            if let Some(event) = self.first() {
                return event;
            }
            arrived.await;
        }
    }

    pub(super) fn first(&self) -> Option<Event> {
        self.lock().front().cloned()
    }

    /// Takes an event out that was told, or given up.
    pub(super) fn done(&self, id: Uuid) {
        let mut events = self.lock();
        // it may have been dropped to make room meanwhile
        if events.front().is_some_and(|event| event.id == id) {
            events.pop_front();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Never held across an await, so a poisoned lock means a panic in plain bookkeeping: go on with it.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn in_order_until_done_and_the_oldest_makes_room() {
        let queue = Queue::new(2);
        let events: Vec<Event> = (0..3).map(|n| Event::test(f64::from(n))).collect();
        assert_eq!(queue.push(events[0].clone()), None);
        assert_eq!(queue.head().await.id, events[0].id);
        assert_eq!(queue.head().await.id, events[0].id, "still there");
        assert_eq!(queue.push(events[1].clone()), None);
        assert_eq!(queue.push(events[2].clone()).map(|event| event.id), Some(events[0].id));
        queue.done(events[0].id);
        assert_eq!(queue.len(), 2, "it was gone already");
        assert_eq!(queue.head().await.id, events[1].id);
        queue.done(events[1].id);
        assert_eq!(queue.first().map(|event| event.id), Some(events[2].id));
    }
}
