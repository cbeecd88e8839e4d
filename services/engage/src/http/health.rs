//! `/healthz`, `/readyz` and `/metrics`.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::web::Data;

use super::App;

/// The process answers.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body("ok\n")
}

/// The state is what the broker has; if not, why.
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

/// Everything that is counted.
pub async fn metrics(app: Data<App>) -> HttpResponse {
    match app.telemetry.metrics.render() {
        Ok(text) => HttpResponse::Ok().content_type(iot_chassis::Metrics::CONTENT_TYPE).body(text),
        Err(error) => HttpResponse::InternalServerError().body(format!("{error}\n")),
    }
}
