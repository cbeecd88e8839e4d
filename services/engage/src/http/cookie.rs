//! [`Cookie`]: what browsers keep for this service.

use actix_web::http::header::{COOKIE, HeaderMap};

/// Before the name, a browser takes the cookie from this very host alone, by TLS and for all paths (RFC 6265bis), so
/// that no neighbour in its domain can plant one.
const HOST: &str = "__Host-";

/// A cookie, out of the reach of scripts.
#[derive(Debug, Clone, Copy)]
pub struct Cookie {
    /// Its name; with TLS `__Host-` stands before it.
    pub name: &'static str,
    /// With which requests of other sites it is sent.
    pub same_site: &'static str,
}

/// Somebody's session. No request that another site makes has it.
pub const SESSION: Cookie = Cookie { name: "people-counter-session", same_site: "Strict" };

/// A login that is under way at the OpenID provider, which sends the browser back here from another site: with that, a
/// browser sends no cookie that is `Strict`.
pub const LOGIN: Cookie = Cookie { name: "people-counter-login", same_site: "Lax" };

impl Cookie {
    /// Sets it, or takes it away with no seconds; `secure` when browsers may send it over TLS alone.
    pub fn set(self, secure: bool, text: &str, seconds: u64) -> String {
        let Self { name, same_site } = self;
        let (host, secure) = if secure { (HOST, "; Secure") } else { ("", "") };
        format!("{host}{name}={text}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={same_site}{secure}")
    }

    /// Its text in a request.
    pub fn of(self, secure: bool, headers: &HeaderMap) -> Option<&str> {
        let host = if secure { HOST } else { "" };
        let cookies = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| name.strip_prefix(host) == Some(self.name)).map(|(_, text)| text)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn with_tls_it_is_bound_to_this_host_and_never_sent_without() {
        assert_eq!(
            SESSION.set(true, "abc", 60),
            "__Host-people-counter-session=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(
            LOGIN.set(false, "", 0),
            "people-counter-login=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
        // what a neighbour in the domain planted is not looked at
        let mut headers = HeaderMap::new();
        let planted = "people-counter-session=planted; other=1";
        headers.append(COOKIE, HeaderValue::from_static(planted));
        assert_eq!(SESSION.of(true, &headers), None);
        assert_eq!(SESSION.of(false, &headers), Some("planted"));
        headers.append(COOKIE, HeaderValue::from_static("a; __Host-people-counter-session=own"));
        assert_eq!(SESSION.of(true, &headers), Some("own"));
        assert_eq!(LOGIN.of(true, &headers), None);
    }
}
