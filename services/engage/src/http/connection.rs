//! [`Connection`]: a TCP connection whose writing has a time limit.
//!
//! The HTTP server does not poll a response while its socket takes no bytes, so nothing up there, timers
//! included, notices a client that stopped reading. The limits therefore sit below: a write that makes no
//! progress fails, and so does one that is still waiting when the connection's [`Deadline`] has passed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

/// A point in time after which a blocked write fails; shared by a connection and who serves it.
#[derive(Debug, Clone)]
pub struct Deadline(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    start: Instant,
    /// Milliseconds after `start`; `u64::MAX` for none.
    at: AtomicU64,
}

impl Deadline {
    fn new() -> Self {
        Self(Arc::new(Shared { start: Instant::now(), at: AtomicU64::new(u64::MAX) }))
    }

    /// Sets the deadline.
    pub fn set(&self, after: Duration) {
        let at = (self.0.start.elapsed() + after).as_millis();
        self.0.at.store(u64::try_from(at).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Takes the deadline away.
    pub fn clear(&self) {
        self.0.at.store(u64::MAX, Ordering::Relaxed);
    }

    fn get(&self) -> Option<Instant> {
        let at = self.0.at.load(Ordering::Relaxed);
        (at != u64::MAX).then(|| self.0.start + Duration::from_millis(at))
    }
}

/// A connection with limits on how long a write may be blocked.
#[derive(Debug)]
pub struct Connection<S> {
    io: S,
    limit: Duration,
    deadline: Deadline,
    blocked: Option<Blocked>,
    _place: Option<OwnedSemaphorePermit>,
}

/// Since when a write is blocked, and what wakes it up to fail.
#[derive(Debug)]
struct Blocked {
    since: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl<S> Connection<S> {
    /// A connection on which no write may be blocked for longer than `limit`.
    pub fn new(io: S, limit: Duration) -> Self {
        Self { io, limit, deadline: Deadline::new(), blocked: None, _place: None }
    }

    /// The same, holding its place among all connections until it ends.
    pub fn holding(self, place: OwnedSemaphorePermit) -> Self {
        Self { _place: Some(place), ..self }
    }

    /// The deadline of this connection.
    pub fn deadline(&self) -> Deadline {
        self.deadline.clone()
    }

    /// Turns a write that is blocked for too long into an error.
    fn limited<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.blocked = None;
            return poll;
        }
        let blocked = self.blocked.get_or_insert_with(|| {
            let since = Instant::now();
            Blocked { since, alarm: Box::pin(tokio::time::sleep_until(since + self.limit)) }
        });
        let stalled = blocked.since + self.limit;
        let due = self.deadline.get().map_or(stalled, |deadline| stalled.min(deadline));
        if blocked.alarm.deadline() != due {
            blocked.alarm.as_mut().reset(due);
        }
        ready!(blocked.alarm.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.limited(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.limited(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.io).poll_flush(cx);
        self.limited(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.io).poll_shutdown(cx);
        self.limited(cx, poll)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::timeout;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const NEVER: Duration = Duration::from_secs(3600);

    async fn write(connection: &mut Connection<DuplexStream>, bytes: usize) -> Result<(), io::ErrorKind> {
        let bytes = vec![0; bytes];
        let written = timeout(Duration::from_secs(60), connection.write_all(&bytes)).await;
        written.expect("the write has no limit").map_err(|error| error.kind())
    }

    #[tokio::test]
    async fn a_reader_that_stopped_fails_the_write() {
        let (io, _frozen) = duplex(16);
        let mut connection = Connection::new(io, SHORT);
        assert_eq!(write(&mut connection, 100).await, Err(io::ErrorKind::TimedOut));
    }

    #[tokio::test]
    async fn a_slow_reader_is_borne_until_its_deadline() {
        let (io, mut slow) = duplex(16);
        let mut connection = Connection::new(io, NEVER);
        let reader = tokio::spawn(async move {
            let mut byte = [0; 1];
            while slow.read(&mut byte).await.is_ok_and(|n| n > 0) {
                tokio::time::sleep(SHORT / 10).await;
            }
        });
        write(&mut connection, 40).await.unwrap();
        connection.deadline().set(SHORT);
        assert_eq!(write(&mut connection, 100_000).await, Err(io::ErrorKind::TimedOut));
        // a deadline that was taken away harms nobody
        connection.deadline().clear();
        write(&mut connection, 40).await.unwrap();
        drop(connection);
        reader.await.unwrap();
    }
}
