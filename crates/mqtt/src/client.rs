//! [`Client`]: the handle, and what it shares with the connection task.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Publish, PublishProperties};
use tokio::sync::{Notify, Semaphore, oneshot, watch};
use tokio::task::JoinHandle;

use crate::connection;
use crate::outbox::{Outbox, Outcome, Ticket};
use crate::{Confirmation, Message, Options, PublishError};

/// How long the broker has to close the connection after a goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a client's connection is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct State {
    /// The broker has accepted the connection and it stands.
    pub connected: bool,
    /// The broker has confirmed every subscription of this connection.
    pub subscribed: bool,
    /// Number of the connection; rises with every attempt, 0 before the first.
    pub connection: u64,
    /// Why the last connection broke or was refused; `None` while connected.
    pub last_error: Option<String>,
    /// How many messages the broker has dropped since this client watches ([`Config::drops_topic`](crate::Config)),
    /// of anybody's: queues are too short, and a subscriber may have been told less than it asked for.
    pub broker_dropped: u64,
}

impl State {
    /// Whether the client can do its work, for a readiness check: connected, and everything is subscribed.
    ///
    /// # Errors
    /// What is missing, in one sentence.
    pub fn ready(&self) -> Result<(), String> {
        if self.subscribed {
            return Ok(());
        }
        Err(match &self.last_error {
            Some(error) => error.clone(),
            None if self.connected => "connected, not everything is subscribed yet".into(),
            None => "connecting".into(),
        })
    }
}

/// A handle to an MQTT client; clones share the connection.
///
/// The connection ends with [`Client::close`], or without a goodbye (the will fires) when the last handle is
/// dropped.
#[derive(Clone)]
pub struct Client(Arc<Owner>);

struct Owner {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.abort();
    }
}

impl Client {
    pub(crate) fn start(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        let task = tokio::spawn(connection::run(shared.clone()));
        Self(Arc::new(Owner { shared, task: Mutex::new(Some(task)) }))
    }

    /// Publishes at QoS 1 and waits for the broker's confirmation, across reconnects.
    ///
    /// Messages are sent in the order in which their publishers got a place in the outbox. Dropping the
    /// future takes a message back that has not been sent yet.
    ///
    /// # Errors
    /// [`PublishError`] when the broker refuses it, it is too large, the time limit of the message passes or
    /// the client is closed.
    pub async fn publish(&self, message: Message) -> Result<Confirmation, PublishError> {
        let shared = &self.0.shared;
        let metrics = &shared.options.metrics;
        let _waiting = metrics.waiting();
        let started = Instant::now();
        let (topic, limit) = (message.topic.clone(), message.timeout);
        let outcome = match tokio::time::timeout(limit, shared.publish(message)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => {
                let last_error = shared.state.borrow().last_error.clone();
                Err(PublishError::Timeout { topic, limit, last_error })
            }
        };
        match outcome {
            Ok(_) => {
                metrics.confirmed.inc();
                metrics.confirmation.observe(started.elapsed().as_secs_f64());
            }
            Err(_) => {
                metrics.unconfirmed.inc();
            }
        }
        outcome
    }

    /// The state of the connection, now and when it changes.
    pub fn state(&self) -> watch::Receiver<State> {
        self.0.shared.state.subscribe()
    }

    /// Number of the current connection, see [`State::connection`].
    pub fn connection(&self) -> u64 {
        self.0.shared.state.borrow().connection
    }

    /// Says goodbye: takes no more messages, waits up to `grace` until those taken are confirmed, over reconnects
    /// if need be, and disconnects, so the will does not fire. Returns whether everything was confirmed.
    pub async fn close(&self, grace: Duration) -> bool {
        let shared = &self.0.shared;
        shared.lock().closing = true;
        let flushed = tokio::time::timeout(grace, shared.flushed()).await.is_ok();
        let link = {
            let mut inner = shared.lock();
            inner.leaving = true;
            inner.link.clone()
        };
        let said = link.is_some_and(|link| link.try_disconnect().is_ok());
        let task = self.0.task.lock().unwrap_or_else(|poison| poison.into_inner()).take();
        if let (true, Some(task)) = (said, task) {
            // an elapsed time limit and an ended task are the same here: what is left is aborted
            drop(tokio::time::timeout(GOODBYE, task).await);
        }
        shared.abort();
        flushed
    }
}

/// What handle and connection task share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) state: watch::Sender<State>,
    /// True once the task shall end at once.
    pub(crate) aborted: watch::Sender<bool>,
    inner: Mutex<Inner>,
    room: Arc<Semaphore>,
    progress: Notify,
}

