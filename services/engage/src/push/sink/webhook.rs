//! [`Webhook`]: CloudEvents 1.0 over HTTP, signed (Standard Webhooks), with the handshake that protects others
//! from being flooded (CloudEvents HTTP 1.1 Web Hooks).

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cloudevents::{AttributesReader, Event as CloudEvent, EventBuilder, EventBuilderV10};
use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, StatusCode};
use ring::hmac;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use url::Url;

use super::http::{Bearer, Http, check_url, secret_now};
use super::{Failure, Sink};
use crate::clock;
use crate::push::event::Event;
use crate::secret::Secret;

/// First part of the events' types.
const TYPE: &str = "people-counter.alert.";
/// How secrets begin whose rest is base64.
const SECRET_PREFIX: &str = "whsec_";

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Everything in one JSON document.
    #[default]
    Structured,
    /// The attributes as headers, the alert as the body.
    Binary,
}

/// A receiver of CloudEvents.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where events are posted.
    pub url: Url,
    /// How they are written.
    #[serde(default)]
    pub mode: Mode,
    /// Whether to ask the receiver first.
    #[serde(default = "yes")]
    pub handshake: bool,
    /// The DNS name by which this sender asks.
    #[serde(default = "default_origin")]
    pub origin: String,
    /// Key that signs the events; base64 behind `whsec_`, or plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// File with the key.
    pub secret_file: Option<PathBuf>,
    /// Bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// File with the token.
    pub token_file: Option<PathBuf>,
    /// Certificate authorities to trust beside the system's, PEM.
    pub ca_file: Option<PathBuf>,
}

fn yes() -> bool {
    true
}

fn default_origin() -> String {
    "people-counter".into()
}

impl Config {
    /// Checks the settings.
    pub(in crate::push) fn check(&self) -> anyhow::Result<()> {
        check_url(&self.url)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        ensure!(
            !self.origin.is_empty() && self.origin.chars().all(plain),
            "origin {:?} is no DNS name",
            self.origin
        );
        Secret::check("secret", self.secret.as_ref(), self.secret_file.as_deref())?;
        Secret::check("token", self.token.as_ref(), self.token_file.as_deref())?;
        self.secret.as_ref().map(key).transpose().map(drop)
    }
}

