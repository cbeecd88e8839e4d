//! [`Access`]: who may see what.

mod attempts;
mod cookie;
pub mod oidc;
mod password;
mod settings;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use crate::state::{Scope, ScopeID};
use attempts::Attempts;
use cookie::{Seal, Session};
use oidc::Oidc;

pub use password::{hash_password, new_token};
pub use settings::{Settings, Token, User};

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Viewer,
    /// Change what is shown to others, such as alerts.
    Operator,
    /// Remove devices.
    Administrator,
}

impl Role {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }
}

/// Somebody, as far as it matters here.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// The name of the user or token; `None` without access control.
    pub name: Option<String>,
    /// What they may do.
    pub role: Role,
    /// Which devices they may see.
    pub scope: ScopeID,
    /// When their session ends, Unix seconds.
    pub until: Option<f64>,
}

impl Identity {
    /// Whether they may see every device.
    pub fn sees_everything(&self) -> bool {
        self.scope == ScopeID::ALL
    }
}

/// Verifying a password takes some memory and time, so no more than this many are under way.
const VERIFICATIONS: usize = 2;

/// Logins that may wait for their turn.
const WAITING: usize = 16;

#[derive(Debug)]
struct Known {
    identity: Identity,
    password_hash: String,
}

/// Who did not get in, and why.
#[derive(Debug, PartialEq, Eq)]
pub enum Denied {
    /// Name or password are wrong.
    Wrong,
    /// Too many attempts; the seconds to wait.
    TooMany(u32),
}

/// The users and tokens, and the OpenID provider.
#[derive(Debug)]
pub struct Access {
    users: HashMap<String, Known>,
    /// By SHA-256 of the token.
    tokens: HashMap<Vec<u8>, Identity>,
    oidc: Option<Oidc>,
    seal: Seal,
    session_length: Duration,
    attempts: Attempts,
    verifications: Semaphore,
    logins: Semaphore,
}

impl Access {
    /// What `settings` say, and the scopes that they name. Reads the session key and looks for the other files.
    ///
    /// # Errors
    /// When a file cannot be read, or what [`Settings::check`] says.
    pub fn new(settings: &Settings) -> anyhow::Result<(Self, Vec<Scope>)> {
        settings.check()?;
        let mut scopes: Vec<Scope> = Vec::new();
        let mut scope_of = |patterns: &[String]| -> anyhow::Result<ScopeID> {
            let scope = Scope::new(patterns).context("[access] devices")?;
            if scope.is_everything() {
                return Ok(ScopeID::ALL);
            }
            let position = scopes.iter().position(|known| *known == scope).unwrap_or_else(|| {
                scopes.push(scope);
                scopes.len() - 1
            });
            Ok(ScopeID::listed(position))
        };
        let mut users = HashMap::new();
        for user in &settings.users {
            let scope = scope_of(&user.devices)?;
            let identity = Identity { name: Some(user.name.clone()), role: user.role, scope, until: None };
            users.insert(user.name.clone(), Known { identity, password_hash: user.password_hash.clone() });
        }
        let mut tokens = HashMap::new();
        for token in &settings.tokens {
            let scope = scope_of(&token.devices)?;
            let identity = Identity { name: Some(token.name.clone()), role: token.role, scope, until: None };
            let digest = settings::digest_of(&token.sha256).context("[access] sha256 is not a SHA-256")?;
            tokens.insert(digest, identity);
        }
        let oidc = settings.oidc.as_ref().map(|provider| Oidc::new(provider, &mut scope_of)).transpose()?;
        let seal = match settings.session_key()? {
            Some(key) => Seal::new(key.as_bytes()),
            None => {
                if !settings.users.is_empty() || oidc.is_some() {
                    tracing::warn!(
                        "[access] session_key is not set: sessions end with this process, and other replicas do \
                         not know them"
                    );
                }
                Seal::random()
                    .map_err(|_| anyhow!("cannot make a session key, the system has no random numbers"))?
            }
        };
        let access = Self {
            users,
            tokens,
            oidc,
            seal,
            session_length: settings.session_length,
            attempts: Attempts::new(),
            verifications: Semaphore::new(VERIFICATIONS),
            logins: Semaphore::new(WAITING),
        };
        Ok((access, scopes))
    }

    /// Whether there is any access control.
    pub fn is_on(&self) -> bool {
        !self.users.is_empty() || !self.tokens.is_empty() || self.oidc.is_some()
    }

    /// Who asks, by the token or the cookie of a request; `None` for nobody that is known.
    pub fn identify(&self, token: Option<&str>, cookie: Option<&str>, now: f64) -> Option<Identity> {
        if !self.is_on() {
            return Some(Identity {
                name: None,
                role: Role::Administrator,
                scope: ScopeID::ALL,
                until: None,
            });
        }
        if let Some(token) = token {
            return self.tokens.get(digest(&SHA256, token.as_bytes()).as_ref()).cloned();
        }
        let (cookie, session) = (cookie?, Session::read(cookie?)?);
        let until = session.until;
        let identity = match session.group {
            None => {
                let user = self.users.get(&session.name)?;
                let genuine = Session::is_genuine(&self.seal, cookie, &user.password_hash);
                genuine.then(|| user.identity.clone())
            }
            Some(_) => self.oidc.as_ref()?.identify(&self.seal, cookie, session),
        };
        (now < until).then_some(Identity { until: Some(until), ..identity? })
    }

