//! Where the keys come from, and when they are read again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use s3::creds::Credentials;
use s3::{Bucket, Region};

use crate::{Config, ConfigError, Error};

/// How long a file's content is taken for granted. Reading a few hundred bytes once a second costs
/// nothing, and unlike a look at the modification time it misses no change.
const FRESH: Duration = Duration::from_secs(1);

/// A bucket with the credentials to sign for it; compare with [`Arc::ptr_eq`].
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) bucket: Bucket,
    pub(crate) access_key: String,
}

#[derive(Debug)]
enum Source {
    /// From the configuration or the environment: never changes.
    Fixed,
    /// `secret_key_file`
    SecretFile { path: PathBuf, access_key: String, session_token: Option<String> },
    /// `credentials_file`
    ProfileFile { path: PathBuf, profile: String },
    /// `instance_role`; rust-s3 renews these itself when they expire.
    Role,
}

struct State {
    signer: Option<Arc<Signer>>,
    /// What the file held when `signer` was made of it.
    content: String,
    checked: Instant,
}

pub(crate) struct Keyring {
    source: Source,
    /// The bucket as it is addressed, still without credentials.
    bucket: Bucket,
    state: Mutex<State>,
    /// Held while a role is asked for, so that many waiting requests ask once.
    asking: tokio::sync::Mutex<()>,
}

impl Keyring {
    /// Reads the credentials, except those of a role, which are asked for by the first request.
    /// `environment` looks up a variable.
    pub(crate) fn new(config: &Config, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let (source, fixed) = choose(config, environment)?;
        let keyring = Self {
            source,
            bucket: address(config)?,
            state: Mutex::new(State { signer: None, content: String::new(), checked: Instant::now() }),
            asking: tokio::sync::Mutex::new(()),
        };
        match fixed {
            Some(credentials) => keyring.lock().signer = Some(keyring.sign_with(credentials)),
            None if matches!(keyring.source, Source::Role) => {}
            None => {
                keyring.read_file(&mut keyring.lock())?;
            }
        }
        Ok(keyring)
    }

    /// The credentials to sign the next attempt with.
    pub(crate) async fn signer(&self) -> Result<Arc<Signer>, Error> {
        if let Some(signer) = self.current() {
            return Ok(signer);
        }
        let _asking = self.asking.lock().await;
        if let Some(signer) = self.current() {
            return Ok(signer);
        }
        self.ask_role().await
    }

    /// Looks for other credentials after `refused` were refused; whether there are some.
    pub(crate) async fn renew(&self, refused: &Arc<Signer>) -> bool {
        match self.source {
            Source::Fixed => false,
            Source::SecretFile { .. } | Source::ProfileFile { .. } => {
                let mut state = self.lock();
                self.read_file_or_warn(&mut state);
                state.signer.as_ref().is_some_and(|signer| !Arc::ptr_eq(signer, refused))
            }
            Source::Role => {
                let _asking = self.asking.lock().await;
                let other = self.lock().signer.as_ref().is_some_and(|signer| !Arc::ptr_eq(signer, refused));
                // A role keeps its keys for hours: those just issued again are the same ones.
                other || self.ask_role().await.is_ok_and(|signer| signer.access_key != refused.access_key)
            }
        }
    }

    fn current(&self) -> Option<Arc<Signer>> {
        let mut state = self.lock();
        let file = matches!(self.source, Source::SecretFile { .. } | Source::ProfileFile { .. });
        if file && state.checked.elapsed() >= FRESH {
            self.read_file_or_warn(&mut state);
        }
        state.signer.clone()
    }

    /// Keeps the credentials there are when the file is gone or unreadable for a while, as while
    /// it is being replaced.
    fn read_file_or_warn(&self, state: &mut State) {
        match self.read_file(state) {
            Ok(true) => tracing::info!(source = %self.source_name(), "storage credentials changed"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "keeping the storage credentials read before"),
        }
    }

