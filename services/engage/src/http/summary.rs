//! `/api/v1/summary`: the sums alone.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::devices::json;
use crate::access::Identity;
use crate::clock;
use crate::feed::to_millis;
use crate::state::Summary;

/// The sums at one version.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Sums)]
struct Body<'a> {
    /// Names the state of this replica.
    epoch: &'a str,
    version: u64,
    /// Unix seconds.
    server_time: f64,
    /// Whether the state is what the broker has.
    connected: bool,
    summary: Summary,
}

/// The sums over the devices that may be seen.
#[utoipa::path(
    get, path = "/api/v1/summary", tag = "devices", operation_id = "getSummary",
    responses((status = 200, description = "The sums", body = Body))
)]
pub async fn get(app: Data<App>, who: Identity) -> HttpResponse {
    let (version, summary) = app.board.read(|state| (state.version(), state.summary(who.scope)));
    let body = Body {
        epoch: app.feed.epoch(),
        version,
        server_time: to_millis(clock::now()),
        connected: app.board.link().current,
        summary,
    };
    json(serde_json::to_string(&body).expect("sums have text keys and finite numbers"))
}
