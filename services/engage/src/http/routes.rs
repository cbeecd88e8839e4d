//! Everything that is served, in one table.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, Resource, Route, guard, web};

use super::{
    Problem, alerts, assets, devices, events, health, history, image, nodes, oidc, openapi, reports, session,
    summary, version,
};
use crate::access::Role;
use crate::live;

/// What somebody needs who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// This role or a higher one; devices that are out of scope are left out.
    Role(Role),
    /// The same, and a scope of all devices.
    Everything(Role),
}

/// Something that can be asked for. A `GET` answers `HEAD` too.
pub struct Endpoint {
    /// The method.
    pub method: &'static str,
    /// The path, with `{id}` for a device.
    pub path: &'static str,
    /// What it takes.
    pub needs: Needs,
    handler: fn(Route) -> Route,
}

const LOOK: Needs = Needs::Role(Role::Viewer);

const fn get(path: &'static str, needs: Needs, handler: fn(Route) -> Route) -> Endpoint {
    Endpoint { method: "GET", path, needs, handler }
}

const fn post(path: &'static str, needs: Needs, handler: fn(Route) -> Route) -> Endpoint {
    Endpoint { method: "POST", path, needs, handler }
}

const fn delete(path: &'static str, needs: Needs, handler: fn(Route) -> Route) -> Endpoint {
    Endpoint { method: "DELETE", path, needs, handler }
}

/// All of them; the page's files, which anybody may have, are what is left.
pub const ENDPOINTS: &[Endpoint] = &[
    get("/api/v1/session", Needs::Nothing, |route| route.to(session::get)),
    post("/api/v1/session", Needs::Nothing, |route| route.to(session::post)),
    delete("/api/v1/session", Needs::Nothing, |route| route.to(session::delete)),
    get("/api/v1/session/oidc", Needs::Nothing, |route| route.to(oidc::start)),
    get("/api/v1/session/oidc/callback", Needs::Nothing, |route| route.to(oidc::callback)),
    get("/api/v1/summary", LOOK, |route| route.to(summary::get)),
    get("/api/v1/devices", LOOK, |route| route.to(devices::list)),
    get("/api/v1/devices/{id}", LOOK, |route| route.to(devices::one)),
    delete("/api/v1/devices/{id}", Needs::Role(Role::Administrator), |route| route.to(devices::delete)),
    get("/api/v1/devices/{id}/image", LOOK, |route| route.to(image::get)),
    get("/api/v1/devices/{id}/history", LOOK, |route| route.to(history::get)),
    get("/api/v1/alerts", LOOK, |route| route.to(alerts::list)),
    get("/api/v1/nodes", LOOK, |route| route.to(nodes::list)),
    get("/api/v1/reports/occupancy", LOOK, |route| route.to(reports::occupancy)),
    get("/api/v1/version", LOOK, |route| route.to(version::get)),
    get("/api/v1/stream", LOOK, |route| route.to(live::open)),
    get("/api/v1/events", LOOK, |route| route.to(events::get)),
    get("/api/v1/openapi.json", Needs::Nothing, |route| route.to(openapi::get)),
    get("/healthz", Needs::Nothing, |route| route.to(health::healthz)),
    get("/readyz", Needs::Nothing, |route| route.to(health::readyz)),
    get("/metrics", Needs::Everything(Role::Viewer), |route| route.to(health::metrics)),
];

/// Adds all of them, and the page.
pub fn add(config: &mut web::ServiceConfig) {
    let mut paths: Vec<&str> = ENDPOINTS.iter().map(|endpoint| endpoint.path).collect();
    paths.dedup();
    for path in paths {
        config.service(resource(path));
    }
    config.default_service(web::to(assets::get));
}

fn resource(path: &'static str) -> Resource {
    let mut resource = web::resource(path).default_service(web::to(not_allowed));
    for endpoint in at(path) {
        let route = match endpoint.method {
            "GET" => web::route().guard(guard::Any(guard::Get()).or(guard::Head())),
            other => web::method(Method::from_bytes(other.as_bytes()).expect("the table names methods")),
        };
        resource = resource.route((endpoint.handler)(route));
    }
    resource
}

fn at(path: &str) -> impl Iterator<Item = &'static Endpoint> {
    ENDPOINTS.iter().filter(move |endpoint| endpoint.path == path)
}

async fn not_allowed(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let pattern = request.match_pattern().unwrap_or_default();
    let allowed: Vec<&str> = at(&pattern)
        .flat_map(|endpoint| match endpoint.method {
            "GET" => vec!["GET", "HEAD"],
            other => vec![other],
        })
        .collect();
    Err(Problem::not_allowed(request.method(), &allowed.join(", ")))
}
