//! [`Session`]: requests with a token, which is acquired when it is needed and renewed when it is no longer taken.

use std::path::PathBuf;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::Config;
use crate::clock;
use crate::push::sink::Failure;
use crate::push::sink::http::{Answer, Http, endpoint, secret_now};
use crate::secret::Secret;

/// A token is renewed so long before it ends, seconds.
const EARLY: f64 = 60.0;

#[derive(Debug)]
struct Token {
    secret: Secret,
    /// Until when, Unix seconds.
    until: f64,
}

#[derive(Deserialize)]
struct Acquired {
    token: Secret,
    /// Milliseconds since 1970.
    validity: f64,
}

/// The Suite-API of one server.
#[derive(Debug)]
pub(super) struct Session {
    http: Http,
    base: Url,
    username: String,
    password: Option<Secret>,
    password_file: Option<PathBuf>,
    auth_source: String,
    token: Option<Token>,
}

impl Session {
    pub(super) fn new(config: Config) -> anyhow::Result<Self> {
        Ok(Self {
            http: Http::new(config.ca_file.as_deref())?,
            base: endpoint(&config.url, &["suite-api"]),
            username: config.username,
            password: config.password,
            password_file: config.password_file,
            auth_source: config.auth_source,
            token: None,
        })
    }

    /// Posts what needs no answer.
    pub(super) async fn post(&mut self, path: &[&str], body: &Value) -> Result<(), Failure> {
        self.ask(Method::POST, path, &[], Some(body)).await.map(drop)
    }

    /// Asks for a JSON document.
    pub(super) async fn json<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<T, Failure> {
        let answer = self.ask(method, path, query, body).await?;
        serde_json::from_slice(&answer.body).map_err(|error| {
            Failure::Refused(format!("the answer to /{} is not what it should be: {error}", path.join("/")))
        })
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let request = |http: &Http, base: &Url| {
            let request = http.0.request(method.clone(), endpoint(base, path)).query(query);
            match body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        let mut answer = self.with_token(request(&self.http, &self.base)).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            // the server has forgotten the token before its time
            self.token = None;
            answer = self.with_token(request(&self.http, &self.base)).await?;
        }
        // only webhooks take 410 for a wish
        answer.judge().map_err(|failure| match failure {
            Failure::Gone(why) => Failure::Refused(why),
            failure => failure,
        })
    }

    async fn with_token(&mut self, request: RequestBuilder) -> Result<Answer, Failure> {
        let token = self.token().await?;
        let mut value = HeaderValue::try_from(format!("vRealizeOpsToken {}", token.expose()))
            .map_err(|_| Failure::again("the token that was acquired cannot be sent in a header"))?;
        value.set_sensitive(true);
        let request = request.header(ACCEPT, "application/json").header(AUTHORIZATION, value);
        self.http.send(request, Some(token)).await
    }

    async fn token(&mut self) -> Result<Secret, Failure> {
        if let Some(token) = self.token.as_ref().filter(|token| clock::now() < token.until - EARLY) {
            return Ok(token.secret.clone());
        }
        let password = secret_now("password", self.password.as_ref(), self.password_file.as_deref())?;
        let password = password.ok_or_else(|| Failure::again("there is no password"))?;
        let body = json!({
            "username": self.username,
            "password": password.expose(),
            "authSource": self.auth_source,
        });
        let url = endpoint(&self.base, &["api", "auth", "token", "acquire"]);
        let request = self.http.0.post(url).header(ACCEPT, "application/json").json(&body);
        let answer =
            self.http.send(request, Some(password)).await?.judge().map_err(|failure| match failure {
                // a wrong password may be set right without a restart, so nothing is given up for it
                Failure::Refused(why) | Failure::Gone(why) => Failure::again(format!("no token: {why}")),
                failure => failure,
            })?;
        let acquired: Acquired = serde_json::from_slice(&answer.body)
            .map_err(|_| Failure::again("the answer to the request for a token holds none"))?;
        let token = Token { secret: acquired.token, until: acquired.validity / 1000.0 };
        Ok(self.token.insert(token).secret.clone())
    }
}
