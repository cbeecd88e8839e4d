use crate::{is_refused, soon};
use iot_sandbox::{Fault, Proxy};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A server that says back what it hears.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await.ok(); // ends with a fault
            });
        }
    });
    addr
}

/// A server that hands out its connections.
async fn server() -> (SocketAddr, mpsc::Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (connections, accepted) = mpsc::channel(10);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connections.send(stream).await.unwrap();
        }
    });
    (addr, accepted)
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.addr()).await.unwrap()
}

async fn say(stream: &mut TcpStream, what: &[u8]) {
    stream.write_all(what).await.unwrap();
    let mut heard = vec![0; what.len()];
    soon("the echo", stream.read_exact(&mut heard)).await.unwrap();
    assert_eq!(heard, what);
}

/// Reads to the end of a connection; an end by reset is `Err`.
async fn end(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut heard = Vec::new();
    soon("the end", stream.read_to_end(&mut heard)).await.map(|_| heard)
}

#[tokio::test]
async fn without_a_fault_everything_goes_through_and_so_does_the_end() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut client = connect(&proxy).await;
    let large: Vec<u8> = (0..2_000_000_u32).map(|n| n as u8).collect();
    let (mut from, mut to) = client.split();
    let mut heard = vec![0; large.len()];
    let (read, written) = tokio::join!(from.read_exact(&mut heard), to.write_all(&large));
    read.and(written.map(|()| 0)).unwrap();
    assert!(heard == large);
    client.shutdown().await.unwrap();
    assert_eq!(end(&mut client).await.unwrap(), b"");
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn refuse_and_back_again() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut client = connect(&proxy).await;
    say(&mut client, b"hello").await;
    for _ in 0..3 {
        proxy.set(Fault::Refuse).await;
        assert!(is_refused(proxy.addr()).await);
        end(&mut client).await.unwrap_err();
        proxy.set(Fault::None).await;
        client = connect(&proxy).await;
        say(&mut client, b"hello again").await;
    }
}

#[tokio::test]
async fn drop_cuts_old_connections_and_hangs_up_on_new_ones() {
    let (upstream, mut accepted) = server().await;
    let proxy = Proxy::start(upstream).await.unwrap();
    let mut client = connect(&proxy).await;
    client.write_all(b"x").await.unwrap();
    let mut server = soon("a connection", accepted.recv()).await.unwrap();
    proxy.set(Fault::Drop).await;
    end(&mut client).await.unwrap_err();
    end(&mut server).await.unwrap_err();
    for _ in 0..3 {
        let mut client = connect(&proxy).await;
        assert!(matches!(end(&mut client).await.as_deref(), Ok([]) | Err(_)));
    }
    assert_eq!(proxy.accepted(), 4);
    assert!(accepted.try_recv().is_err(), "the server has seen one connection only");
}

#[tokio::test]
async fn half_open_swallows_everything_even_the_end() {
    let (upstream, mut accepted) = server().await;
    let proxy = Proxy::start(upstream).await.unwrap();
    let mut talking = connect(&proxy).await;
    talking.write_all(b"before").await.unwrap();
    let mut server = soon("a connection", accepted.recv()).await.unwrap();
    server.read_exact(&mut [0; 6]).await.unwrap();

    proxy.set(Fault::HalfOpen).await;
    talking.write_all(b"swallowed").await.unwrap();
    server.write_all(b"swallowed too").await.unwrap();
    let mut new = connect(&proxy).await;
    new.write_all(b"who hears me?").await.unwrap();
    // closed by the client, but nobody tells the server
    let mut leaving = [0; 1];
    for stream in [&mut talking, &mut new, &mut server] {
        let silence = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut leaving)).await;
        assert!(silence.is_err(), "{silence:?}");
    }
    assert!(accepted.try_recv().is_err());

    proxy.set(Fault::None).await;
    end(&mut talking).await.unwrap_err();
    end(&mut server).await.unwrap_err();
    // the new one lost nothing: what it said has waited
    let mut server = soon("a connection", accepted.recv()).await.unwrap();
    let mut heard = [0; 13];
    soon("the waiting words", server.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"who hears me?");
}

#[tokio::test]
async fn a_connection_that_was_idle_while_half_open_goes_on() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut client = connect(&proxy).await;
    say(&mut client, b"before").await;
    proxy.set(Fault::HalfOpen).await;
    proxy.set(Fault::None).await;
    say(&mut client, b"after").await;
}

