//! [`Broker`]: what the broker sends goes into the state.

mod alerts;
pub(crate) mod presence;
mod rejects;
mod sync;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use iot_chassis::{Check, Stop};
use iot_mqtt::{Client, Delivery, Inbox, Message as Publication, Options};
use people_counter_events::{DeviceID, Rejected, ServiceStatus, Topics, decode};
use tokio::time::Instant;

use crate::board::Board;
use crate::clock;
use crate::config::Config;
use crate::metrics::{Kind, Metrics};
use crate::state::{Cleared, Nodes, Outcome, Receipt, State};
use presence::Presence;
use rejects::Rejects;
use sync::{Step, Sync};

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// The subscriptions, one inbox each.
struct Inboxes {
    status: Inbox,
    counts: Inbox,
    failure: Inbox,
    nodes: Inbox,
    alerts: Inbox,
    events: Inbox,
    waits: Inbox,
    sync: Inbox,
}

/// The connection to the broker, to be run.
pub struct Broker {
    topics: Topics,
    node: String,
    sync_topic: String,
    presence: Presence,
    options: Options,
    inboxes: Inboxes,
    board: Arc<Board>,
    metrics: Metrics,
    check: Check,
    client: Arc<OnceLock<Client>>,
}

impl Broker {
    /// Prepares the connection; nothing is sent yet. `check` becomes well when the state is what the broker
    /// has.
    ///
    /// # Errors
    /// When the configuration cannot work or names a file that cannot be read.
    pub fn new(
        config: &Config,
        node: String,
        board: Arc<Board>,
        metrics: Metrics,
        mqtt_metrics: iot_mqtt::Metrics,
        check: Check,
    ) -> anyhow::Result<Self> {
        let topics = Topics::new(&config.root).context("root")?;
        let presence = Presence::new(&topics, "engage", &node)?;
        let sync_topic = topics.sync.name(&["engage", &node]).context("node")?;
        let mut options = Options::new(config.mqtt.clone(), &node).context("[mqtt]")?;
        options.presence(presence.clone());
        options.metrics(mqtt_metrics);
        let inboxes = Inboxes {
            status: options.subscribe(topics.status.filter()),
            counts: options.subscribe(topics.counts.filter()),
            failure: options.subscribe(topics.failure.filter()),
            nodes: options.subscribe(topics.nodes.filter()),
            alerts: options.subscribe(topics.alerts.filter()),
            events: options.subscribe(topics.events.filter()),
            waits: options.subscribe(topics.waits.filter()),
            sync: options.subscribe(&sync_topic),
        };
        Ok(Self {
            topics,
            node,
            sync_topic,
            presence,
            options,
            inboxes,
            board,
            metrics,
            check,
            client: Arc::default(),
        })
    }

    /// The topics of the system.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// The client, once this runs.
    pub fn client(&self) -> Arc<OnceLock<Client>> {
        Arc::clone(&self.client)
    }

    /// Keeps the state what the broker has, until `stop`.
    ///
    /// # Errors
    /// None so far; a broker that cannot be reached is tried again.
    pub async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let client = self.options.connect();
        self.client.get_or_init(|| client.clone());
        let presence = self.presence;
        let reader = Reader {
            rejects: Rejects::new(self.metrics.clone()),
            sync: Sync::new(Instant::now()),
            topics: self.topics,
            node: self.node,
            sync_topic: self.sync_topic,
            client: client.clone(),
            board: Arc::clone(&self.board),
            metrics: self.metrics,
            check: self.check,
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = reader.read(self.inboxes) => {}
            () = presence.refresh(&client) => {}
        }
        self.board.set_current(false);
        presence.goodbye(&client, GOODBYE).await;
        client.close(GOODBYE).await;
        Ok(())
    }
}

/// Reads what arrives, in one task.
struct Reader {
    topics: Topics,
    node: String,
    sync_topic: String,
    client: Client,
    board: Arc<Board>,
    metrics: Metrics,
    check: Check,
    rejects: Rejects,
    sync: Sync,
}

