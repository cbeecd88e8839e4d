//! `/api/v1/session`: who asks; logging in with a password, and out.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType, SET_COOKIE};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::cookie::SESSION;
use super::peer::peer;
use super::{App, Problem};
use crate::access::{Denied, Identity, Role};
use crate::clock;

/// Longest login, bytes.
const LONGEST: usize = 4096;

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    name: String,
    password: String,
}

/// Who asks.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Session<'a> {
    /// Whether there is any access control.
    access_control: bool,
    /// `null` without access control and for nobody that is known.
    user: Option<User<'a>>,
    /// Where people can log in who have no password here, if there is such a place.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<Provider<'a>>,
}

/// An OpenID provider.
#[derive(Serialize, ToSchema)]
struct Provider<'a> {
    /// What it is called.
    name: &'a str,
    /// Where a login begins; `?return=` with a path below the page says where it ends.
    url: String,
    /// Whether nobody can log in with a password.
    only: bool,
}

/// A user, or the name of a token.
#[derive(Serialize, ToSchema)]
struct User<'a> {
    name: &'a str,
    role: Role,
}

fn answer(app: &App, identity: Option<&Identity>, cookie: Option<String>) -> HttpResponse {
    let named = identity.and_then(|identity| Some((identity.name.as_deref()?, identity.role)));
    let user = named.map(|(name, role)| User { name, role });
    let provider = app.access.oidc();
    let provider = provider.as_ref().map(|login| Provider {
        name: login.name(),
        url: login.start(),
        only: login.is_only(),
    });
    let session = Session { access_control: app.access.is_on(), user, provider };
    let mut response = HttpResponse::Ok();
    response.content_type(ContentType::json()).insert_header((CACHE_CONTROL, "no-store"));
    if let Some(cookie) = cookie {
        response.insert_header((SET_COOKIE, cookie));
    }
    response.body(serde_json::to_string(&session).expect("a session has text keys"))
}

/// Who asks.
#[utoipa::path(
    get, path = "/api/v1/session", tag = "session", operation_id = "getSession",
    responses((status = 200, description = "Who is known by the cookie or token, if any", body = Session))
)]
pub async fn get(app: Data<App>, identity: Option<Identity>) -> HttpResponse {
    answer(&app, identity.as_ref(), None)
}

/// Logs in.
#[utoipa::path(
    post, path = "/api/v1/session", tag = "session", operation_id = "logIn",
    request_body = Login,
    responses(
        (
            status = 200, description = "The cookie is set", body = Session,
            headers(("Set-Cookie" = String, description = "The session"))
        ),
        (status = 400, description = "The body is no login"),
        (status = 401, description = "Name or password is wrong"),
        (status = 409, description = "There is no access control"),
        (status = 413, description = "The body has more than 4 KiB"),
        (
            status = 429, description = "Too many logins were tried",
            headers(("Retry-After" = u32, description = "Seconds to wait"))
        ),
    )
)]
pub async fn post(
    app: Data<App>,
    request: HttpRequest,
    body: actix_web::Result<Bytes>,
) -> Result<HttpResponse, Problem> {
    if !app.access.is_on() {
        let detail = "there is no access control here, nobody needs to log in";
        return Err(Problem::new(StatusCode::CONFLICT, "no-access-control", detail));
    }
    // one that the framework did not read was larger still, or broke off
    let body = body.ok().filter(|body| body.len() <= LONGEST).ok_or_else(|| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "a login has at most 4 KiB")
    })?;
    let Login { name, password } = serde_json::from_slice(&body)
        .map_err(|_| Problem::bad_request("a login is {\"name\": …, \"password\": …} in JSON"))?;
    let peer = peer(&app, &request);
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
    tracing::info!(%peer, name, "logged in");
    let (text, length) = app.access.session(&name, clock::now()).ok_or_else(Problem::unauthorized)?;
    let cookie = SESSION.set(app.secure_cookies, &text, length.as_secs());
    Ok(answer(&app, Some(&identity), Some(cookie)))
}

/// Logs out.
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "session", operation_id = "logOut",
    responses((
        status = 204, description = "The cookie is taken away",
        headers(("Set-Cookie" = String, description = "No session"))
    ))
)]
pub async fn delete(app: Data<App>) -> HttpResponse {
    let gone = SESSION.set(app.secure_cookies, "", 0);
    let mut response = HttpResponse::NoContent();
    response.insert_header((CACHE_CONTROL, "no-store")).insert_header((SET_COOKIE, gone)).finish()
}
