//! The HTTP client for other systems.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response};

/// Longest wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A client that follows no redirects, and trusts the system's roots and the certificates in `ca_file`.
///
/// # Errors
/// When the file cannot be read or holds no certificate.
pub fn new(ca_file: Option<&Path>) -> anyhow::Result<Client> {
    let mut client = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_LIMIT)
        .user_agent(concat!("people-counter-engage/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = ca_file {
        let reading = || format!("ca_file: cannot use {}", path.display());
        let pem = std::fs::read(path).with_context(reading)?;
        for certificate in Certificate::from_pem_bundle(&pem).with_context(reading)? {
            client = client.add_root_certificate(certificate);
        }
    }
    client.build().context("cannot set up an HTTP client")
}

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke. An address may hold a secret, so it is left out.
    #[error(transparent)]
    Broken(reqwest::Error),
    /// It is larger than allowed.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// The body of an answer, of at most `limit` bytes.
///
/// # Errors
/// When it is larger, or the connection breaks.
pub async fn body(mut response: Response, limit: usize) -> Result<Bytes, BodyError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| BodyError::Broken(error.without_url()))? {
        if body.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