pub(crate) struct Inner {
    pub(crate) outbox: Outbox,
    /// Acknowledgements that the request channel had no room for yet.
    pub(crate) acks: VecDeque<Publish>,
    /// The current connection's request channel.
    pub(crate) link: Option<AsyncClient>,
    /// The broker has accepted the current connection.
    pub(crate) ready: bool,
    /// The broker has kept our session, and the subscriptions in it.
    pub(crate) resumed: bool,
    pub(crate) connection: u64,
    /// Most unconfirmed messages on this connection: the smaller of ours and the broker's limit.
    pub(crate) window: usize,
    /// Largest packet that the broker takes.
    pub(crate) broker_limit: u32,
    /// No more messages are taken.
    pub(crate) closing: bool,
    /// What the broker said last about the messages that it dropped.
    pub(crate) broker_dropped: Option<u64>,
    /// This connection is the last one.
    pub(crate) leaving: bool,
}

impl Shared {
    pub(crate) fn new(options: Options) -> Self {
        let room = Arc::new(Semaphore::new(options.config.outbox));
        Self {
            options,
            state: watch::Sender::default(),
            aborted: watch::Sender::new(false),
            inner: Mutex::new(Inner {
                outbox: Outbox::default(),
                acks: VecDeque::new(),
                link: None,
                ready: false,
                resumed: false,
                connection: 0,
                window: 1,
                broker_limit: u32::MAX,
                broker_dropped: None,
                closing: false,
                leaving: false,
            }),
            room,
            progress: Notify::new(),
        }
    }

    /// Never held across an await, so a poisoned lock means a panic in plain bookkeeping: go on with it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    async fn publish(self: &Arc<Self>, message: Message) -> Outcome {
        let topic = message.topic.clone();
        let Ok(room) = self.room.clone().acquire_owned().await else {
            return Err(PublishError::Closed { topic });
        };
        let (done, outcome) = oneshot::channel();
        let ticket = {
            let mut inner = self.lock();
            if inner.closing {
                return Err(PublishError::Closed { topic });
            }
            let ticket = inner.outbox.push(message, done, room);
            inner.send_waiting();
            ticket
        };
        let _abandon = Abandon { shared: self, ticket };
        outcome.await.unwrap_or(Err(PublishError::Closed { topic }))
    }

    /// Acknowledges a delivery if the connection it came on still stands.
    pub(crate) fn ack(&self, publish: &Publish, connection: u64) -> bool {
        let mut inner = self.lock();
        if inner.connection != connection || inner.link.is_none() {
            return false;
        }
        inner.acks.push_back(publish.clone());
        inner.send_acks();
        true
    }

    /// A message got its outcome.
    pub(crate) fn progressed(&self) {
        self.progress.notify_waiters();
    }

    async fn flushed(&self) {
        loop {
            let progress = self.progress.notified();
            tokio::pin!(progress);
            // registered before the check, so an outcome in between is not missed
            progress.as_mut().enable();
            if self.lock().outbox.is_empty() {
                return;
            }
            progress.await;
        }
    }

    /// Ends the task and fails everybody who waits.
    pub(crate) fn abort(&self) {
        let mut inner = self.lock();
        inner.closing = true;
        inner.leaving = true;
        inner.link = None;
        inner.outbox.close();
        drop(inner);
        self.room.close();
        self.aborted.send_replace(true);
    }
}

impl Inner {
    /// Hands over what could not be handed over before.
    pub(crate) fn catch_up(&mut self) {
        self.send_acks();
        self.send_waiting();
    }

    /// Hands over as many acknowledgements as the request channel has room for.
    fn send_acks(&mut self) {
        let Some(link) = self.link.clone() else { return };
        while let Some(publish) = self.acks.front() {
            if link.try_ack(publish).is_err() {
                return;
            }
            self.acks.pop_front();
        }
    }

    /// Hands over as many messages as the window allows and the request channel has room for. Never waits.
    pub(crate) fn send_waiting(&mut self) {
        let Some(link) = self.link.clone().filter(|_| self.ready) else { return };
        while let Some(message) = self.outbox.peek(self.window) {
            let bytes = message.packet_bytes();
            if bytes > self.broker_limit as usize {
                // the broker would cut the connection, and again after every reconnect
                let topic = message.topic.clone();
                self.outbox.refuse(PublishError::TooLarge { topic, bytes, limit: self.broker_limit });
                continue;
            }
            let properties = PublishProperties {
                message_expiry_interval: message.expiry.map(|after| connection::seconds(after).max(1)),
                content_type: message.content_type.clone(),
                response_topic: message.response_topic.clone(),
                correlation_data: message.correlation.clone(),
                ..PublishProperties::default()
            };
            let (topic, payload) = (message.topic.clone(), message.payload.clone());
            let sent = link.try_publish_with_properties(
                topic,
                QoS::AtLeastOnce,
                message.retain,
                payload,
                properties,
            );
            if sent.is_err() {
                return;
            }
            self.outbox.handed_over(Instant::now());
        }
    }
}

/// Takes a message back when its publisher stops waiting.
struct Abandon<'a> {
    shared: &'a Shared,
    ticket: Ticket,
}

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.shared.lock().outbox.abandon(self.ticket);
    }
}
