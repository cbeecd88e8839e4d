//! One signed request on the wire and its answer, within limits.

use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use s3::command::Command;
use s3::error::S3Error;

use crate::answer::retry_after;
use crate::client;
use crate::credentials::Signer;
use crate::retry::Failure;
use crate::sign::{self, Hashed, Signed};
use crate::{Answer, Config, Error, Target};

/// The most that is read of an error document.
const MAX_ERROR_BYTES: usize = 64 * 1024;

pub(crate) struct Transport {
    client: reqwest::Client,
    config: Config,
}

impl Transport {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        Ok(Self { client: client::new(config)?, config: config.clone() })
    }

    /// Signs and sends `command` on `path` with `body`, and returns an answer that is a success.
    pub(crate) async fn send(
        &self,
        signer: &Signer,
        target: &Target,
        path: &str,
        command: Command<'_>,
        body: Bytes,
    ) -> Result<Response, Failure> {
        let signed = sign::command(signer, path, command).await;
        self.exchange(signer, target, signed, body).await
    }

    /// Signs and sends a put of `hashed` under `path` with `extra` headers.
    pub(crate) async fn send_put(
        &self,
        signer: &Signer,
        target: &Target,
        path: &str,
        hashed: &Hashed,
        (content_type, extra): (&str, &HeaderMap),
    ) -> Result<Response, Failure> {
        let signed = sign::put(signer, path, hashed, content_type, extra).await;
        self.exchange(signer, target, signed, hashed.body.clone()).await
    }

    async fn exchange(
        &self,
        signer: &Signer,
        target: &Target,
        signed: Result<Signed, S3Error>,
        body: Bytes,
    ) -> Result<Response, Failure> {
        let Signed { method, url, headers } = signed.map_err(|error| unsigned(target, error))?;
        let uploads = !body.is_empty();
        let sending = self.client.request(method, url).headers(headers).body(body).send();
        let answer = if uploads {
            sending.await
        } else {
            let limit = self.config.first_byte_timeout;
            tokio::time::timeout(limit, sending).await.map_err(|_| {
                let target = Box::new(target.clone());
                Error::Timeout { target, setting: "first_byte_timeout", limit, attempts: 1 }
            })?
        };
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                let cut = uploads && !error.is_connect() && !error.is_timeout();
                if cut && let Some(refusal) = self.why_cut(signer, target).await {
                    return Err(refusal);
                }
                return Err(self.unreachable(target, &error).into());
            }
        };
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refused(signer, target, response).await)
    }

    /// Why a connection may have been cut during an upload. A store that refuses before it has read
    /// the body hangs up, and then its answer is often lost on the way. A request without a body
    /// gets an answer; what it says of the credentials and the bucket holds for the upload too.
    async fn why_cut(&self, signer: &Signer, target: &Target) -> Option<Failure> {
        let command = Command::ListObjectsV2 {
            prefix: String::new(),
            delimiter: None,
            continuation_token: None,
            start_after: None,
            max_keys: Some(1),
        };
        let asking = async {
            let signed = sign::command(signer, "/", command).await.ok()?;
            self.client.request(signed.method, signed.url).headers(signed.headers).send().await.ok()
        };
        let response = tokio::time::timeout(self.config.first_byte_timeout, asking).await.ok()??;
        if response.status().is_success() {
            return None;
        }
        let failure = refused(signer, target, response).await;
        let certain = match &failure.error {
            Error::NoBucket { .. } => true,
            // Whoever may not list may still be allowed to put.
            Error::Denied { answer, .. } => answer.code != "AccessDenied" && !answer.code.is_empty(),
            _ => false,
        };
        certain.then_some(failure)
    }

    /// Reads a body that may have at most `limit` bytes.
    pub(crate) async fn read(
        &self,
        target: &Target,
        mut response: Response,
        limit: u64,
    ) -> Result<Bytes, Failure> {
        let too_large =
            |bytes| Failure::from(Error::TooLarge { target: Box::new(target.clone()), limit, bytes });
        let announced = response.content_length();
        if announced.is_some_and(|bytes| bytes > limit) {
            return Err(too_large(announced));
        }
        let capacity = usize::try_from(announced.unwrap_or(0)).map_err(|_| too_large(announced))?;
        let mut body = BytesMut::with_capacity(capacity);
        while let Some(part) = response.chunk().await.map_err(|error| self.unreachable(target, &error))? {
            if (body.len() + part.len()) as u64 > limit {
                return Err(too_large(None));
            }
            body.extend_from_slice(&part);
        }
        Ok(body.freeze())
    }

    fn unreachable(&self, target: &Target, error: &reqwest::Error) -> Error {
        let target = Box::new(target.clone());
        if error.is_timeout() {
            let limit = self.config.connect_timeout;
            return Error::Timeout { target, setting: "connect_timeout", limit, attempts: 1 };
        }
        let mut reason = client::chain(error);
        let handshake = error.is_connect() && client::is_bad_handshake(error);
        if handshake && reason.contains("certificate") {
            reason.push_str("; set `ca_file` if the authority that signed it is your own");
        } else if handshake {
            reason.push_str("; check in `endpoint` that the store speaks TLS");
        }
        Error::Unavailable { target, reason, answer: None, attempts: 1, transient: !handshake }
    }
}

/// Turns a refusing answer into an error.
async fn refused(signer: &Signer, target: &Target, mut response: Response) -> Failure {
    let status = response.status();
    let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS)
        .then(|| retry_after(response.headers()))
        .flatten();
    let headers = HeaderMap::clone(response.headers());
    let mut body = BytesMut::new();
    // A document that breaks off still leaves the status and the request id.
    while let Ok(Some(part)) = response.chunk().await {
        body.extend_from_slice(&part[..part.len().min(MAX_ERROR_BYTES - body.len())]);
        if body.len() == MAX_ERROR_BYTES {
            break;
        }
    }
    let answer = Answer::read(status.as_u16(), &headers, &body);
    Failure { error: answer.into_error(Box::new(target.clone()), &signer.access_key), retry_after }
}

fn unsigned(target: &Target, error: S3Error) -> Error {
    match error {
        S3Error::Credentials(error) => Error::Credentials {
            source_name: "the instance's role".into(),
            reason: format!("cannot be renewed: {error}"),
        },
        error => Error::Invalid { target: Box::new(target.clone()), reason: error.to_string() },
    }
}
