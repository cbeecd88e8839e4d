//! [`Provider`]: an OpenID provider, as it is configured.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::access::Role;
use crate::access::settings::everything;
use crate::secret::Secret;
use crate::state::Scope;

/// Most groups.
const MOST: usize = 1_000;

/// Longest name of a group, bytes: it is in the cookie.
const LONGEST_GROUP: usize = 128;

/// Longest name of the provider, bytes: it is on a button.
const LONGEST_NAME: usize = 64;

/// Where people log in, and what they may do who do.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// What the provider calls itself, letter by letter; `/.well-known/openid-configuration` is below it.
    pub issuer: String,
    /// What the provider calls this service.
    pub client_id: String,
    /// The client's secret; a public client has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// File with that secret, read at each login.
    pub client_secret_file: Option<PathBuf>,
    /// What the button to log in calls the provider.
    #[serde(default = "default_name")]
    pub name: String,
    /// Where browsers reach this service. The provider sends them back to `/api/v1/session/oidc/callback` below it.
    pub public_url: Url,
    /// What the provider is asked for, beside `openid`.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    /// The claim of the ID token that says which groups somebody is in; `.` leads into objects.
    #[serde(default = "default_groups_claim")]
    pub groups_claim: String,
    /// Who gets in. Somebody in several groups is in the first of them here.
    pub groups: Vec<Group>,
    /// Certificates to trust beside the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// Longest wait for the provider.
    #[serde(default = "default_timeout", with = "humantime_serde")]
    pub timeout: Duration,
}

/// What they may do who are in a group.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// What the provider calls it.
    pub group: String,
    /// What they may do.
    pub role: Role,
    /// The devices they may see: patterns of ids with `*` and `?`.
    #[serde(default = "everything")]
    pub devices: Vec<String>,
}

fn default_name() -> String {
    "OpenID Connect".into()
}

fn default_scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).into()
}

fn default_groups_claim() -> String {
    "groups".into()
}

fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

impl Provider {
    /// Checks everything that can be said without I/O.
    ///
    /// # Errors
    /// One sentence that names the key and says what to do.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            cfg!(feature = "oidc"),
            "[access.oidc] this program was built without OpenID Connect, build it with `--features oidc`"
        );
        self.check_all().context("[access.oidc]")
    }

    fn check_all(&self) -> anyhow::Result<()> {
        let issuer: Url = self.issuer.parse().context("issuer is no address")?;
        check_address("issuer", &issuer)?;
        ensure!(
            issuer.scheme() == "https" || is_loopback(&issuer),
            "issuer must begin with https://, or whoever sits in between can be anybody"
        );
        check_address("public_url", &self.public_url)?;
        ensure!(!self.client_id.is_empty(), "client_id is empty, the provider tells it");
        Secret::check("client_secret", self.client_secret.as_ref(), self.client_secret_file.as_deref())?;
        ensure!(is_plain(&self.name, LONGEST_NAME), "name must have 1 to {LONGEST_NAME} bytes in one line");
        for scope in &self.scopes {
            let good = !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic());
            ensure!(good, "scopes: {scope:?} is none, write each by itself");
        }
        ensure!(!self.groups_claim.is_empty(), "groups_claim is empty, name the claim that has the groups");
        ensure!(
            (Duration::from_secs(1)..=Duration::from_secs(60)).contains(&self.timeout),
            "timeout must be between 1s and 60s"
        );
        ensure!(
            !self.groups.is_empty(),
            "groups is empty, so nobody gets in: name a group in [[access.oidc.groups]]"
        );
        ensure!(self.groups.len() <= MOST, "groups has more than {MOST}");
        let mut names = BTreeSet::new();
        for Group { group, devices, .. } in &self.groups {
            ensure!(
                is_plain(group, LONGEST_GROUP),
                "group {group:?} must have 1 to {LONGEST_GROUP} bytes and no control characters"
            );
            ensure!(names.insert(group), "group {group:?} is there twice");
            ensure!(!devices.is_empty(), "group {group:?} has no devices, write [\"*\"] for all");
            Scope::new(devices).with_context(|| format!("devices of group {group:?}"))?;
        }
        Ok(())
    }

    /// The host by which browsers reach this service.
    pub fn public_host(&self) -> &str {
        self.public_url.host_str().unwrap_or_default()
    }

    /// Whether browsers on other machines reach this service without TLS.
    pub fn is_public_without_tls(&self) -> bool {
        self.public_url.scheme() != "https" && !is_loopback(&self.public_url)
    }

    /// An address of this service, for browsers; `path` begins with `/`.
    pub fn public(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.as_str().trim_end_matches('/'))
    }

    /// What a session is bound to beside its group: another provider ends it, and another claim.
    pub(super) fn bound(&self) -> String {
        format!("{}\n{}\n{}", self.issuer, self.client_id, self.groups_claim)
    }
}

