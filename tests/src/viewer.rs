//! A viewer of engage's stream, as `docs/wire.md` describes it.

use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message as Frame, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::rest::Summary;

/// What a viewer follows.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "subscribe")]
pub struct Subscription {
    /// `"all"`, or a list of ids.
    pub devices: serde_json::Value,
}

impl Subscription {
    /// Every device.
    pub fn all() -> Self {
        Self { devices: "all".into() }
    }

    /// These devices.
    pub fn of(devices: &[String]) -> Self {
        Self { devices: devices.into() }
    }
}

/// A message of the stream, read from the text it borrows.
#[derive(Debug, Deserialize)]
pub struct Message<'a> {
    /// Whether it is a `snapshot` or a `delta`.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Names the replica's run.
    pub epoch: &'a str,
    /// What it leads to.
    pub version: u64,
    /// What it starts from.
    pub since: Option<u64>,
    /// Whether the replica has its broker.
    pub connected: bool,
    /// The sums.
    pub summary: Summary,
    /// How many devices were asked for.
    pub total: Option<usize>,
    /// The devices, or those that changed.
    #[serde(borrow)]
    pub devices: Vec<Seen<'a>>,
    /// The devices that went.
    #[serde(borrow, default)]
    pub removed: Vec<&'a str>,
}

/// Kinds of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Everything anew.
    Snapshot,
    /// What changed.
    Delta,
}

/// A device in a message, as far as tests and load generator look.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen<'a> {
    /// Its id.
    #[serde(rename = "deviceID")]
    pub device_id: &'a str,
    /// People; `None` when never counted.
    pub count: Option<u32>,
    /// Number of the result.
    pub sequence: Option<u64>,
    /// When it was counted, Unix seconds.
    pub analysed_timestamp: Option<f64>,
    /// When the picture was taken, Unix seconds.
    pub creation_timestamp: Option<f64>,
}

/// What a connection reads at once, bytes. The library clears all of it before each read, which with its usual 128 KiB
/// is most of what thousands of connections do.
const READS: usize = 8 << 10;

/// Opens a WebSocket.
///
/// # Errors
/// When the other side does not take it.
pub async fn connect(
    request: impl IntoClientRequest + Unpin,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Box<tungstenite::Error>> {
    let config = WebSocketConfig::default().read_buffer_size(READS);
    Ok(connect_async_with_config(request, Some(config), true).await?.0)
}

/// A connection to the stream.
pub struct Viewer(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// Why a stream gives no more.
#[derive(Debug)]
pub enum Ended {
    /// It was closed, with this code.
    Closed(u16),
    /// The connection broke.
    Broken(Box<tungstenite::Error>),
}

impl Viewer {
    /// Connects to the replica at `address`, with a token if there is access control.
    ///
    /// # Errors
    /// When the replica does not take it.
    pub async fn connect(address: &str, token: Option<&str>) -> Result<Self, Box<tungstenite::Error>> {
        let mut request = format!("ws://{address}/api/v1/stream").into_client_request()?;
        if let Some(token) = token {
            let bearer = HeaderValue::from_str(&format!("Bearer {token}")).expect("a token is plain text");
            request.headers_mut().insert("authorization", bearer);
        }
        Ok(Self(connect(request).await?))
    }

    /// Follows something else.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn subscribe(&mut self, subscription: &Subscription) -> Result<(), Ended> {
        self.say(serde_json::to_string(subscription).expect("a subscription is JSON")).await
    }

    /// The text of the next message; read it as a [`Message`] and acknowledge its version.
    ///
    /// # Errors
    /// When there is none.
    pub async fn next(&mut self) -> Result<Utf8Bytes, Ended> {
        loop {
            match self.0.next().await {
                Some(Ok(Frame::Text(text))) => return Ok(text),
                Some(Ok(Frame::Close(frame))) => {
                    return Err(Ended::Closed(frame.map_or(1005, |frame| frame.code.into())));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Ended::Broken(Box::new(error))),
                None => return Err(Ended::Closed(1006)),
            }
        }
    }

    /// Tells the replica that everything up to this version is here.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn acknowledge(&mut self, version: u64) -> Result<(), Ended> {
        self.say(format!("{{\"type\":\"ack\",\"version\":{version}}}")).await
    }

    async fn say(&mut self, text: String) -> Result<(), Ended> {
        self.0.send(Frame::text(text)).await.map_err(|error| Ended::Broken(Box::new(error)))
    }
}
