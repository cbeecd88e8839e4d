//! [`HomeAssistant`]: devices appear in Home Assistant by MQTT discovery, each with its people, whether something
//! is wrong with it, and its last picture.
//!
//! Home Assistant would take what is retained for fresh. So the states it reads are not the wire contract's, but
//! our own, which the broker forgets, and Home Assistant too, when they are not repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, ensure};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use iot_mqtt::{Client, Inbox, Message, Options};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use super::http::check_url;
use super::{Failure, Sink, View};
use crate::push::event::{Event, Kind};
use crate::state::{Condition, Device};

/// How often it is looked whether something changed.
const LOOK: Duration = Duration::from_secs(1);
/// A state that is not repeated for so many intervals is no longer shown.
const INTERVALS: u32 = 3;
/// Messages on their way at once.
const CONCURRENT: usize = 64;
/// The name under which our devices stand among those of others.
const NODE: &str = "people_counter";

/// Home Assistant.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// First level of the topics of its discovery.
    pub prefix: String,
    /// How often states are repeated.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// Most devices that it is told of, the first by id.
    pub max_devices: usize,
    /// Where Home Assistant reaches this service. Without it, or with access control, there are no pictures.
    pub page: Option<Url>,
    /// Its broker; ours if that is not given.
    pub mqtt: Option<iot_mqtt::Config>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            prefix: "homeassistant".into(),
            every: Duration::from_secs(30),
            max_devices: 1000,
            page: None,
            mqtt: None,
        }
    }
}

impl Config {
    /// Checks the settings.
    pub(in crate::push) fn check(&self) -> anyhow::Result<()> {
        if let Some(mqtt) = &self.mqtt {
            mqtt.validate().context("mqtt")?;
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        ensure!(
            !self.prefix.is_empty() && self.prefix.chars().all(plain),
            "prefix must be of A-Z a-z 0-9 _ -"
        );
        ensure!(self.every >= Duration::from_secs(1), "every must be at least 1s");
        ensure!(self.max_devices > 0, "max_devices must be at least 1");
        self.page.as_ref().map_or(Ok(()), check_url)
    }

    /// What the system's own broker retains of a device for this Home Assistant; nothing if it has another one.
    pub(in crate::push) fn retained(&self, root: &str, device: &str) -> Vec<String> {
        if self.mqtt.is_some() { Vec::new() } else { self.topics(root, device).all().into() }
    }

    fn topics(&self, root: &str, device: &str) -> Topics {
        Topics {
            discovery: format!("{}/device/{NODE}/{device}/config", self.prefix),
            state: format!("{root}/homeassistant/{device}/state"),
            picture: format!("{root}/homeassistant/{device}/picture"),
        }
    }

    /// When a state is no longer shown that is not repeated.
    fn expiry(&self) -> Duration {
        INTERVALS * self.every
    }
}

/// Where a device's messages go.
struct Topics {
    discovery: String,
    state: String,
    picture: String,
}

impl Topics {
    fn all(self) -> [String; 3] {
        [self.discovery, self.state, self.picture]
    }
}

/// What was sent of a device.
#[derive(Debug)]
struct Sent {
    discovery: String,
    state: String,
    picture: Option<String>,
    at: Instant,
}

/// Tells Home Assistant, over a connection of its own that is made when it is needed.
pub(in crate::push) struct HomeAssistant {
    config: Config,
    /// Whether it can load pictures: it has no login here.
    pictures: bool,
    root: String,
    options: Option<Options>,
    client: Option<Client>,
    /// Home Assistant says that it has started.
    births: Inbox,
    /// The discovery entries that the broker keeps.
    entries: Inbox,
    there: BTreeSet<String>,
    sent: BTreeMap<String, Sent>,
    connection: u64,
}

impl HomeAssistant {
    /// `open` says that this service asks nobody who they are.
    ///
    /// # Errors
    /// When the connection cannot be configured.
    pub(in crate::push) fn new(
        config: Config,
        open: bool,
        root: &str,
        mqtt: &iot_mqtt::Config,
        client_id: String,
    ) -> anyhow::Result<Self> {
        let mut options = Options::new(config.mqtt.as_ref().unwrap_or(mqtt).clone(), client_id)?;
        let births = options.subscribe(format!("{}/status", config.prefix));
        let entries = options.subscribe(format!("{}/device/{NODE}/+/config", config.prefix));
        let pictures = open && config.page.is_some();
        if config.page.is_some() && !open {
            tracing::warn!(
                "Home Assistant gets no pictures: access control is on, and it has no login here; its other \
                 sensors are not affected"
            );
        }
        Ok(Self {
            config,
            pictures,
            root: root.to_owned(),
            options: Some(options),
            client: None,
            births,
            entries,
            there: BTreeSet::new(),
            sent: BTreeMap::new(),
            connection: 0,
        })
    }

