//! `/api/v1/version`: what runs here.

use actix_web::HttpResponse;

use super::devices::json;

/// What was built, if whoever built it said so by the environment variable `PEOPLE_COUNTER_BUILD`.
const BUILD: Option<&str> = option_env!("PEOPLE_COUNTER_BUILD");

/// The version, and the build.
pub async fn get() -> HttpResponse {
    let build = BUILD.unwrap_or("development");
    json(serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "build": build }).to_string())
}
