//! [`Settings`]: who may see what, as it is configured.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize, Serializer};

use super::Role;
use super::oidc::Provider;
use super::password::is_hash;
use crate::state::Scope;

/// Shortest key for session cookies, bytes.
const SHORTEST_KEY: usize = 32;

/// Most users and tokens.
const MOST: usize = 1_000;

/// Access control: off while there are neither users nor tokens nor an OpenID provider.
#[derive(Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Key that session cookies are signed with, the same for every replica; by default a random one.
    #[serde(serialize_with = "redacted", skip_serializing_if = "Option::is_none")]
    pub session_key: Option<String>,
    /// File with that key.
    pub session_key_file: Option<PathBuf>,
    /// How long a login holds.
    #[serde(with = "humantime_serde")]
    pub session_length: Duration,
    /// Let browsers send the session cookie without TLS too.
    pub plain_cookies: bool,
    /// Where people log in who have no password here.
    pub oidc: Option<Provider>,
    /// People.
    pub users: Vec<User>,
    /// Programs.
    pub tokens: Vec<Token>,
}

/// Somebody who logs in with a password.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Their name.
    pub name: String,
    /// The password's hash, as `people-counter-engage hash-password` prints it.
    #[serde(serialize_with = "redacted_text")]
    pub password_hash: String,
    /// What they may do.
    pub role: Role,
    /// The devices they may see: patterns of ids with `*` and `?`.
    #[serde(default = "everything")]
    pub devices: Vec<String>,
}

/// A program that sends a token.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Its name.
    pub name: String,
    /// SHA-256 of the token, as `people-counter-engage new-token` prints it.
    #[serde(serialize_with = "redacted_text")]
    pub sha256: String,
    /// What it may do.
    pub role: Role,
    /// The devices it may see: patterns of ids with `*` and `?`.
    #[serde(default = "everything")]
    pub devices: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            session_key: None,
            session_key_file: None,
            session_length: Duration::from_secs(12 * 3600),
            plain_cookies: false,
            oidc: None,
            users: Vec::new(),
            tokens: Vec::new(),
        }
    }
}

impl Settings {
    /// Whether there is any access control.
    pub fn is_on(&self) -> bool {
        !self.users.is_empty() || !self.tokens.is_empty() || self.oidc.is_some()
    }

    /// Checks everything that can be said without I/O.
    ///
    /// # Errors
    /// One sentence that names the key and says what to do.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.session_key.is_none() || self.session_key_file.is_none(),
            "[access] session_key and session_key_file are both set, keep one"
        );
        if let Some(key) = &self.session_key {
            check_key(key)?;
        }
        ensure!(
            (1..=366 * 24 * 3600).contains(&self.session_length.as_secs()),
            "[access] session_length must be between 1s and 1year"
        );
        ensure!(
            self.users.len() + self.tokens.len() <= MOST,
            "[access] has more than {MOST} users and tokens"
        );
        let mut names = BTreeSet::new();
        let people = self.users.iter().map(|user| (&user.name, &user.devices));
        let programs = self.tokens.iter().map(|token| (&token.name, &token.devices));
        for (name, devices) in people.chain(programs) {
            let plain = !name.chars().any(char::is_control) && (1..=64).contains(&name.len());
            ensure!(plain, "[access] name {name:?} must have 1 to 64 bytes and no control characters");
            ensure!(names.insert(name), "[access] name {name:?} is there twice");
            ensure!(!devices.is_empty(), "[access] {name} has no devices, write [\"*\"] for all");
            Scope::new(devices).with_context(|| format!("[access] devices of {name}"))?;
        }
        for User { name, password_hash, .. } in &self.users {
            ensure!(
                is_hash(password_hash),
                "[access] password_hash of {name} is no hash of argon2id, make one with: people-counter-engage \
                 hash-password"
            );
        }
        let mut digests = BTreeSet::new();
        for Token { name, sha256, .. } in &self.tokens {
            let digest = digest_of(sha256).with_context(|| {
                format!(
                    "[access] sha256 of {name} is no SHA-256 in hexadecimal, make one with: people-counter-engage \
                     new-token"
                )
            })?;
            ensure!(digests.insert(digest), "[access] {name} has the same token as another");
        }
        self.oidc.as_ref().map_or(Ok(()), Provider::check)
    }

    /// The session key, if there is one.
    ///
    /// # Errors
    /// When its file cannot be read, or it is too short.
    pub(super) fn session_key(&self) -> anyhow::Result<Option<String>> {
        let Some(path) = &self.session_key_file else { return Ok(self.session_key.clone()) };
        let key = std::fs::read_to_string(path)
            .with_context(|| format!("[access] cannot read session_key_file {}", path.display()))?;
        let key = key.trim_end_matches(['\r', '\n']).to_owned();
        check_key(&key)?;
        Ok(Some(key))
    }
}

