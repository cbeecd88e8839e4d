//! [`Seal`]: signed session cookies, `v1.{end}.{name}.{signature}`, name and signature in hexadecimal.

use ring::hmac;
use ring::rand::SystemRandom;

/// Longest cookie that is looked at, bytes.
const LONGEST: usize = 512;

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

    /// A cookie for `name` until then. The password's hash is signed too, so that another password ends the
    /// session.
    pub(super) fn cookie(&self, name: &str, until: f64, password_hash: &str) -> String {
        let claim = format!("v1.{until}.{}", hex::encode(name));
        let signature = hmac::sign(&self.0, signed(&claim, password_hash).as_bytes());
        format!("{claim}.{}", hex::encode(signature))
    }

    /// Whether `cookie` was made here.
    pub(super) fn is_genuine(&self, cookie: &str, password_hash: &str) -> bool {
        let Some((claim, signature)) = cookie.rsplit_once('.') else { return false };
        // the text itself counts, not what it can be read as
        let plain = signature.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let Ok(signature) = hex::decode(signature) else { return false };
        plain && hmac::verify(&self.0, signed(claim, password_hash).as_bytes(), &signature).is_ok()
    }
}

fn signed(claim: &str, password_hash: &str) -> String {
    format!("people-counter session\n{claim}\n{password_hash}")
}

/// Name and end of a cookie; to be believed only if it is genuine.
pub(super) fn parts(cookie: &str) -> Option<(String, f64)> {
    if cookie.len() > LONGEST {
        return None;
    }
    let [version, until, name, _] = cookie.split('.').collect::<Vec<_>>().try_into().ok()?;
    let name = String::from_utf8(hex::decode(name).ok()?).ok()?;
    let until = until.parse::<u64>().ok()?;
    (version == "v1").then_some((name, until as f64))
}
