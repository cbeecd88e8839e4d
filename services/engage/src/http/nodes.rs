//! `/api/v1/nodes`: the inference and engage nodes at work.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;

use super::App;
use super::devices::json;
use crate::clock;
use crate::feed::to_millis;
use crate::state::Node;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    nodes: Vec<Node>,
    server_time: f64,
}

/// The nodes that were heard of late.
pub async fn list(app: Data<App>) -> HttpResponse {
    let now = clock::now();
    let body = Body { nodes: app.board.nodes(|nodes| nodes.list(now)), server_time: to_millis(now) };
    json(serde_json::to_string(&body).expect("nodes have text keys and finite numbers"))
}
