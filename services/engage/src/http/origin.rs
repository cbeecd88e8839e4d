//! Who a browser may speak for: the host a request names, and the page it comes from.

use std::net::IpAddr;

/// The host of `host:port`, without brackets.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(host, _)| host);
    }
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// Whether `authority` (the `Host` of a request) may name this service: an address, this machine, or a name
/// from the configuration.
///
/// Any name can be made to point to 127.0.0.1, and then a stranger's page counts as the same origin
/// (DNS rebinding), so on a loopback address no other name is taken.
pub fn is_own_host(authority: &str, hosts: &[String], loopback: bool) -> bool {
    let host = host_of(authority);
    host.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
        || (!loopback && hosts.is_empty())
}

/// Whether a page at `origin` may open a stream at `authority`: the same host and port, or a host from the
/// configuration.
pub fn is_same_origin(origin: &str, authority: &str, hosts: &[String]) -> bool {
    let Some((scheme, from)) = origin.split_once("://") else { return false };
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let plain = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
    plain(from) == plain(authority) || hosts.iter().any(|own| own.eq_ignore_ascii_case(host_of(from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_loopback_only_known_names_are_taken() {
        let hosts = ["people.example".to_owned()];
        for good in
            ["127.0.0.1:8080", "[::1]:8080", "localhost", "LOCALHOST:1", "a.localhost", "People.Example:443"]
        {
            assert!(is_own_host(good, &hosts, true), "{good}");
        }
        for bad in ["evil.example", "evil.example:8080", "", "localhost.evil.example"] {
            assert!(!is_own_host(bad, &hosts, true), "{bad}");
            assert!(!is_own_host(bad, &hosts, false), "{bad}");
        }
        assert!(is_own_host("gateway.lan", &[], false), "no names are configured");
    }

    #[test]
    fn a_stream_is_for_pages_of_the_same_origin() {
        for (origin, host, same) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", true),
            ("http://Gateway.lan", "gateway.lan:80", true),
            ("https://gateway.lan", "gateway.lan", true),
            ("http://127.0.0.1:8081", "127.0.0.1:8080", false),
            ("http://evil.example", "127.0.0.1:8080", false),
            ("http://127.0.0.1:8080.evil.example", "127.0.0.1:8080", false),
            ("null", "127.0.0.1:8080", false),
            ("file://127.0.0.1:8080", "127.0.0.1:8080", false),
            ("https://people.example", "10.0.0.1:8080", true),
        ] {
            assert_eq!(
                is_same_origin(origin, host, &["people.example".to_owned()]),
                same,
                "{origin} at {host}"
            );
        }
    }
}
