//! Who asks: every request has an [`Identity`], or is turned away.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use people_counter_events::DeviceID;

use super::cookie::SESSION;
use super::devices::{device_id, unknown};
use super::routes::{ENDPOINTS, Endpoint, Needs};
use super::{App, Problem};
use crate::access::Identity;
use crate::clock;

/// Finds out who asks, and whether they may.
///
/// # Errors
/// The problem that they are told.
pub fn admit(app: &App, request: &HttpRequest) -> Result<(), Problem> {
    let identity = identify(app, request);
    let pattern = request.match_pattern();
    let needs = endpoint(request.method(), pattern.as_deref()).map_or(Needs::Nothing, |found| found.needs);
    match (&identity, needs) {
        (_, Needs::Nothing) => {}
        (None, _) => return Err(Problem::unauthorized()),
        (Some(identity), Needs::Role(role)) if identity.role < role => return Err(Problem::forbidden(role)),
        (Some(identity), Needs::Everything(role)) if identity.role < role => {
            return Err(Problem::forbidden(role));
        }
        (Some(identity), Needs::Everything(_)) if !identity.sees_everything() => {
            return Err(Problem::only_for_all_devices());
        }
        (Some(_), _) => {}
    }
    if let Some(identity) = identity {
        request.extensions_mut().insert(identity);
    }
    Ok(())
}

fn endpoint(method: &Method, pattern: Option<&str>) -> Option<&'static Endpoint> {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    ENDPOINTS.iter().find(|endpoint| Some(endpoint.path) == pattern && endpoint.method == method)
}

fn identify(app: &App, request: &HttpRequest) -> Option<Identity> {
    let token = request.headers().get(AUTHORIZATION).map(|value| {
        // another scheme is a token that nobody has
        value.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default()
    });
    app.access.identify(token, SESSION.of(app.secure_cookies, request.headers()), clock::now())
}

impl FromRequest for Identity {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Self>().cloned().ok_or_else(Problem::unauthorized))
    }
}

/// The device of a path, if there is one that `identity` may know of. What it may not see is as unknown to it
/// as what is not there.
///
/// # Errors
/// The problem that it is told.
pub fn visible(app: &App, identity: &Identity, id: &str) -> Result<DeviceID, Problem> {
    let id = device_id(id)?;
    let seen = app.board.read(|state| state.holds(identity.scope, &id));
    if seen { Ok(id) } else { Err(unknown(&id)) }
}