impl Reader {
    /// Ends when the client is closed.
    async fn read(mut self, mut inboxes: Inboxes) {
        let mut state = self.client.state();
        loop {
            let due = {
                let link = state.borrow_and_update();
                self.follow(link.connection, link.connected, link.last_error.as_deref());
                if let Some(step) = self.sync.step(link.subscribed, Instant::now()) {
                    self.take(step);
                }
                self.sync.due(link.subscribed)
            };
            // The inboxes in this order, so that a marker is seen when what came before it has been read.
            let (kind, delivery) = tokio::select! {
                biased;
                delivery = inboxes.status.recv() => (Some(Kind::Status), delivery),
                delivery = inboxes.counts.recv() => (Some(Kind::Counts), delivery),
                delivery = inboxes.failure.recv() => (Some(Kind::Failure), delivery),
                delivery = inboxes.nodes.recv() => (Some(Kind::Node), delivery),
                delivery = inboxes.alerts.recv() => (Some(Kind::Alert), delivery),
                delivery = inboxes.events.recv() => (Some(Kind::AlertEvent), delivery),
                delivery = inboxes.waits.recv() => (Some(Kind::AlertWait), delivery),
                delivery = inboxes.sync.recv() => (None, delivery),
                _ = state.changed() => continue,
                () = until(due) => continue,
            };
            let Some(delivery) = delivery else { return };
            // one that was left over from the connection before says nothing about this one
            let connection = self.client.connection();
            self.follow(connection, true, None);
            if delivery.connection() == connection && delivery.retained() {
                self.sync.retained(Instant::now());
            }
            match kind {
                Some(kind) => self.deliver(kind, &delivery),
                None => self.returned(&delivery),
            }
            delivery.ack();
        }
    }

    /// Follows the connection.
    fn follow(&mut self, connection: u64, connected: bool, error: Option<&str>) {
        if connection != self.sync.connection() {
            self.sync.begin(connection, Instant::now());
            self.board.nodes(Nodes::clear_all);
            self.board.update(State::begin_sync);
        }
        if !connected || !self.sync.is_complete() {
            self.board.set_current(false);
        }
        if !connected {
            self.check.set(Err(error.unwrap_or("not connected to the broker")));
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Mark => self.mark(),
            Step::MarkAgain => {
                tracing::warn!(
                    "the message on {} has not come back, check that this user may publish and read it",
                    self.sync_topic
                );
                self.mark();
            }
            Step::Complete { took } => {
                let devices = self.board.update(|state| {
                    state.complete_sync(clock::now());
                    state.device_count()
                });
                self.board.set_current(true);
                self.check.set(Ok::<(), &str>(()));
                self.metrics.syncs.inc();
                self.metrics.sync_seconds.set(took.as_secs_f64());
                tracing::info!(devices, "read what the broker keeps in {:.2} s", took.as_secs_f64());
            }
        }
    }

    /// Publishes the own message. Not awaited here, because this task must go on reading.
    fn mark(&self) {
        self.check.set(Err("reading what the broker keeps"));
        let (client, topic) = (self.client.clone(), self.sync_topic.clone());
        let payload = match self.topics.sync.encode(&self.sync.marker(&self.node)) {
            Ok(payload) => payload,
            Err(error) => return tracing::error!("{error}"),
        };
        tokio::spawn(async move {
            if let Err(error) = client.publish(Publication::new(topic, payload)).await {
                tracing::warn!("cannot tell when everything has been read: {error}");
            }
        });
    }

    fn returned(&mut self, delivery: &Delivery) {
        match self.topics.sync.decode(delivery.payload()) {
            Ok(marker) => self.sync.returned(&self.node, &marker, Instant::now()),
            Err(error) => tracing::debug!("not a marker: {error}"),
        }
    }

