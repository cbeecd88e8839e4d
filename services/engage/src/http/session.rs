//! `/api/v1/session`: logging in and out.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, COOKIE, ContentType, HeaderMap, SET_COOKIE};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use super::{App, Problem};
use crate::access::{Denied, Identity, Role};
use crate::clock;

/// Name of the cookie that holds a session.
const NAME: &str = "people-counter-session";

/// Longest login, bytes.
const LONGEST: usize = 4096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    name: String,
    password: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Session<'a> {
    access_control: bool,
    user: Option<User<'a>>,
}

#[derive(Serialize)]
struct User<'a> {
    name: &'a str,
    role: Role,
}

fn answer(app: &App, identity: Option<&Identity>, cookie: Option<String>) -> HttpResponse {
    let named = identity.and_then(|identity| Some((identity.name.as_deref()?, identity.role)));
    let user = named.map(|(name, role)| User { name, role });
    let session = Session { access_control: app.access.is_on(), user };
    let mut response = HttpResponse::Ok();
    response.content_type(ContentType::json()).insert_header((CACHE_CONTROL, "no-store"));
    if let Some(cookie) = cookie {
        response.insert_header((SET_COOKIE, cookie));
    }
    response.body(serde_json::to_string(&session).expect("a session has text keys"))
}

/// Who asks.
pub async fn get(app: Data<App>, identity: Option<Identity>) -> HttpResponse {
    answer(&app, identity.as_ref(), None)
}

/// Logs in.
pub async fn post(app: Data<App>, request: HttpRequest, body: Bytes) -> Result<HttpResponse, Problem> {
    if !app.access.is_on() {
        let detail = "there is no access control here, nobody needs to log in";
        return Err(Problem::new(StatusCode::CONFLICT, "no-access-control", detail));
    }
    if body.len() > LONGEST {
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "a login has at most 4 KiB"));
    }
    let Login { name, password } = serde_json::from_slice(&body)
        .map_err(|_| Problem::bad_request("a login is {\"name\": …, \"password\": …} in JSON"))?;
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let identity = match app.access.log_in(peer, &name, password).await {
        Ok(identity) => identity,
        Err(Denied::Wrong) => {
            app.metrics.login("wrong");
            tracing::warn!(%peer, "a login failed");
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "login", "name or password is wrong"));
        }
        Err(Denied::TooMany(seconds)) => {
            app.metrics.login("too-many");
            return Err(Problem::too_many("too many logins were tried, wait a little", seconds));
        }
    };
    app.metrics.login("right");
    let (text, length) = app.access.session(&name, clock::now()).ok_or_else(Problem::unauthorized)?;
    Ok(answer(&app, Some(&identity), Some(set(&app, &text, length.as_secs()))))
}

/// Logs out.
pub async fn delete(app: Data<App>) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    response.insert_header((CACHE_CONTROL, "no-store")).insert_header((SET_COOKIE, set(&app, "", 0))).finish()
}

/// Sets the cookie: for this host alone, out of the reach of scripts and of other pages' requests.
fn set(app: &App, text: &str, seconds: u64) -> String {
    let secure = if app.secure_cookies { "; Secure" } else { "" };
    format!("{NAME}={text}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

/// The text of the session cookie of a request.
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == NAME).map(|(_, text)| text)
}
