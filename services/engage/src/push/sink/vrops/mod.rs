//! [`Vrops`]: counts and alerts to vRealize (Aria, VCF) Operations by its Suite-API.
//!
//! Each device is a resource of its own adapter kind, and so is each sum that a rule is about. Counts become
//! metrics of the devices, alerts become events of what they are about.

mod session;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::http::check_url;
use super::{Failure, Sink, View};
use crate::push::event::{Event, Kind};
use crate::secret::Secret;
use crate::state::{Condition, Device};
use people_counter_events::{Alert, Happened, Severity};
use session::Session;

/// Most resources in one request with metrics.
const CHUNK: usize = 500;
/// Resources on a page of the list.
const PAGE: usize = 1000;
/// Most pages that are read.
const MOST_PAGES: usize = 100;

/// vRealize Operations.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its address, without `/suite-api`.
    pub url: Url,
    /// User name.
    pub username: String,
    /// Password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// File with the password.
    pub password_file: Option<PathBuf>,
    /// Where the user is known.
    #[serde(default = "local")]
    pub auth_source: String,
    /// Key of the adapter kind under which the resources stand.
    #[serde(default = "people_counter")]
    pub adapter_kind: String,
    /// How often counts are sent.
    #[serde(default = "a_minute", with = "humantime_serde")]
    pub every: Duration,
    /// Certificate authorities to trust beside the system's, PEM.
    pub ca_file: Option<PathBuf>,
}

fn local() -> String {
    "LOCAL".into()
}

fn people_counter() -> String {
    "PeopleCounter".into()
}

fn a_minute() -> Duration {
    Duration::from_secs(60)
}

impl Config {
    /// Checks the settings.
    pub(in crate::push) fn check(&self) -> anyhow::Result<()> {
        check_url(&self.url)?;
        ensure!(self.every >= Duration::from_secs(1), "every must be at least 1s");
        ensure!(!self.username.is_empty(), "username is empty");
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        ensure!(
            !self.adapter_kind.is_empty() && self.adapter_kind.chars().all(plain),
            "adapter_kind must be of A-Z a-z 0-9 _"
        );
        ensure!(
            self.password.is_some() || self.password_file.is_some(),
            "password or password_file is missing"
        );
        Secret::check("password", self.password.as_ref(), self.password_file.as_deref())
    }
}

/// What a resource stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ResourceKind {
    Camera,
    Group,
}

