//! The web server: page, REST, stream, health and metrics.

mod assets;
mod connection;
mod devices;
mod guard;
mod health;
mod image;
mod origin;
mod problem;
mod server;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, Resource, web};
use iot_chassis::{Stop, Telemetry};
use tokio::sync::Semaphore;

use crate::board::Board;
use crate::config::Http;
use crate::feed::Feed;
use crate::live;
use crate::metrics::Metrics;
use crate::pictures::Pictures;

pub use connection::Deadline;
pub use problem::Problem;
pub use server::{PortTaken, Server, bind};

/// What the handlers share.
pub struct App {
    /// The state.
    pub board: Arc<Board>,
    /// The stream's messages.
    pub feed: Arc<Feed>,
    /// The pictures.
    pub pictures: Pictures,
    /// A place for each viewer.
    pub viewers: Arc<Semaphore>,
    /// What is counted.
    pub metrics: Metrics,
    /// Health, and everything that is counted.
    pub telemetry: Telemetry,
    /// Settings of the web server.
    pub settings: Http,
    /// Says that the service stops.
    pub stop: Stop,
}

/// All routes.
fn routes(config: &mut web::ServiceConfig) {
    config
        .service(read_only("/api/v1/devices", |r| r.get(devices::list)))
        .service(read_only("/api/v1/devices/{id}", |r| r.get(devices::one)))
        .service(read_only("/api/v1/devices/{id}/image", |r| r.get(image::get)))
        .service(
            web::resource("/api/v1/stream")
                .route(web::get().to(live::open))
                .default_service(web::to(not_allowed)),
        )
        .service(read_only("/healthz", |r| r.get(health::healthz)))
        .service(read_only("/readyz", |r| r.get(health::readyz)))
        .service(read_only("/metrics", |r| r.get(health::metrics)))
        .default_service(web::to(assets::get));
}

/// A resource that is only read: GET and HEAD by one handler, anything else is a problem.
fn read_only(path: &str, add: impl FnOnce(ReadOnly) -> ReadOnly) -> Resource {
    add(ReadOnly(web::resource(path))).0.default_service(web::to(not_allowed))
}

struct ReadOnly(Resource);

impl ReadOnly {
    fn get<F, Args>(self, handler: F) -> Self
    where
        F: actix_web::Handler<Args> + Clone,
        Args: actix_web::FromRequest + 'static,
        F::Output: actix_web::Responder + 'static,
    {
        Self(self.0.route(web::get().to(handler.clone())).route(web::head().to(handler)))
    }
}

async fn not_allowed(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let detail = format!("{} is not possible here, only GET", request.method());
    Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail))
}
