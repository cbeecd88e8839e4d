//! TLS as the configuration wants it: own or the system's authorities, and a certificate of one's own.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::{Config, ConfigError};

/// Reads the certificates as they are now.
pub(crate) fn client(config: &Config) -> Result<Arc<ClientConfig>, ConfigError> {
    let roots = match &config.ca_file {
        Some(path) => own_roots(path)?,
        None => system_roots(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::Tls { problem: error.to_string() })?
        .with_root_certificates(roots);
    let client = match (&config.cert_file, &config.key_file) {
        (Some(cert), Some(key)) => {
            let chain = certificates("cert_file", cert)?;
            let key = PrivateKeyDer::from_pem_slice(&crate::config::read("key_file", key)?)
                .map_err(|error| unusable("key_file", key, &error.to_string()))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| unusable("cert_file", cert, &error.to_string()))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(client))
}

fn own_roots(path: &Path) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca_file", path)? {
        roots.add(certificate).map_err(|error| unusable("ca_file", path, &error.to_string()))?;
    }
    Ok(roots)
}

/// Those of the system that can be read; a broken one among them is no reason to trust none.
fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!("a certificate authority of the system cannot be read: {error}");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots
}

fn certificates(name: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let text = crate::config::read(name, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| unusable(name, path, &error.to_string()))?;
    if found.is_empty() {
        return Err(unusable(name, path, "it holds no certificate in PEM form"));
    }
    Ok(found)
}

fn unusable(name: &'static str, path: &Path, problem: &str) -> ConfigError {
    ConfigError::Certificate { name, path: path.into(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use iot_sandbox::Certificates;

    use super::*;

    #[test]
    fn certificates_that_cannot_be_used_are_named() {
        let made = Certificates::create().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("hello.pem");
        std::fs::write(&text, "hello").unwrap();
        let good = Config {
            url: "mqtts://localhost".into(),
            ca_file: Some(made.ca()),
            cert_file: Some(made.client_cert()),
            key_file: Some(made.client_key()),
            ..Config::default()
        };
        client(&good).unwrap();
        client(&Config { ca_file: None, ..good.clone() }).unwrap();
        let wrong = [
            ("ca_file", Config { ca_file: Some(text.clone()), ..good.clone() }),
            ("cert_file", Config { cert_file: Some(text.clone()), ..good.clone() }),
            ("key_file", Config { key_file: Some(text), ..good.clone() }),
            ("cert_file", Config { key_file: Some(made.server_key()), ..good }),
        ];
        for (name, config) in wrong {
            let message = client(&config).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
    }
}
