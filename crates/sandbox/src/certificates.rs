use crate::Error;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// An authority of one's own, a certificate for a server on this machine (`localhost`, 127.0.0.1) and one for a
/// client, as PEM files in a temporary folder that goes when this is dropped.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes keys and certificates.
    ///
    /// # Errors
    /// No temporary folder can be written.
    pub fn create() -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(|source| unusable(&std::env::temp_dir(), source))?;
        let made = make().map_err(|error| unusable(folder.path(), io::Error::other(error)))?;
        for (name, text) in made {
            let path = folder.path().join(name);
            std::fs::write(&path, text).map_err(|source| unusable(&path, source))?;
        }
        Ok(Self { folder })
    }

    /// The authority's certificate.
    pub fn ca(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// The server's certificate.
    pub fn server_cert(&self) -> PathBuf {
        self.file("server.pem")
    }

    /// The server's key.
    pub fn server_key(&self) -> PathBuf {
        self.file("server.key")
    }

    /// A client's certificate; its common name is `client`.
    pub fn client_cert(&self) -> PathBuf {
        self.file("client.pem")
    }

    /// That client's key.
    pub fn client_key(&self) -> PathBuf {
        self.file("client.key")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn unusable(path: &Path, source: io::Error) -> Error {
    Error::Folder { what: "certificates", path: path.into(), source }
}

fn make() -> Result<Vec<(&'static str, String)>, rcgen::Error> {
    let mut authority = named("authority", &[])?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let mut server = named("localhost", &["localhost", "127.0.0.1"])?;
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let mut client = named("client", &[])?;
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let (server_key, client_key) = (KeyPair::generate()?, KeyPair::generate()?);
    Ok(vec![
        ("ca.pem", authority.pem()),
        ("server.pem", server.signed_by(&server_key, &authority)?.pem()),
        ("server.key", server_key.serialize_pem()),
        ("client.pem", client.signed_by(&client_key, &authority)?.pem()),
        ("client.key", client_key.serialize_pem()),
    ])
}

fn named(common_name: &str, hosts: &[&str]) -> Result<CertificateParams, rcgen::Error> {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(params)
}