    /// The connection, once it stands.
    async fn client(&mut self) -> Result<Client, Failure> {
        if let Some(options) = self.options.take() {
            self.client = Some(options.connect());
        }
        let client = self.client.clone().ok_or_else(|| Failure::again("there is no connection"))?;
        let mut state = client.state();
        // the attempt has a time limit
        let waited = state.wait_for(|state| state.subscribed).await.map(|state| state.connection);
        let connection = waited.map_err(|_| Failure::again("the connection was closed"))?;
        if std::mem::replace(&mut self.connection, connection) != connection {
            self.sent.clear();
            self.there.clear();
        }
        Ok(client)
    }

    /// Takes in what Home Assistant and the broker have said.
    fn listen(&mut self) {
        while let Some(delivery) = self.births.try_recv() {
            if &delivery.payload()[..] == b"online" && !delivery.retained() {
                self.sent.clear();
            }
            delivery.ack();
        }
        while let Some(delivery) = self.entries.try_recv() {
            if let Some(device) = delivery.topic().rsplit('/').nth(1) {
                if delivery.payload().is_empty() {
                    self.there.remove(device);
                } else {
                    self.there.insert(device.to_owned());
                }
            }
            delivery.ack();
        }
    }

    fn topics(&self, device: &str) -> Topics {
        self.config.topics(&self.root, device)
    }

    /// What a device needs to be told.
    fn news(&self, device: &Device, now: Instant) -> (Sent, Vec<Message>) {
        let topics = self.topics(device.id().as_str());
        let picture = self.picture(device);
        let sent = Sent {
            discovery: self.discovery(device, &topics).to_string(),
            state: state(device).to_string(),
            picture,
            at: now,
        };
        let known = self.sent.get(device.id().as_str()).filter(|known| now < known.at + self.config.every);
        let mut messages = Vec::new();
        if known.is_none_or(|known| known.discovery != sent.discovery) {
            messages.push(Message::new(topics.discovery, sent.discovery.clone()).retained());
        }
        if known.is_none_or(|known| known.state != sent.state) {
            let message = Message::new(topics.state, sent.state.clone());
            messages.push(message.retained().expires(self.config.expiry()));
        }
        if let Some(picture) =
            sent.picture.as_ref().filter(|_| known.is_none_or(|k| k.picture != sent.picture))
        {
            let message = Message::new(topics.picture, picture.clone());
            messages.push(message.retained().expires(self.config.expiry()));
        }
        // what is repeated is repeated as a whole, counted from then
        let at = known.map_or(now, |known| known.at);
        (Sent { at, ..sent }, messages)
    }

    fn picture(&self, device: &Device) -> Option<String> {
        let page = self.config.page.as_ref().filter(|_| self.pictures && device.has_picture)?;
        let frame = device.result.as_ref()?.frame_id;
        let mut url = super::http::endpoint(page, &["api", "v1", "devices", device.id().as_str(), "image"]);
        url.set_query(Some(&format!("frame={frame}")));
        Some(url.into())
    }