impl ResourceKind {
    /// The key of the resource kind, and the name of what identifies a resource of it.
    fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::Camera => ("Camera", "deviceID"),
            Self::Group => ("Group", "name"),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceList {
    #[serde(default)]
    resource_list: Vec<Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    identifier: String,
    resource_key: ResourceKey,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceKey {
    name: String,
}

/// Sends metrics and events.
pub(in crate::push) struct Vrops {
    every: Duration,
    adapter_kind: String,
    session: Session,
    /// The identifiers of the resources that are known to be there.
    resources: HashMap<(ResourceKind, String), String>,
    /// Which kinds of them have been listed.
    listed: Vec<ResourceKind>,
}

impl Vrops {
    /// # Errors
    /// When a file that the configuration names cannot be read.
    pub(in crate::push) fn new(config: Config) -> anyhow::Result<Self> {
        let (every, adapter_kind) = (config.every, config.adapter_kind.clone());
        let session = Session::new(config)?;
        Ok(Self { every, adapter_kind, session, resources: HashMap::new(), listed: Vec::new() })
    }

    /// The identifier of a resource, which is created when it is missing.
    async fn resource(&mut self, kind: ResourceKind, name: &str) -> Result<String, Failure> {
        if !self.listed.contains(&kind) {
            self.list(kind).await?;
            self.listed.push(kind);
        }
        if let Some(id) = self.resources.get(&(kind, name.to_owned())) {
            return Ok(id.clone());
        }
        let (kind_key, identifier) = kind.keys();
        let body = json!({"resourceKey": {
            "name": name,
            "adapterKindKey": self.adapter_kind,
            "resourceKindKey": kind_key,
            "resourceIdentifiers": [{
                "identifierType": {"name": identifier, "dataType": "STRING", "isPartOfUniqueness": true},
                "value": name,
            }],
        }});
        let path = ["api", "resources", "adapterkinds", &self.adapter_kind];
        let created: Resource = self.session.json(Method::POST, &path, &[], Some(&body)).await?;
        self.resources.insert((kind, name.to_owned()), created.identifier.clone());
        Ok(created.identifier)
    }

    async fn list(&mut self, kind: ResourceKind) -> Result<(), Failure> {
        for page in 0..MOST_PAGES {
            let (number, size) = (page.to_string(), PAGE.to_string());
            let query = [
                ("adapterKind", self.adapter_kind.as_str()),
                ("resourceKind", kind.keys().0),
                ("page", &number),
                ("pageSize", &size),
            ];
            let list: ResourceList =
                self.session.json(Method::GET, &["api", "resources"], &query, None).await?;
            let last = list.resource_list.len() < PAGE;
            let known = list.resource_list.into_iter();
            self.resources
                .extend(known.map(|resource| ((kind, resource.resource_key.name), resource.identifier)));
            if last {
                break;
            }
        }
        Ok(())
    }

    /// Somebody may have deleted resources: they are looked up, and created, again.
    fn forget(&mut self) {
        self.resources.clear();
        self.listed.clear();
    }

    async fn stats(&mut self, devices: &[&Device], now: f64) -> Result<(), Failure> {
        let mut content = Vec::with_capacity(devices.len());
        for device in devices {
            let id = self.resource(ResourceKind::Camera, device.id().as_str()).await?;
            content.push(json!({"id": id, "stat-contents": stats(device, now)}));
        }
        let body = json!({"resource-stat-content": content});
        self.session.post(&["api", "resources", "stats"], &body).await
    }

    async fn raise(
        &mut self,
        alert: &Alert,
        cancelled: Option<f64>,
        target: (ResourceKind, &str),
    ) -> Result<(), Failure> {
        let id = self.resource(target.0, target.1).await?;
        let severity = match alert.severity {
            Severity::Info => "INFORMATION",
            Severity::Warning => "WARNING",
            Severity::Critical => "CRITICAL",
        };
        let body = json!({
            "eventType": "NOTIFICATION",
            "resourceId": id,
            "startTimeUTC": millis(alert.since_timestamp),
            "cancelTimeUTC": cancelled.map_or(0, millis),
            "message": alert.message,
            "severity": severity,
            "managedExternally": true,
        });
        self.session.post(&["api", "events"], &body).await
    }
}

/// The metrics of one device. A count that is not fresh is no metric: a gap is a gap.
fn stats(device: &Device, now: f64) -> Vec<Value> {
    let live = device.condition == Condition::Live;
    let people = device.result.as_ref().map(|result| &result.analysis_metadata.results.people);
    let confidence = people
        .filter(|people| live && !people.is_empty())
        .map(|people| people.iter().map(|person| person.score).sum::<f64>() / people.len() as f64);
    let values = [
        ("people|count", device.count().filter(|_| live).map(f64::from)),
        ("people|age", device.age_seconds),
        ("people|confidence", confidence),
    ];
    let time = millis(now);
    let known = values.into_iter().filter_map(|(key, value)| Some((key, value?)));
    known.map(|(key, value)| json!({"statKey": key, "timestamps": [time], "data": [value]})).collect()
}

fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// Whether the answer was that there is no such resource.
fn unknown_resource(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(why) if why.starts_with(StatusCode::NOT_FOUND.as_str()))
}

#[async_trait]
impl Sink for Vrops {
    async fn event(&mut self, event: &Event) -> Result<(), Failure> {
        let alert = &event.alert;
        let cancelled = match event.kind {
            Kind::Alert(Happened::Raised) => None,
            Kind::Alert(Happened::Cleared) | Kind::Test => Some(event.at),
            // an event there is active until it is cancelled, and what is not known cancels nothing
            Kind::Alert(Happened::Unknown | Happened::Active) => return Ok(()),
        };
        let kind = if alert.sum { ResourceKind::Group } else { ResourceKind::Camera };
        match self.raise(alert, cancelled, (kind, &alert.target)).await {
            Err(failure) if unknown_resource(&failure) => {
                self.forget();
                self.raise(alert, cancelled, (kind, &alert.target)).await
            }
            outcome => outcome,
        }
    }

    fn every(&self) -> Option<Duration> {
        Some(self.every)
    }

    async fn refresh(&mut self, view: &View) -> Result<(), Failure> {
        let counted: Vec<&Device> =
            view.devices.iter().filter(|device| device.age_seconds.is_some()).collect();
        for devices in counted.chunks(CHUNK) {
            match self.stats(devices, view.now).await {
                Err(failure) if unknown_resource(&failure) => {
                    self.forget();
                    self.stats(devices, view.now).await?;
                }
                outcome => outcome?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_named() {
        let check = |text: &str| {
            let base = "url = \"https://vrops.example.com\"\nusername = \"people\"\n";
            toml::from_str::<Config>(&format!("{base}{text}")).unwrap().check()
        };
        check("password = \"x\"").unwrap();
        for (text, expected) in [
            ("", "password_file"),
            ("password = \"x\"\nadapter_kind = \"a/b\"", "adapter_kind"),
            ("password = \"x\"\nevery = \"0s\"", "every"),
            ("password = \"x\"\npassword_file = \"y\"", "twice"),
        ] {
            let error = check(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
