//! What waits to be sent or confirmed. No I/O: the connection tells it what happened.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::{Confirmation, Message, PublishError};

pub(crate) type Outcome = Result<Confirmation, PublishError>;

/// Names one message from [`Outbox::push`] to its confirmation.
pub(crate) type Ticket = u64;

struct Item {
    message: Message,
    done: Option<oneshot::Sender<Outcome>>,
    /// Gives its place in the outbox back when the item goes.
    _room: Option<OwnedSemaphorePermit>,
}

/// Messages in three stages: queued, handed to the connection (its packet id not known yet), in flight.
#[derive(Default)]
pub(crate) struct Outbox {
    items: HashMap<Ticket, Item>,
    queue: VecDeque<Ticket>,
    handed: VecDeque<(Ticket, Instant)>,
    in_flight: HashMap<u16, (Ticket, Instant)>,
    next: Ticket,
    birth: Option<Ticket>,
}

impl Outbox {
    /// Takes a message; its outcome goes to `done`.
    pub(crate) fn push(
        &mut self,
        message: Message,
        done: oneshot::Sender<Outcome>,
        room: OwnedSemaphorePermit,
    ) -> Ticket {
        let ticket = self.insert(Item { message, done: Some(done), _room: Some(room) });
        self.queue.push_back(ticket);
        ticket
    }

    /// Puts the birth message of a new connection before everything else.
    pub(crate) fn push_birth(&mut self, message: Message) {
        let ticket = self.insert(Item { message, done: None, _room: None });
        self.queue.push_front(ticket);
        self.birth = Some(ticket);
    }

    fn insert(&mut self, item: Item) -> Ticket {
        self.next += 1;
        self.items.insert(self.next, item);
        self.next
    }

    /// The message to send next, if fewer than `window` are unconfirmed.
    pub(crate) fn peek(&mut self, window: usize) -> Option<&Message> {
        if self.handed.len() + self.in_flight.len() >= window {
            return None;
        }
        while let Some(ticket) = self.queue.front() {
            if self.items.contains_key(ticket) {
                break;
            }
            self.queue.pop_front();
        }
        self.queue.front().and_then(|ticket| self.items.get(ticket)).map(|item| &item.message)
    }

    /// The message of [`Outbox::peek`] has been handed to the connection.
    pub(crate) fn handed_over(&mut self, now: Instant) {
        if let Some(ticket) = self.queue.pop_front() {
            self.handed.push_back((ticket, now));
        }
    }

    /// The message of [`Outbox::peek`] cannot be sent.
    pub(crate) fn refuse(&mut self, error: PublishError) {
        if let Some(ticket) = self.queue.pop_front() {
            self.finish(ticket, Err(error));
        }
    }

    /// The connection gave the oldest message handed over the packet id `id`.
    pub(crate) fn got_packet_id(&mut self, id: u16) {
        if let Some(sent) = self.handed.pop_front() {
            self.in_flight.insert(id, sent);
        }
    }

    /// The broker answered packet `id`.
    pub(crate) fn answered(&mut self, id: u16, outcome: impl FnOnce(&Message) -> Outcome) {
        let Some((ticket, _)) = self.in_flight.remove(&id) else { return };
        if let Some(item) = self.items.get(&ticket) {
            let outcome = outcome(&item.message);
            self.finish(ticket, outcome);
        }
    }

    /// Its publisher no longer waits: it is not sent (again).
    pub(crate) fn abandon(&mut self, ticket: Ticket) {
        self.items.remove(&ticket);
    }

    fn finish(&mut self, ticket: Ticket, outcome: Outcome) {
        if let Some(done) = self.items.remove(&ticket).and_then(|item| item.done) {
            // a publisher that stopped waiting has nobody to tell
            drop(done.send(outcome));
        }
    }

    /// The connection is gone: what it did not confirm goes to the front again, in order. Its birth message
    /// is void, the next connection has its own.
    pub(crate) fn connection_lost(&mut self) {
        if let Some(birth) = self.birth.take() {
            self.items.remove(&birth);
        }
        let mut back: Vec<Ticket> = self
            .handed
            .drain(..)
            .chain(self.in_flight.drain().map(|(_, sent)| sent))
            .map(|(ticket, _)| ticket)
            .filter(|ticket| self.items.contains_key(ticket))
            .collect();
        back.sort_unstable();
        for ticket in back.into_iter().rev() {
            self.queue.push_front(ticket);
        }
    }

    /// How long the oldest message has been waiting for its confirmation.
    pub(crate) fn longest_wait(&self, now: Instant) -> Option<Duration> {
        self.handed
            .iter()
            .chain(self.in_flight.values())
            .map(|(_, since)| now.saturating_duration_since(*since))
            .max()
    }

