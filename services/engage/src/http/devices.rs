//! `/api/v1/devices` and `/api/v1/devices/{id}`.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, ContentType, ETAG, EntityTag, Header, IfNoneMatch};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use people_counter_events::DeviceID;

use super::identity::visible;
use super::query::Parameters;
use super::{App, Problem};
use crate::access::Identity;
use crate::clock;
use crate::feed::{Document, to_millis};
use crate::state::{Changes, Condition, Device, Query, ScopeID};

/// What is asked for.
enum Asked {
    /// What changed after a version.
    Since(u64),
    /// A page.
    Page { query: Query, offset: usize, limit: usize },
}

impl Asked {
    fn read(request: &HttpRequest, epoch: &str) -> Result<Self, Problem> {
        let known = ["since", "epoch", "state", "q", "sort", "offset", "limit"];
        let parameters = Parameters::of(request, &known, &["label"])?;
        let since = parameters.number("since")?;
        // what changed is told of all devices, and of some everything
        let all = ["state", "q", "sort", "offset", "limit", "label"];
        let all = all.iter().all(|name| parameters.text(name).is_none());
        // versions of another run of the service, or of another replica, mean nothing here
        let same = parameters.text("epoch").is_none_or(|known| known == epoch);
        if let Some(since) = since.filter(|_| all && same) {
            return Ok(Self::Since(since));
        }
        Ok(Self::Page {
            query: Query { filter: parameters.filter()?, sort: parameters.sort()? },
            offset: parameters.size("offset")?.unwrap_or(0),
            limit: parameters.size("limit")?.unwrap_or(usize::MAX),
        })
    }

    fn answer(&self, app: &App, scope: ScopeID, now: f64) -> (Changes, usize) {
        let count = |changes: &Changes| usize::try_from(changes.summary.devices()).unwrap_or(usize::MAX);
        match self {
            Self::Since(since) => {
                let changes =
                    app.board.read(|state| state.next_changes(scope, Some(*since), usize::MAX, now));
                let total = count(&changes);
                (changes, total)
            }
            Self::Page { query, offset, limit } => {
                let mut changes = app.board.read(|state| state.next_changes(scope, None, usize::MAX, now));
                let selected = query.select(std::mem::take(&mut changes.devices));
                let total = selected.len();
                changes.devices = selected.into_iter().skip(*offset).take(*limit).collect();
                (changes, total)
            }
        }
    }
}

/// The devices that are asked for, or what changed since a version.
#[utoipa::path(
    get, path = "/api/v1/devices", tag = "devices", operation_id = "listDevices",
    params(
        (
            "since" = Option<u64>, Query, maximum = 9007199254740991i64,
            description = "What changed after this version; everything if that is too long ago, another epoch, or \
                           together with a parameter that selects devices. The answer then has no `since`"
        ),
        ("epoch" = Option<String>, Query, description = "The epoch that `since` is of"),
        (
            "state" = Option<Vec<Condition>>, Query, style = Form, explode = false, min_items = 1,
            description = "Devices in one of these states"
        ),
        (
            "label" = Option<Vec<String>>, Query, max_items = 8, pattern = "^[^:]{0,128}:[\\s\\S]{0,128}$",
            description = "Devices with all of these labels, `key:value`"
        ),
        (
            "q" = Option<String>, Query, max_length = 128,
            description = "Devices with this text in their id or a label, whatever its case"
        ),
        (
            "sort" = Option<String>, Query, pattern = "^-?(deviceID|count|age|state)$",
            description = "The order, `-` in front for descending; what is not known comes last"
        ),
        ("offset" = Option<u64>, Query, maximum = 9007199254740991i64, description = "How many to leave out first"),
        ("limit" = Option<u64>, Query, maximum = 9007199254740991i64, description = "How many at most"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of an answer that the client has"),
    ),
    responses(
        (
            status = 200, description = "The devices", body = Document,
            headers(("ETag" = String, description = "Names epoch and version"))
        ),
        (
            status = 304, description = "Nothing has changed",
            headers(("ETag" = String, description = "Names epoch and version"))
        ),
        (status = 400, description = "A parameter makes no sense"),
    )
)]
pub async fn list(app: Data<App>, who: Identity, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let asked = Asked::read(&request, app.feed.epoch())?;
    let connected = app.board.link().current;
    let version = app.board.version();
    if is_known(&request, &tag(&app, version, connected)) {
        return Ok(not_modified(&tag(&app, version, connected)));
    }
    let now = clock::now();
    let (changes, total) = asked.answer(&app, who.scope, now);
    let removed = changes.since.map(|_| changes.removed.iter().map(Arc::as_ref).collect());
    let document = Document {
        epoch: app.feed.epoch(),
        version: changes.version,
        since: changes.since,
        server_time: to_millis(now),
        connected,
        summary: changes.summary,
        total: Some(total),
        removed,
        ..Document::default()
    };
    let tag = tag(&app, changes.version, connected);
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .insert_header((CACHE_CONTROL, "private, no-cache"))
        .insert_header((ETAG, tag.to_string()))
        .body(document.with(&changes.devices)))
}

