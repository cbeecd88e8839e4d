//! `/api/v1/devices/{id}/history`: the last counts and failures of a device.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use people_counter_events::DeviceID;
use serde::Serialize;
use utoipa::ToSchema;

use super::devices::{json, unknown};
use super::identity::visible;
use super::query::Parameters;
use super::{App, Problem};
use crate::access::Identity;
use crate::state::{Failure, Point};

/// The last counts and failures of a device.
#[derive(Serialize, ToSchema)]
#[schema(as = History)]
struct Body<'a> {
    #[serde(rename = "deviceID")]
    device_id: &'a DeviceID,
    /// Time of the oldest that this replica holds, Unix seconds.
    since: Option<f64>,
    points: Vec<Point>,
    failures: Vec<Failure<'a>>,
}

/// The counts and failures that this replica has seen, oldest first.
#[utoipa::path(
    get, path = "/api/v1/devices/{id}/history", tag = "devices", operation_id = "getHistory",
    params(
        ("id" = DeviceID, Path, description = "The device"),
        ("since" = Option<f64>, Query, description = "Those after this time, Unix seconds"),
    ),
    responses(
        (status = 200, description = "The counts and failures", body = Body),
        (status = 400, description = "A parameter makes no sense"),
        (status = 404, description = "There is no such device"),
    )
)]
pub async fn get(
    app: Data<App>,
    who: Identity,
    id: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let id = visible(&app, &who, &id)?;
    let since = Parameters::of(&request, &["since"], &[])?
        .seconds("since", "a time in Unix seconds")?
        .unwrap_or(f64::NEG_INFINITY);
    let known = app.board.read(|state| state.history(&id, since).zip(state.failures(&id, since)));
    let ((oldest, points), failed) = known.ok_or_else(|| unknown(&id))?;
    let failures = failed.iter().map(|failed| Failure::from(&**failed)).collect();
    let body = Body { device_id: &id, since: oldest, points, failures };
    Ok(json(serde_json::to_string(&body).expect("a history has text keys and finite numbers")))
}
