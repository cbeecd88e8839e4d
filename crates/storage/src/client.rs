//! The HTTP client, and what its errors mean.

use std::error::Error as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use reqwest::{Client, ClientBuilder};
use url::Host;

use crate::{Config, ConfigError};

/// Connections that are kept while nobody uses them; as many as needed are open in use.
const MAX_IDLE: usize = 64;

/// Makes the pooled client; reads `ca_file`.
pub(crate) fn new(config: &Config) -> Result<Client, ConfigError> {
    let builder = Client::builder()
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
    let builder = authorities(config, here(config, builder))?;
    builder.build().map_err(|error| ConfigError::new("endpoint", format!("no client: {}", chain(&error))))
}

fn authorities(config: &Config, mut builder: ClientBuilder) -> Result<ClientBuilder, ConfigError> {
    let Some(path) = &config.ca_file else { return Ok(builder) };
    let wrong = |reason: String| ConfigError::new("ca_file", format!("{}: {reason}", path.display()));
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem)
        .map_err(|error| wrong(format!("is not a bundle of PEM certificates ({})", chain(&error))))?;
    if certificates.is_empty() {
        return Err(wrong("has no PEM certificate in it".into()));
    }
    for certificate in certificates {
        builder = builder.add_root_certificate(certificate);
    }
    Ok(builder)
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

/// The causes, without the sentences of the libraries in between that only say that there is one.
pub(crate) fn chain(error: &reqwest::Error) -> String {
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
pub(crate) fn is_bad_handshake(error: &reqwest::Error) -> bool {
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
