//! One signed request on the wire and its answer, within limits.

use std::error::Error as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::{ClientBuilder, Response, StatusCode};
use s3::command::Command;
use s3::error::S3Error;
use url::Host;

use crate::answer::retry_after;
use crate::credentials::Signer;
use crate::retry::Failure;
use crate::sign::{self, Hashed, Signed};
use crate::{Answer, Config, ConfigError, Error, Target};

/// The most that is read of an error document.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// Connections that are kept while nobody uses them; as many as needed are open in use.
const MAX_IDLE: usize = 64;

pub(crate) struct Transport {
    client: reqwest::Client,
    config: Config,
}

impl Transport {
    /// Makes the pooled client; reads `ca_file`.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .use_rustls_tls()
            .http1_only()
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .tcp_nodelay(true)
            .connect_timeout(config.connect_timeout)
            .pool_max_idle_per_host(MAX_IDLE)
            // A redirect would need another signature; the error says where the bucket is.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        builder = here(config, builder);
        if let Some(path) = &config.ca_file {
            let wrong = |reason: String| ConfigError::new("ca_file", format!("{}: {reason}", path.display()));
            let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .map_err(|error| wrong(format!("is not a bundle of PEM certificates ({})", chain(&error))))?;
            if certificates.is_empty() {
                return Err(wrong("has no PEM certificate in it".into()).into());
            }
            for certificate in certificates {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let client = builder.build().map_err(|error| ConfigError::new("ca_file", chain(&error)))?;
        Ok(Self { client, config: config.clone() })
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
        let response = answer.map_err(|error| self.unreachable(target, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refused(signer, target, response).await)
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
        let mut reason = chain(error);
        let handshake = error.is_connect() && is_bad_handshake(error);
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

/// The causes, without the sentences of the libraries in between that only say that there is one.
fn chain(error: &reqwest::Error) -> String {
    let mut reasons: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        let empty = text.starts_with("client error (") && error.source().is_some();
        if !empty && reasons.last().is_none_or(|last| !last.contains(&text)) {
            reasons.push(text);
        }
        cause = error.source();
    }
    if reasons.is_empty() { error.to_string() } else { reasons.join(": ") }
}

/// TLS reports what it does not accept as invalid data, wrapped any number of times.
fn is_bad_handshake(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let mut wrapped = error.downcast_ref::<io::Error>();
        while let Some(error) = wrapped {
            if error.kind() == io::ErrorKind::InvalidData {
                return true;
            }
            wrapped = error.get_ref().and_then(|inner| inner.downcast_ref());
        }
        cause = error.source();
    }
    false
}

/// A store on this machine is reached without a proxy from the environment, and under any name below
/// localhost (RFC 6761), which not every resolver knows.
fn here(config: &Config, builder: ClientBuilder) -> ClientBuilder {
    let Ok(url) = config.endpoint_url() else { return builder };
    match url.host() {
        Some(Host::Ipv4(address)) if address.is_loopback() => builder.no_proxy(),
        Some(Host::Ipv6(address)) if address.is_loopback() => builder.no_proxy(),
        Some(Host::Domain(name)) if name == "localhost" || name.ends_with(".localhost") => {
            let bucket = format!("{}.{name}", config.bucket);
            let name = if config.path_style { name } else { &bucket };
            let builder = builder.no_proxy();
            // Port 0 stands for the one of the URL.
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            if name == "localhost" { builder } else { builder.resolve(name, address) }
        }
        _ => builder,
    }
}