    /// Whether every message has had its outcome.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Gives up on everything.
    pub(crate) fn close(&mut self) {
        let tickets: Vec<Ticket> = self.items.keys().copied().collect();
        for ticket in tickets {
            if let Some(item) = self.items.get(&ticket) {
                let topic = item.message.topic.clone();
                self.finish(ticket, Err(PublishError::Closed { topic }));
            }
        }
        self.queue.clear();
        self.handed.clear();
        self.in_flight.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tokio::sync::Semaphore;

    use super::*;

    fn push(outbox: &mut Outbox, room: &Arc<Semaphore>, name: usize) -> (Ticket, oneshot::Receiver<Outcome>) {
        let (done, outcome) = oneshot::channel();
        let permit = room.clone().try_acquire_owned().unwrap();
        (outbox.push(Message::new(name.to_string(), ""), done, permit), outcome)
    }

    fn confirm(_: &Message) -> Outcome {
        Ok(Confirmation { had_subscribers: true })
    }

    #[test]
    fn the_window_holds_and_places_come_back() {
        let room = Arc::new(Semaphore::new(3));
        let mut outbox = Outbox::default();
        let mut outcomes: Vec<_> = (0..3).map(|name| push(&mut outbox, &room, name).1).collect();
        assert_eq!(room.available_permits(), 0);
        for id in [1, 2] {
            assert!(outbox.peek(2).is_some());
            outbox.handed_over(Instant::now());
            outbox.got_packet_id(id);
        }
        assert!(outbox.peek(2).is_none(), "the window is full");
        outbox.answered(2, confirm);
        assert!(outcomes[1].try_recv().unwrap().is_ok());
        assert_eq!(outbox.peek(2).unwrap().topic, "2");
        assert_eq!(room.available_permits(), 1);
    }

    #[test]
    fn an_abandoned_message_is_not_sent() {
        let room = Arc::new(Semaphore::new(2));
        let mut outbox = Outbox::default();
        let (first, _outcome) = push(&mut outbox, &room, 0);
        let (_second, _outcome) = push(&mut outbox, &room, 1);
        outbox.abandon(first);
        assert_eq!(outbox.peek(9).unwrap().topic, "1");
        assert_eq!(room.available_permits(), 1);
    }

    #[test]
    fn a_birth_belongs_to_its_connection() {
        let room = Arc::new(Semaphore::new(1));
        let mut outbox = Outbox::default();
        let (_ticket, _outcome) = push(&mut outbox, &room, 0);
        outbox.push_birth(Message::new("birth-1", ""));
        assert_eq!(outbox.peek(9).unwrap().topic, "birth-1");
        outbox.handed_over(Instant::now());
        outbox.connection_lost();
        outbox.push_birth(Message::new("birth-2", ""));
        assert_eq!(outbox.peek(9).unwrap().topic, "birth-2");
        outbox.handed_over(Instant::now());
        assert_eq!(outbox.peek(9).unwrap().topic, "0");
    }

    proptest! {
        /// Whatever happens to connections, every message ends with one outcome and keeps its order.
        #[test]
        fn nothing_is_lost_or_reordered(steps in prop::collection::vec(0u8..5, 1..200)) {
            let room = Arc::new(Semaphore::new(1000));
            let mut outbox = Outbox::default();
            let mut waiting = Vec::new();
            let mut confirmed: Vec<usize> = Vec::new();
            let mut packet = 0u16;
            let mut unanswered = VecDeque::new();
            let mut names = 0;
            for step in steps {
                match step {
                    0 => {
                        waiting.push(push(&mut outbox, &room, names).1);
                        names += 1;
                    }
                    1 | 2 => {
                        if outbox.peek(4).is_some() {
                            outbox.handed_over(Instant::now());
                            packet += 1;
                            outbox.got_packet_id(packet);
                            unanswered.push_back(packet);
                        }
                    }
                    3 => {
                        if let Some(id) = unanswered.pop_front() {
                            outbox.answered(id, |message| {
                                confirmed.push(message.topic.parse().unwrap());
                                confirm(message)
                            });
                        }
                    }
                    _ => {
                        outbox.connection_lost();
                        unanswered.clear();
                    }
                }
            }
            while outbox.peek(4).is_some() || !unanswered.is_empty() {
                if outbox.peek(4).is_some() {
                    outbox.handed_over(Instant::now());
                    packet += 1;
                    outbox.got_packet_id(packet);
                    unanswered.push_back(packet);
                } else if let Some(id) = unanswered.pop_front() {
                    outbox.answered(id, |message| {
                        confirmed.push(message.topic.parse().unwrap());
                        confirm(message)
                    });
                }
            }
            prop_assert_eq!(&confirmed, &(0..names).collect::<Vec<_>>());
            prop_assert!(waiting.iter_mut().all(|outcome| outcome.try_recv().unwrap().is_ok()));
            prop_assert!(outbox.is_empty());
            prop_assert_eq!(room.available_permits(), 1000);
        }
    }
}
