//! An HTTP server that says what a script tells it to, and remembers what it was asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What it does with one request. The last of a script is repeated.
#[derive(Clone)]
pub enum Reply {
    /// Writes these bytes and waits for the next request on this connection.
    Say(String),
    /// Writes what the requests so far lead to.
    Think(fn(&[Asked]) -> String),
    /// Writes these bytes and closes the connection.
    Break(String),
    /// Writes these bytes and then nothing more, keeping the connection open.
    Stall(String),
    /// Writes these bytes and then zeros until the client goes away.
    Endless(String),
    /// Does not even read the request's body.
    Deaf,
    /// Writes these bytes and closes the connection without reading the request's body.
    Refuse(String),
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

#[derive(Default)]
struct Log {
    asked: Vec<Asked>,
    connections: usize,
    written: usize,
}

pub struct Script {
    addr: SocketAddr,
    log: Arc<Mutex<Log>>,
    task: JoinHandle<()>,
}

impl Drop for Script {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Script {
    pub async fn start(replies: impl Into<Vec<Reply>>) -> Self {
        let replies = Arc::new(replies.into());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let shared = log.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().unwrap().connections += 1;
                // A client that goes away in the middle is what many of these tests want.
                let (replies, log) = (replies.clone(), shared.clone());
                connections.spawn(async move { serve(stream, &replies, &log).await.ok() });
            }
        });
        Self { addr, log, task }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().asked.clone()
    }

    pub fn connections(&self) -> usize {
        self.log.lock().unwrap().connections
    }

    /// Bytes of endless bodies that the operating system took so far.
    pub fn written(&self) -> usize {
        self.log.lock().unwrap().written
    }
}

async fn serve(mut stream: TcpStream, replies: &[Reply], log: &Mutex<Log>) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let Some((mut asked, length)) = head(&mut stream, &mut buffer).await? else { return Ok(()) };
        let next = replies[log.lock().unwrap().asked.len().min(replies.len() - 1)].clone();
        if !matches!(next, Reply::Deaf | Reply::Refuse(_)) {
            while buffer.len() < length {
                if stream.read_buf(&mut buffer).await? == 0 {
                    return Ok(());
                }
            }
            asked.body = buffer.drain(..length).collect();
        }
        log.lock().unwrap().asked.push(asked);
        match next {
            Reply::Say(text) => stream.write_all(text.as_bytes()).await?,
            Reply::Think(say) => {
                let text = say(&log.lock().unwrap().asked);
                stream.write_all(text.as_bytes()).await?;
            }
            Reply::Break(text) | Reply::Refuse(text) => return stream.write_all(text.as_bytes()).await,
            Reply::Stall(text) => {
                stream.write_all(text.as_bytes()).await?;
                return std::future::pending().await;
            }
            Reply::Endless(text) => {
                stream.write_all(text.as_bytes()).await?;
                loop {
                    let count = stream.write(&[0; 4096]).await?;
                    log.lock().unwrap().written += count;
                }
            }
            Reply::Deaf => return std::future::pending().await,
        }
    }
}

/// Reads up to the end of the headers; what of the body came with them stays in `buffer`.
async fn head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<(Asked, usize)>> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let text = String::from_utf8(buffer.drain(..end).collect()).unwrap();
    let mut lines = text.lines();
    let mut request = lines.next().unwrap().split(' ').map(str::to_owned);
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let (method, path) = (request.next().unwrap(), request.next().unwrap());
    Ok(Some((Asked { method, path, headers, body: Vec::new() }, length)))
}

/// A whole answer.
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

/// A whole answer with S3's error document.
pub fn refusal(status: &str, code: &str) -> Reply {
    Reply::Say(refusing(status, code))
}

pub fn refusing(status: &str, code: &str) -> String {
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code>\
         <Message>because</Message><RequestId>tx42</RequestId></Error>"
    );
    answer(status, "content-type: application/xml\r\n", &document)
}

/// A whole answer to a put or a get.
pub fn fine(body: &str) -> Reply {
    Reply::Say(answer("200 OK", "etag: \"e1\"\r\ncontent-type: text/plain\r\n", body))
}

/// A listing with these keys; it goes on at `next`, if that is given.
pub fn listing(keys: &[&str], next: Option<&str>) -> Reply {
    let contents: String = keys
        .iter()
        .map(|key| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>2026-11-22T20:15:00.000Z</LastModified>\
                 <Size>1</Size></Contents>"
            )
        })
        .collect();
    let more = next
        .map_or_else(String::new, |next| format!("<NextContinuationToken>{next}</NextContinuationToken>"));
    let truncated = next.is_some();
    let document = format!(
        "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>readings</Name>\
         <IsTruncated>{truncated}</IsTruncated>{contents}{more}</ListBucketResult>"
    );
    Reply::Say(answer("200 OK", "content-type: application/xml\r\n", &document))
}
