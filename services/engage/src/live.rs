//! The WebSocket at `/api/v1/stream`: one session per viewer.
//!
//! A session holds no queue. It knows what its viewer has acknowledged; when a beat comes, the viewer gets
//! what leads from there to now, and nothing more until it acknowledges that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, AsyncContext, StreamHandler};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use actix_web_actors::ws::{self, CloseCode, CloseReason, WebsocketContext};
use futures_util::stream;
use iot_chassis::Stop;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::access::Identity;
use crate::clock;
use crate::feed::{AGAIN, Busy, Feed, PATIENCE, Reader, Subscription, Written};
use crate::http::{App, Deadline, Problem, in_pieces};
use crate::metrics::{Ended, Metrics};

/// How long a new viewer has to say what it follows, before it is told everything.
const FIRST_WORD: Duration = Duration::from_millis(250);

/// Largest frame that a viewer may send, bytes: the longest list of devices.
const MAX_FRAME: usize = 64 << 10;

/// How much a viewer may send a second, bytes.
const MAX_BYTES_PER_SECOND: usize = 4 * MAX_FRAME;

/// What a viewer says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Said {
    Ack {
        version: u64,
    },
    Subscribe(Written),
    /// For later versions of the protocol.
    #[serde(other)]
    Unknown,
}

/// What wakes a session.
enum Wake {
    Beat,
    Stop,
}

struct Session {
    feed: Arc<Feed>,
    metrics: Metrics,
    stop: Stop,
    who: Identity,
    deadline: Option<Deadline>,
    reader: Reader,
    /// It has said what it follows, or has had the time for it.
    asked: bool,
    /// A look at a later time is planned.
    planned: bool,
    budget: Budget,
    ended: Ended,
    _place: OwnedSemaphorePermit,
}

/// Opens the stream, a WebSocket.
///
/// Its messages are described in `docs/wire.md`.
#[utoipa::path(
    get, path = "/api/v1/stream", tag = "stream", operation_id = "openStream",
    responses(
        (status = 101, description = "The stream is open"),
        (status = 426, description = "The request opens no WebSocket"),
        (
            status = 503, description = "There are as many viewers as allowed",
            headers(("Retry-After" = u32, description = "Seconds to wait"))
        ),
    )
)]
pub async fn open(
    request: HttpRequest,
    payload: Payload,
    app: Data<App>,
    who: Identity,
) -> actix_web::Result<HttpResponse> {
    let place = app.place()?;
    let interest = app.feed.interest(who.scope, Subscription::Everything);
    let interest = interest.map_err(|error| Problem::unavailable("filters", error.to_string()))?;
    let session = Session {
        metrics: app.metrics.clone(),
        stop: app.stop.clone(),
        who,
        deadline: request.conn_data::<Deadline>().cloned(),
        reader: Reader::new(interest),
        asked: false,
        planned: false,
        budget: Budget::new(app.feed.settings().frames_per_second()),
        ended: Ended::Left,
        feed: Arc::clone(&app.feed),
        _place: place,
    };
    let opened = ws::WsResponseBuilder::new(session, &request, payload).frame_size(MAX_FRAME).start();
    opened.map(in_pieces).map_err(|error| {
        let detail = format!("this is a WebSocket, and the request does not open one: {error}");
        Problem::new(StatusCode::UPGRADE_REQUIRED, "websocket", detail).into()
    })
}

impl Actor for Session {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.metrics.viewers.inc();
        let wakes = Some((self.feed.beats(), self.stop.clone()));
        ctx.add_stream(stream::unfold(wakes, |wakes| async {
            let (mut beats, stop) = wakes?;
            tokio::select! {
                biased;
                () = stop.cancelled() => Some((Wake::Stop, None)),
                changed = beats.changed() => match changed {
                    Ok(()) => Some((Wake::Beat, Some((beats, stop)))),
                    Err(_) => Some((Wake::Stop, None)),
                },
            }
        }));
        ctx.run_later(PATIENCE, Self::look);
        ctx.run_later(FIRST_WORD, |session, ctx| {
            if !std::mem::replace(&mut session.asked, true) {
                session.look(ctx);
            }
        });
    }

    fn stopped(&mut self, _ctx: &mut Self::Context) {
        self.metrics.viewers.dec();
        self.metrics.ended(self.ended);
    }
}

impl StreamHandler<Wake> for Session {
    fn handle(&mut self, wake: Wake, ctx: &mut Self::Context) {
        match wake {
            Wake::Beat => self.look(ctx),
            Wake::Stop => self.end(Ended::Stopped, CloseCode::Away, "the service stops", ctx),
        }
    }
}

