//! [`Login`]: people log in at an OpenID provider, by the authorization code flow with PKCE.
//!
//! `claims` and `pending` are pure; `provider` speaks with the provider and believes it nothing unsigned.

mod claims;
mod pending;
#[cfg_attr(not(feature = "oidc"), path = "without.rs")]
mod provider;
mod settings;
mod used;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::cookie::{Seal, Session};
use super::{Access, Identity};
use crate::state::ScopeID;
use pending::Pending;
use used::Used;

pub use settings::{Group, Provider};

/// Where a login begins; it ends at `/callback` below.
const PATH: &str = "/api/v1/session/oidc";

/// How long the browser keeps the cookie of a login that is under way, seconds.
pub const PENDING_SECONDS: u64 = pending::SECONDS;

/// Longest path to return to, bytes.
pub const LONGEST_RETURN: usize = pending::LONGEST_RETURN;

/// Why somebody is not logged in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// So many logins were tried; the seconds to wait.
    #[error("too many logins were tried")]
    TooMany(u32),
    /// The answer is to no login of this browser.
    #[error("it was not begun in this browser, took too long, or was answered before")]
    Stale,
    /// The provider does not want to.
    #[error("the provider refuses it: {0}")]
    Denied(String),
    /// It may work later.
    #[error("{0}")]
    Unavailable(String),
    /// What the provider says cannot be believed.
    #[error("the provider's answer is not believed: {0}")]
    Invalid(String),
    /// Somebody has proved who they are, but may not look; their name.
    #[error("{0:?} is in none of the groups of [access.oidc]")]
    NoGroup(String),
}

impl Refused {
    /// Names it for the page and the metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooMany(_) => "too-many",
            Self::Stale => "stale",
            Self::Denied(_) => "denied",
            Self::Unavailable(_) => "unavailable",
            Self::Invalid(_) => "invalid",
            Self::NoGroup(_) => "no-group",
        }
    }
}

/// The provider, and whom it lets in.
#[derive(Debug)]
pub(super) struct Oidc {
    settings: Provider,
    provider: provider::Client,
    /// What somebody of a group may do, still without a name.
    groups: HashMap<String, Identity>,
    used: Used,
}

impl Oidc {
    /// What `settings` say. Nothing is asked of the provider yet: it may be away.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn new(
        settings: &Provider,
        mut scope_of: impl FnMut(&[String]) -> anyhow::Result<ScopeID>,
    ) -> anyhow::Result<Self> {
        let mut groups = HashMap::new();
        for Group { group, role, devices } in &settings.groups {
            let identity = Identity { name: None, role: *role, scope: scope_of(devices)?, until: None };
            groups.insert(group.clone(), identity);
        }
        let provider = provider::Client::new(settings)?;
        Ok(Self { settings: settings.clone(), provider, groups, used: Used::default() })
    }

    /// Who has the session that `cookie` says, if it was made here and its group still gets in.
    pub(super) fn identify(&self, seal: &Seal, cookie: &str, session: Session) -> Option<Identity> {
        let identity = self.groups.get(&session.group?)?;
        let genuine = Session::is_genuine(seal, cookie, &self.settings.bound());
        genuine.then(|| Identity { name: Some(session.name), ..identity.clone() })
    }
}

/// What the provider sent the browser back with.
#[derive(Debug, Default)]
pub struct Answer {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

impl Answer {
    /// Reads a query; of what is there twice, the first counts.
    pub fn read(query: &str) -> Self {
        let mut answer = Self::default();
        for (name, text) in url::form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "code" => &mut answer.code,
                "state" => &mut answer.state,
                "error" => &mut answer.error,
                _ => continue,
            };
            place.get_or_insert_with(|| text.into_owned());
        }
        answer
    }
}

/// What the browser is sent to the provider with.
#[derive(Debug)]
pub struct Departure {
    /// The provider's page.
    pub location: String,
    /// The text of the cookie that binds the login to the browser, for [`PENDING_SECONDS`].
    pub cookie: String,
}

/// How a login ended.
#[derive(Debug)]
pub struct Arrival {
    /// Where the browser goes on.
    pub return_to: String,
    /// Who is let in, or why nobody.
    pub session: Result<Admitted, Refused>,
}

/// Somebody who logged in.
#[derive(Debug)]
pub struct Admitted {
    /// What they are called.
    pub name: String,
    /// The group that lets them in.
    pub group: String,
    /// The text of the session cookie.
    pub cookie: String,
    /// How long that holds.
    pub length: Duration,
}

/// Logging in at the configured provider.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    access: &'a Access,
    oidc: &'a Oidc,
}