/// A weak tag: the ages go on, but nothing else changes until the next version.
fn tag(app: &App, version: u64, connected: bool) -> EntityTag {
    let away = if connected { "" } else { ".away" };
    EntityTag::new_weak(format!("{}.{version}{away}", app.feed.epoch()))
}

fn not_modified(tag: &EntityTag) -> HttpResponse {
    HttpResponse::NotModified()
        .insert_header((CACHE_CONTROL, "private, no-cache"))
        .insert_header((ETAG, tag.to_string()))
        .finish()
}

/// Whether the client says that it has what bears this tag.
pub fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(tag)),
        Ok(IfNoneMatch::Any) | Err(_) => false,
    }
}

/// One device.
#[utoipa::path(
    get, path = "/api/v1/devices/{id}", tag = "devices", operation_id = "getDevice",
    params(("id" = DeviceID, Path, description = "The device")),
    responses(
        (status = 200, description = "The device", body = Device),
        (status = 400, description = "The path names no device"),
        (status = 404, description = "There is no such device"),
    )
)]
pub async fn one(app: Data<App>, who: Identity, id: Path<String>) -> Result<HttpResponse, Problem> {
    let id = visible(&app, &who, &id)?;
    let device = app.board.read(|state| state.device(&id, who.scope, clock::now()));
    let mut text = String::new();
    device.ok_or_else(|| unknown(&id))?.write(&mut text);
    Ok(json(text))
}

/// Takes a device away: what the broker keeps of it, and its pictures.
///
/// One that runs comes back with its next birth.
#[utoipa::path(
    delete, path = "/api/v1/devices/{id}", tag = "devices", operation_id = "removeDevice",
    params(("id" = DeviceID, Path, description = "The device")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 400, description = "The path names no device"),
        (status = 404, description = "There is no such device"),
        (
            status = 503, description = "Not all of it is gone, try again",
            headers(("Retry-After" = u32, description = "Seconds to wait"))
        ),
    )
)]
pub async fn delete(app: Data<App>, who: Identity, id: Path<String>) -> Result<HttpResponse, Problem> {
    let id = visible(&app, &who, &id)?;
    if app.board.read(|state| state.device(&id, who.scope, clock::now())).is_none() {
        return Err(unknown(&id));
    }
    match app.removal.remove(&id).await {
        Ok(()) => Ok(HttpResponse::NoContent().insert_header((CACHE_CONTROL, "no-store")).finish()),
        Err(error) => {
            tracing::warn!(%id, "cannot remove a device: {error:#}");
            Err(Problem::unavailable("removal", error.to_string()))
        }
    }
}

/// An answer of this JSON, true only now.
pub fn json(body: String) -> HttpResponse {
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
