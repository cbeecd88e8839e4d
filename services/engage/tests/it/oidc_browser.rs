//! A browser that logs in at an OpenID provider, and engage that lets people do so.

use people_counter_engage::Config;
use people_counter_engage::access::{Settings, oidc};
use reqwest::header::SET_COOKIE;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use url::Url;

use crate::oidc_provider::{CLIENT, Provider, SECRET};
use crate::stage::{Engage, Stage};

pub const KEY: &str = "0123456789abcdef0123456789abcdef";

/// People of `lobby` may look at `own-*`, those of `admins` may do everything.
pub fn settings(provider: &Provider, public_url: &str) -> oidc::Provider {
    let text = format!(
        "issuer = '{}'\nclient_id = '{CLIENT}'\nclient_secret = '{SECRET}'\nname = 'Example SSO'\n\
         public_url = '{public_url}'\ntimeout = '1s'\n\
         [[groups]]\ngroup = 'admins'\nrole = 'administrator'\n\
         [[groups]]\ngroup = 'lobby'\nrole = 'viewer'\ndevices = ['own-*']\n",
        provider.issuer
    );
    toml::from_str(&text).unwrap()
}

/// A configuration with that provider; nobody has a password.
pub fn config(stage: &Stage, provider: &Provider) -> Config {
    let mut config = stage.config();
    config.http.listen.set_port(iot_sandbox::free_port());
    let oidc = settings(provider, &format!("http://{}", config.http.listen));
    config.access = Settings { session_key: Some(KEY.into()), oidc: Some(oidc), ..Settings::default() };
    config
}

/// A browser that goes nowhere by itself, and keeps the cookies of one login.
pub struct Browser {
    base: String,
    http: Client,
    /// The cookie of the login that is under way, `name=text`.
    pub pending: Option<String>,
}

impl Browser {
    pub fn of(engage: &Engage) -> Self {
        let http = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { base: format!("http://{}", engage.addr), http, pending: None }
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    /// The link on the page.
    pub async fn start(&mut self, path: &str) -> Response {
        let mut url: Url = format!("{}/api/v1/session/oidc", self.base).parse().unwrap();
        url.query_pairs_mut().append_pair("return", path);
        let answer = self.http.get(url).send().await.unwrap();
        self.pending = cookie(&answer, "people-counter-login").map(|set| pair(&set));
        answer
    }

    /// The provider's page, to which the link leads.
    pub async fn page(&mut self, path: &str) -> Url {
        let answer = self.start(path).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        location(&answer).parse().unwrap()
    }

    /// Follows the provider back.
    pub async fn back(&self, url: &Url) -> Response {
        let cookies = self.pending.iter().map(String::as_str);
        let request = self.http.get(url.clone());
        let request = cookies.fold(request, |request, cookie| request.header("cookie", cookie));
        request.send().await.unwrap()
    }

    /// The whole way: the link, the provider's page, and back.
    pub async fn log_in(&mut self, provider: &Provider) -> Response {
        let page = self.page("/?device=own-1").await;
        self.back(&provider.log_in(&page)).await
    }

    /// The reason for which a login failed; no session was given.
    pub fn reason(&self, answer: &Response) -> String {
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let location = location(answer);
        assert!(session(answer).is_none(), "a session, although {location}");
        assert!(location.starts_with(&format!("{}/", self.base)), "{location}");
        location.rsplit_once("#login=").unwrap_or_else(|| panic!("no reason in {location}")).1.to_owned()
    }
}

pub fn location(answer: &Response) -> String {
    answer.headers()["location"].to_str().unwrap().to_owned()
}

/// How a cookie is set.
pub fn cookie(answer: &Response, name: &str) -> Option<String> {
    let all = answer.headers().get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap());
    all.filter(|set| set.starts_with(&format!("{name}="))).map(str::to_owned).next()
}

/// The session that somebody got, `name=text`.
pub fn session(answer: &Response) -> Option<String> {
    cookie(answer, "people-counter-session").map(|set| pair(&set))
}

fn pair(set: &str) -> String {
    set.split(';').next().unwrap().to_owned()
}
