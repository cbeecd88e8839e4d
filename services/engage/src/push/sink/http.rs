//! [`Http`]: requests to other systems, and what their answers mean.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use bytes::Bytes;
use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, StatusCode};
use url::Url;

use super::Failure;
use crate::client::{self, BodyError};
use crate::clock;
use crate::secret::Secret;

/// Largest answer that is read, bytes.
const MAX_BODY: usize = 8 << 20;
/// Most of an answer that is told in words, characters.
const MAX_WORDS: usize = 200;

/// An HTTP client for one system.
#[derive(Debug, Clone)]
pub(super) struct Http(pub(super) Client);

/// An answer that was read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// What the request held; an answer may repeat it.
    secret: Option<Secret>,
}

impl Http {
    /// A client that trusts the system's roots, and the certificates in `ca_file`.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub(super) fn new(ca_file: Option<&Path>) -> anyhow::Result<Self> {
        Ok(Self(client::new(ca_file)?))
    }

    /// Sends a request that holds this secret and reads the answer, whatever it is.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        secret: Option<Secret>,
    ) -> Result<Answer, Failure> {
        let response = request.send().await.map_err(broken)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = client::body(response, MAX_BODY).await.map_err(|error| match error {
            BodyError::Broken(error) => broken(error),
            BodyError::TooLarge(_) => Failure::Refused(error.to_string()),
        })?;
        Ok(Answer { status, headers, body, secret })
    }
}

/// Checks that a system can be reached there, and that no secret stands where it would be shown.
pub(super) fn check_url(url: &Url) -> anyhow::Result<()> {
    ensure!(matches!(url.scheme(), "http" | "https"), "url: begin it with https:// or http://");
    ensure!(
        url.username().is_empty() && url.password().is_none(),
        "url: credentials do not belong into the address, use the settings for them"
    );
    Ok(())
}

/// The address of something below `base`.
pub(super) fn endpoint(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// A secret as it is now. One that cannot be read may be there again later.
pub(super) fn secret_now(
    name: &str,
    value: Option<&Secret>,
    file: Option<&Path>,
) -> Result<Option<Secret>, Failure> {
    Secret::read(name, value, file).map_err(|error| Failure::again(format!("{error:#}")))
}

/// A bearer token, if there is one.
#[derive(Debug, Clone, Default)]
pub(super) struct Bearer {
    pub(super) token: Option<Secret>,
    pub(super) file: Option<PathBuf>,
}

impl Bearer {
    /// Sends a request with the token and reads the answer, whatever it is.
    pub(super) async fn send(&self, http: &Http, request: RequestBuilder) -> Result<Answer, Failure> {
        let token = secret_now("token", self.token.as_ref(), self.file.as_deref())?;
        let request = match &token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        };
        http.send(request, token).await
    }
}

/// The request went wrong below HTTP. Its address may hold a token, so it is left out.
fn broken(error: reqwest::Error) -> Failure {
    Failure::again(format!("{:#}", anyhow::Error::from(error.without_url())))
}

impl Answer {
    /// What the status means for whoever asked.
    pub(super) fn judge(self) -> Result<Self, Failure> {
        match self.status {
            status if status.is_success() => Ok(self),
            StatusCode::GONE => Err(Failure::Gone(self.words())),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Err(self.again())
            }
            status if status.is_server_error() => Err(self.again()),
            status if status.is_redirection() => Err(Failure::Refused(format!(
                "{}: redirects are not followed, set the final address",
                self.words()
            ))),
            _ => Err(Failure::Refused(self.words())),
        }
    }

    fn again(self) -> Failure {
        Failure::Again { why: self.words(), after: retry_after(&self.headers, clock::now()) }
    }

    /// The status and the beginning of the body, in one line.
    pub(super) fn words(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        let body = self.secret.as_ref().map_or_else(|| body.clone(), |secret| secret.redact(&body).into());
        let body: String = body.trim().chars().take(MAX_WORDS).flat_map(char::escape_debug).collect();
        if body.is_empty() { self.status.to_string() } else { format!("{}: {body}", self.status) }
    }
}

/// How long the answer says to wait: seconds, or a date (RFC 9110).
fn retry_after(headers: &HeaderMap, now: f64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date: Timestamp = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Duration::try_from_secs_f64(date.as_second() as f64 - now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry: &str, body: &'static str) -> Failure {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry.parse().unwrap());
        let status = StatusCode::from_u16(status).unwrap();
        let secret = Some(Secret::from("hunter2"));
        Answer { status, headers, body: Bytes::from_static(body.as_bytes()), secret }.judge().unwrap_err()
    }

    #[test]
    fn the_status_decides() {
        let after = Some(Duration::from_secs(7));
        for status in [408, 425, 429, 500, 503] {
            assert!(
                matches!(answer(status, "7", ""), Failure::Again { after: a, .. } if a == after),
                "{status}"
            );
        }
        for status in [302, 400, 401, 404, 413, 422] {
            assert!(matches!(answer(status, "7", ""), Failure::Refused(_)), "{status}");
        }
        assert!(matches!(answer(410, "7", ""), Failure::Gone(_)));
        assert_eq!(answer(400, "", " a\nhunter2 ").to_string(), "400 Bad Request: a\\n[redacted]");
        assert!(answer(400, "", Box::leak("x".repeat(1000).into_boxed_str())).to_string().len() < 300);
    }

    #[test]
    fn retry_after_is_a_number_or_a_date() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, 1_790_000_000.0).map(|wait| wait.as_secs())
        };
        assert_eq!(read("120"), Some(120));
        assert_eq!(read("Mon, 21 Sep 2026 14:13:30 GMT"), Some(10));
        assert_eq!(read("Mon, 21 Sep 2020 14:13:30 GMT"), None);
        assert_eq!(read("soon"), None);
    }
}
