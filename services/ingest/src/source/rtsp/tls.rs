//! [`Tunnel`]: RTSP within TLS.
//!
//! retina opens its connections itself and speaks plain TCP. So TLS ends here, and retina is given an address of this
//! machine that leads to the camera, for one connection. What it asks the camera for then names that address: cameras
//! look at the path, and answer with URLs of their own.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::config;
use crate::source::Trouble;

/// The port of `rtsps://` where the url names none.
const PORT: u16 = 322;

/// The way into TLS for cameras whose url asks for it.
#[derive(Clone)]
pub struct Tls(TlsConnector);

/// A connection to a camera, and the address of this machine that leads there until this is dropped.
pub struct Tunnel {
    url: Url,
    _relay: JoinSet<()>,
}

impl Tls {
    /// What `camera` asks for; `None`: no TLS.
    ///
    /// # Errors
    /// `ca_file` cannot be used.
    pub fn new(camera: &config::RtspCamera) -> anyhow::Result<Option<Self>> {
        if camera.url.bare().scheme() != "rtsps" {
            return Ok(None);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .context("cannot use TLS")?;
        let client = if camera.verify_certificate {
            builder.with_root_certificates(roots(camera.ca_file.as_deref())?)
        } else {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)))
        };
        Ok(Some(Self(TlsConnector::from(Arc::new(client.with_no_client_auth())))))
    }

    /// Connects to the camera at `url`.
    ///
    /// # Errors
    /// It does not answer, does not speak TLS, or shows a certificate that is not trusted.
    pub async fn connect(&self, url: &Url) -> Result<Tunnel, Trouble> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Trouble::new("the host in the url can be neither a name nor an address"))?;
        let plain = TcpStream::connect((host, url.port().unwrap_or(PORT))).await;
        let plain = plain.map_err(|error| Trouble::network(&error))?;
        let mut far = self.0.connect(name, plain).await.map_err(|error| Trouble::network(&error))?;

        let here = |error: std::io::Error| {
            Trouble::new(format!("this machine has no room for a connection: {error}"))
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(here)?;
        let address = listener.local_addr().map_err(here)?;
        let mut local = url.clone();
        let changed = local.set_scheme("rtsp").is_ok()
            && local.set_ip_host(address.ip()).is_ok()
            && local.set_port(Some(address.port())).is_ok();
        if !changed {
            return Err(Trouble::new("the url cannot be used, it looks like rtsps://camera/path"));
        }
        let mut relay = JoinSet::new();
        relay.spawn(async move {
            let relaying = async {
                let (mut near, _) = listener.accept().await?;
                drop(listener);
                copy_bidirectional(&mut near, &mut far).await
            };
            if let Err(error) = relaying.await {
                // who reads from it hears that the connection is closed, and says so
                tracing::debug!("the connection to the camera within TLS ended: {error}");
            }
        });
        Ok(Tunnel { url: local, _relay: relay })
    }
}

impl Tunnel {
    /// Where the camera is reached without TLS.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

/// The system's authorities, and those in `own`.
fn roots(own: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!("a certificate authority of the system cannot be read: {error}");
    }
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = own {
        let problem = || format!("cannot use the certificates in {}", path.display());
        let certificates: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(path).with_context(problem)?.collect();
        let certificates = certificates.with_context(problem)?;
        anyhow::ensure!(!certificates.is_empty(), "there is no certificate in {}", path.display());
        for certificate in certificates {
            roots.add(certificate).with_context(problem)?;
        }
    }
    Ok(roots)
}

/// Takes any certificate, because `verify_certificate = false` says so.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
