//! What can be configured of pushing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, ensure};
use people_counter_events::DeviceID;
use serde::{Deserialize, Serialize};

use super::gauges;
use super::rules::{self, Rule};
use super::sink::{Delivery, Sink, alertmanager, homeassistant, vrops, webhook};

/// Alerts, and whom to tell.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether this replica may push. Of those that may, the one that started first does.
    pub enabled: bool,
    /// The file with the rules (TOML).
    pub rules: Option<PathBuf>,
    /// Most alerts at once.
    pub max_alerts: usize,
    /// Devices on `/metrics`.
    pub gauges: gauges::Config,
    /// How patient sinks are.
    pub delivery: Delivery,
    /// Receivers of CloudEvents, by name.
    pub webhook: BTreeMap<String, webhook::Config>,
    /// Prometheus Alertmanagers, by name.
    pub alertmanager: BTreeMap<String, alertmanager::Config>,
    /// vRealize / Aria / VCF Operations, by name.
    pub vrops: BTreeMap<String, vrops::Config>,
    /// Home Assistants, by name.
    pub homeassistant: BTreeMap<String, homeassistant::Config>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: false,
            rules: None,
            max_alerts: 10_000,
            gauges: gauges::Config::default(),
            delivery: Delivery::default(),
            webhook: BTreeMap::new(),
            alertmanager: BTreeMap::new(),
            vrops: BTreeMap::new(),
            homeassistant: BTreeMap::new(),
        }
    }
}

/// A sink by its name.
pub(super) type Named = (String, Box<dyn Sink>);

impl Config {
    /// Checks the settings and the rules.
    ///
    /// # Errors
    /// One sentence that names the key, or the file and line, and says what to do.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.max_alerts > 0, "[push] max_alerts must be at least 1");
        self.delivery.check()?;
        let mut names = BTreeSet::new();
        for (kind, name) in self.names() {
            ensure!(
                name.parse::<DeviceID>().is_ok(),
                "[push.{kind}.{name}]: a name is 1 to 64 of A-Z a-z 0-9 _ -"
            );
            ensure!(
                names.insert(name),
                "[push.{kind}.{name}]: there is another sink {name}, give each its own name"
            );
        }
        for (name, sink) in &self.webhook {
            sink.check().with_context(|| format!("[push.webhook.{name}]"))?;
        }
        for (name, sink) in &self.alertmanager {
            sink.check().with_context(|| format!("[push.alertmanager.{name}]"))?;
        }
        for (name, sink) in &self.vrops {
            sink.check().with_context(|| format!("[push.vrops.{name}]"))?;
        }
        for (name, sink) in &self.homeassistant {
            sink.check().with_context(|| format!("[push.homeassistant.{name}]"))?;
        }
        self.load_rules().map(drop)
    }

    fn names(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let webhook = self.webhook.keys().map(|name| ("webhook", name));
        let alertmanager = self.alertmanager.keys().map(|name| ("alertmanager", name));
        let vrops = self.vrops.keys().map(|name| ("vrops", name));
        let homeassistant = self.homeassistant.keys().map(|name| ("homeassistant", name));
        webhook.chain(alertmanager).chain(vrops).chain(homeassistant)
    }

    /// The topics on which the system's own broker keeps something of a device for those who are told, whether
    /// this replica tells them or another.
    pub fn retained(&self, root: &str, device: &DeviceID) -> Vec<String> {
        self.homeassistant.values().flat_map(|sink| sink.retained(root, device.as_str())).collect()
    }

    /// The rules; none if there is no file.
    pub(super) fn load_rules(&self) -> anyhow::Result<Vec<Rule>> {
        Ok(self.rules.as_deref().map(rules::load).transpose()?.unwrap_or_default())
    }

    /// All sinks of the replica `node`, of which `whole` is the configuration.
    ///
    /// # Errors
    /// When a file that one of them needs cannot be read.
    pub(super) fn sinks(&self, whole: &crate::Config, node: &str) -> anyhow::Result<Vec<Named>> {
        let mut sinks: Vec<Named> = Vec::new();
        for (name, config) in &self.webhook {
            let sink = webhook::Webhook::new(config.clone(), &whole.root);
            sinks.push((name.clone(), Box::new(sink.with_context(|| format!("[push.webhook.{name}]"))?)));
        }
        for (name, config) in &self.alertmanager {
            let sink = alertmanager::Alertmanager::new(config.clone());
            sinks
                .push((name.clone(), Box::new(sink.with_context(|| format!("[push.alertmanager.{name}]"))?)));
        }
        for (name, config) in &self.vrops {
            let sink = vrops::Vrops::new(config.clone());
            sinks.push((name.clone(), Box::new(sink.with_context(|| format!("[push.vrops.{name}]"))?)));
        }
        for (name, config) in &self.homeassistant {
            let id = format!("{node}-{name}");
            let open = !whole.access.is_on();
            let sink = homeassistant::HomeAssistant::new(config.clone(), open, &whole.root, &whole.mqtt, id);
            sinks.push((
                name.clone(),
                Box::new(sink.with_context(|| format!("[push.homeassistant.{name}]"))?),
            ));
        }
        Ok(sinks)
    }
}
