//! Ports: one that stays ours while nobody listens on it, and one for another program.

use crate::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::net::{TcpListener, TcpSocket};

/// How many connections the kernel holds for us until we accept them.
const BACKLOG: u32 = 1024;

/// A port of 127.0.0.1, reserved by a socket that is bound but does not listen.
///
/// Whoever stops and wants to start again on the same port needs it: the kernel would otherwise
/// hand the port to the next outgoing connection, even to the very client that keeps trying to
/// reach it, which then is connected to itself. Connections are refused until somebody listens.
#[derive(Debug)]
pub(crate) struct Port {
    addr: SocketAddr,
    /// Linux lets sockets with `SO_REUSEADDR` share a port as long as at most one of them listens.
    /// Elsewhere the reservation would stand in our own way, so there is none.
    _reservation: Option<TcpSocket>,
}

impl Port {
    /// Reserves `port`, or a free one when it is 0.
    pub(crate) fn reserve(what: &'static str, port: u16) -> Result<Self, Error> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let bind = || {
            let socket = reusable()?;
            socket.bind(wanted)?;
            Ok((socket.local_addr()?, socket))
        };
        let (addr, socket) = bind().map_err(|source| Error::Bind { what, addr: wanted, source })?;
        Ok(Self { addr, _reservation: cfg!(target_os = "linux").then_some(socket) })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn listen(&self, what: &'static str) -> Result<TcpListener, Error> {
        let listen = || {
            let socket = reusable()?;
            socket.bind(self.addr)?;
            socket.listen(BACKLOG)
        };
        listen().map_err(|source| Error::Bind { what, addr: self.addr, source })
    }
}

fn reusable() -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    Ok(socket)
}

/// Below the ports that kernels give to outgoing connections (32768 and up on Linux), above the reserved ones.
const OTHERS: std::ops::Range<u32> = 10_000..20_000;

/// A port of 127.0.0.1 on which another program can listen, be stopped, and listen again.
///
/// It is none that the kernel gives to outgoing connections, so nobody else gets it meanwhile, and a client that
/// keeps trying it is not connected to itself. Each call gives another one.
///
/// # Panics
/// When none of ten thousand ports is free.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // processes begin at different places, so that they seldom try the same
    let begin = std::process::id().wrapping_mul(7919);
    OTHERS
        .map(|_| {
            let next = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % (OTHERS.end - OTHERS.start);
            u16::try_from(OTHERS.start + next).expect("all of them are below 65536")
        })
        .find(|port| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("one of ten thousand ports is free")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn refuses_until_somebody_listens_and_again_afterwards() {
        let port = Port::reserve("test", 0).unwrap();
        assert_ne!(port.addr().port(), 0);
        for _ in 0..3 {
            let refused = TcpStream::connect(port.addr()).await.unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
            let listener = port.listen("test").unwrap();
            TcpStream::connect(port.addr()).await.unwrap();
            drop(listener);
        }
    }

    #[tokio::test]
    async fn a_port_that_somebody_listens_on_is_refused_with_its_address() {
        let taken = Port::reserve("test", 0).unwrap();
        let _listener = taken.listen("test").unwrap();
        let error = Port::reserve("broker", taken.addr().port()).unwrap_err().to_string();
        assert!(error.contains(&taken.addr().to_string()) && error.contains("broker"), "{error}");
    }
    #[test]
    fn a_port_for_another_program_is_another_each_time() {
        let (one, other) = (free_port(), free_port());
        assert_ne!(one, other);
        for port in [one, other] {
            assert!(OTHERS.contains(&u32::from(port)), "{port}");
            std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }
}
