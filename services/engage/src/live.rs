//! The WebSocket at `/api/v1/stream`: one session per viewer.
//!
//! A session holds no queue. It knows the version its viewer has acknowledged; when a pulse comes, the viewer
//! gets what leads from there to now, and nothing more until it acknowledges that.

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

use crate::feed::{Feed, Pulse};
use crate::http::{App, Deadline, Problem};
use crate::metrics::{Ended, Metrics};

/// Largest frame that a viewer may send, bytes. It has next to nothing to say.
const MAX_FRAME: usize = 4096;

/// How long a new viewer waits for a state that is complete, before it gets what there is.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a viewer says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Said {
    Ack {
        version: u64,
    },
    /// For later versions of the protocol.
    #[serde(other)]
    Unknown,
}

/// What wakes a session.
enum Wake {
    Pulse,
    Stop,
}

/// A message on its way.
struct Unacknowledged {
    version: u64,
    sent: Instant,
}

struct Session {
    feed: Arc<Feed>,
    metrics: Metrics,
    stop: Stop,
    deadline: Option<Deadline>,
    opened: Instant,
    /// The version that the viewer has.
    known: Option<u64>,
    /// What the last message was made for.
    sent: Option<Pulse>,
    unacknowledged: Option<Unacknowledged>,
    /// Something came up while the viewer had not acknowledged.
    missed: bool,
    frames: Budget,
    ended: Ended,
    _place: OwnedSemaphorePermit,
}

/// Opens a stream.
///
/// # Errors
/// When it is no WebSocket handshake, or there are as many viewers as allowed.
pub async fn open(request: HttpRequest, payload: Payload, app: Data<App>) -> actix_web::Result<HttpResponse> {
    let Ok(place) = Arc::clone(&app.viewers).try_acquire_owned() else {
        app.metrics.viewers_refused.inc();
        return Err(
            Problem::unavailable("viewers", "there are as many viewers as allowed, try again later").into()
        );
    };
    let settings = app.feed.settings();
    let session = Session {
        metrics: app.metrics.clone(),
        stop: app.stop.clone(),
        deadline: request.conn_data::<Deadline>().cloned(),
        opened: Instant::now(),
        known: None,
        sent: None,
        unacknowledged: None,
        missed: false,
        frames: Budget::new(settings.frames_per_second()),
        ended: Ended::Left,
        feed: Arc::clone(&app.feed),
        _place: place,
    };
    let opened = ws::WsResponseBuilder::new(session, &request, payload).frame_size(MAX_FRAME).start();
    opened.map_err(|error| {
        let detail = format!("this is a WebSocket, and the request does not open one: {error}");
        Problem::new(StatusCode::UPGRADE_REQUIRED, "websocket", detail).into()
    })
}

impl Actor for Session {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.metrics.viewers.inc();
        let wakes = Some((self.feed.pulses(), self.stop.clone()));
        ctx.add_stream(stream::unfold(wakes, |wakes| async {
            let (mut pulses, stop) = wakes?;
            tokio::select! {
                biased;
                () = stop.cancelled() => Some((Wake::Stop, None)),
                changed = pulses.changed() => match changed {
                    Ok(()) => Some((Wake::Pulse, Some((pulses, stop)))),
                    Err(_) => Some((Wake::Stop, None)),
                },
            }
        }));
        ctx.run_later(PATIENCE, Self::look);
        self.look(ctx);
    }

    fn stopped(&mut self, _ctx: &mut Self::Context) {
        self.metrics.viewers.dec();
        self.metrics.ended(self.ended);
    }
}

impl StreamHandler<Wake> for Session {
    fn handle(&mut self, wake: Wake, ctx: &mut Self::Context) {
        match wake {
            Wake::Pulse => self.look(ctx),
            Wake::Stop => self.end(Ended::Stopped, CloseCode::Away, "the service stops", ctx),
        }
    }
}

impl StreamHandler<Result<ws::Message, ws::ProtocolError>> for Session {
    fn handle(&mut self, message: Result<ws::Message, ws::ProtocolError>, ctx: &mut Self::Context) {
        if !self.frames.take() {
            return self.end(Ended::Flooding, CloseCode::Policy, "too many messages", ctx);
        }
        match message {
            Ok(ws::Message::Text(text)) => match serde_json::from_str(&text) {
                Ok(Said::Ack { version }) => self.acknowledged(version),
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
                self.end(Ended::Protocol, CloseCode::Size, "larger than 4 KiB", ctx);
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
        let pulse = self.feed.pulse();
        let news = self.sent.is_none_or(|sent| pulse.calls_for_more_than(sent));
        if let Some(on_its_way) = &self.unacknowledged {
            self.missed |= news;
            if on_its_way.sent.elapsed() > self.feed.settings().ack_timeout {
                self.end(Ended::Silent, CloseCode::Policy, "no acknowledgement in time", ctx);
            }
            return;
        }
        // the sums of a state that is still being read would be wrong, and it will not take long
        let wait = self.sent.is_none() && !pulse.link.complete && self.opened.elapsed() < PATIENCE;
        if news && !wait {
            self.send(ctx);
        }
    }

    fn send(&mut self, ctx: &mut WebsocketContext<Self>) {
        let message = self.feed.message(self.known);
        self.metrics.messages_sent.inc();
        self.metrics.bytes_sent.inc_by(message.text.len() as u64);
        ctx.text(message.text.clone());
        if let Some(deadline) = &self.deadline {
            deadline.set(self.feed.settings().ack_timeout);
        }
        self.sent = Some(message.pulse);
        self.unacknowledged = Some(Unacknowledged { version: message.pulse.version, sent: Instant::now() });
        self.missed = false;
    }

    fn acknowledged(&mut self, version: u64) {
        if self.unacknowledged.as_ref().is_none_or(|on_its_way| on_its_way.version != version) {
            return;
        }
        self.unacknowledged = None;
        self.known = Some(version);
        if let Some(deadline) = &self.deadline {
            deadline.clear();
        }
        if self.missed {
            // sent with the next pulse, when others need the same, and not more often than the rate allows
            self.feed.nudge();
        }
    }

    fn end(&mut self, why: Ended, code: CloseCode, description: &str, ctx: &mut WebsocketContext<Self>) {
        self.ended = why;
        let description = (!description.is_empty()).then(|| description.to_owned());
        ctx.close(Some(CloseReason { code, description }));
        ctx.stop();
    }
}

/// How many frames a viewer may send a second.
struct Budget {
    per_second: u32,
    left: u32,
    since: Instant,
}

impl Budget {
    fn new(per_second: u32) -> Self {
        Self { per_second, left: per_second, since: Instant::now() }
    }

    fn take(&mut self) -> bool {
        if self.since.elapsed() >= Duration::from_secs(1) {
            (self.since, self.left) = (Instant::now(), self.per_second);
        }
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }
}
