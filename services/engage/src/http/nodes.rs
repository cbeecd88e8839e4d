//! `/api/v1/nodes`: the inference and engage nodes at work.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::devices::json;
use crate::clock;
use crate::feed::to_millis;
use crate::state::Node;

/// The nodes at work.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Nodes)]
struct Body {
    nodes: Vec<Node>,
    /// Unix seconds.
    server_time: f64,
}

/// The inference and engage nodes that were heard of late.
#[utoipa::path(
    get, path = "/api/v1/nodes", tag = "system", operation_id = "listNodes",
    responses((status = 200, description = "The nodes", body = Body))
)]
pub async fn list(app: Data<App>) -> HttpResponse {
    let now = clock::now();
    let body = Body { nodes: app.board.nodes(|nodes| nodes.list(now)), server_time: to_millis(now) };
    json(serde_json::to_string(&body).expect("nodes have text keys and finite numbers"))
}
