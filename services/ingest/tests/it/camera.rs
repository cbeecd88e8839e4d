//! An HTTP camera that does what the test wants, and refuses what HTTP does not allow.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use md5::{Digest as _, Md5};
use people_counter_ingest::config::{CameraUrl, HttpCamera, Source};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub const USER: &str = "viewer";
pub const PASSWORD: &str = "p4ss:w/rd";
const REALM: &str = "test camera";

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    pub target: String,
    pub authorization: Option<String>,
}

/// What the camera does, one after the other; at the end of it the connection is closed.
pub enum Step {
    Send(Vec<u8>),
    /// Sends this over and over.
    Flood(Vec<u8>),
    /// Holds the connection open and says nothing.
    Freeze,
}

/// The camera; gone when dropped.
pub struct Camera {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Camera {
    pub async fn start(script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, script) = (requests.clone(), Arc::new(script));
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (log, script) = (log.clone(), script.clone());
                tokio::spawn(async move { serve(socket, &log, script.as_ref()).await });
            }
        });
        Self { port, requests, task }
    }

    pub fn source(&self, target: &str) -> HttpCamera {
        HttpCamera::new(self.url(target).parse::<CameraUrl>().unwrap())
    }

    pub fn url(&self, target: &str) -> String {
        format!("http://127.0.0.1:{}{target}", self.port)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The source with the login of the test camera.
pub fn with_login(source: HttpCamera, password: &str) -> Source {
    Source::Http(HttpCamera { username: Some(USER.into()), password: Some(password.into()), ..source })
}

async fn serve(
    mut socket: TcpStream,
    log: &Mutex<Vec<Request>>,
    script: &(impl Fn(&Request) -> Vec<Step> + Sync),
) {
    // whoever asks may go away at any time
    let Some(request) = read_request(&mut socket, log).await else { return };
    for step in script(&request) {
        match step {
            Step::Send(bytes) if socket.write_all(&bytes).await.is_ok() => {}
            Step::Send(_) => return,
            Step::Flood(bytes) => while socket.write_all(&bytes).await.is_ok() {},
            // until the other side has had enough
            Step::Freeze => while matches!(socket.read(&mut [0; 64]).await, Ok(1..)) {},
        }
    }
}

async fn read_request(socket: &mut TcpStream, log: &Mutex<Vec<Request>>) -> Option<Request> {
    let mut lines = BufReader::new(socket).lines();
    let first = lines.next_line().await.ok()??;
    let mut authorization = None;
    let mut has_host = false;
    loop {
        let line = lines.next_line().await.ok()??;
        let Some((name, value)) = line.split_once(": ") else {
            assert_eq!(line, "", "a header");
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = Some(value.to_owned()),
            "host" => has_host = true,
            _ => {}
        }
    }
    assert!(has_host, "HTTP/1.1 wants a host");
    let target = first.strip_prefix("GET ").and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
    let target = target.unwrap_or_else(|| panic!("not a GET: {first}")).to_owned();
    let mut log = log.lock().unwrap();
    let request = Request { target, authorization };
    log.push(request.clone());
    Some(request)
}

/// An answer without a picture.
pub fn status(line: &str, headers: &[(&str, &str)]) -> Vec<Step> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    vec![Step::Send(
        format!("HTTP/1.1 {line}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n").into(),
    )]
}

/// One picture.
pub fn snapshot(jpeg: &[u8]) -> Vec<Step> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        jpeg.len()
    );
    vec![Step::Send([head.as_bytes(), jpeg].concat())]
}

/// A stream of `parts`; what happens after them is to be added.
pub fn stream(parts: &[&[u8]]) -> Vec<Step> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\nConnection: close\r\n\r\n";
    let mut steps = vec![Step::Send(head.into())];
    steps.extend(parts.iter().map(|jpeg| part(jpeg)));
    steps
}

/// One part of a stream.
pub fn part(jpeg: &[u8]) -> Step {
    let head = format!("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
    Step::Send([head.as_bytes(), jpeg, b"\r\n"].concat())
}

/// Checks Basic logins.
pub fn basic(request: &Request) -> Result<(), Vec<Step>> {
    // the base64 of USER:PASSWORD
    match request.authorization.as_deref() {
        Some("Basic dmlld2VyOnA0c3M6dy9yZA==") => Ok(()),
        _ => Err(status("401 Unauthorized", &[("WWW-Authenticate", "Basic realm=\"test camera\"")])),
    }
}

/// Checks Digest logins: a nonce serves a few requests, whose counts must rise by one.
#[derive(Default)]
pub struct Digest {
    state: Mutex<Nonce>,
}

#[derive(Default)]
struct Nonce {
    number: u32,
    used: u32,
}

impl Digest {
    const USES: u32 = 3;

    pub fn check(&self, request: &Request) -> Result<(), Vec<Step>> {
        let mut nonce = self.state.lock().unwrap();
        let is_stale = nonce.used >= Self::USES;
        if !is_stale && request.authorization.as_deref().is_some_and(|text| verify(text, request, &nonce)) {
            nonce.used += 1;
            return Ok(());
        }
        *nonce = Nonce { number: nonce.number + 1, used: 0 };
        let stale = if is_stale { ", stale=true" } else { "" };
        let question = format!(
            "Digest realm=\"{REALM}\", qop=\"auth\", algorithm=MD5, nonce=\"n{}\", opaque=\"o\"{stale}",
            nonce.number
        );
        Err(status("401 Unauthorized", &[("WWW-Authenticate", &question)]))
    }
}

/// RFC 7616, section 3.4.1.
fn verify(authorization: &str, request: &Request, nonce: &Nonce) -> bool {
    let Some(fields) = authorization.strip_prefix("Digest ") else { return false };
    let fields: HashMap<&str, &str> = fields
        .split(", ")
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim_matches('"')))
        .collect();
    let field = |name: &str| fields.get(name).copied().unwrap_or_default();
    if field("nonce") != format!("n{}", nonce.number) {
        return false;
    }
    let count = format!("{:08x}", nonce.used + 1);
    assert_eq!((field("nc"), field("uri"), field("opaque")), (&*count, &*request.target, "o"));
    let secret = md5(&format!("{USER}:{REALM}:{PASSWORD}"));
    let asked = md5(&format!("GET:{}", request.target));
    let whole = format!("{secret}:{}:{count}:{}:auth:{asked}", field("nonce"), field("cnonce"));
    field("username") == USER && field("response") == md5(&whole)
}

fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
