//! [`Service`]: the service.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use iot_chassis::{Check, Log, Stop, Tasks, Telemetry, instance_name};
use iot_mqtt::{Client, Inbox, Options};
use iot_storage::Store;
use object_detector::Model;
use people_counter_events::Topics;

use crate::analysis::Settings;
use crate::config::Config;
use crate::frame::Desk;
use crate::metrics::Metrics;
use crate::model::default_model;
use crate::node::Node;
use crate::workers::Workers;
use crate::{detect_command, intake};

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
    inbox: Inbox,
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

    fn admin(config: &Config) -> Option<SocketAddr> {
        config.http.listen
    }

    fn check(config: &Config) -> anyhow::Result<()> {
        config.check()
    }

    async fn start(config: Config, telemetry: &Telemetry) -> anyhow::Result<Self> {
        config.check()?;
        let name = if config.node.is_empty() { instance_name() } else { config.node.clone() };
        let model = load_model(config.model.folder.clone()).await?;
        let identity = identity(&model);
        let metrics = Arc::new(Metrics::new(&telemetry.metrics));
        let threads = config.worker_threads();
        let settings = Settings::new(&config, &model)?;
        let workers = Workers::start(threads, model, settings, config.limits.analysis, metrics.clone())?;

        let store = Store::new(&config.store).context("store")?;
        let mqtt_metrics = iot_mqtt::Metrics::default();
        telemetry.metrics.register(|registry| {
            store.metrics().register(registry);
            mqtt_metrics.register(registry);
        });

        let topics = Topics::new(&config.root)?;
        let node = Node::new(&topics, &name, identity.clone(), metrics.clone())?;
        let mut mqtt = config.mqtt.clone();
        // what a node holds is lost with it for a while, so it takes only what it will soon work on
        let few = (4 * threads).max(LEAST_AHEAD).try_into().unwrap_or(u16::MAX);
        mqtt.receive_maximum = mqtt.receive_maximum.min(few);
        let mut options = Options::new(mqtt, format!("people-counter-inference-{name}")).context("mqtt")?;
        options.metrics(mqtt_metrics);
        options.presence(node.clone());
        let inbox = options.subscribe(iot_topic::shared(&config.group, &topics.frames.filter())?);

        let desk = Desk {
            client: options.connect(),
            store,
            topics,
            workers,
            metrics,
            node: name,
            model: identity,
            max_bytes: config.limits.picture_bytes as u64,
            max_attempts: config.limits.attempts,
            fetch_limit: config.limits.fetch,
        };
        Ok(Self {
            desk: Arc::new(desk),
            inbox,
            node,
            at_once: threads + 1,
            broker: telemetry.health.check("broker"),
            store: telemetry.health.check("store"),
        })
    }

    async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let client = self.desk.client.clone();
        let mut tasks = Tasks::new(&stop);
        tasks.spawn("intake", intake::run(self.desk.clone(), self.inbox, self.at_once, tasks.stop()));
        tasks.spawn("node status", self.node.clone().refresh(client.clone(), tasks.stop()));
        tasks.spawn("broker check", watch_broker(client.clone(), self.broker, tasks.stop()));
        tasks.spawn("store check", watch_store(self.desk.store.clone(), self.store, tasks.stop()));
        let outcome = tasks.join().await;
        if let Err(error) = client.publish(self.node.goodbye()).await {
            tracing::warn!("cannot say goodbye: {error}");
        }
        client.close(GOODBYE).await;
        outcome
    }

    fn subcommands() -> Vec<Command> {
        let picture = value_parser!(PathBuf);
        vec![
            Command::new("detect")
                .about("Count the people in pictures and print JSON")
                .arg(
                    Arg::new("model")
                        .long("model")
                        .value_name("DIR")
                        .value_parser(picture.clone())
                        .help("Folder of the model; the built-in one if absent"),
                )
                .arg(
                    Arg::new("min-score")
                        .long("min-score")
                        .value_name("S")
                        .value_parser(value_parser!(f32))
                        .help("Lowest score of a box that is printed; the model's threshold if absent"),
                )
                .arg(
                    Arg::new("pictures")
                        .value_name("PICTURE")
                        .required(true)
                        .action(ArgAction::Append)
                        .value_parser(picture)
                        .help("JPEG, PNG or WebP files"),
                ),
        ]
    }

    fn subcommand(name: &str, arguments: &ArgMatches) -> anyhow::Result<()> {
        anyhow::ensure!(name == "detect", "there is no subcommand {name}");
        let pictures: Vec<PathBuf> = arguments.get_many("pictures").into_iter().flatten().cloned().collect();
        let model = arguments.get_one::<PathBuf>("model").map(PathBuf::as_path);
        let min_score = arguments.get_one::<f32>("min-score").copied();
        detect_command::run(model, min_score, &pictures, &mut std::io::stdout().lock())
    }
}

/// Preparing a network takes a good part of a second, so it does not hold up the runtime.
async fn load_model(folder: Option<PathBuf>) -> anyhow::Result<Model> {
    let load = move || match folder {
        Some(folder) => Ok(Model::load(&folder)?),
        None => default_model(),
    };
    tokio::task::spawn_blocking(load).await.context("loading the model broke off")?
}

fn identity(model: &Model) -> people_counter_events::Model {
    let manifest = model.manifest();
    people_counter_events::Model { name: manifest.name.clone(), sha256: manifest.sha256.clone() }
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
