//! A viewer of the stream.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::stage::{Engage, LIMIT};

pub struct Viewer {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// Opens a stream; `origin` as a browser would say it.
pub async fn open(engage: &Engage, origin: Option<&str>) -> Result<Viewer, Error> {
    open_with(engage, origin.map(|origin| ("origin", origin))).await
}

/// Opens a stream with this header.
pub async fn open_with(engage: &Engage, header: Option<(&'static str, &str)>) -> Result<Viewer, Error> {
    let mut request = format!("ws://{}/api/v1/stream", engage.addr).into_client_request().unwrap();
    if let Some((name, value)) = header {
        request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    }
    connect_async(request).await.map(|(socket, _)| Viewer { socket })
}

impl Viewer {
    pub async fn of(engage: &Engage) -> Self {
        open(engage, None).await.unwrap()
    }

    /// The next message, or the code and reason with which the stream was closed.
    pub async fn next(&mut self) -> Result<Value, (u16, String)> {
        loop {
            let message = timeout(LIMIT, self.socket.next()).await.expect("no message came");
            match message.expect("the connection ended without a close").unwrap() {
                Message::Text(text) => return Ok(serde_json::from_str(&text).unwrap()),
                Message::Close(frame) => {
                    let frame = frame.expect("a close says why");
                    return Err((frame.code.into(), frame.reason.to_string()));
                }
                _ => {}
            }
        }
    }

    /// The next message, acknowledged.
    pub async fn take(&mut self) -> Value {
        let message = self.next().await.unwrap();
        self.ack(&message).await;
        message
    }

    pub async fn ack(&mut self, message: &Value) {
        self.say(json!({"type": "ack", "version": message["version"]}).to_string()).await;
    }

    pub async fn say(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Follows something else and takes the snapshot of it, past what was on its way.
    pub async fn subscribe(&mut self, subscription: Value) -> Value {
        let mut message = subscription;
        message["type"] = "subscribe".into();
        self.say(message.to_string()).await;
        self.until(|message| (message["type"] == "snapshot").then(|| message.clone())).await
    }

    /// Takes messages until `found` finds what it looks for.
    pub async fn until<T>(&mut self, mut found: impl FnMut(&Value) -> Option<T>) -> T {
        loop {
            if let Some(found) = found(&self.take().await) {
                return found;
            }
        }
    }

    /// The close that ends the stream, whatever comes before it.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Err(closed) = self.next().await {
                return closed;
            }
        }
    }
}

/// The device of this id in a message.
pub fn device<'a>(message: &'a Value, id: &str) -> Option<&'a Value> {
    message["devices"].as_array()?.iter().find(|device| device["deviceID"] == id)
}

/// The ids of the devices in a message, sorted.
pub fn ids(message: &Value) -> Vec<&str> {
    let devices = message["devices"].as_array().unwrap().iter();
    let mut ids: Vec<&str> = devices.map(|device| device["deviceID"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}