    /// Reads the file again; whether it changed.
    fn read_file(&self, state: &mut State) -> Result<bool, Error> {
        state.checked = Instant::now();
        let (Source::SecretFile { path, .. } | Source::ProfileFile { path, .. }) = &self.source else {
            return Ok(false);
        };
        let content = std::fs::read_to_string(path).map_err(|error| self.unusable(&error.to_string()))?;
        if state.signer.is_some() && content == state.content {
            return Ok(false);
        }
        let credentials = self.parse(path, &content)?;
        state.signer = Some(self.sign_with(credentials));
        state.content = content;
        Ok(true)
    }

    fn parse(&self, path: &Path, content: &str) -> Result<Credentials, Error> {
        match &self.source {
            Source::SecretFile { access_key, session_token, .. } => {
                let secret = content.trim();
                if secret.is_empty() || secret.contains(char::is_whitespace) {
                    return Err(self.unusable("it must hold the secret key and nothing else"));
                }
                Ok(fixed(access_key, secret, session_token.as_deref()))
            }
            Source::ProfileFile { profile, .. } => Credentials::from_credentials_file(path, Some(profile))
                .map_err(|error| {
                    self.unusable(&format!(
                        "{error}: it needs a section [{profile}] with aws_access_key_id and aws_secret_access_key"
                    ))
                }),
            Source::Fixed | Source::Role => Err(self.unusable("not a file")),
        }
    }

    async fn ask_role(&self) -> Result<Arc<Signer>, Error> {
        let answer = tokio::task::spawn_blocking(|| {
            Credentials::from_sts_env("iot-storage")
                .or_else(|_| Credentials::from_container_credentials_provider())
                .or_else(|_| Credentials::from_instance_metadata_v2(false))
        });
        let credentials =
            answer.await.map_err(|error| self.unusable(&error.to_string()))?.map_err(|error| {
                self.unusable(&format!("{error}: give this machine a role, or set access_key"))
            })?;
        let signer = self.sign_with(credentials);
        self.lock().signer = Some(signer.clone());
        Ok(signer)
    }

    fn sign_with(&self, credentials: Credentials) -> Arc<Signer> {
        let access_key = credentials.access_key.clone().unwrap_or_default();
        let mut bucket = self.bucket.clone();
        bucket.set_credentials(credentials);
        Arc::new(Signer { bucket, access_key })
    }

    fn unusable(&self, reason: &str) -> Error {
        Error::Credentials { source_name: self.source_name(), reason: reason.to_owned() }
    }