    /// Lets a user in who knows the password.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn log_in(&self, peer: IpAddr, name: &str, password: String) -> Result<Identity, Denied> {
        self.attempts.take(peer).map_err(Denied::TooMany)?;
        let _place = self.logins.try_acquire().map_err(|_| Denied::TooMany(2))?;
        let _turn = self.verifications.acquire().await.map_err(|_| Denied::Wrong)?;
        let user = self.users.get(name);
        // somebody who does not exist takes as long as somebody with a wrong password
        let hash = user.map_or_else(|| password::NOBODY.to_owned(), |user| user.password_hash.clone());
        let right = tokio::task::spawn_blocking(move || password::verify(&password, &hash)).await;
        match (user, right) {
            (Some(user), Ok(true)) => {
                self.attempts.succeeded(peer);
                Ok(user.identity.clone())
            }
            _ => Err(Denied::Wrong),
        }
    }

    /// The text of a session cookie for a user, and how long it holds.
    pub fn session(&self, name: &str, now: f64) -> Option<(String, Duration)> {
        let user = self.users.get(name)?;
        let until = (now + self.session_length.as_secs_f64()).floor();
        let session = Session { name: name.to_owned(), group: None, until };
        Some((session.cookie(&self.seal, &user.password_hash), self.session_length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: f64 = 1_790_000_000.0;
    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn settings() -> Settings {
        Settings {
            session_key: Some("0123456789abcdef0123456789abcdef".into()),
            users: vec![User {
                name: "anna".into(),
                password_hash: hash_password("correct horse").unwrap(),
                role: Role::Operator,
                devices: vec!["lobby-*".into()],
            }],
            tokens: vec![Token {
                name: "grafana".into(),
                // of "secret"
                sha256: "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b".into(),
                role: Role::Viewer,
                devices: vec!["*".into()],
            }],
            ..Settings::default()
        }
    }

    fn access() -> Access {
        Access::new(&settings()).unwrap().0
    }

    #[test]
    fn without_users_and_tokens_everybody_may_do_everything() {
        let (access, scopes) = Access::new(&Settings::default()).unwrap();
        assert!(!access.is_on() && scopes.is_empty());
        let anybody = access.identify(None, None, NOW).unwrap();
        assert_eq!((anybody.role, anybody.sees_everything()), (Role::Administrator, true));
    }

    #[test]
    fn a_token_is_known_by_its_hash() {
        let access = access();
        let grafana = access.identify(Some("secret"), None, NOW).unwrap();
        assert_eq!((grafana.name.as_deref(), grafana.role), (Some("grafana"), Role::Viewer));
        assert_eq!(access.identify(Some("Secret"), None, NOW), None);
        assert_eq!(access.identify(Some(""), None, NOW), None);
        assert_eq!(access.identify(None, None, NOW), None);
    }

    #[tokio::test]
    async fn a_user_is_let_in_by_the_password_and_stays_by_the_cookie() {
        let access = access();
        let anna = access.log_in(PEER, "anna", "correct horse".into()).await.unwrap();
        assert_eq!((anna.role, anna.scope), (Role::Operator, ScopeID::listed(0)));
        for (name, password) in [("anna", "wrong"), ("anna", ""), ("nobody", "correct horse")] {
            assert_eq!(access.log_in(PEER, name, password.into()).await, Err(Denied::Wrong), "{name}");
        }
        let (cookie, length) = access.session("anna", NOW).unwrap();
        let known = access.identify(None, Some(&cookie), NOW).unwrap();
        assert_eq!((known.name.as_deref(), known.scope), (Some("anna"), anna.scope));
        assert_eq!(known.until, Some(NOW + length.as_secs_f64()));
        assert_eq!(access.identify(None, Some(&cookie), NOW + length.as_secs_f64()), None, "it has ended");
        assert_eq!(access.identify(Some("wrong"), Some(&cookie), NOW), None, "a wrong token is no token");
    }

    #[test]
    fn a_cookie_that_was_touched_or_is_another_keys_is_none() {
        let access = access();
        let (cookie, _) = access.session("anna", NOW).unwrap();
        for n in 0..cookie.len() {
            let mut touched = cookie.clone().into_bytes();
            touched[n] = if touched[n] == b'0' { b'1' } else { b'0' };
            let touched = String::from_utf8(touched).unwrap();
            assert_eq!(access.identify(None, Some(&touched), NOW), None, "{touched}");
        }
        for bad in ["", ".", "...", "v1.1.2.3", &cookie[..cookie.len() - 1], &format!("{cookie}0")] {
            assert_eq!(access.identify(None, Some(bad), NOW), None, "{bad:?}");
        }
        let mut other = settings();
        other.session_key = Some("another key of thirty-two bytes!".into());
        assert_eq!(Access::new(&other).unwrap().0.identify(None, Some(&cookie), NOW), None);
        // whoever changes the password ends the sessions
        let mut changed = settings();
        changed.users[0].password_hash = hash_password("other").unwrap();
        assert_eq!(Access::new(&changed).unwrap().0.identify(None, Some(&cookie), NOW), None);
    }

    #[test]
    fn equal_scopes_are_one() {
        let mut settings = settings();
        settings.tokens[0].devices = vec!["lobby-*".into()];
        let (access, scopes) = Access::new(&settings).unwrap();
        assert_eq!(scopes.len(), 1);
        assert_eq!(access.identify(Some("secret"), None, NOW).unwrap().scope, ScopeID::listed(0));
    }
}
