//! `/api/v1/devices` and `/api/v1/devices/{id}`.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::web::{Data, Path};
use people_counter_events::DeviceID;

use super::{App, Problem};
use crate::clock;

/// Everything there is.
pub async fn list(app: Data<App>) -> HttpResponse {
    json(app.feed.everything())
}

/// One device.
pub async fn one(app: Data<App>, id: Path<String>) -> Result<HttpResponse, Problem> {
    let id = device_id(&id)?;
    let device = app.board.read(|state| state.device(&id, clock::now())).ok_or_else(|| unknown(&id))?;
    Ok(json(serde_json::to_string(&device).expect("a device has text keys and finite numbers")))
}

fn json(body: String) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).insert_header((CACHE_CONTROL, "no-store")).body(body)
}

/// The device id of a path.
///
/// # Errors
/// A text that can be none names no device.
pub fn device_id(text: &str) -> Result<DeviceID, Problem> {
    text.parse()
        .map_err(|_| Problem::bad_request("the path names no device: an id is 1 to 64 of A-Z a-z 0-9 _ -"))
}

/// The device is not known.
pub fn unknown(id: &DeviceID) -> Problem {
    Problem::not_found("unknown-device", format!("there is no device {id}"))
}
