//! `/api/v1/devices/{id}/history`: the last counts and failures of a device.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use people_counter_events::DeviceID;
use serde::Serialize;

use super::devices::{json, unknown};
use super::identity::visible;
use super::query::Parameters;
use super::{App, Problem};
use crate::access::Identity;
use crate::state::{Failure, Point};

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "deviceID")]
    device_id: &'a DeviceID,
    /// The oldest that this replica holds.
    since: Option<f64>,
    points: Vec<Point>,
    failures: Vec<Failure<'a>>,
}

/// The counts and failures that this replica has seen, oldest first; those after `?since=`.
pub async fn get(
    app: Data<App>,
    who: Identity,
    id: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let id = visible(&app, &who, &id)?;
    let since: Option<f64> =
        Parameters::of(&request, &["since"], &[])?.value("since", "a time in Unix seconds")?;
    let since = since.unwrap_or(f64::NEG_INFINITY);
    if since.is_nan() {
        return Err(Problem::bad_request("since is not a time in Unix seconds"));
    }
    let known = app.board.read(|state| state.history(&id, since).zip(state.failures(&id, since)));
    let ((oldest, points), failed) = known.ok_or_else(|| unknown(&id))?;
    let failures = failed.iter().map(|failed| Failure::from(&**failed)).collect();
    let body = Body { device_id: &id, since: oldest, points, failures };
    Ok(json(serde_json::to_string(&body).expect("a history has text keys and finite numbers")))
}
