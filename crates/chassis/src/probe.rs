//! The `health` subcommand: a probe for containers without a shell or curl.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::Context;

use crate::Address;

/// Longest wait for a connection, and for each part of the answer.
const LIMIT: Duration = Duration::from_secs(5);
/// Most that is read of an answer, in bytes.
const ANSWER_LIMIT: u64 = 64 * 1024;

/// Asks `/readyz` of the running service.
///
/// # Errors
/// When the service does not answer, or says what keeps it from being ready.
pub(crate) fn ask(address: Option<&Address>) -> anyhow::Result<()> {
    let address = address.context("health is not served, configure its address")?;
    let answer = exchange(address).with_context(|| format!("cannot ask {address} for /readyz"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split_whitespace().nth(1).unwrap_or("no status");
    anyhow::ensure!(status == "200", "not ready ({status}): {}", body.trim());
    Ok(())
}

fn exchange(address: &Address) -> io::Result<String> {
    match address {
        Address::Tcp(address) => {
            let socket = TcpStream::connect_timeout(address, LIMIT)?;
            socket.set_read_timeout(Some(LIMIT))?;
            get(socket, &address.to_string())
        }
        Address::Unix(path) => {
            let socket = UnixStream::connect(path)?;
            socket.set_read_timeout(Some(LIMIT))?;
            get(socket, "localhost")
        }
    }
}

fn get(mut socket: impl Read + Write, host: &str) -> io::Result<String> {
    socket
        .write_all(format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    socket.take(ANSWER_LIMIT).read_to_string(&mut answer)?;
    Ok(answer)
}