fn check_key(key: &str) -> anyhow::Result<()> {
    ensure!(
        key.len() >= SHORTEST_KEY,
        "[access] session_key must have at least {SHORTEST_KEY} bytes, make one with: openssl rand -hex 32"
    );
    Ok(())
}

/// The bytes of a SHA-256 in hexadecimal.
pub(super) fn digest_of(text: &str) -> Option<Vec<u8>> {
    hex::decode(text).ok().filter(|bytes| bytes.len() == 32)
}

pub(super) fn everything() -> Vec<String> {
    vec!["*".into()]
}

const HIDDEN: &str = "***";

fn redacted<S: Serializer>(_: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(HIDDEN)
}

fn redacted_text<S: Serializer>(_: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(HIDDEN)
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("session_key", &self.session_key.as_ref().map(|_| HIDDEN))
            .field("session_key_file", &self.session_key_file)
            .field("session_length", &self.session_length)
            .field("plain_cookies", &self.plain_cookies)
            .field("oidc", &self.oidc)
            .field("users", &self.users)
            .field("tokens", &self.tokens)
            .finish()
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({:?}, {:?}, {:?})", self.name, self.role, self.devices)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:?}, {:?}, {:?})", self.name, self.role, self.devices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    fn read(text: &str) -> Result<Settings, toml::de::Error> {
        toml::from_str(&text.replace("HASH", HASH).replace("DIGEST", &"ab".repeat(32)))
    }

    const GOOD: &str = r#"
        session_key = "0123456789abcdef0123456789abcdef"
        [[users]]
        name = "anna"
        password_hash = "HASH"
        role = "administrator"
        [[tokens]]
        name = "grafana"
        sha256 = "DIGEST"
        role = "viewer"
        devices = ["lobby-*"]
    "#;

    #[test]
    fn each_mistake_is_named() {
        let good = read(GOOD).unwrap();
        good.check().unwrap();
        assert!(good.is_on() && good.users[0].devices == ["*"]);
        assert!(!Settings::default().is_on());
        for (from, to, expected) in [
            ("0123456789abcdef0123456789abcdef", "short", "session_key must have"),
            ("HASH", "secret", "hash-password"),
            ("DIGEST", "secret", "new-token"),
            ("\"grafana\"", "\"anna\"", "twice"),
            ("\"anna\"", "\"\"", "1 to 64 bytes"),
            ("[\"lobby-*\"]", "[]", "no devices"),
            ("[\"lobby-*\"]", "[\"a b\"]", "devices of grafana"),
            ("[[users]]", "session_length = \"0s\"\n[[users]]", "session_length"),
            ("[[users]]", "session_key_file = \"x\"\n[[users]]", "both set"),
        ] {
            let message = format!("{:#}", read(&GOOD.replace(from, to)).unwrap().check().unwrap_err());
            assert!(message.contains(expected), "{message}");
            assert!(message.starts_with("[access]"), "{message}");
        }
        for (from, to) in [("administrator", "root"), ("role =", "rolle ="), ("password_hash = \"HASH\"", "")]
        {
            assert!(read(&GOOD.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = read(GOOD).unwrap();
        let shown = format!("{settings:?} {}", toml::to_string(&settings).unwrap());
        for secret in [HASH, "0123456789abcdef", "abab"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("anna") && shown.contains("lobby-*"));
    }

    #[test]
    fn the_key_comes_from_a_file_too() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0123456789abcdef0123456789abcdef\n").unwrap();
        let settings = Settings { session_key_file: Some(file.path().into()), ..Settings::default() };
        assert_eq!(settings.session_key().unwrap().unwrap().len(), 32);
        std::fs::write(file.path(), "short\n").unwrap();
        assert!(settings.session_key().is_err());
        let missing = Settings { session_key_file: Some("nowhere".into()), ..Settings::default() };
        assert!(missing.session_key().unwrap_err().to_string().contains("nowhere"));
    }
}
