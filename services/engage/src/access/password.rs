//! Passwords and tokens, of which only hashes are kept.

use anyhow::{Context, anyhow, ensure};
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

/// The hash of a password that nobody knows, with the parameters of [`hash_password`].
pub(super) const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA\
     $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Longest password, bytes: hashing takes longer for longer ones.
pub(super) const LONGEST: usize = 1024;

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow!("the system has no random numbers"))?;
    Ok(bytes)
}

/// The hash of a password for the configuration: argon2id with 19 MiB, two passes and a random salt.
///
/// # Errors
/// When the password is empty or longer than 1,024 bytes.
pub fn hash_password(password: &str) -> anyhow::Result<String> {
    ensure!(!password.is_empty(), "the password is empty, type one and a line end");
    ensure!(password.len() <= LONGEST, "the password is longer than {LONGEST} bytes, use a shorter one");
    let salt =
        SaltString::encode_b64(&random::<16>()?).map_err(|error| anyhow!("cannot make a salt: {error}"))?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(|error| anyhow!("cannot hash the password: {error}"))?.to_string())
}

/// A new random token and its hash for the configuration.
///
/// # Errors
/// When the system has no random numbers.
pub fn new_token() -> anyhow::Result<(String, String)> {
    let token = hex::encode(random::<32>().context("cannot make a token")?);
    let hash = hex::encode(digest(&SHA256, token.as_bytes()));
    Ok((token, hash))
}

/// Whether `hash` is of argon2id and can be used.
pub(super) fn is_hash(hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        hash.algorithm == Algorithm::Argon2id.ident() && hash.hash.is_some() && hash.salt.is_some()
    })
}

/// Whether the password is the one that was hashed.
pub(super) fn verify(password: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    password.len() <= LONGEST && Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_one_password() {
        let hash = hash_password("päss word").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && is_hash(&hash), "{hash}");
        assert!(verify("päss word", &hash));
        for wrong in ["", "pass word", "päss word ", "Päss word"] {
            assert!(!verify(wrong, &hash), "{wrong:?}");
        }
        assert_ne!(hash, hash_password("päss word").unwrap(), "the salt is another one");
        assert!(hash_password("").is_err() && hash_password(&"x".repeat(LONGEST + 1)).is_err());
    }

    #[test]
    fn a_hash_that_another_program_made_is_taken() {
        // argon2 command, libargon2 20171227: echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1 -e
        let foreign =
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(is_hash(foreign) && verify("password", foreign) && !verify("passwort", foreign));
    }

    #[test]
    fn what_is_no_hash_of_argon2id_is_refused() {
        assert!(is_hash(NOBODY) && !verify("", NOBODY));
        for bad in [
            "",
            "secret",
            "$2b$12$abc",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ",
            "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        ] {
            assert!(!is_hash(bad), "{bad}");
        }
    }

    #[test]
    fn a_token_comes_with_its_hash() {
        let (token, hash) = new_token().unwrap();
        assert_eq!((token.len(), hash.len()), (64, 64));
        assert_eq!(hash, hex::encode(digest(&SHA256, token.as_bytes())));
        assert_ne!(token, new_token().unwrap().0);
    }
}