impl Access {
    /// Logging in at a provider, if there is one.
    pub fn oidc(&self) -> Option<Login<'_>> {
        self.oidc.as_ref().map(|oidc| Login { access: self, oidc })
    }
}

impl Login<'_> {
    /// What the provider is called.
    pub fn name(&self) -> &str {
        &self.oidc.settings.name
    }

    /// Whether nobody can log in with a password.
    pub fn is_only(&self) -> bool {
        self.access.users.is_empty()
    }

    /// The address of a path of this service, for browsers; `path` begins with `/`.
    pub fn public(&self, path: &str) -> String {
        self.oidc.settings.public(path)
    }

    /// Where a login begins, for browsers.
    pub fn start(&self) -> String {
        self.public(PATH)
    }

    /// Whether a login may end at `path`: that is, whether it is one of this service.
    pub fn may_return_to(&self, path: &str) -> bool {
        pending::is_return(path)
    }

    /// Begins a login that returns to `path`, which it [may](Self::may_return_to).
    ///
    /// # Errors
    /// When the provider does not answer.
    pub async fn depart(&self, path: &str, now: f64) -> Result<Departure, Refused> {
        let seal = &self.access.seal;
        let pending = Pending::new(path, now)
            .map_err(|_| Refused::Unavailable("the system has no random numbers".into()))?;
        let location = self.oidc.provider.authorization(
            pending.state(seal),
            pending.nonce(seal),
            pending.verifier(seal),
        );
        Ok(Departure { location: location.await?, cookie: pending.cookie(seal) })
    }

    /// Ends a login: `cookie` is what the browser kept, `answer` what the provider sent it back with.
    pub async fn arrive(&self, peer: IpAddr, cookie: Option<&str>, answer: Answer, now: f64) -> Arrival {
        let pending = cookie.and_then(|cookie| Pending::open(&self.access.seal, cookie, now));
        let return_to = pending.as_ref().map_or_else(|| "/".to_owned(), |pending| pending.return_to.clone());
        let state = answer.state.as_deref().unwrap_or_default();
        let session = match pending.filter(|pending| pending.is_answered_by(&self.access.seal, state)) {
            Some(pending) => self.session(peer, &pending, answer, now).await,
            // nothing to guess, so this costs no attempt: any page can make a browser come here
            None => Err(Refused::Stale),
        };
        Arrival { return_to, session }
    }

    async fn session(
        &self,
        peer: IpAddr,
        pending: &Pending,
        answer: Answer,
        now: f64,
    ) -> Result<Admitted, Refused> {
        let Self { access, oidc } = self;
        access.attempts.take(peer).map_err(Refused::TooMany)?;
        if !oidc.used.take(&pending.handle, pending.until, now) {
            return Err(Refused::Stale);
        }
        match answer.error.as_deref() {
            None => {}
            Some(error @ ("server_error" | "temporarily_unavailable")) => {
                return Err(Refused::Unavailable(format!("the provider says {error}")));
            }
            Some(error) => return Err(Refused::Denied(words(error))),
        }
        let code = answer.code.ok_or_else(|| Refused::Invalid("it has no code".into()))?;
        let (nonce, verifier) = (pending.nonce(&access.seal), pending.verifier(&access.seal));
        let claims = oidc.provider.claims(code, nonce, verifier).await?;
        let name = claims::name(&claims).ok_or_else(|| Refused::Invalid("it names nobody".into()))?;
        let Some(group) = claims::group(&claims, &oidc.settings.groups_claim, &oidc.settings.groups) else {
            return Err(Refused::NoGroup(name));
        };
        access.attempts.succeeded(peer);
        let until = (now + access.session_length.as_secs_f64()).floor();
        let group = group.group.clone();
        let session = Session { name: name.clone(), group: Some(group.clone()), until };
        let cookie = session.cookie(&access.seal, &oidc.settings.bound());
        Ok(Admitted { name, group, cookie, length: access.session_length })
    }
}

/// Most of what a provider says that is told in words, characters.
const MAX_WORDS: usize = 200;

/// What a provider says, in one line that can stand in a log.
fn words(text: &str) -> String {
    text.chars().take(MAX_WORDS).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_may_say_more_than_is_asked() {
        let answer = Answer::read("session_state=x&code=a%2Fb&state=s&code=c&iss=https%3A%2F%2Fa");
        assert_eq!(
            (answer.code.as_deref(), answer.state.as_deref(), answer.error),
            (Some("a/b"), Some("s"), None)
        );
    }

    #[test]
    fn what_a_provider_says_is_one_line() {
        assert_eq!(words("access_denied\n\u{1b}[2J"), "access_denied\\n\\u{1b}[2J");
        assert_eq!(words(&"x".repeat(1000)).len(), MAX_WORDS);
    }
}
