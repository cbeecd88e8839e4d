//! `/api/v1/summary`: the sums alone.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;

use super::App;
use super::devices::json;
use crate::access::Identity;
use crate::clock;
use crate::feed::to_millis;
use crate::state::Summary;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    epoch: &'a str,
    version: u64,
    server_time: f64,
    connected: bool,
    summary: Summary,
}

/// The sums over the devices that may be seen.
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
