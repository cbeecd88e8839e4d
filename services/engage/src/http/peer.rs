//! Who asks: behind a proxy, whom that names.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;
use ipnet::IpNet;

use super::App;

/// What proxies write down whom they ask for.
const FORWARDED: &str = "x-forwarded-for";

/// Whose attempts are counted, and who stands in the log.
pub fn peer(app: &App, request: &HttpRequest) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let lines = request.headers().get_all(FORWARDED).filter_map(|value| value.to_str().ok());
    let named: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
    beyond(peer, &app.settings.proxies, &named)
}

/// The first address, from the near end, that is none of `proxies`: what stands before it, anybody may have written.
fn beyond(peer: IpAddr, proxies: &[IpNet], named: &[&str]) -> IpAddr {
    let mut peer = peer.to_canonical();
    for name in named.iter().rev() {
        if !proxies.iter().any(|proxy| proxy.contains(&peer)) {
            break;
        }
        let Some(next) = address(name.trim()) else { break };
        peer = next.to_canonical();
    }
    peer
}

/// Some proxies add the port.
fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_believed_and_nobody_else() {
        let proxies: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().unwrap()).into();
        for (peer, named, expected) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9", " 198.51.100.7 ", "10.3.0.1"], "198.51.100.7"),
            ("fd00::1", &["[2001:db8::7]:443"], "2001:db8::7"),
            ("10.0.0.1", &["203.0.113.9", "unknown"], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ] {
            assert_eq!(
                beyond(peer.parse().unwrap(), &proxies, named),
                expected.parse::<IpAddr>().unwrap(),
                "{peer} {named:?}"
            );
        }
    }
}
