//! What holds for every request and every response.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, STRICT_TRANSPORT_SECURITY, UPGRADE,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, ResponseError};

use super::identity::admit;
use super::origin::{is_own_host, is_same_origin};
use super::{App, Problem};

/// Nothing but our own files, no inline script or style, no frame around us. Pictures may come from a
/// `blob:`, by which a page shows what it has fetched itself.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SECURITY_HEADERS: [(&str, &str); 7] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
];

/// Turns away who speaks for somebody else, and adds the security headers.
pub async fn guard<B: MessageBody + 'static>(
    app: Data<App>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let admitted = check(&app, &request).and_then(|()| admit(&app, request.request()));
    let mut response = match admitted {
        Ok(()) => match next.call(request).await {
            Ok(response) => response.map_into_boxed_body(),
            Err(error) => return Err(error),
        },
        Err(problem) => request.into_response(problem.error_response()).map_into_boxed_body(),
    };
    app.metrics.response(response.status().as_u16());
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if app.settings.cert_file.is_some() {
        let year = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, year);
    }
    Ok(response)
}

fn check(app: &App, request: &ServiceRequest) -> Result<(), Problem> {
    let settings = &app.settings;
    let headers = request.headers();
    let host = text(headers, &HOST).unwrap_or_default();
    if !is_own_host(host, &settings.hosts, settings.listen.ip().is_loopback()) {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "host",
            "this service is not known by that name; if it should be, add the name to [http] hosts",
        ));
    }
    // any page may open a WebSocket to any host or send a form there, and the browser leaves it to us to look
    // who asks
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if (changes || headers.contains_key(UPGRADE)) && headers.contains_key(ORIGIN) {
        let origin = text(headers, &ORIGIN).unwrap_or_default();
        if !is_same_origin(origin, host, &settings.hosts) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "origin",
                "a page of another origin asks; if it may, add its host to [http] hosts",
            ));
        }
    }
    Ok(())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
