//! `/api/v1/version`: what runs here.

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::devices::json;

/// What was built, if whoever built it said so by the environment variable `PEOPLE_COUNTER_BUILD`.
const BUILD: Option<&str> = option_env!("PEOPLE_COUNTER_BUILD");

/// What runs here.
#[derive(Serialize, ToSchema)]
#[schema(as = Version)]
struct Body {
    /// The version.
    version: &'static str,
    /// The build.
    build: &'static str,
}

/// The version, and the build.
#[utoipa::path(
    get, path = "/api/v1/version", tag = "system", operation_id = "getVersion",
    responses((status = 200, description = "The version", body = Body))
)]
pub async fn get() -> HttpResponse {
    let body = Body { version: env!("CARGO_PKG_VERSION"), build: BUILD.unwrap_or("development") };
    json(serde_json::to_string(&body).expect("a version has text keys"))
}
