//! The URL and the signed headers of a request.
//!
//! `rust-s3` signs everything but puts. It would hash a put's body twice with SHA-256 and once with
//! MD5, which for a picture costs more than all the rest of the request; here the body is hashed
//! once. The signed hash is also the checksum: a store refuses a body that does not match it.

use bytes::Bytes;
use reqwest::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
};
use reqwest::{Method, Url};
use ring::{digest, hmac};
use s3::command::{Command, HttpMethod};
use s3::error::S3Error;
use s3::request::Request as _;
use s3::request::tokio_backend::ReqwestRequest;
use s3::signing;

use crate::credentials::Signer;

/// From here on hashing a body would hold up other tasks of the same thread for milliseconds.
const LARGE: usize = 1 << 20;

/// A body with its hash, made once for all attempts.
#[derive(Clone)]
pub(crate) struct Hashed {
    pub(crate) body: Bytes,
    sha256: String,
}

impl Hashed {
    pub(crate) async fn new(body: Bytes) -> Self {
        if body.len() < LARGE {
            return Self::now(body);
        }
        let large = body.clone();
        // The runtime is shutting down if this fails; whatever is sent then is not sent.
        tokio::task::spawn_blocking(move || Self::now(large)).await.unwrap_or_else(|_| Self::now(body))
    }

    fn now(body: Bytes) -> Self {
        let sha256 = hex::encode(digest::digest(&digest::SHA256, &body));
        Self { body, sha256 }
    }
}

/// A request that is ready to be sent.
pub(crate) struct Signed {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
}

/// Signs any command but a put.
pub(crate) async fn command(signer: &Signer, path: &str, command: Command<'_>) -> Result<Signed, S3Error> {
    let method = match command.http_verb() {
        HttpMethod::Get => Method::GET,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Post => Method::POST,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Delete => Method::DELETE,
    };
    let request = ReqwestRequest::new(&signer.bucket, path, command).await?;
    Ok(Signed { method, url: request.url()?, headers: request.headers().await? })
}

/// Signs a put of `hashed` with `extra` headers.
pub(crate) async fn put(
    signer: &Signer,
    path: &str,
    hashed: &Hashed,
    content_type: &str,
    extra: &HeaderMap,
) -> Result<Signed, S3Error> {
    let bodyless = Command::PutObject { content: &[], content_type, custom_headers: None, multipart: None };
    let request = ReqwestRequest::new(&signer.bucket, path, bodyless).await?;
    let url = request.url()?;
    // After `new`, which renews credentials that have expired.
    let credentials = signer.bucket.credentials().await?;
    let (access_key, secret) =
        (credentials.access_key.unwrap_or_default(), credentials.secret_key.unwrap_or_default());

    let mut headers = extra.clone();
    headers.insert(HOST, request.host_header().parse()?);
    headers.insert(CONTENT_TYPE, content_type.parse()?);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(hashed.body.len()));
    headers.insert(HeaderName::from_static("x-amz-content-sha256"), hashed.sha256.parse()?);
    headers.insert(HeaderName::from_static("x-amz-date"), request.long_date()?.parse()?);
    if let Some(token) = credentials.session_token.or(credentials.security_token) {
        headers.insert(HeaderName::from_static("x-amz-security-token"), token.parse()?);
    }

    let canonical = signing::canonical_request("PUT", &url, &headers, &hashed.sha256)?;
    let to_sign = request.string_to_sign(&canonical)?;
    let region = &signer.bucket.region;
    let key = signing::signing_key(&request.datetime(), &secret, region, "s3")?;
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), to_sign.as_bytes());
    let authorization = signing::authorization_header(
        &access_key,
        &request.datetime(),
        region,
        &signing::signed_header_string(&headers),
        &hex::encode(signature),
    )?;
    headers.insert(AUTHORIZATION, authorization.parse()?);
    Ok(Signed { method: Method::PUT, url, headers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::credentials::Keyring;

    /// Signed at the same second, a put has the same hash, date and signature as rust-s3's own
    /// over the same headers.
    #[tokio::test]
    async fn signs_a_put_as_rust_s3_does() {
        let config = Config {
            bucket: "readings".into(),
            access_key: Some("thermometer".into()),
            secret_key: Some("secret".into()),
            session_token: Some("token".into()),
            ..Config::default()
        };
        let keyring = Keyring::new(&config, |_| None).unwrap();
        let signer = keyring.signer().await.unwrap();
        let body = Bytes::from_static(b"12:00,8.5\n");
        let hashed = Hashed::new(body.clone()).await;
        loop {
            let theirs = Command::PutObject {
                content: &body,
                content_type: "text/csv",
                custom_headers: None,
                multipart: None,
            };
            let theirs = command(&signer, "cellar/a b.csv", theirs).await.unwrap();
            let mut extra = HeaderMap::new();
            // rust-s3 signs an MD5 as well, so it has to be among ours to get the same signature.
            extra.insert("content-md5", theirs.headers["content-md5"].clone());
            let ours = put(&signer, "cellar/a b.csv", &hashed, "text/csv", &extra).await.unwrap();
            if ours.headers["x-amz-date"] != theirs.headers["x-amz-date"] {
                continue;
            }
            assert_eq!((ours.method, ours.url), (theirs.method, theirs.url));
            for (name, value) in &ours.headers {
                assert_eq!(theirs.headers.get(name), Some(value), "{name}");
            }
            assert_eq!(ours.headers.len() + 1, theirs.headers.len(), "only the unsigned date is missing");
            break;
        }
    }

    #[tokio::test]
    async fn a_large_body_has_the_same_hash() {
        let zeros = Hashed::new(vec![0; LARGE].into()).await;
        assert_eq!(zeros.sha256, "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58");
    }
}
