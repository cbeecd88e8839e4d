//! A port that stays ours while nobody listens on it.

use crate::Error;
use std::net::{Ipv4Addr, SocketAddr};
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
}