#[tokio::test]
async fn an_end_during_half_open_is_told_afterwards() {
    let (upstream, mut accepted) = server().await;
    let proxy = Proxy::start(upstream).await.unwrap();
    let mut client = connect(&proxy).await;
    client.write_all(b"x").await.unwrap();
    let mut server = soon("a connection", accepted.recv()).await.unwrap();
    server.read_exact(&mut [0; 1]).await.unwrap();
    proxy.set(Fault::HalfOpen).await;
    drop(client);
    let silence = tokio::time::timeout(Duration::from_millis(50), server.read(&mut [0; 1])).await;
    assert!(silence.is_err(), "{silence:?}");
    proxy.set(Fault::None).await;
    assert!(matches!(end(&mut server).await.as_deref(), Ok([]) | Err(_)));
}

#[tokio::test]
async fn latency_comes_with_every_round_trip_on_open_connections_too() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut client = connect(&proxy).await;
    say(&mut client, b"quick").await;
    let latency = Duration::from_millis(60);
    proxy.set(Fault::Latency(latency)).await;
    let start = Instant::now();
    say(&mut client, b"slow").await;
    assert!(start.elapsed() >= 2 * latency);
    // it is a delay, not a queue of delays: many words at once need no longer
    client.write_all(b"slow").await.unwrap();
    proxy.set(Fault::None).await;
    soon("what was under way", client.read_exact(&mut [0; 4])).await.unwrap();
}

#[tokio::test]
async fn bandwidth_limits_what_a_connection_carries() {
    let (upstream, mut accepted) = server().await;
    let proxy = Proxy::start(upstream).await.unwrap();
    proxy.set(Fault::Bandwidth(100_000)).await;
    let mut client = connect(&proxy).await;
    let start = Instant::now();
    client.write_all(&[7; 30_000]).await.unwrap();
    client.shutdown().await.unwrap();
    let mut server = soon("a connection", accepted.recv()).await.unwrap();
    assert_eq!(end(&mut server).await.unwrap().len(), 30_000);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn the_cut_is_exact_in_either_direction() {
    let (upstream, mut accepted) = server().await;
    let proxy = Proxy::start(upstream).await.unwrap();
    let mut open = connect(&proxy).await;
    open.write_all(&[7; 500]).await.unwrap();
    let mut server = soon("a connection", accepted.recv()).await.unwrap();
    server.read_exact(&mut [0; 500]).await.unwrap();

    proxy.set(Fault::CutAfter(1000)).await;
    open.write_all(&[7; 1001]).await.unwrap();
    assert_eq!(end(&mut server).await.unwrap().len(), 1000, "counted from the switch on");
    assert!(matches!(end(&mut open).await.as_deref(), Ok([]) | Err(_)));

    let mut client = connect(&proxy).await;
    client.write_all(&[7; 10]).await.unwrap();
    let mut server = soon("a connection", accepted.recv()).await.unwrap();
    server.read_exact(&mut [0; 10]).await.unwrap();
    server.write_all(&[8; 5000]).await.unwrap();
    assert_eq!(end(&mut client).await.unwrap(), [8; 1000]);
}

#[tokio::test]
async fn a_server_that_is_not_there_ends_the_connection() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy = Proxy::start(nobody).await.unwrap();
    end(&mut connect(&proxy).await).await.unwrap_err();
}

#[tokio::test]
async fn a_sender_is_held_up_when_nobody_reads() {
    let (upstream, mut accepted) = server().await;
    let proxy = Proxy::start(upstream).await.unwrap();
    proxy.set(Fault::Latency(Duration::from_secs(3600))).await;
    let mut client = connect(&proxy).await;
    let _server = soon("a connection", accepted.recv()).await.unwrap();
    // what the proxy and the kernel hold, then no more
    let mut sent = 0_usize;
    let chunk = [7; 64 << 10];
    while let Ok(written) = tokio::time::timeout(Duration::from_millis(300), client.write(&chunk)).await {
        sent += written.unwrap();
        assert!(sent < 64 << 20, "no end to what it takes");
    }
}

#[tokio::test]
async fn a_dropped_proxy_takes_its_connections_along() {
    let (upstream, mut accepted) = server().await;
    let proxy = Proxy::start(upstream).await.unwrap();
    let mut client = connect(&proxy).await;
    client.write_all(b"x").await.unwrap();
    let mut server = soon("a connection", accepted.recv()).await.unwrap();
    server.read_exact(&mut [0; 1]).await.unwrap();
    let addr = proxy.addr();
    drop(proxy);
    assert!(matches!(end(&mut client).await.as_deref(), Ok([]) | Err(_)));
    assert!(matches!(end(&mut server).await.as_deref(), Ok([]) | Err(_)));
    assert!(is_refused(addr).await);
}
