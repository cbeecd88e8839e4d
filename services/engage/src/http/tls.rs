//! [`Certificate`]: TLS with a certificate that is read again when its files change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use crate::config::Http;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What is served, and the files it comes from.
#[derive(Debug)]
pub struct Certificate {
    cert_file: PathBuf,
    key_file: PathBuf,
    current: RwLock<Loaded>,
}

#[derive(Debug, Clone)]
struct Loaded {
    key: Arc<CertifiedKey>,
    /// Content of both files.
    from: (Vec<u8>, Vec<u8>),
}

impl Certificate {
    /// Reads the certificate that `settings` name; `None` if they name none.
    ///
    /// # Errors
    /// When a file cannot be read, or they do not belong together.
    pub fn load(settings: &Http) -> anyhow::Result<Option<Arc<Self>>> {
        let (Some(cert_file), Some(key_file)) = (&settings.cert_file, &settings.key_file) else {
            return Ok(None);
        };
        let current = RwLock::new(read(cert_file, key_file)?);
        Ok(Some(Arc::new(Self { cert_file: cert_file.clone(), key_file: key_file.clone(), current })))
    }

    /// What connections are taken with.
    ///
    /// # Errors
    /// When the TLS library has no protocol in common with itself.
    pub fn acceptor(self: &Arc<Self>) -> anyhow::Result<TlsAcceptor> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .context("cannot set up TLS")?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Reads the files again whenever they change; ends only when dropped. What cannot be used is said, and the
    /// certificate from before stays.
    pub async fn follow(self: Arc<Self>) {
        let mut looks = tokio::time::interval(LOOK);
        let mut problem = String::new();
        loop {
            looks.tick().await;
            let this = Arc::clone(&self);
            let outcome = tokio::task::spawn_blocking(move || this.look()).await.context("cannot look");
            match outcome.flatten() {
                Ok(true) => tracing::info!("serving the new certificate of {}", self.cert_file.display()),
                Ok(false) => problem.clear(),
                Err(error) => {
                    let text = format!("{error:#}");
                    if text != problem {
                        tracing::warn!("the certificate from before stays: {text}");
                        problem = text;
                    }
                }
            }
        }
    }

    /// Whether there was another certificate.
    fn look(&self) -> anyhow::Result<bool> {
        let read = read(&self.cert_file, &self.key_file)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let other = current.from != read.from;
        if other {
            *current = read;
        }
        Ok(other)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).key))
    }
}

fn read(cert_file: &Path, key_file: &Path) -> anyhow::Result<Loaded> {
    let file = |key: &str, path: &Path| {
        std::fs::read(path).with_context(|| format!("[http] cannot read {key} {}", path.display()))
    };
    let (cert, key) = (file("cert_file", cert_file)?, file("key_file", key_file)?);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&cert)
        .collect::<Result<_, _>>()
        .with_context(|| format!("[http] cert_file {} is not PEM", cert_file.display()))?;
    ensure!(!chain.is_empty(), "[http] cert_file {} holds no certificate", cert_file.display());
    let private = PrivateKeyDer::from_pem_slice(&key)
        .with_context(|| format!("[http] key_file {} holds no private key in PEM", key_file.display()))?;
    let certified: Result<_, rustls::Error> = CertifiedKey::from_der(chain, private, &default_provider());
    let certified = certified.with_context(|| {
        format!(
            "[http] cert_file {} and key_file {} do not go together",
            cert_file.display(),
            key_file.display()
        )
    })?;
    Ok(Loaded { key: Arc::new(certified), from: (cert, key) })
}
