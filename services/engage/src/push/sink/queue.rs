//! [`Queue`]: what waits to be told to one system, and what has been. Bounded; when it is full, the oldest goes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::push::event::Event;

#[derive(Debug, Default)]
struct Events {
    waiting: VecDeque<Event>,
    /// Told or given up, and not taken notice of yet.
    settled: Vec<Uuid>,
}

/// Events in their order.
#[derive(Debug)]
pub(in crate::push) struct Queue {
    events: Mutex<Events>,
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
        let full = events.waiting.len() >= self.capacity;
        let dropped = if full { events.waiting.pop_front() } else { None };
        events.settled.extend(dropped.as_ref().map(|event| event.id));
        events.waiting.push_back(event);
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
        self.lock().waiting.front().cloned()
    }

    /// Takes an event out that was told, or given up.
    pub(super) fn done(&self, id: Uuid) {
        let mut events = self.lock();
        events.settled.push(id);
        // it may have been dropped to make room meanwhile
        if events.waiting.front().is_some_and(|event| event.id == id) {
            events.waiting.pop_front();
        }
    }

    /// Whether an event is the next to be told.
    pub(super) fn is_head(&self, id: Uuid) -> bool {
        self.lock().waiting.front().is_some_and(|event| event.id == id)
    }

    /// What was told or given up since the last call. There is not more of it than was put in.
    pub(super) fn take_settled(&self) -> Vec<Uuid> {
        std::mem::take(&mut self.lock().settled)
    }

    /// Takes out what waits; somebody else tells it.
    pub(super) fn clear(&self) {
        self.lock().waiting.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Never held across an await, so a poisoned lock means a panic in plain bookkeeping: go on with it.
    fn lock(&self) -> MutexGuard<'_, Events> {
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

    #[test]
    fn what_was_told_or_dropped_is_settled_and_what_another_replica_tells_is_not() {
        let queue = Queue::new(2);
        let events: Vec<Event> = (0..4).map(|n| Event::test(f64::from(n))).collect();
        for event in &events[..3] {
            queue.push(event.clone());
        }
        assert_eq!(queue.take_settled(), [events[0].id], "dropped to make room");
        assert!(queue.is_head(events[1].id) && !queue.is_head(events[2].id));
        queue.done(events[1].id);
        queue.clear();
        // one that was on its way when the others were taken out
        queue.done(events[3].id);
        assert_eq!(queue.take_settled(), [events[1].id, events[3].id]);
        assert_eq!((queue.len(), queue.take_settled().len()), (0, 0));
    }
}
