//! [`Problem`]: errors as problem details (RFC 9457).

use std::fmt;

use actix_web::http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Role;

/// An error as the client sees it.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after: Option<u32>,
    allow: Option<String>,
}

/// An error (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Details<'a> {
    /// Names the kind of problem for programs.
    #[serde(rename = "type")]
    #[schema(pattern = "^urn:people-counter:problem:[a-z-]+$")]
    kind: String,
    /// The name of the status.
    title: &'a str,
    /// The status.
    status: u16,
    /// What happened and what to do, for people.
    detail: &'a str,
}

impl Problem {
    /// The content type of problem details.
    pub const CONTENT_TYPE: &str = "application/problem+json";

    /// A problem; `code` names its kind for programs, `detail` says for people what happened.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None, allow: None }
    }

    /// Something is not there.
    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// The request makes no sense.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// Only the methods in `allow` are possible here.
    pub fn not_allowed(method: &Method, allow: &str) -> Self {
        let detail = format!("{method} is not possible here, only {allow}");
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail);
        Self { allow: Some(allow.to_owned()), ..problem }
    }

    /// Nobody knows who asks.
    pub fn unauthorized() -> Self {
        let detail = "log in by POST /api/v1/session, or send a token: Authorization: Bearer …";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// It takes another role.
    pub fn forbidden(role: Role) -> Self {
        Self::new(StatusCode::FORBIDDEN, "role", format!("this takes the role {}", role.as_str()))
    }

    /// It is about all devices.
    pub fn only_for_all_devices() -> Self {
        let detail = "this is about all devices, and you may see some of them only";
        Self::new(StatusCode::FORBIDDEN, "scope", detail)
    }

    /// It was tried too often.
    pub fn too_many(detail: &str, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", detail) }
    }

    /// It may work later.
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self { retry_after: Some(2), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let details = Details {
            kind: format!("urn:people-counter:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        let mut response = HttpResponse::build(self.status);
        response.content_type(Self::CONTENT_TYPE).insert_header((CACHE_CONTROL, "no-store"));
        if let Some(seconds) = self.retry_after {
            response.insert_header((RETRY_AFTER, seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(allow) = &self.allow {
            response.insert_header((ALLOW, allow.as_str()));
        }
        response.body(serde_json::to_string(&details).unwrap_or_default())
    }
}