fn check_address(key: &str, url: &Url) -> anyhow::Result<()> {
    ensure!(
        matches!(url.scheme(), "http" | "https") && url.has_host(),
        "{key} must begin with https:// or http://"
    );
    let plain = url.username().is_empty() && url.password().is_none();
    let plain = plain && url.query().is_none() && url.fragment().is_none() && !url.path().contains(';');
    ensure!(plain, "{key} must be an address without credentials, ?, # and ;");
    Ok(())
}

fn is_plain(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        issuer = "https://sso.example.com/realms/main"
        client_id = "people-counter"
        client_secret = "hunter2"
        public_url = "https://people.example.com/"
        [[groups]]
        group = "counter-admins"
        role = "administrator"
        [[groups]]
        group = "lobby"
        role = "viewer"
        devices = ["lobby-*"]
    "#;

    fn read(text: &str) -> Provider {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn each_mistake_is_named() {
        let good = read(GOOD);
        good.check_all().unwrap();
        assert_eq!(good.scopes, ["openid", "profile", "email"]);
        assert_eq!(
            (good.groups_claim.as_str(), good.groups[0].devices.as_slice()),
            ("groups", &["*".to_owned()][..])
        );
        assert_eq!(good.public("/?q=a"), "https://people.example.com/?q=a");
        for (from, to, expected) in [
            ("https://sso.example.com/realms/main", "sso", "issuer is no address"),
            ("https://sso.example.com", "http://sso.example.com", "issuer must begin with https://"),
            ("https://sso.example.com", "https://a:b@sso.example.com", "without credentials"),
            ("https://people.example.com/", "https://people.example.com/?a=b", "public_url"),
            ("https://people.example.com/", "ftp://people.example.com/", "public_url must begin"),
            ("client_id = \"people-counter\"", "client_id = \"\"", "client_id is empty"),
            ("client_secret = \"hunter2\"", "client_secret = \"\"", "client_secret is empty"),
            ("public_url", "client_secret_file = \"x\"\npublic_url", "client_secret is given twice"),
            ("public_url", "name = \"\"\npublic_url", "name must have"),
            ("public_url", "scopes = [\"openid email\"]\npublic_url", "scopes: \"openid email\""),
            ("public_url", "groups_claim = \"\"\npublic_url", "groups_claim is empty"),
            ("public_url", "timeout = \"0s\"\npublic_url", "timeout must be"),
            ("public_url", "timeout = \"61s\"\npublic_url", "timeout must be"),
            ("\"lobby\"", "\"counter-admins\"", "twice"),
            ("\"lobby\"", "\"\"", "1 to 128 bytes"),
            ("[\"lobby-*\"]", "[]", "no devices"),
            ("[\"lobby-*\"]", "[\"a b\"]", "devices of group \"lobby\""),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let message = format!("{:#}", read(&GOOD.replace(from, to)).check_all().unwrap_err());
            assert!(message.contains(expected), "{message}");
        }
        let nobody = Provider { groups: Vec::new(), ..good };
        assert!(nobody.check_all().unwrap_err().to_string().contains("nobody gets in"));
    }

    #[test]
    fn a_provider_on_this_machine_needs_no_tls() {
        for there in ["http://localhost:8080", "http://127.0.0.1:8080/realms/a", "http://[::1]"] {
            read(&GOOD.replace("https://sso.example.com/realms/main", there)).check_all().unwrap();
        }
        assert!(!read(GOOD).is_public_without_tls());
        assert!(read(&GOOD.replace("https://people", "http://people")).is_public_without_tls());
        assert!(
            !read(&GOOD.replace("https://people.example.com", "http://localhost")).is_public_without_tls()
        );
    }

    #[test]
    fn only_a_program_with_the_feature_takes_it() {
        let problem = read(GOOD).check().err().map(|error| format!("{error:#}"));
        assert_eq!(problem.is_none(), cfg!(feature = "oidc"), "{problem:?}");
        assert!(problem.is_none_or(|problem| problem.contains("build it with `--features oidc`")));
    }

    #[test]
    fn the_secret_is_not_shown() {
        let settings = read(GOOD);
        assert!(!format!("{settings:?} {}", toml::to_string(&settings).unwrap()).contains("hunter2"));
    }
}
