//! Pushing: rules make alerts of what is counted, the broker keeps them, and other systems are told.
//!
//! [`rules`], [`election`] and [`outbox`] are pure; [`desk`] and [`work`] carry out what they decide, on a connection of
//! its own so that its last will says when this replica no longer pushes.

mod config;
mod desk;
mod election;
mod event;
mod gauges;
mod metrics;
mod outbox;
pub mod report;
mod rules;
mod sink;
mod trial;
mod work;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use iot_chassis::{Stop, Tasks, Telemetry};
use iot_mqtt::{Inbox, Options};
use people_counter_events::Topics;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::board::Board;
use crate::broker::presence::Presence;
use desk::Desk;
use election::Election;
use gauges::Gauges;
use metrics::Metrics;
use sink::{FAREWELL, Line};

pub use config::Config;
pub use trial::{command, run as subcommand};

/// Name of the service under which replicas that may push announce themselves.
const SERVICE: &str = "push";

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// A replica that may push, to be run.
pub struct Push {
    options: Options,
    presence: Presence,
    replicas: Inbox,
    desk: Desk,
    lines: Vec<Line>,
}

impl Push {
    /// Prepares it; nothing is sent yet. `None` when this replica may not push.
    ///
    /// # Errors
    /// When the rules are not valid or the connection to the broker cannot be configured.
    pub fn new(
        config: &crate::Config,
        node: &str,
        board: &Arc<Board>,
        mqtt_metrics: iot_mqtt::Metrics,
        telemetry: &Telemetry,
    ) -> anyhow::Result<Option<Self>> {
        let metrics = Metrics::default();
        telemetry.metrics.register(|registry| metrics.register(registry, Arc::clone(board)));
        if config.push.gauges.enabled {
            let gauges = Gauges { board: Arc::clone(board), limit: config.push.gauges.limit };
            telemetry.metrics.register(|registry| {
                registry.sub_registry_with_prefix("engage").register_collector(Box::new(gauges));
            });
        }
        if !config.push.enabled {
            return Ok(None);
        }
        let topics = Topics::new(&config.root).context("root")?;
        let presence = Presence::new(&topics, SERVICE, node)?;
        let mut options = Options::new(config.mqtt.clone(), format!("{node}-push")).context("[mqtt]")?;
        options.presence(presence.clone());
        options.metrics(mqtt_metrics);
        let replicas = options.subscribe(topics.nodes.filter_with(&[Some(SERVICE), None])?);
        let active = watch::Sender::new(false);
        let delivery = &config.push.delivery;
        let line = |(name, sink): config::Named| {
            let counted = metrics.of_sink(&name);
            Line::new(name, sink, delivery.clone(), counted, Arc::clone(board), active.subscribe())
        };
        let lines: Vec<Line> = config.push.sinks(config, node)?.into_iter().map(line).collect();
        let desk = Desk {
            entrances: lines.iter().filter(|line| line.wants_events()).map(Line::entrance).collect(),
            work: None,
            active,
            rules: config.push.load_rules()?,
            max_alerts: config.push.max_alerts,
            election: Election::new(node.to_owned()),
            board: Arc::clone(board),
            topics,
            metrics,
        };
        Ok(Some(Self { options, presence, replicas, desk, lines }))
    }

    /// Pushes while this is the replica to do so, until `stop`.
    ///
    /// # Errors
    /// None so far; a broker that cannot be reached is tried again.
    pub async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let mut tasks = Tasks::new(&stop);
        let (running, mut ended) = mpsc::channel::<()>(1);
        for line in self.lines {
            let (told, running) = (tasks.stop(), running.clone());
            tasks.spawn("sink", async move {
                let outcome = line.run(told).await;
                drop(running);
                outcome
            });
        }
        drop(running);
        let (options, presence, mut desk, replicas) = (self.options, self.presence, self.desk, self.replicas);
        let told = tasks.stop();
        tasks.spawn("alerts", async move {
            let client = options.connect();
            tokio::select! {
                () = told.cancelled() => {}
                () = desk.work(&client, replicas) => {}
                () = presence.refresh(&client) => {}
            }
            // nothing is ever sent there: it ends with the last sink, which has taken leave by then
            if timeout(2 * FAREWELL, ended.recv()).await.is_err() {
                tracing::warn!("a sink does not stop; what it was told last may be told again");
            }
            if timeout(FAREWELL, desk.farewell(&client)).await.is_err() {
                tracing::warn!(
                    "the broker does not take what the sinks were told last; it may be told again"
                );
            }
            presence.goodbye(&client, GOODBYE).await;
            client.close(GOODBYE).await;
            Ok(())
        });
        tasks.join().await
    }
}
