//! [`Service`]: the service.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use clap::{ArgMatches, Command};
use iot_chassis::{Address, Check, Log, Stop, Tasks, Telemetry, instance_name};
use iot_mqtt::{Client, Options};
use iot_storage::Store;
use object_detector::Scan;
use people_counter_events::Topics;

use crate::analysis::Settings;
use crate::commands;
use crate::config::Config;
use crate::devices::Rules;
use crate::frame::{Desk, unix_now};
use crate::intake::{Inboxes, Intake};
use crate::metrics::Metrics;
use crate::model::Models;
use crate::node::Node;
use crate::workers::Workers;

/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// Fewest frames taken ahead, the window that brokers have by default: with a few only, mosquitto 2.0.11 was seen
/// to stop delivering.
const LEAST_AHEAD: usize = 20;
/// How often the store is asked how it is.
const PROBE_EVERY: Duration = Duration::from_secs(15);

/// An inference node.
pub struct Service {
    desk: Arc<Desk>,
    inboxes: Inboxes,
    /// Hears the results of all nodes, on a connection of its own: they must not wait behind frames.
    listener: Client,
    node: Node,
    at_once: usize,
    broker: Check,
    store: Check,
}

impl iot_chassis::Service for Service {
    type Config = Config;
    const NAME: &'static str = "people-counter-inference";
    const ENV: &'static str = "INFERENCE";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn log(config: &Config) -> &Log {
        &config.log
    }

    fn admin(config: &Config) -> Option<Address> {
        config.http.listen.clone()
    }

    fn check(config: &Config) -> anyhow::Result<()> {
        config.check()
    }

    async fn start(config: Config, telemetry: &Telemetry) -> anyhow::Result<Self> {
        config.check()?;
        // from here on the node says that it is not ready yet
        let (broker, store_check) = (telemetry.health.check("broker"), telemetry.health.check("store"));
        let name = if config.node.is_empty() { instance_name() } else { config.node.clone() };
        let models = load_models(config.clone()).await?;
        let rules = Rules::new(&config.devices, |scan| models.threshold(config.model.threshold, scan))?;
        let metrics = Arc::new(Metrics::new(&telemetry.metrics));
        let threads = config.workers.number();
        let settings = Settings::new(&config);
        let workers =
            Workers::start(threads, models.clone(), settings, config.limits.analysis, metrics.clone())?;

        let store = Store::new(&config.store).context("store")?;
        let mqtt_metrics = iot_mqtt::Metrics::default();
        telemetry.metrics.register(|registry| {
            store.metrics().register(registry);
            mqtt_metrics.register(registry);
        });

        let topics = Topics::new(&config.root)?;
        let identity = models.identity(&Scan::default());
        let node = Node::new(&topics, &name, identity, metrics.clone())?;
        let mut mqtt = config.mqtt.clone();
        // what a node holds is lost with it for a while, so it takes only what it will soon work on
        let few = (4 * threads).max(LEAST_AHEAD).try_into().unwrap_or(u16::MAX);
        mqtt.receive_maximum = mqtt.receive_maximum.min(few);
        let mut options = Options::new(mqtt, format!("people-counter-inference-{name}")).context("mqtt")?;
        options.metrics(mqtt_metrics);
        options.presence(node.clone());
        let frames = options.subscribe(iot_topic::shared(&config.group, &topics.frames.filter())?);
        let compat = match config.compat.topic.as_str() {
            "" => None,
            topic => Some(options.subscribe(iot_topic::shared(&config.group, topic)?)),
        };
        let id = format!("people-counter-inference-{name}-results");
        let mut listener = Options::new(config.mqtt.clone(), id).context("mqtt")?;
        let results = listener.subscribe(topics.counts.filter());

        let desk = Desk {
            client: options.connect(),
            store,
            topics,
            workers,
            metrics,
            node: name,
            models,
            rules,
            max_bytes: config.limits.picture_bytes as u64,
            max_attempts: config.limits.attempts,
            fetch_limit: config.limits.fetch,
            delete_originals: config.picture.deletes(),
            compat_topic: config.compat.topic,
            answered: Mutex::default(),
        };
        Ok(Self {
            desk: Arc::new(desk),
            inboxes: Inboxes { frames, results, compat },
            listener: listener.connect(),
            node,
            at_once: threads + 1,
            broker,
            store: store_check,
        })
    }

    async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let client = self.desk.client.clone();
        let mut tasks = Tasks::new(&stop);
        let boot = (unix_now() * 1000.0) as u64;
        let intake = Intake::new(self.desk.clone(), self.at_once, boot);
        tasks.spawn("intake", intake.run(self.inboxes, tasks.stop()));
        tasks.spawn("node status", self.node.clone().refresh(client.clone(), tasks.stop()));
        tasks.spawn("broker check", watch_broker(client.clone(), self.broker, tasks.stop()));
        tasks.spawn("store check", watch_store(self.desk.store.clone(), self.store, tasks.stop()));
        let outcome = tasks.join().await;
        if let Err(error) = client.publish(self.node.goodbye()).await {
            tracing::warn!("cannot say goodbye: {error}");
        }
        self.listener.close(GOODBYE).await;
        client.close(GOODBYE).await;
        outcome
    }

    fn subcommands() -> Vec<Command> {
        commands::all()
    }

    fn subcommand(name: &str, arguments: &ArgMatches) -> anyhow::Result<()> {
        commands::run(name, arguments, &mut std::io::stdout().lock())
    }
}

/// Preparing a network takes a good part of a second, so it does not hold up the runtime.
async fn load_models(config: Config) -> anyhow::Result<Models> {
    tokio::task::spawn_blocking(move || Models::load(&config)).await.context("loading the model broke off")?
}

async fn watch_broker(client: Client, check: Check, stop: Stop) -> anyhow::Result<()> {
    let mut states = client.state();
    loop {
        let state = states.borrow_and_update().clone();
        check.set(if state.subscribed {
            Ok(())
        } else {
            Err(state.last_error.unwrap_or_else(|| "connecting".into()))
        });
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changed = states.changed() => changed.context("the broker connection is gone")?,
        }
    }
}

async fn watch_store(store: Store, check: Check, stop: Stop) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            health = store.probe() => check.set(health.map_err(|error| error.to_string())),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(PROBE_EVERY) => {}
        }
    }
}
