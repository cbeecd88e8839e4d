//! Server-sent events at `/api/v1/events`: the stream for clients without WebSocket.
//!
//! There are no acknowledgements here. The server asks for the next message when the last one has gone into the
//! connection, so that stands for one: a slow reader gets one merged delta then, and nothing is ever queued for it.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, ContentEncoding, HeaderMap};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use iot_chassis::Stop;
use people_counter_events::DeviceID;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::pieces::in_pieces;
use super::query::Parameters;
use super::{App, Deadline, Problem};
use crate::access::Identity;
use crate::clock;
use crate::feed::{AGAIN, BadSubscription, Beat, Busy, Document, Feed, News, PATIENCE, Reader, Subscription};
use crate::metrics::{Ended, Metrics};
use crate::state::{Condition, Query};

/// What a client sends that was connected before.
const LAST_EVENT: &str = "last-event-id";

/// What is sent while nothing changes.
const HEARTBEAT: &[u8] = b": still here\n\n";

/// How long clients wait before they connect again, milliseconds: each another time, lest all come at once.
const RETRY: std::ops::Range<u32> = 1_000..5_000;

/// One viewer.
struct Events {
    feed: Arc<Feed>,
    metrics: Metrics,
    stop: Stop,
    who: Identity,
    deadline: Option<Deadline>,
    reader: Reader,
    beats: watch::Receiver<Arc<Beat>>,
    /// The version of the message that was given to the connection last.
    told: Option<u64>,
    greeted: bool,
    ended: Ended,
    _place: OwnedSemaphorePermit,
}

/// What changes, as server-sent events.
///
/// The data of each is a message of the stream, its id epoch and version. While nothing changes there are comments.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "stream", operation_id = "followEvents",
    params(
        (
            "devices" = Option<Vec<DeviceID>>, Query, style = Form, explode = false, min_items = 1, max_items = 2000,
            description = "These devices, without any other parameter; all if there is none"
        ),
        (
            "state" = Option<Vec<Condition>>, Query, style = Form, explode = false, min_items = 1,
            description = "A page of the devices in one of these states"
        ),
        (
            "label" = Option<Vec<String>>, Query, max_items = 8, pattern = "^[^:]{0,128}:[\\s\\S]{0,128}$",
            description = "A page of the devices with all of these labels, `key:value`"
        ),
        (
            "q" = Option<String>, Query, max_length = 128,
            description = "A page of the devices with this text in their id or a label, whatever its case"
        ),
        (
            "sort" = Option<String>, Query, pattern = "^-?(deviceID|count|age|state)$",
            description = "The order of the page, `-` in front for descending; what is not known comes last"
        ),
        (
            "offset" = Option<u64>, Query, maximum = 9007199254740991i64,
            description = "How many devices to leave out first"
        ),
        (
            "limit" = Option<u64>, Query, minimum = 1, maximum = 500,
            description = "How many devices at most; 50 if it is not given"
        ),
        (
            "Last-Event-ID" = Option<String>, Header,
            description = "The id of the last event: what has changed since is sent, or everything if that is too \
                           long ago or another epoch"
        ),
    ),
    responses(
        (status = 200, description = "Events without end", body = Document, content_type = "text/event-stream"),
        (status = 400, description = "A parameter makes no sense"),
        (
            status = 503, description = "There are as many viewers as allowed, or too many different pages",
            headers(("Retry-After" = u32, description = "Seconds to wait"))
        ),
    )
)]
pub async fn get(app: Data<App>, who: Identity, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let subscription = subscription(&request)?;
    let mut response = HttpResponse::Ok();
    response.content_type("text/event-stream").insert_header((CACHE_CONTROL, "no-store"));
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let place = app.place()?;
    let interest = app.feed.interest(who.scope, subscription);
    let interest = interest.map_err(|error| Problem::unavailable("filters", error.to_string()))?;
    let known = last_event(request.headers(), &app.feed);
    let events = Events {
        metrics: app.metrics.clone(),
        stop: app.stop.clone(),
        who,
        deadline: request.conn_data::<Deadline>().cloned(),
        reader: Reader::resume(interest, known),
        beats: app.feed.beats(),
        told: None,
        greeted: false,
        ended: Ended::Left,
        feed: Arc::clone(&app.feed),
        _place: place,
    };
    events.metrics.viewers.inc();
    let events = stream::unfold(events, |mut events| async move {
        let bytes = events.next().await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), events))
    });
    // compressed, events would wait until there are enough of them
    Ok(in_pieces(response.insert_header(ContentEncoding::Identity).streaming(Box::pin(events))))
}

fn subscription(request: &HttpRequest) -> Result<Subscription, Problem> {
    let page = ["state", "q", "sort", "offset", "limit"];
    let parameters = Parameters::of(request, &[&["devices"][..], &page].concat(), &["label"])?;
    let paged = page.iter().chain(&["label"]).any(|name| parameters.text(name).is_some());
    let bad = |error: BadSubscription| Problem::bad_request(error.to_string());
    match parameters.text("devices") {
        Some(_) if paged => Err(Problem::bad_request("devices goes with no other parameter")),
        Some(text) => {
            let ids: Result<Vec<DeviceID>, _> = text.split(',').map(str::parse).collect();
            let ids =
                ids.map_err(|_| Problem::bad_request("devices is a list of ids, with commas between"))?;
            Subscription::of(ids).map_err(bad)
        }
        None if !paged => Ok(Subscription::Everything),
        None => {
            let query = Query { filter: parameters.filter()?, sort: parameters.sort()? };
            Subscription::page(query, parameters.size("offset")?, parameters.size("limit")?).map_err(bad)
        }
    }
}

/// The version that a client has of this state.
fn last_event(headers: &HeaderMap, feed: &Feed) -> Option<u64> {
    let (epoch, version) = headers.get(LAST_EVENT)?.to_str().ok()?.rsplit_once('.')?;
    let version = version.parse().ok()?;
    (epoch == feed.epoch() && version <= feed.beat().pulse.version).then_some(version)
}

impl Events {
    /// The next bytes to be sent; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(version) = self.told.take() {
            self.reader.acknowledge(version);
            self.deadline.iter().for_each(Deadline::clear);
        }
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(format!("retry: {}\n\n", rand::random_range(RETRY)).into());
        }
        loop {
            if self.who.until.is_some_and(|until| clock::now() >= until) {
                self.ended = Ended::Expired;
                return None;
            }
            let wait = match self.reader.news(&self.feed) {
                Some(News::State) => match self.event() {
                    Ok(event) => return Some(event),
                    Err(Busy) => AGAIN,
                },
                Some(News::Beat) => {
                    self.reader.beat(&self.feed);
                    return Some(Bytes::from_static(HEARTBEAT));
                }
                None => PATIENCE,
            };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {
                    self.ended = Ended::Stopped;
                    return None;
                }
                changed = self.beats.changed() => changed.ok()?,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn event(&mut self) -> Result<Bytes, Busy> {
        let message = self.reader.next(&self.feed)?;
        self.told = message.cursor.known;
        self.metrics.messages_sent.inc();
        self.metrics.bytes_sent.inc_by(message.text.len() as u64);
        if let Some(deadline) = &self.deadline {
            deadline.set(self.feed.settings().ack_timeout);
        }
        let version = message.cursor.known.unwrap_or_default();
        Ok(format!("id: {}.{version}\ndata: {}\n\n", self.feed.epoch(), message.text).into())
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.metrics.viewers.dec();
        self.metrics.ended(self.ended);
    }
}