impl StreamHandler<Result<ws::Message, ws::ProtocolError>> for Session {
    fn handle(&mut self, message: Result<ws::Message, ws::ProtocolError>, ctx: &mut Self::Context) {
        let bytes = match &message {
            Ok(ws::Message::Text(text)) => text.len(),
            _ => 0,
        };
        if !self.budget.take(bytes) {
            return self.end(Ended::Flooding, CloseCode::Policy, "too many messages", ctx);
        }
        match message {
            Ok(ws::Message::Text(text)) => match serde_json::from_str(&text) {
                Ok(Said::Ack { version }) => self.acknowledged(version, ctx),
                Ok(Said::Subscribe(written)) => self.follow(written, ctx),
                Ok(Said::Unknown) => {}
                Err(_) => {
                    self.end(Ended::Protocol, CloseCode::Invalid, "not a message of this protocol", ctx)
                }
            },
            Ok(ws::Message::Ping(data)) => ctx.pong(&data),
            Ok(ws::Message::Pong(_) | ws::Message::Nop) => {}
            Ok(ws::Message::Close(_)) => self.end(Ended::Left, CloseCode::Normal, "", ctx),
            Ok(ws::Message::Binary(_) | ws::Message::Continuation(_)) => {
                self.end(Ended::Protocol, CloseCode::Unsupported, "only whole text messages", ctx);
            }
            Err(ws::ProtocolError::Overflow) => {
                self.end(Ended::Protocol, CloseCode::Size, "larger than 64 KiB", ctx);
            }
            Err(_) => self.end(Ended::Protocol, CloseCode::Protocol, "not a WebSocket frame", ctx),
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Session {
    /// Sends what there is to send, if the viewer is ready for it.
    fn look(&mut self, ctx: &mut WebsocketContext<Self>) {
        if self.who.until.is_some_and(|until| clock::now() >= until) {
            return self.end(Ended::Expired, CloseCode::Policy, "the login has ended", ctx);
        }
        if let Some(since) = self.reader.awaits() {
            if since.elapsed() > self.feed.settings().ack_timeout {
                self.end(Ended::Silent, CloseCode::Policy, "no acknowledgement in time", ctx);
            }
            return;
        }
        if self.asked && self.reader.news(&self.feed).is_some() {
            self.send(ctx);
        }
    }

    fn send(&mut self, ctx: &mut WebsocketContext<Self>) {
        let message = match self.reader.next(&self.feed) {
            Ok(message) => message,
            Err(Busy) => return self.plan(AGAIN, ctx),
        };
        self.metrics.messages_sent.inc();
        self.metrics.bytes_sent.inc_by(message.text.len() as u64);
        ctx.text(message.text.clone());
        if let Some(deadline) = &self.deadline {
            deadline.set(self.feed.settings().ack_timeout);
        }
    }

    /// Looks again after a while, unless that is planned already.
    fn plan(&mut self, after: Duration, ctx: &mut WebsocketContext<Self>) {
        if !std::mem::replace(&mut self.planned, true) {
            ctx.run_later(after, |session, ctx| {
                session.planned = false;
                session.look(ctx);
            });
        }
    }

    fn acknowledged(&mut self, version: u64, ctx: &mut WebsocketContext<Self>) {
        if !self.reader.acknowledge(version) {
            return;
        }
        if let Some(deadline) = &self.deadline {
            deadline.clear();
        }
        if self.reader.continues() {
            self.look(ctx);
        } else if self.reader.may_have_news(&self.feed) {
            if self.pause().is_zero() {
                // it missed a beat; were it to wait for the next one, it might miss that too
                self.look(ctx);
            } else {
                // sent with the next beat, when others need the same
                self.feed.nudge();
            }
        }
    }

    /// How long until the rate allows another message.
    fn pause(&self) -> Duration {
        let since = self.reader.last_sent().map_or(Duration::MAX, |at| at.elapsed());
        self.feed.settings().interval().saturating_sub(since)
    }

    fn follow(&mut self, written: Written, ctx: &mut WebsocketContext<Self>) {
        let subscription = match Subscription::try_from(written) {
            Ok(subscription) => subscription,
            Err(error) => return self.end(Ended::Protocol, CloseCode::Invalid, &error.to_string(), ctx),
        };
        match self.feed.interest(self.who.scope, subscription) {
            Ok(interest) => self.reader.follow(interest),
            Err(error) => return self.end(Ended::Refused, CloseCode::Again, &error.to_string(), ctx),
        }
        self.asked = true;
        // at once, but not more often than the rate allows
        let pause = self.pause();
        if pause.is_zero() { self.look(ctx) } else { self.plan(pause, ctx) }
    }

    fn end(&mut self, why: Ended, code: CloseCode, description: &str, ctx: &mut WebsocketContext<Self>) {
        self.ended = why;
        let description = (!description.is_empty()).then(|| description.to_owned());
        ctx.close(Some(CloseReason { code, description }));
        ctx.stop();
    }
}

/// How much a viewer may send a second.
struct Budget {
    frames_per_second: u32,
    frames: u32,
    bytes: usize,
    since: Instant,
}

impl Budget {
    fn new(frames_per_second: u32) -> Self {
        let frames = frames_per_second;
        Self { frames_per_second, frames, bytes: MAX_BYTES_PER_SECOND, since: Instant::now() }
    }

    fn take(&mut self, bytes: usize) -> bool {
        if self.since.elapsed() >= Duration::from_secs(1) {
            *self = Self::new(self.frames_per_second);
        }
        self.frames = self.frames.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.frames > 0 && self.bytes > 0
    }
}