/// The key for signing.
fn key(secret: &Secret) -> anyhow::Result<hmac::Key> {
    let bytes = match secret.expose().strip_prefix(SECRET_PREFIX) {
        Some(text) => {
            BASE64_STANDARD.decode(text).context("secret: what stands behind whsec_ is no base64")?
        }
        None => secret.expose().as_bytes().to_vec(),
    };
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// Posts events to a receiver.
pub(in crate::push) struct Webhook {
    config: Config,
    http: Http,
    bearer: Bearer,
    /// Where the events come from: the root of the topics, as a URN.
    source: String,
    /// The receiver has said that it wants events from us.
    welcome: bool,
    /// Shortest time between two events that the receiver has asked for.
    pace: Option<Duration>,
    next: Option<Instant>,
}

impl Webhook {
    /// # Errors
    /// When a file that the configuration names cannot be read.
    pub(in crate::push) fn new(config: Config, root: &str) -> anyhow::Result<Self> {
        let http = Http::new(config.ca_file.as_deref())?;
        let source = format!("urn:people-counter:{}", root.replace('/', ":"));
        let bearer = Bearer { token: config.token.clone(), file: config.token_file.clone() };
        Ok(Self { config, http, bearer, source, welcome: false, pace: None, next: None })
    }

    /// Asks whether events are welcome.
    async fn handshake(&mut self) -> Result<(), Failure> {
        let request = self
            .http
            .0
            .request(Method::OPTIONS, self.config.url.clone())
            .header("webhook-request-origin", &self.config.origin);
        let answer = match self.bearer.send(&self.http, request).await?.judge() {
            Err(Failure::Refused(why)) => return Err(unwelcome(&why)),
            answer => answer?,
        };
        let header =
            |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        match header("webhook-allowed-origin") {
            Some(allowed) if allowed == "*" || allowed.eq_ignore_ascii_case(&self.config.origin) => {}
            _ => return Err(unwelcome("it does not name this origin in WebHook-Allowed-Origin")),
        }
        let per_minute: Option<f64> = header("webhook-allowed-rate").and_then(|rate| rate.parse().ok());
        self.pace = per_minute
            .filter(|rate| *rate > 0.0)
            .map(|rate| Duration::from_secs_f64((60.0 / rate).min(3600.0)));
        self.welcome = true;
        Ok(())
    }

    fn cloud_event(&self, event: &Event) -> Result<CloudEvent, Failure> {
        let broken = |why: &dyn std::fmt::Display| {
            Failure::Refused(format!("cannot be written as a CloudEvent: {why}"))
        };
        let time = Timestamp::from_millisecond((event.at * 1000.0) as i64).map_err(|error| broken(&error))?;
        let data = serde_json::to_value(&event.alert).map_err(|error| broken(&error))?;
        EventBuilderV10::new()
            .id(event.id.to_string())
            .source(self.source.clone())
            .ty(format!("{TYPE}{}", event.kind.as_str()))
            .subject(format!("{}/{}", event.alert.rule, event.alert.target))
            .time(time.to_string())
            .extension("severity", event.alert.severity.as_str())
            .data("application/json", data)
            .build()
            .map_err(|error| broken(&error))
    }

    fn post(&self, event: &Event) -> Result<RequestBuilder, Failure> {
        let cloud_event = self.cloud_event(event)?;
        let mut request = self.http.0.post(self.config.url.clone());
        let body = match self.config.mode {
            Mode::Structured => {
                request = request.header(CONTENT_TYPE, "application/cloudevents+json; charset=utf-8");
                serde_json::to_vec(&cloud_event)
            }
            Mode::Binary => {
                for (name, value) in cloud_event.iter() {
                    // the media type has a header of its own
                    if name != "datacontenttype" {
                        request = request.header(format!("ce-{name}"), value.to_string());
                    }
                }
                request = request.header(CONTENT_TYPE, "application/json");
                serde_json::to_vec(&event.alert)
            }
        };
        let body = body.map_err(|error| Failure::Refused(format!("cannot be written as JSON: {error}")))?;
        let secret = secret_now("secret", self.config.secret.as_ref(), self.config.secret_file.as_deref())?;
        if let Some(secret) = secret {
            let key = key(&secret).map_err(|error| Failure::again(format!("{error:#}")))?;
            let (id, seconds) = (cloud_event.id(), clock::now() as u64);
            request = request
                .header("webhook-id", id)
                .header("webhook-timestamp", seconds)
                .header("webhook-signature", signature(&key, id, seconds, &body));
        }
        Ok(request.body(body))
    }
}

fn unwelcome(why: &str) -> Failure {
    Failure::again(format!(
        "the receiver does not agree to be sent events ({why}); let it answer the OPTIONS request, or set \
         handshake = false if it is yours"
    ))
}

/// The value of the signature's header.
fn signature(key: &hmac::Key, id: &str, seconds: u64, body: &[u8]) -> String {
    let mut signed = format!("{id}.{seconds}.").into_bytes();
    signed.extend_from_slice(body);
    format!("v1,{}", BASE64_STANDARD.encode(hmac::sign(key, &signed)))
}

#[async_trait]
impl Sink for Webhook {
    fn ready_at(&self) -> Option<Instant> {
        self.next
    }

    async fn event(&mut self, event: &Event) -> Result<(), Failure> {
        if self.config.handshake && !self.welcome {
            self.handshake().await?;
        }
        self.next = self.pace.map(|pace| Instant::now() + pace);
        let answer = self.bearer.send(&self.http, self.post(event)?).await?;
        if matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            // it may have changed its mind
            self.welcome = false;
        }
        answer.judge().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_of_standard_webhooks() {
        // computed with Python's hmac and base64
        let secret = Secret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signed = signature(&key(&secret).unwrap(), id, 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        let config = |text: &str| toml::from_str::<Config>(text).unwrap().check();
        config("url = \"https://example.com/hook?x=1\"").unwrap();
        for (text, expected) in [
            ("url = \"ftp://example.com\"", "https://"),
            ("url = \"https://user:pass@example.com\"", "credentials"),
            ("url = \"https://example.com\"\norigin = \"a b\"", "origin"),
            ("url = \"https://example.com\"\nsecret = \"whsec_%%\"", "base64"),
            ("url = \"https://example.com\"\nsecret = \"a\"\nsecret_file = \"b\"", "secret_file"),
        ] {
            let error = format!("{:#}", config(text).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
