//! `/healthz`, `/readyz` and `/metrics`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::web::Data;

use super::{App, Problem};

/// The process answers.
#[utoipa::path(
    get, path = "/healthz", tag = "system", operation_id = "getHealth",
    responses((status = 200, description = "It does", body = String))
)]
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body("ok\n")
}

/// The state is what the broker has; if not, why.
#[utoipa::path(
    get, path = "/readyz", tag = "system", operation_id = "getReadiness",
    responses(
        (status = 200, description = "It is", body = String),
        (status = 503, description = "It is not; a line for each reason", body = String),
    )
)]
pub async fn readyz(app: Data<App>) -> HttpResponse {
    let (mut response, body) = match app.telemetry.health.ready() {
        Ok(()) => (HttpResponse::Ok(), "ready\n".to_owned()),
        Err(problems) => {
            let lines = problems.iter().map(|p| format!("{}: {}\n", p.check, p.problem)).collect();
            (HttpResponse::ServiceUnavailable(), lines)
        }
    };
    response.content_type(ContentType::plaintext()).insert_header((CACHE_CONTROL, "no-store")).body(body)
}

/// Everything that is counted, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "system", operation_id = "getMetrics",
    responses(
        (
            status = 200, description = "The metrics", body = String,
            content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"
        ),
        (status = 500, description = "They cannot be written"),
    )
)]
pub async fn metrics(app: Data<App>) -> Result<HttpResponse, Problem> {
    let text = app.telemetry.metrics.render();
    let text =
        text.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "metrics", error.to_string()))?;
    Ok(HttpResponse::Ok().content_type(iot_chassis::Metrics::CONTENT_TYPE).body(text))
}
