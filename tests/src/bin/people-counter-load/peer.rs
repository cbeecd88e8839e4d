//! A viewer of Flask-SocketIO: Socket.IO 5 over Engine.IO 4, as far as it is needed to listen.

use futures_util::{SinkExt, StreamExt};
use people_counter_tests::viewer::{Ended, Seen, connect};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Message as Frame, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Where the service answers without a WebSocket.
pub const POLLING: &str = "socket.io/?EIO=4&transport=polling";

// packets: the transport's kind, then for messages (4) the kind of Socket.IO
const OPEN: &str = "0";
const PING: &str = "2";
const PONG: &str = "3";
const CONNECT: &str = "40";
const EVENT: &str = "42";

/// A connection.
pub struct Viewer(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Viewer {
    /// Connects; `None` when that fails.
    pub async fn connect(address: &str) -> Option<Self> {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let mut viewer = Self(connect(url).await.ok()?);
        viewer.packet(OPEN).await.ok()?;
        viewer.0.send(Frame::text(CONNECT)).await.ok()?;
        viewer.packet(CONNECT).await.ok()?;
        Some(viewer)
    }

    /// The next event.
    pub async fn next(&mut self) -> Result<Utf8Bytes, Ended> {
        self.packet(EVENT).await
    }

    /// The next packet of this kind; what else comes is answered.
    async fn packet(&mut self, kind: &str) -> Result<Utf8Bytes, Ended> {
        loop {
            match self.0.next().await {
                Some(Ok(Frame::Text(text))) if text.starts_with(kind) => return Ok(text),
                Some(Ok(Frame::Text(text))) if text.as_str() == PING => {
                    let answered = self.0.send(Frame::text(PONG)).await;
                    answered.map_err(|error| Ended::Broken(Box::new(error)))?;
                }
                Some(Ok(Frame::Close(frame))) => {
                    return Err(Ended::Closed(frame.map_or(1005, |frame| frame.code.into())));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Ended::Broken(Box::new(error))),
                None => return Err(Ended::Closed(1006)),
            }
        }
    }
}

/// The count in an event: the result as it went over MQTT.
pub fn count(event: &str) -> Seen<'_> {
    let (_, seen): (&str, Seen<'_>) =
        serde_json::from_str(&event[EVENT.len()..]).expect("an event with its name and a result");
    seen
}
