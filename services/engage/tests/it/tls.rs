//! TLS, and a certificate that is replaced while the service runs.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::stage::{Engage, Stage, eventually};

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output();
    let output = output.expect("openssl is missing: apt-get install openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

const NEW_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

fn authority(folder: &Path) {
    let named = ["-x509", "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem"];
    openssl(folder, &[&["req"], &NEW_KEY[..], &named[..]].concat());
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
        .unwrap();
}

/// Makes `cert.pem` and `key.pem` anew; both change in one step each.
fn certificate(folder: &Path) {
    let request = ["-subj", "/CN=localhost", "-keyout", "new.key", "-out", "new.csr"];
    openssl(folder, &[&["req"], &NEW_KEY[..], &request[..]].concat());
    let signed =
        ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-out", "new.pem"];
    openssl(folder, &[&["x509", "-req", "-days", "2", "-in", "new.csr"], &signed[..]].concat());
    std::fs::rename(folder.join("new.key"), folder.join("key.pem")).unwrap();
    std::fs::rename(folder.join("new.pem"), folder.join("cert.pem")).unwrap();
}

/// Connects as a client that trusts the authority.
async fn connect(engage: &Engage, folder: &Path) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(engage.addr).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap()
}

fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

async fn get(mut stream: TlsStream<TcpStream>, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // how the connection ends is not what this is about
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_served_by_tls_and_a_new_certificate_is_taken() {
    let stage = Stage::set().await;
    let folder = tempfile::tempdir().unwrap();
    authority(folder.path());
    certificate(folder.path());
    let mut config = stage.config();
    config.http.cert_file = Some(folder.path().join("cert.pem"));
    config.http.key_file = Some(folder.path().join("key.pem"));
    let engage = Engage::start(config).await;
    let first = connect(&engage, folder.path()).await;
    let before = shown(&first);
    let answer = get(first, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age=31536000"), "{answer}");
    let url = "wss://localhost/api/v1/stream";
    let (mut stream, _) =
        tokio_tungstenite::client_async(url, connect(&engage, folder.path()).await).await.unwrap();
    assert!(stream.next().await.unwrap().unwrap().to_string().contains("snapshot"));
    // without TLS there is nothing
    assert!(engage.http.get(format!("http://{}/healthz", engage.addr)).send().await.is_err());

    certificate(folder.path());
    eventually("the new certificate", async || {
        (shown(&connect(&engage, folder.path()).await) != before).then_some(())
    })
    .await;
    let after = shown(&connect(&engage, folder.path()).await);
    // half a file, and a key of another certificate: what was served goes on
    std::fs::write(folder.path().join("cert.pem"), "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    assert_eq!(shown(&connect(&engage, folder.path()).await), after);
    certificate(folder.path());
    eventually("the third certificate", async || {
        (shown(&connect(&engage, folder.path()).await) != after).then_some(())
    })
    .await;
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_used_is_named_at_the_start() {
    let stage = Stage::set().await;
    let folder = tempfile::tempdir().unwrap();
    authority(folder.path());
    certificate(folder.path());
    let cert = folder.path().join("cert.pem");
    let refused = async |cert: &Path, key: &Path| {
        let mut config = stage.config();
        (config.http.cert_file, config.http.key_file) = (Some(cert.into()), Some(key.into()));
        Engage::refused(config).await
    };
    let missing = refused(&cert, &folder.path().join("nowhere.pem")).await;
    assert!(missing.contains("key_file") && missing.contains("nowhere.pem"), "{missing}");
    let foreign = refused(&cert, &folder.path().join("ca.key")).await;
    assert!(foreign.contains("do not go together"), "{foreign}");
    let empty = refused(&folder.path().join("names"), &folder.path().join("key.pem")).await;
    assert!(empty.contains("holds no certificate"), "{empty}");
}
