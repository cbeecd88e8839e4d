//! [`CameraUrl`]: where a network camera is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, ensure};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

use super::secret::Secret;

/// The URL of a network camera. It may hold a user name and a password; nothing that is printed of it does.
#[derive(Clone, PartialEq, Eq)]
pub struct CameraUrl(Url);

/// Who one is to a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password.
    pub password: Secret,
}

impl CameraUrl {
    /// The URL without user name and password.
    pub fn bare(&self) -> Url {
        let mut url = self.0.clone();
        // these fail for addresses that can have neither, which `from_str` refuses
        if url.set_username("").is_err() || url.set_password(None).is_err() {
            tracing::debug!("an address that cannot have a user name");
        }
        url
    }

    /// Scheme, host and port. Paths and queries of cameras hold passwords, too.
    pub fn host(&self) -> String {
        let url = &self.0;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
    }

    /// Checks that the scheme is one of `schemes`.
    ///
    /// # Errors
    /// Names them.
    pub fn check(&self, schemes: &[&str]) -> anyhow::Result<()> {
        let scheme = self.0.scheme();
        ensure!(
            schemes.contains(&scheme),
            "url starts with {scheme}://, where {}:// is needed",
            schemes.join(":// or ")
        );
        Ok(())
    }

    /// The credentials of a source: those that are configured, or those in the address.
    ///
    /// # Errors
    /// A password without a user name, two passwords, a file that cannot be read.
    pub fn credentials(
        &self,
        username: Option<&str>,
        password: Option<&Secret>,
        password_file: Option<&PathBuf>,
    ) -> anyhow::Result<Option<Credentials>> {
        Self::check_login(username, password, password_file)?;
        let password = match password_file {
            Some(file) => Some(Secret::from_file(file)?),
            None => password.cloned(),
        };
        if let Some(username) = username {
            let password = password.unwrap_or_else(|| Secret::from(""));
            return Ok(Some(Credentials { username: username.into(), password }));
        }
        if self.0.username().is_empty() {
            return Ok(None);
        }
        Ok(Some(Credentials {
            username: decoded(self.0.username()),
            password: Secret::from(decoded(self.0.password().unwrap_or_default()).as_str()),
        }))
    }

    /// Checks what can be said of a login without I/O.
    ///
    /// # Errors
    /// A password without a user name, or two passwords.
    pub fn check_login(
        username: Option<&str>,
        password: Option<&Secret>,
        password_file: Option<&PathBuf>,
    ) -> anyhow::Result<()> {
        ensure!(password.is_none() || password_file.is_none(), "give either password or password_file");
        let has_password = password.is_some() || password_file.is_some();
        ensure!(!has_password || username.is_some(), "there is a password but no username");
        Ok(())
    }
}

/// Text of a URL without its percent signs.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl FromStr for CameraUrl {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let url = Url::parse(text).context("the url cannot be read, it looks like http://camera/path")?;
        ensure!(url.has_host(), "the url has no host, it looks like http://camera/path");
        Ok(Self(url))
    }
}

impl fmt::Debug for CameraUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host())
    }
}

impl<'de> Deserialize<'de> for CameraUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: anyhow::Error| de::Error::custom(format!("{error:#}")))
    }
}

impl Serialize for CameraUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.host())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> CameraUrl {
        text.parse().unwrap()
    }

    #[test]
    fn credentials_come_from_the_configuration_or_the_address() {
        let with = address("http://us%40er:p%2Fw@camera:8080/video?x=1");
        let found = with.credentials(None, None, None).unwrap().unwrap();
        assert_eq!((found.username.as_str(), found.password.reveal()), ("us@er", "p/w"));
        assert_eq!(with.bare().as_str(), "http://camera:8080/video?x=1");
        let secret = Secret::from("own");
        let found = with.credentials(Some("me"), Some(&secret), None).unwrap().unwrap();
        assert_eq!((found.username.as_str(), found.password.reveal()), ("me", "own"));
        assert_eq!(address("http://camera/").credentials(None, None, None).unwrap(), None);

        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "from file\n").unwrap();
        let path = file.path().to_owned();
        let found = address("http://camera/").credentials(Some("me"), None, Some(&path)).unwrap().unwrap();
        assert_eq!(found.password.reveal(), "from file");
    }

    #[test]
    fn half_a_login_is_refused() {
        let secret = Secret::from("own");
        let path = PathBuf::from("/nowhere");
        for (username, password, file, words) in [
            (None, Some(&secret), None, "no username"),
            (Some("me"), Some(&secret), Some(&path), "either password or password_file"),
            (Some("me"), None, Some(&path), "/nowhere"),
        ] {
            let error = address("http://camera/").credentials(username, password, file).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn nothing_that_is_printed_tells_a_password() {
        let address = address("http://user:hunter2@camera:81/hunter2?pwd=hunter2");
        let printed = [format!("{address:?}"), serde_json::to_string(&address).unwrap(), address.host()];
        for text in printed {
            assert!(text.contains("http://camera:81") && !text.contains("hunter2"), "{text}");
        }
    }
}
