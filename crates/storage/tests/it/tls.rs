//! The embedded store behind TLS with an authority of one's own.

use std::sync::Arc;

use iot_sandbox::Certificates;
use iot_storage::{Config, Error, PutOptions, Store};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::{key, sandbox};

/// Ends TLS in front of `upstream`.
pub async fn front(certificates: &Certificates, upstream: std::net::SocketAddr) -> String {
    let chain = CertificateDer::pem_file_iter(certificates.server_cert()).unwrap();
    let chain = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(certificates.server_key()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that refuses the certificate ends the handshake.
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(upstream).await.unwrap();
                let _ended = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    format!("https://localhost:{port}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_the_suite_with_its_own_authority() {
    let certificates = Certificates::create().unwrap();
    let (server, config) = sandbox().await;
    let endpoint = front(&certificates, server.addr()).await;
    let ca_file = Some(certificates.ca());
    crate::suite::run(&config.with(|config| {
        config.endpoint = endpoint;
        config.ca_file = ca_file;
    }))
    .await;
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_and_explained() {
    let certificates = Certificates::create().unwrap();
    let (server, config) = sandbox().await;
    let endpoint = front(&certificates, server.addr()).await;
    let store = Store::new(&config.with(|config| config.endpoint = endpoint)).unwrap();
    let error = store.put(&key("a"), "x".into(), &PutOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }) && !error.is_transient(), "{error}");
    let text = error.to_string();
    assert!(text.contains("UnknownIssuer") && text.contains("set `ca_file`"), "{text}");
    assert!(text.ends_with("after 1 attempt"), "{text}");
}

#[tokio::test]
async fn a_plain_server_where_tls_is_expected_is_an_error() {
    let (server, config) = sandbox().await;
    let endpoint = format!("https://{}", server.addr());
    let error =
        Store::new(&config.with(|config| config.endpoint = endpoint)).unwrap().probe().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
}

#[test]
fn an_unusable_ca_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::default().with(|config| {
        config.bucket = "readings".into();
        config.access_key = Some("own".into());
        config.secret_key = Some("secret".into());
    });
    for (name, content) in [("missing.pem", None), ("empty.pem", Some("")), ("text.pem", Some("hello"))] {
        let path = folder.path().join(name);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let error =
            Store::new(&config.clone().with(|config| config.ca_file = Some(path))).unwrap_err().to_string();
        assert!(error.contains("`ca_file`") && error.contains(name), "{error}");
    }
}