    fn source_name(&self) -> String {
        match &self.source {
            Source::Fixed => "the configuration".into(),
            Source::SecretFile { path, .. } | Source::ProfileFile { path, .. } => path.display().to_string(),
            Source::Role => "the instance's role".into(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds this lock leaves the state half changed.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The source that the configuration names, with the credentials where they never change.
fn choose(
    config: &Config,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(Source, Option<Credentials>), Error> {
    let token = config.session_token.as_deref();
    if let Some(access_key) = config.access_key.as_deref() {
        let source = match (&config.secret_key, &config.secret_key_file) {
            (Some(secret), _) => return Ok((Source::Fixed, Some(fixed(access_key, secret, token)))),
            (None, Some(path)) => Source::SecretFile {
                path: path.clone(),
                access_key: access_key.to_owned(),
                session_token: config.session_token.clone(),
            },
            (None, None) => return Err(ConfigError::new("secret_key", "is missing").into()),
        };
        return Ok((source, None));
    }
    if let Some(path) = &config.credentials_file {
        return Ok((Source::ProfileFile { path: path.clone(), profile: config.profile.clone() }, None));
    }
    if config.instance_role {
        return Ok((Source::Role, None));
    }
    let variable = |name| environment(name).filter(|value| !value.is_empty());
    match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        (Some(access_key), Some(secret)) => {
            let token = variable("AWS_SESSION_TOKEN");
            Ok((Source::Fixed, Some(fixed(&access_key, &secret, token.as_deref()))))
        }
        _ => Err(ConfigError::new(
            "access_key",
            "no credentials: set access_key with secret_key or secret_key_file, or credentials_file, \
             or instance_role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
        .into()),
    }
}

fn fixed(access_key: &str, secret: &str, token: Option<&str>) -> Credentials {
    Credentials::new(Some(access_key), Some(secret), None, token, None)
        .expect("nothing is looked up when an access key is given")
}

fn address(config: &Config) -> Result<Bucket, Error> {
    let region = Region::Custom {
        region: config.region.clone(),
        endpoint: config.endpoint.trim_end_matches('/').to_owned(),
    };
    let bucket = Bucket::new(&config.bucket, region, fixed("", "", None))
        .map_err(|error| ConfigError::new("bucket", error.to_string()))?;
    Ok(if config.path_style { *bucket.with_path_style() } else { *bucket })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config { bucket: "readings".into(), ..Config::default() }
    }

    async fn keys(keyring: &Keyring) -> (String, String) {
        let signer = keyring.signer().await.unwrap();
        let secret = signer.bucket.secret_key().await.unwrap().unwrap();
        (signer.access_key.clone(), secret)
    }

    #[tokio::test]
    async fn from_the_configuration_before_the_environment() {
        let environment = |name: &str| Some(format!("environment's {name}"));
        let keyring = Keyring::new(&config(), environment).unwrap();
        let from_environment =
            ("environment's AWS_ACCESS_KEY_ID".into(), "environment's AWS_SECRET_ACCESS_KEY".into());
        assert_eq!(keys(&keyring).await, from_environment);
        let token = keyring.signer().await.unwrap().bucket.session_token().await.unwrap();
        assert_eq!(token.as_deref(), Some("environment's AWS_SESSION_TOKEN"));

        let own = Config { access_key: Some("own".into()), secret_key: Some("secret".into()), ..config() };
        let keyring = Keyring::new(&own, environment).unwrap();
        assert_eq!(keys(&keyring).await, ("own".into(), "secret".into()));
        assert!(!keyring.renew(&keyring.signer().await.unwrap()).await);
    }

    #[test]
    fn none_at_all_is_said_at_once() {
        let error = Keyring::new(&config(), |_| None).err().unwrap().to_string();
        assert!(error.contains("secret_key_file") && error.contains("AWS_ACCESS_KEY_ID"), "{error}");
    }

    #[tokio::test]
    async fn a_secret_file_is_read_again_after_a_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "first\n").unwrap();
        let config =
            Config { access_key: Some("own".into()), secret_key_file: Some(path.clone()), ..config() };
        let keyring = Keyring::new(&config, |_| None).unwrap();
        let refused = keyring.signer().await.unwrap();
        assert!(!keyring.renew(&refused).await, "nothing has changed yet");

        std::fs::write(&path, "second").unwrap();
        assert!(keyring.renew(&refused).await);
        assert_eq!(keys(&keyring).await.1, "second");

        std::fs::write(&path, "").unwrap();
        let signer = keyring.signer().await.unwrap();
        assert!(!keyring.renew(&signer).await, "an empty file does not replace good credentials");
        assert_eq!(keys(&keyring).await.1, "second");
    }

    #[tokio::test]
    async fn a_profile_file_is_read_again_in_passing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        let write = |id: &str| {
            let text = format!("[cellar]\naws_access_key_id = {id}\naws_secret_access_key = s\n");
            std::fs::write(&path, text).unwrap();
        };
        write("one");
        let config = Config { credentials_file: Some(path.clone()), profile: "cellar".into(), ..config() };
        let keyring = Keyring::new(&config, |_| None).unwrap();
        assert_eq!(keys(&keyring).await.0, "one");
        write("two");
        keyring.lock().checked -= FRESH;
        assert_eq!(keys(&keyring).await.0, "two");

        let other = Config { profile: "attic".into(), ..config };
        let error = Keyring::new(&other, |_| None).err().unwrap().to_string();
        assert!(error.contains("section [attic]"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let config = Config {
            access_key: Some("own".into()),
            secret_key_file: Some("/nonexistent/secret".into()),
            ..config()
        };
        let error = Keyring::new(&config, |_| None).err().unwrap().to_string();
        assert!(error.starts_with("credentials from /nonexistent/secret: "), "{error}");
    }
}
