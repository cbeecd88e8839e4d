//! One connection through the proxy.

use super::fault::Fault;
use super::lane::{Lane, MAX_CHUNK};
use bytes::{BufMut, BytesMut};
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Why a connection ends before both sides have closed it.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Both sides see a reset.
    Reset,
    /// What was written still arrives, then the end.
    Close,
}

/// Carries bytes between `client` and `upstream` until both have closed, or a fault ends it.
pub(super) async fn run(mut client: TcpStream, upstream: SocketAddr, mut faults: watch::Receiver<Fault>) {
    let end = match connect(upstream, &mut faults).await {
        Some(mut upstream) => {
            let end = carry(&mut client, &mut upstream, &faults).await;
            if end == Err(End::Reset) {
                reset(upstream);
            }
            end
        }
        None => Err(End::Reset),
    };
    if end == Err(End::Reset) {
        reset(client);
    }
}

/// Closes a connection so that the other side sees a reset, not an orderly end.
pub(super) fn reset(stream: TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "a connection is closed instead of reset");
    }
}

/// Connects as soon as the fault lets anything through. What the client sends until then waits in
/// its own buffers.
async fn connect(upstream: SocketAddr, faults: &mut watch::Receiver<Fault>) -> Option<TcpStream> {
    let audible = faults.wait_for(|fault| *fault != Fault::HalfOpen).await.ok().map(|fault| *fault);
    if audible.is_none_or(Fault::ends_connections) {
        return None;
    }
    tokio::select! {
        stream = TcpStream::connect(upstream) => match stream {
            Ok(stream) => Some(stream),
            Err(error) => {
                tracing::debug!(%upstream, %error, "the proxy reaches nobody");
                None
            }
        },
        _ = faults.wait_for(|fault| fault.ends_connections()) => None,
    }
}

async fn carry(
    client: &mut TcpStream,
    upstream: &mut TcpStream,
    faults: &watch::Receiver<Fault>,
) -> Result<(), End> {
    for stream in [&*client, &*upstream] {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch off the delay of small packets");
        }
    }
    let (from_client, to_client) = client.split();
    let (from_upstream, to_upstream) = upstream.split();
    let there = Direction::new(from_client, to_upstream, faults.clone());
    let back = Direction::new(from_upstream, to_client, faults.clone());
    tokio::try_join!(there.run(), back.run()).map(|_| ())
}

/// One direction of a connection.
struct Direction<'a> {
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    faults: watch::Receiver<Fault>,
    lane: Lane,
    /// Nothing more comes: the sender has closed, or its connection has broken.
    ended: Option<io::Result<()>>,
}

/// What a direction waited for.
enum Event {
    Fault,
    Read(io::Result<usize>),
    Written(io::Result<usize>),
}

impl<'a> Direction<'a> {
    fn new(from: ReadHalf<'a>, to: WriteHalf<'a>, faults: watch::Receiver<Fault>) -> Self {
        Self { from, to, faults, lane: Lane::new(Instant::now()), ended: None }
    }

    /// Runs until the sender's end has been passed on.
    async fn run(mut self) -> Result<(), End> {
        let mut buffer = BytesMut::new();
        self.set_fault()?;
        loop {
            if self.lane.is_over() {
                return Err(End::Close);
            }
            if !self.lane.is_silent() && self.lane.is_empty() {
                match self.ended {
                    Some(Ok(())) => return self.to.shutdown().await.map_err(|_| End::Reset),
                    Some(Err(_)) => return Err(End::Reset),
                    None => {}
                }
            }
            match self.event(&mut buffer).await {
                Event::Fault => self.set_fault()?,
                Event::Read(Ok(0)) => self.ended = Some(Ok(())),
                Event::Read(Ok(_)) => {
                    // A fault that was set before these bytes were sent must hold for them.
                    self.set_fault()?;
                    self.lane.take(buffer.split().freeze(), Instant::now());
                }
                Event::Read(Err(error)) => self.ended = Some(Err(error)),
                Event::Written(Ok(count)) => self.lane.written(count),
                Event::Written(Err(_)) => return Err(End::Reset),
            }
        }
    }

    /// Waits for the next thing to happen. Nothing is lost when several happen at once: each of the
    /// three can be given up and asked for again.
    async fn event(&mut self, buffer: &mut BytesMut) -> Event {
        let room = if self.ended.is_some() { 0 } else { self.lane.room() };
        buffer.reserve(MAX_CHUNK);
        let mut buffer = buffer.limit(room);
        let next = self.lane.next();
        tokio::select! {
            biased;
            _ = self.faults.changed() => Event::Fault,
            written = write_when_due(&mut self.to, next), if next.is_some() => Event::Written(written),
            read = self.from.read_buf(&mut buffer), if room > 0 => Event::Read(read),
        }
    }

    fn set_fault(&mut self) -> Result<(), End> {
        // closed: the proxy is gone
        if self.faults.has_changed().is_err() {
            return Err(End::Reset);
        }
        let fault = *self.faults.borrow_and_update();
        if self.lane.set(fault, Instant::now()) { Ok(()) } else { Err(End::Reset) }
    }
}

async fn write_when_due(to: &mut WriteHalf<'_>, next: Option<(Instant, &[u8])>) -> io::Result<usize> {
    let Some((due, bytes)) = next else { return Ok(0) };
    // timers count in milliseconds: even one that is due would cost the rest of the current one
    if due > Instant::now() {
        sleep_until(due).await;
    }
    to.write(bytes).await
}
