//! `/api/v1/alerts`.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::Data;
use people_counter_events::Alert;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::devices::json;
use crate::access::Identity;

/// Alerts by rule and target.
#[derive(Serialize, ToSchema)]
#[schema(as = Alerts)]
struct Document<'a> {
    alerts: Vec<&'a Alert>,
}

/// The alerts of devices that may be seen, by rule and target.
#[utoipa::path(
    get, path = "/api/v1/alerts", tag = "devices", operation_id = "listAlerts",
    responses((status = 200, description = "The alerts", body = Document))
)]
pub async fn list(app: Data<App>, who: Identity) -> HttpResponse {
    let alerts = app.board.read(|state| state.alerts_since(who.scope, None)).unwrap_or_default();
    let document = Document { alerts: alerts.iter().map(Arc::as_ref).collect() };
    json(serde_json::to_string(&document).expect("an alert has text keys and finite numbers"))
}