    fn deliver(&mut self, kind: Kind, delivery: &Delivery) {
        let now = clock::now();
        let receipt = Receipt { now, retained: delivery.retained() };
        let (topics, board) = (&self.topics, &self.board);
        let (name, payload) = (delivery.topic(), &delivery.payload()[..]);
        let result = match kind {
            Kind::Node => return self.node_status(delivery, now),
            Kind::Alert => alerts::alert(topics, board, name, payload),
            Kind::AlertEvent => alerts::event(topics, board, name, payload),
            Kind::AlertWait => alerts::wait(topics, board, name, payload),
            _ if payload.is_empty() => self.clear(kind, name, now),
            Kind::Status => decode(&topics.status, name, payload)
                .map(|message| board.update(|state| state.status(message, receipt))),
            Kind::Counts => decode(&topics.counts, name, payload)
                .map(|message| board.update(|state| state.counted(message, receipt))),
            Kind::Failure => decode(&topics.failure, name, payload)
                .map(|message| board.update(|state| state.failed(message, receipt))),
        };
        match result {
            Ok(Outcome::Refused) => {
                self.metrics.message(kind, Outcome::Refused);
                let why = match kind {
                    Kind::Alert => "there are as many alerts as push.max_alerts allows",
                    Kind::AlertEvent => "there are as many events to tell as push.max_alerts allows",
                    Kind::AlertWait => "there are as many waits as push.max_alerts allows",
                    _ => "there are as many devices as limits.devices allows",
                };
                self.rejects.note(kind, "limit", delivery.topic(), why);
            }
            Ok(outcome) => self.metrics.message(kind, outcome),
            Err(why) => self.rejects.rejected(kind, delivery.topic(), &why),
        }
    }

    /// An empty message clears what was retained.
    fn clear(&self, kind: Kind, name: &str, now: f64) -> Result<Outcome, Rejected> {
        let (params, what) = match kind {
            Kind::Status => (self.topics.status.parse(name), Cleared::Status),
            Kind::Counts => (self.topics.counts.parse(name), Cleared::Result),
            Kind::Failure | Kind::Node | Kind::Alert | Kind::AlertEvent | Kind::AlertWait => {
                (self.topics.failure.parse(name), Cleared::Failure)
            }
        };
        let id = params.and_then(|params| params.first()?.parse::<DeviceID>().ok());
        let id = id.ok_or_else(|| Rejected::Topic(name.chars().take(100).collect()))?;
        Ok(self.board.update(|state| state.cleared(&id, what, now)))
    }

    fn node_status(&mut self, delivery: &Delivery, now: f64) {
        let topic = delivery.topic();
        let params = self.topics.nodes.parse(topic).unwrap_or_default();
        let &[service, instance] = params.as_slice() else { return };
        if delivery.payload().is_empty() {
            self.board.nodes(|nodes| nodes.clear(service, instance));
        } else {
            self.take_node(delivery, service, instance, now);
        }
        // our own status, refreshed each minute, sees to it that others expire
        let (inference, engage) = self.board.nodes(|nodes| {
            nodes.expire(now);
            (nodes.online("inference"), nodes.online("engage"))
        });
        self.metrics.nodes_online(inference, engage);
    }

    fn take_node(&mut self, delivery: &Delivery, service: &str, instance: &str, now: f64) {
        let topic = delivery.topic();
        match decode::<ServiceStatus>(&self.topics.nodes, topic, delivery.payload()) {
            Ok(status) if status.service != service || status.instance != instance => {
                self.rejects.note(
                    Kind::Node,
                    "node",
                    topic,
                    "the message is about another node than its topic",
                );
            }
            Ok(status) => {
                if self.board.nodes(|nodes| nodes.take(status, now)) {
                    self.metrics.message(Kind::Node, Outcome::Changed);
                } else {
                    self.metrics.message(Kind::Node, Outcome::Refused);
                    self.rejects.note(
                        Kind::Node,
                        "limit",
                        topic,
                        "there are as many nodes as limits.nodes allows",
                    );
                }
            }
            Err(why) => self.rejects.rejected(Kind::Node, topic, &why),
        }
    }
}

/// Waits until `due`, for ever if there is nothing to wait for.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
