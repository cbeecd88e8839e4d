//! `/api/v1/devices/{id}/image`: the picture of a result.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ETAG, EntityTag};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use people_counter_events::{DeviceID, FrameID};

use super::devices::{is_known, unknown};
use super::identity::visible;
use super::query::Parameters;
use super::{App, Problem};
use crate::access::Identity;
use crate::pictures::{Unavailable, Width};
use crate::state::NoPicture;

/// The picture that belongs to a frame never changes.
const IMMUTABLE: &str = "private, max-age=31536000, immutable";

/// The newest one does.
const NEWEST: &str = "private, no-cache";

/// The picture of the newest result, or of one of the last.
#[utoipa::path(
    get, path = "/api/v1/devices/{id}/image", tag = "devices", operation_id = "getImage",
    params(
        ("id" = DeviceID, Path, description = "The device"),
        ("frame" = Option<String>, Query, format = "uuid", description = "The picture that this result was counted from"),
        ("size" = Option<u32>, Query, minimum = 32, maximum = 10000, description = "At most that wide, an upright JPEG"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of a picture that the client has"),
    ),
    responses(
        (
            status = 200, description = "The picture",
            content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp")),
            headers(("ETag" = String, description = "Names the picture"))
        ),
        (
            status = 304, description = "The client has it",
            headers(("ETag" = String, description = "Names the picture"))
        ),
        (status = 400, description = "A parameter makes no sense"),
        (status = 404, description = "There is no such device, or no picture of it that may be shown"),
        (status = 502, description = "What the store has is no picture, or too large a one"),
        (status = 503, description = "The store does not answer"),
    )
)]
pub async fn get(
    app: Data<App>,
    who: Identity,
    id: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let id = visible(&app, &who, &id)?;
    let parameters = Parameters::of(&request, &["frame", "size"], &[])?;
    let frame: Option<FrameID> = parameters.value("frame", "the id of a frame")?;
    let widths = format!("a width from {} to {}", Width::SMALLEST, Width::LARGEST);
    let width: Option<Width> = parameters.value("size", &widths)?;
    let picture = app.board.read(|state| state.picture(&id, frame));
    let picture = picture.map_err(|why| {
        let (counted_as, problem) = none(why, &id);
        app.metrics.picture(counted_as);
        problem
    })?;

    let caching = if frame.is_some() { IMMUTABLE } else { NEWEST };
    let tag = match width {
        Some(width) => EntityTag::new_strong(format!("{}.{width}", picture.frame)),
        None => EntityTag::new_strong(picture.frame.to_string()),
    };
    if is_known(&request, &tag) {
        return Ok(HttpResponse::NotModified()
            .insert_header((ETAG, tag.to_string()))
            .insert_header((CACHE_CONTROL, caching))
            .finish());
    }
    let file = app.pictures.get(&picture.key, width).await.map_err(|why| problem(&why, &picture.key))?;
    Ok(HttpResponse::Ok()
        .content_type(file.content_type)
        .insert_header((ETAG, tag.to_string()))
        .insert_header((CACHE_CONTROL, caching))
        .body(file.bytes))
}

/// Why there is no picture: for the metrics, and for the client.
fn none(why: NoPicture, id: &DeviceID) -> (&'static str, Problem) {
    match why {
        NoPicture::NoDevice => ("unknown", unknown(id)),
        NoPicture::NoResult => {
            ("unknown", Problem::not_found("no-result", format!("device {id} has not been counted yet")))
        }
        NoPicture::Forgotten => {
            ("unknown", Problem::not_found("unknown-frame", "the frame is none of the device's last results"))
        }
        NoPicture::Withheld => {
            ("withheld", Problem::not_found("withheld", "the picture is withheld, only the count is shown"))
        }
        NoPicture::Foreign => {
            let detail = "the result names an object that is not its own picture in this service's bucket";
            ("foreign", Problem::not_found("foreign", detail))
        }
    }
}

fn problem(why: &Unavailable, key: &str) -> Problem {
    let (code, detail) = (why.code(), why.to_string());
    match why {
        Unavailable::Gone => Problem::not_found(code, detail),
        Unavailable::NotAPicture | Unavailable::TooLarge(_) | Unavailable::Undecodable(_) => {
            tracing::warn!(key, "{detail}");
            Problem::new(StatusCode::BAD_GATEWAY, code, detail)
        }
        Unavailable::Store(error) => {
            tracing::warn!("{detail}: {error}");
            Problem::unavailable(code, detail)
        }
    }
}
