//! `/api/v1/session/oidc`: logging in at an OpenID provider.
//!
//! A browser navigates here, so whatever goes wrong leads back to the page, which says it: `#login=` names the reason.

use actix_web::http::header::{CACHE_CONTROL, LOCATION, RETRY_AFTER, SET_COOKIE};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};

use super::cookie::{LOGIN, SESSION};
use super::peer::peer;
use super::query::Parameters;
use super::{App, Problem};
use crate::access::oidc::{Admitted, Answer, LONGEST_RETURN, Login, PENDING_SECONDS, Refused};
use crate::clock;

/// Begins a login at the OpenID provider.
#[utoipa::path(
    get, path = "/api/v1/session/oidc", tag = "session", operation_id = "startLogin",
    params((
        "return" = Option<String>, Query, max_length = 1024, pattern = "^/([!$-.0-;=?-\\[\\]-~][!$-;=?-~]*)?$",
        description = "Where the browser goes afterwards, a path of this service: `/` by default"
    )),
    responses(
        (
            status = 303, description = "To the provider, or to the page with the reason why not",
            headers(
                ("Location" = String, description = "The provider's page"),
                ("Set-Cookie" = String, description = "The login, for this browser")
            )
        ),
        (status = 400, description = "`return` is no path of this service, or there is another parameter"),
        (status = 404, description = "No provider is configured"),
    )
)]
pub async fn start(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let login = configured(&app)?;
    let parameters = Parameters::of(&request, &["return"], &[])?;
    let path = parameters.text("return").unwrap_or("/");
    if !login.may_return_to(path) {
        let detail = format!(
            "return is no path of this service: it begins with one /, has no #, and at most {LONGEST_RETURN} bytes"
        );
        return Err(Problem::bad_request(detail));
    }
    match login.depart(path, clock::now()).await {
        Ok(departure) => {
            let cookie = LOGIN.set(app.secure_cookies, &departure.cookie, PENDING_SECONDS);
            Ok(to(departure.location).insert_header((SET_COOKIE, cookie)).finish())
        }
        Err(refused) => Ok(back(&app, &login, &request, path, &refused).finish()),
    }
}

/// Ends a login at the OpenID provider, which sends the browser here.
#[utoipa::path(
    get, path = "/api/v1/session/oidc/callback", tag = "session", operation_id = "endLogin",
    params(
        ("code" = Option<String>, Query, description = "What the provider knows the login by"),
        ("state" = Option<String>, Query, description = "What this service knows it by"),
        ("error" = Option<String>, Query, description = "Why the provider refuses it"),
    ),
    responses(
        (
            status = 303, description = "To the page, with the reason in the fragment if nobody is logged in",
            headers(
                ("Location" = String, description = "The page"),
                ("Set-Cookie" = String, description = "The session")
            )
        ),
        (status = 404, description = "No provider is configured"),
    )
)]
pub async fn callback(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let login = configured(&app)?;
    let pending = LOGIN.of(app.secure_cookies, request.headers());
    let answer = Answer::read(request.query_string());
    let arrival = login.arrive(peer(&app, &request), pending, answer, clock::now()).await;
    // a login that this did not answer may be answered yet
    let over = !matches!(arrival.session, Err(Refused::Stale | Refused::TooMany(_)));
    let mut response = match arrival.session {
        Ok(Admitted { name, group, cookie, length }) => {
            app.metrics.login("right");
            let peer = peer(&app, &request);
            tracing::info!(%peer, name, group, "logged in at the OpenID provider");
            let mut response = to(login.public(&arrival.return_to));
            let cookie = SESSION.set(app.secure_cookies, &cookie, length.as_secs());
            response.append_header((SET_COOKIE, cookie));
            response
        }
        Err(refused) => back(&app, &login, &request, &arrival.return_to, &refused),
    };
    if over {
        response.append_header((SET_COOKIE, LOGIN.set(app.secure_cookies, "", 0)));
    }
    Ok(response.finish())
}

fn configured(app: &App) -> Result<Login<'_>, Problem> {
    let detail = "nobody can log in at an OpenID provider here, [access.oidc] is not configured";
    app.access.oidc().ok_or_else(|| Problem::not_found("no-provider", detail))
}

/// Sends the browser on.
fn to(location: String) -> HttpResponseBuilder {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((LOCATION, location)).insert_header((CACHE_CONTROL, "no-store"));
    response
}

/// Sends the browser to the page, which says why nobody is logged in.
fn back(
    app: &App,
    login: &Login<'_>,
    request: &HttpRequest,
    path: &str,
    refused: &Refused,
) -> HttpResponseBuilder {
    app.metrics.login(refused.code());
    let peer = peer(app, request);
    match refused {
        // anybody can make as many of these as they like
        Refused::Stale | Refused::TooMany(_) => {
            tracing::debug!(%peer, "a login at the OpenID provider: {refused}")
        }
        _ => tracing::warn!(%peer, "a login at the OpenID provider failed: {refused}"),
    }
    let mut response = to(login.public(&format!("{path}#login={}", refused.code())));
    if let Refused::TooMany(seconds) = refused {
        response.insert_header((RETRY_AFTER, *seconds));
    }
    response
}
