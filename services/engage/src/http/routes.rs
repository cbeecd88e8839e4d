//! Everything that is served, in one table.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, Resource, Route, guard, web};

use super::{Problem, alerts, assets, devices, health, history, image, nodes, reports, summary, version};
use crate::live;

/// Something that can be asked for. A `GET` answers `HEAD` too.
pub struct Endpoint {
    /// The method.
    pub method: Method,
    /// The path, with `{id}` for a device.
    pub path: &'static str,
    handler: fn(Route) -> Route,
}

const fn get(path: &'static str, handler: fn(Route) -> Route) -> Endpoint {
    Endpoint { method: Method::GET, path, handler }
}

/// All of them; the page's files are what is left.
pub const ENDPOINTS: &[Endpoint] = &[
    get("/api/v1/summary", |route| route.to(summary::get)),
    get("/api/v1/devices", |route| route.to(devices::list)),
    get("/api/v1/devices/{id}", |route| route.to(devices::one)),
    get("/api/v1/devices/{id}/image", |route| route.to(image::get)),
    get("/api/v1/devices/{id}/history", |route| route.to(history::get)),
    get("/api/v1/alerts", |route| route.to(alerts::list)),
    get("/api/v1/nodes", |route| route.to(nodes::list)),
    get("/api/v1/reports/occupancy", |route| route.to(reports::occupancy)),
    get("/api/v1/version", |route| route.to(version::get)),
    get("/api/v1/stream", |route| route.to(live::open)),
    get("/healthz", |route| route.to(health::healthz)),
    get("/readyz", |route| route.to(health::readyz)),
    get("/metrics", |route| route.to(health::metrics)),
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
        let method = endpoint.method.clone();
        let route = if method == Method::GET {
            web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
        } else {
            web::method(method)
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
        .flat_map(|endpoint| match endpoint.method.as_str() {
            "GET" => vec!["GET", "HEAD"],
            other => vec![other],
        })
        .collect();
    Err(Problem::not_allowed(request.method(), &allowed.join(", ")))
}
