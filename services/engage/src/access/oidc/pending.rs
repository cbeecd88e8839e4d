//! [`Pending`]: a login that is under way at the provider.
//!
//! All that its browser keeps is a signed cookie with a random handle. What goes to the provider (state, nonce, the
//! verifier of PKCE) is derived from the handle and the session key, so that any replica can go on with the login, and
//! neither the cookie nor the provider's answer is of use without the other.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::error::Unspecified;
use ring::rand::{SecureRandom, SystemRandom};

use crate::access::cookie::Seal;

/// How long somebody may take to log in at the provider, seconds.
pub(super) const SECONDS: u64 = 600;

/// Longest path to return to, bytes.
pub(super) const LONGEST_RETURN: usize = 1024;

/// Longest cookie that is looked at, bytes.
const LONGEST: usize = 2048;

/// What the signature of the cookie is for.
const LOGIN: &str = "login";

/// A login that was begun.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pending {
    /// Random, in hexadecimal.
    pub(super) handle: String,
    /// Unix seconds.
    pub(super) until: f64,
    /// Where to go afterwards; [`is_return`].
    pub(super) return_to: String,
}

/// Whether a path is one of this service: no other host, and nothing that a browser could read as one.
pub(super) fn is_return(path: &str) -> bool {
    let mut bytes = path.bytes();
    bytes.next() == Some(b'/')
        && !matches!(bytes.next(), Some(b'/' | b'\\'))
        && path.len() <= LONGEST_RETURN
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>'))
}

impl Pending {
    /// A login that returns to `path`, for which [`is_return`] holds.
    pub(super) fn new(path: &str, now: f64) -> Result<Self, Unspecified> {
        let mut handle = [0; 16];
        SystemRandom::new().fill(&mut handle)?;
        let until = now.floor() + SECONDS as f64;
        Ok(Self { handle: hex::encode(handle), until, return_to: path.to_owned() })
    }

    pub(super) fn cookie(&self, seal: &Seal) -> String {
        let path = BASE64_URL_SAFE_NO_PAD.encode(&self.return_to);
        seal.seal(LOGIN, &format!("{}.{}.{path}", self.handle, self.until), "")
    }

    /// The login of a cookie that was made here, unless it took too long.
    pub(super) fn open(seal: &Seal, cookie: &str, now: f64) -> Option<Self> {
        if cookie.len() > LONGEST || !seal.is_genuine(LOGIN, cookie, "") {
            return None;
        }
        let [handle, until, path, _] = cookie.split('.').collect::<Vec<_>>().try_into().ok()?;
        let path = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(path).ok()?).ok()?;
        let pending =
            Self { handle: handle.to_owned(), until: until.parse::<u64>().ok()? as f64, return_to: path };
        (now < pending.until).then_some(pending)
    }

    pub(super) fn state(&self, seal: &Seal) -> String {
        hex::encode(seal.derive("login state", &self.handle, ""))
    }

    /// Whether the provider's answer is to this login.
    pub(super) fn is_answered_by(&self, seal: &Seal, state: &str) -> bool {
        seal.is_derived("login state", &self.handle, "", state)
    }

    pub(super) fn nonce(&self, seal: &Seal) -> String {
        hex::encode(seal.derive("login nonce", &self.handle, ""))
    }

    /// The verifier of PKCE (RFC 7636).
    pub(super) fn verifier(&self, seal: &Seal) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(seal.derive("login verifier", &self.handle, ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: f64 = 1_790_000_000.25;

    #[test]
    fn only_paths_of_this_service_are_returned_to() {
        for good in ["/", "/?device=lobby-1", "/?q=%C3%A4&sort=-count", "/?q=\\", "/a/b.html"] {
            assert!(is_return(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "?q=a",
            "//evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/a\r\nset-cookie: b",
            "/\t/evil.example",
            "/ä",
            "/a b",
            "/#login=denied",
            &format!("/{}", "x".repeat(LONGEST_RETURN)),
        ] {
            assert!(!is_return(bad), "{bad}");
        }
    }

    #[test]
    fn a_login_is_known_by_its_cookie_for_a_while() {
        let seal = Seal::new(b"key");
        let longest = format!("/{}", "x".repeat(LONGEST_RETURN - 1));
        let pending = Pending::new(&longest, NOW).unwrap();
        let cookie = pending.cookie(&seal);
        assert_eq!(Pending::open(&seal, &cookie, NOW), Some(pending.clone()));
        assert_eq!(Pending::open(&seal, &cookie, NOW + 600.0), None, "it took too long");
        assert_eq!(Pending::open(&Seal::new(b"other"), &cookie, NOW), None);
        assert_eq!(Pending::open(&seal, &cookie.replacen('.', ".1", 1), NOW), None);
        assert_eq!(Pending::open(&seal, "", NOW), None);
    }

    #[test]
    fn an_answer_is_to_one_login() {
        let seal = Seal::new(b"key");
        let (one, other) = (Pending::new("/", NOW).unwrap(), Pending::new("/", NOW).unwrap());
        assert!(one.is_answered_by(&seal, &one.state(&seal)));
        for foreign in [other.state(&seal), one.nonce(&seal), one.handle.clone(), String::new()] {
            assert!(!one.is_answered_by(&seal, &foreign), "{foreign}");
        }
        let verifier = one.verifier(&seal);
        assert!((43..=128).contains(&verifier.len()), "{verifier}");
        assert!(!one.cookie(&seal).contains(&one.state(&seal)), "the cookie tells nothing of the rest");
    }
}
