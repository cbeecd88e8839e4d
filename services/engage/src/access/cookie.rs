//! [`Seal`]: signed cookies, and [`Session`]: what the one of a session says.
//!
//! `v1.{end}.{name}.{signature}` is of somebody who logged in with a password, `v2.{end}.{name}.{group}.{signature}`
//! of somebody who logged in at an OpenID provider; names and signatures in hexadecimal.

use ring::hmac;
use ring::rand::SystemRandom;

/// Longest session cookie that is looked at, bytes.
const LONGEST: usize = 512;

/// What the signature of a session is for.
const SESSION: &str = "session";

/// The key that cookies are signed with.
#[derive(Debug)]
pub(super) struct Seal(hmac::Key);

impl Seal {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    pub(super) fn random() -> Result<Self, ring::error::Unspecified> {
        hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map(Self)
    }

    /// `text` with a signature for `purpose`. What it is `bound` to is signed too, but not in it.
    pub(super) fn seal(&self, purpose: &str, text: &str, bound: &str) -> String {
        format!("{text}.{}", hex::encode(self.derive(purpose, text, bound)))
    }

    /// Whether `sealed` was made by [`Seal::seal`], with the same purpose and bound to the same.
    pub(super) fn is_genuine(&self, purpose: &str, sealed: &str, bound: &str) -> bool {
        let signed = sealed.rsplit_once('.');
        signed.is_some_and(|(text, signature)| self.is_derived(purpose, text, bound, signature))
    }

    /// 32 bytes that only who has the key can tell from purpose and text.
    pub(super) fn derive(&self, purpose: &str, text: &str, bound: &str) -> impl AsRef<[u8]> {
        hmac::sign(&self.0, message(purpose, text, bound).as_bytes())
    }

    /// Whether `hexadecimal` is what [`Seal::derive`] gives.
    pub(super) fn is_derived(&self, purpose: &str, text: &str, bound: &str, hexadecimal: &str) -> bool {
        // the text itself counts, not what it can be read as
        let plain = hexadecimal.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let Ok(bytes) = hex::decode(hexadecimal) else { return false };
        plain && hmac::verify(&self.0, message(purpose, text, bound).as_bytes(), &bytes).is_ok()
    }
}

fn message(purpose: &str, text: &str, bound: &str) -> String {
    format!("people-counter {purpose}\n{text}\n{bound}")
}

/// Whose session it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Session {
    pub(super) name: String,
    /// The group that lets them in who logged in at an OpenID provider.
    pub(super) group: Option<String>,
    /// Unix seconds.
    pub(super) until: f64,
}

impl Session {
    /// The cookie. It is bound to the hash of the password, so that another password ends the session, or to the
    /// OpenID provider.
    pub(super) fn cookie(&self, seal: &Seal, bound: &str) -> String {
        let Self { name, group, until } = self;
        let name = hex::encode(name);
        let text = match group {
            None => format!("v1.{until}.{name}"),
            Some(group) => format!("v2.{until}.{name}.{}", hex::encode(group)),
        };
        seal.seal(SESSION, &text, bound)
    }

    /// What a cookie says; to be believed only if it [`is_genuine`](Self::is_genuine).
    pub(super) fn read(cookie: &str) -> Option<Self> {
        if cookie.len() > LONGEST {
            return None;
        }
        let (until, name, group) = match *cookie.split('.').collect::<Vec<_>>() {
            ["v1", until, name, _] => (until, name, None),
            ["v2", until, name, group, _] => (until, name, Some(text(group)?)),
            _ => return None,
        };
        Some(Self { name: text(name)?, group, until: until.parse::<u64>().ok()? as f64 })
    }

    /// Whether `cookie` was made here.
    pub(super) fn is_genuine(seal: &Seal, cookie: &str, bound: &str) -> bool {
        seal.is_genuine(SESSION, cookie, bound)
    }
}

fn text(hexadecimal: &str) -> Option<String> {
    String::from_utf8(hex::decode(hexadecimal).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_names_fit() {
        let seal = Seal::new(b"key");
        let longest = Session { name: "n".repeat(64), group: Some("g".repeat(128)), until: 99_999_999_999.0 };
        let cookie = longest.cookie(&seal, "provider");
        assert_eq!(Session::read(&cookie), Some(longest));
        assert!(Session::is_genuine(&seal, &cookie, "provider"));
        assert!(!Session::is_genuine(&seal, &cookie, "another provider"));
        assert_eq!(Session::read(&cookie.replacen("v2", "v1", 1)), None, "a version has its parts");
    }

    #[test]
    fn what_is_sealed_is_for_one_purpose() {
        let seal = Seal::new(b"key");
        let sealed = seal.seal("login", "v1.9.61", "");
        assert!(seal.is_genuine("login", &sealed, ""));
        assert!(!Session::is_genuine(&seal, &sealed, ""));
        assert!(!Seal::new(b"other").is_genuine("login", &sealed, ""));
    }
}
