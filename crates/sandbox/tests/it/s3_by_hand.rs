//! Signed S3 requests with every byte in our own hands: what no client library would send.

use hmac::{Hmac, Mac};
use iot_sandbox::ObjectStore;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request, its path as it stands, and reads the answer.
pub async fn request(
    store: &ObjectStore,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut stream = TcpStream::connect(store.addr()).await.unwrap();
    let head = head(store, method, path, headers, body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.ok(); // the answer may come before the end of the body
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let split = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..split].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: answer[split + 4..].to_vec() }
}

/// The head of a request with an unsigned payload of `length` bytes. `path` must not need quoting; it
/// may have a query, such as `?location=`.
pub fn head(
    store: &ObjectStore,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    length: usize,
) -> String {
    let host = store.addr().to_string();
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let scope = format!("{}/us-east-1/s3/aws4_request", &now[..8]);

    let mut signed: Vec<(&str, &str)> = headers.to_vec();
    signed.extend([("host", &*host), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("x-amz-date", &now)]);
    signed.sort();
    let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let (resource, query) = path.split_once('?').unwrap_or((path, ""));
    let canonical = format!("{method}\n{resource}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD");
    let to_sign = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
    let secret = format!("AWS4{}", store.secret_key()).into_bytes();
    let key = scope.split('/').fold(secret, |key, part| hmac(&key, part));
    let signature = hex::encode(hmac(&key, &to_sign));

    let sent: String = signed.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "{method} {path} HTTP/1.1\r\n{sent}content-length: {length}\r\nconnection: close\r\n\
         authorization: AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},\
         Signature={signature}\r\n\r\n",
        store.access_key(),
    )
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    hmac.update(message.as_bytes());
    hmac.finalize().into_bytes().to_vec()
}
