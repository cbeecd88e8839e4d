//! [`Alertmanager`]: alerts to Prometheus Alertmanager by its API v2, again and again until they are over.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use async_trait::async_trait;
use jiff::Timestamp;
use people_counter_events::{Alert, Happened};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use super::http::{Bearer, Http, check_url, endpoint};
use super::{Failure, Sink, View};
use crate::push::event::{Event, Kind};
use crate::secret::Secret;

/// An alert that is not sent again for so many intervals is over for Alertmanager.
const INTERVALS: u32 = 4;
/// How long a test is shown, seconds.
const TEST_SECONDS: f64 = 60.0;
/// How long an alert that is over is kept in mind.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Most alerts in one request.
const CHUNK: usize = 500;
/// The labels that an alert has anyhow.
const OWN_LABELS: [&str; 4] = ["alertname", "target", "severity", "service"];

/// An Alertmanager.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its address, without `/api`.
    pub url: Url,
    /// How often active alerts are sent again.
    #[serde(default = "a_minute", with = "humantime_serde")]
    pub every: Duration,
    /// Bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// File with the token.
    pub token_file: Option<PathBuf>,
    /// Certificate authorities to trust beside the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// Labels to add to every alert.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

fn a_minute() -> Duration {
    Duration::from_secs(60)
}

impl Config {
    /// Checks the settings.
    pub(in crate::push) fn check(&self) -> anyhow::Result<()> {
        check_url(&self.url)?;
        ensure!(self.every >= Duration::from_secs(1), "every must be at least 1s");
        for name in self.labels.keys() {
            let mut letters = name.chars();
            let plain = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
                && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
            ensure!(plain, "labels: {name:?} is no label, use A-Z a-z 0-9 _ and no digit first");
            ensure!(
                !OWN_LABELS.contains(&name.as_str()),
                "labels: {name} is set by this service, choose another"
            );
        }
        Secret::check("token", self.token.as_ref(), self.token_file.as_deref())
    }
}

/// One alert as Alertmanager takes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Posted<'a> {
    labels: BTreeMap<&'a str, &'a str>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: String,
    ends_at: String,
}

/// Posts alerts.
pub(in crate::push) struct Alertmanager {
    config: Config,
    http: Http,
    bearer: Bearer,
    url: Url,
    /// The alerts that are over, and when that was told: the broker may not have cleared them yet.
    over: BTreeMap<Uuid, Instant>,
}

impl Alertmanager {
    /// # Errors
    /// When a file that the configuration names cannot be read.
    pub(in crate::push) fn new(config: Config) -> anyhow::Result<Self> {
        let http = Http::new(config.ca_file.as_deref())?;
        let url = endpoint(&config.url, &["api", "v2", "alerts"]);
        let bearer = Bearer { token: config.token.clone(), file: config.token_file.clone() };
        Ok(Self { config, http, bearer, url, over: BTreeMap::new() })
    }

    fn posted<'a>(&'a self, alert: &'a Alert, ends: f64) -> Posted<'a> {
        let mut labels: BTreeMap<&str, &str> =
            self.config.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let values = [&alert.rule, &alert.target, alert.severity.as_str(), "people-counter"];
        labels.extend(OWN_LABELS.into_iter().zip(values));
        let mut annotations = BTreeMap::from([
            ("summary", alert.message.clone()),
            ("state", alert.state.as_str().to_owned()),
            ("eventID", alert.event_id.to_string()),
        ]);
        annotations.extend(alert.value.map(|value| ("value", value.to_string())));
        Posted { labels, annotations, starts_at: time(alert.since_timestamp), ends_at: time(ends) }
    }

    async fn post(&self, alerts: &[Posted<'_>]) -> Result<(), Failure> {
        let request = self.http.0.post(self.url.clone()).json(alerts);
        self.bearer.send(&self.http, request).await?.judge().map(drop)
    }

    /// When an alert is over that is not sent again.
    fn ends(&self, now: f64) -> f64 {
        now + (INTERVALS * self.config.every).as_secs_f64()
    }
}

/// Unix seconds as RFC 3339.
fn time(seconds: f64) -> String {
    Timestamp::from_millisecond((seconds * 1000.0) as i64).unwrap_or_default().to_string()
}

#[async_trait]
impl Sink for Alertmanager {
    async fn event(&mut self, event: &Event) -> Result<(), Failure> {
        let ends = match event.kind {
            Kind::Alert(Happened::Cleared) => event.at,
            Kind::Alert(Happened::Raised | Happened::Unknown | Happened::Active) => self.ends(event.at),
            Kind::Test => event.at + TEST_SECONDS,
        };
        if event.kind == Kind::Alert(Happened::Cleared) {
            self.over.insert(event.alert.event_id, Instant::now());
        }
        self.post(&[self.posted(&event.alert, ends)]).await
    }

    fn every(&self) -> Option<Duration> {
        Some(self.config.every)
    }

    async fn refresh(&mut self, view: &View) -> Result<(), Failure> {
        let ends = self.ends(view.now);
        self.over.retain(|_, told| told.elapsed() < REMEMBERED);
        let alerts: Vec<&Alert> = view.alerts.iter().map(Arc::as_ref).collect();
        let active: Vec<&Alert> =
            alerts.into_iter().filter(|alert| !self.over.contains_key(&alert.event_id)).collect();
        for alerts in active.chunks(CHUNK) {
            let alerts: Vec<Posted> = alerts.iter().map(|alert| self.posted(alert, ends)).collect();
            self.post(&alerts).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::samples::alert;

    #[test]
    fn an_alert_keeps_its_labels_whatever_its_state() {
        let text = "url = \"http://localhost:9093/prefix/\"\nlabels = { site = \"bonn\" }";
        let config: Config = toml::from_str(text).unwrap();
        config.check().unwrap();
        let sink = Alertmanager::new(config).unwrap();
        assert_eq!(sink.url.as_str(), "http://localhost:9093/prefix/api/v2/alerts");
        let posted = serde_json::to_value(sink.posted(&alert("crowded", "cam-1"), 1_790_000_240.0)).unwrap();
        assert_eq!(
            posted["labels"],
            serde_json::json!({
                "alertname": "crowded", "target": "cam-1", "severity": "warning", "service": "people-counter",
                "site": "bonn"
            })
        );
        assert_eq!(
            (&posted["annotations"]["state"], &posted["annotations"]["value"]),
            (&"active".into(), &"3".into())
        );
        assert_eq!(posted["startsAt"], "2026-09-21T14:13:20Z");
        assert_eq!(posted["endsAt"], "2026-09-21T14:17:20Z");
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        for (text, expected) in [
            ("every = \"1ms\"", "every"),
            ("labels = { \"a-b\" = \"c\" }", "a-b"),
            ("labels = { severity = \"c\" }", "severity"),
            ("labels = { \"1\" = \"c\" }", "digit"),
        ] {
            let config: Config = toml::from_str(&format!("url = \"http://localhost\"\n{text}")).unwrap();
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