    fn discovery(&self, device: &Device, topics: &Topics) -> Value {
        let id = device.id().as_str();
        let expire_after = self.config.expiry().as_secs();
        let unique = |name: &str| format!("{NODE}_{id}_{name}");
        let mut components = json!({
            "people": {
                "platform": "sensor",
                "unique_id": unique("people"),
                "name": "People",
                "icon": "mdi:account-group",
                "unit_of_measurement": "people",
                "state_class": "measurement",
                "state_topic": topics.state,
                "value_template": "{{ value_json.count }}",
                "availability_topic": topics.state,
                "availability_template": "{{ 'online' if value_json.state == 'live' else 'offline' }}",
                "expire_after": expire_after,
            },
            "problem": {
                "platform": "binary_sensor",
                "unique_id": unique("problem"),
                "name": "Problem",
                "device_class": "problem",
                "state_topic": topics.state,
                "value_template": "{{ 'OFF' if value_json.state == 'live' else 'ON' }}",
                "json_attributes_topic": topics.state,
                "expire_after": expire_after,
            },
        });
        if self.pictures {
            components["picture"] = json!({
                "platform": "image",
                "unique_id": unique("picture"),
                "name": "Last picture",
                "url_topic": topics.picture,
            });
        }
        let version = env!("CARGO_PKG_VERSION");
        let mut about = json!({
            "identifiers": [format!("{NODE}_{id}")],
            "name": id,
            "manufacturer": "People Counter",
            "model": format!("camera ({})", device.status.source),
            "sw_version": device.status.version,
        });
        if let Some(page) = &self.config.page {
            about["configuration_url"] = page.as_str().into();
        }
        json!({
            "device": about,
            "origin": {"name": "People Counter", "sw_version": version},
            "components": components,
            "qos": 1,
        })
    }
}

/// What Home Assistant shows of a device.
fn state(device: &Device) -> Value {
    let live = device.condition == Condition::Live;
    let failure = device.failure.as_ref().map(|failure| &failure.message);
    json!({
        "state": device.condition.as_str(),
        "count": device.count().filter(|_| live),
        "problem": device.status.problem.as_ref().or(failure),
    })
}

async fn publish(client: &Client, messages: Vec<Message>) -> Result<(), Failure> {
    let published = stream::iter(messages).map(|message| {
        let client = client.clone();
        async move { client.publish(message).await }
    });
    let published = published.buffered(CONCURRENT);
    let outcome = published.try_for_each(|_| std::future::ready(Ok(()))).await;
    outcome.map_err(|error| Failure::again(error.to_string()))
}

#[async_trait]
impl Sink for HomeAssistant {
    /// Home Assistant makes its own of the states, so only a test is told.
    async fn event(&mut self, event: &Event) -> Result<(), Failure> {
        if event.kind != Kind::Test {
            return Ok(());
        }
        let client = self.client().await?;
        let payload =
            serde_json::to_string(&event.alert).map_err(|error| Failure::Refused(error.to_string()))?;
        publish(&client, vec![Message::new(format!("{}/homeassistant/test", self.root), payload)]).await
    }

    fn wants_events(&self) -> bool {
        false
    }

    fn every(&self) -> Option<Duration> {
        Some(LOOK)
    }

    async fn refresh(&mut self, view: &View) -> Result<(), Failure> {
        let client = self.client().await?;
        self.listen();
        let now = Instant::now();
        let mut messages = Vec::new();
        let mut sent = BTreeMap::new();
        for device in view.devices.iter().take(self.config.max_devices) {
            let (what, news) = self.news(device, now);
            sent.insert(device.id().as_str().to_owned(), what);
            messages.extend(news);
        }
        let known: BTreeSet<&String> = self.there.iter().chain(self.sent.keys()).collect();
        for device in known.into_iter().filter(|device| !sent.contains_key(*device)) {
            messages.extend(self.topics(device).all().into_iter().map(Message::clear));
        }
        // until all of it has arrived nothing is known to be sent
        self.sent.clear();
        publish(&client, messages).await?;
        self.sent = sent;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_named() {
        let check =
            |text: &str| format!("{:#}", toml::from_str::<Config>(text).unwrap().check().unwrap_err());
        toml::from_str::<Config>("page = \"http://people:8080\"").unwrap().check().unwrap();
        for (text, expected) in [
            ("prefix = \"a/b\"", "prefix"),
            ("every = \"0s\"", "every"),
            ("max_devices = 0", "max_devices"),
            ("page = \"file:///etc\"", "https://"),
            ("mqtt = { url = \"http://x\" }", "mqtt"),
        ] {
            let error = check(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
