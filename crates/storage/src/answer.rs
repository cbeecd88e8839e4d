//! From a refusing HTTP answer to an [`Error`].

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

use crate::{Answer, Error, Operation, Target};

/// S3's error document.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Document {
    code: String,
    message: String,
    request_id: Option<String>,
}

impl Answer {
    /// Reads status, headers and S3's error document, which may be missing or cut.
    pub(crate) fn read(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let document: Document = std::str::from_utf8(body)
            .ok()
            .and_then(|text| quick_xml::de::from_str(text).ok())
            .unwrap_or_default();
        let header = ["x-amz-request-id", "x-request-id"]
            .into_iter()
            .find_map(|name| headers.get(name)?.to_str().ok().map(str::to_owned));
        Self {
            status,
            code: clip(&document.code),
            message: clip(&document.message),
            request_id: header.or(document.request_id).map(|id| clip(&id)).filter(|id| !id.is_empty()),
        }
    }

    /// Whether the same request can succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        const CODES: [&str; 14] = [
            "BadDigest",
            "ConditionalRequestConflict",
            "IncompleteBody",
            "InternalError",
            "OperationAborted",
            "RequestLimitExceeded",
            "RequestTimeout",
            "ServiceUnavailable",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "TooManyRequests",
            "XAmzContentChecksumMismatch",
            "XAmzContentSHA256Mismatch",
        ];
        CODES.contains(&self.code.as_str()) || matches!(self.status, 429 | 500 | 502 | 503 | 504)
    }

    /// The error this answer means. `access_key` is what the request was signed with.
    pub(crate) fn into_error(self, target: Box<Target>, access_key: &str) -> Error {
        let answer = Box::new(self);
        if answer.is_transient() {
            let reason = format!("the store answered {answer}");
            return Error::Unavailable { target, reason, answer: Some(answer), attempts: 1, transient: true };
        }
        if let Some(advice) = denied(&answer, target.operation, access_key) {
            return Error::Denied { target, answer, access_key: access_key.to_owned(), advice };
        }
        match (answer.status, answer.code.as_str()) {
            (_, "NoSuchBucket") => Error::NoBucket { target, answer },
            (_, "NoSuchKey") => Error::NotFound { target, answer },
            // An answer to a head has no body and so no code.
            (404, "") if matches!(target.operation, Operation::Head | Operation::Delete) => {
                Error::NotFound { target, answer }
            }
            (412, _) | (_, "PreconditionFailed") => Error::Exists { target, answer },
            (301 | 307 | 308, _) | (_, "AuthorizationHeaderMalformed" | "PermanentRedirect") => {
                let advice = ": the bucket lives elsewhere, check `region` and `endpoint`";
                Error::Refused { target, answer, advice }
            }
            (507, _) | (_, "EntityTooLarge" | "QuotaExceeded") => {
                let advice = ": a limit of the store is reached, on one object or on all";
                Error::Refused { target, answer, advice }
            }
            (404 | 405, "") => {
                let reason = format!("{answer} without an error document");
                Error::Protocol { target, reason }
            }
            _ => Error::Refused { target, answer, advice: "" },
        }
    }
}

/// What to do when credentials are the reason, `None` if they are not.
fn denied(answer: &Answer, operation: Operation, access_key: &str) -> Option<String> {
    let advice = match (answer.code.as_str(), answer.status) {
        ("InvalidAccessKeyId" | "NotSignedUp", _) => {
            format!("the store does not know access key {access_key:?}: check `access_key` and `endpoint`")
        }
        ("SignatureDoesNotMatch", _) => {
            format!("the secret key does not belong to access key {access_key:?}: check the secret key")
        }
        ("ExpiredToken" | "TokenRefreshRequired" | "InvalidToken", _) => {
            format!("the session token of access key {access_key:?} is not valid any more: renew it")
        }
        ("RequestTimeTooSkewed", _) => {
            "the clocks of this machine and of the store differ too much: set the clock (NTP)".into()
        }
        (_, 401 | 403) => format!(
            "access key {access_key:?} was refused: allow it {} on this bucket, or use another key",
            operation.permission()
        ),
        _ => return None,
    };
    Some(advice)
}

/// How long the store asks to be left alone, in whole seconds or until a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => http_date(value)?.duration_since(SystemTime::now()).ok(),
    }
}

/// `Sun, 22 Nov 2026 20:15:00 GMT`
pub(crate) fn http_date(value: &str) -> Option<SystemTime> {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    parser.parse_timestamp(value).ok().map(SystemTime::from)
}

/// A hostile store shall not fill the log.
fn clip(text: &str) -> String {
    const LONGEST: usize = 300;
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn error(operation: Operation, status: u16, body: &str) -> Error {
        let target = Box::new(Target {
            operation,
            endpoint: "http://store:9000".into(),
            bucket: "readings".into(),
            key: Some("a".into()),
        });
        Answer::read(status, &HeaderMap::new(), body.as_bytes()).into_error(target, "thermometer")
    }

    fn document(code: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>No &amp; no</Message>\
             <BucketName>b</BucketName><RequestId>tx7</RequestId><HostId>h</HostId></Error>"
        )
    }

    #[test]
    fn reads_code_message_and_request_id() {
        let answer = Answer::read(403, &HeaderMap::new(), document("AccessDenied").as_bytes());
        assert_eq!((answer.code.as_str(), answer.message.as_str()), ("AccessDenied", "No & no"));
        assert_eq!(answer.request_id.as_deref(), Some("tx7"));
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-request-id", "tx8".parse().unwrap());
        assert_eq!(Answer::read(404, &headers, b"").request_id.as_deref(), Some("tx8"));
    }

    #[test]
    fn survives_answers_that_are_not_s3() {
        for body in ["", "<html><body>502 Bad Gateway</body>", "<Error><Code>Slow", "\u{0}", "<Error/>"] {
            let answer = Answer::read(418, &HeaderMap::new(), body.as_bytes());
            assert_eq!((answer.status, answer.code.as_str()), (418, ""), "{body:?}");
        }
        let long = format!("<Error><Code>{}</Code></Error>", "x".repeat(100_000));
        assert_eq!(Answer::read(400, &HeaderMap::new(), long.as_bytes()).code.len(), 300);
    }

    proptest! {
        #[test]
        fn fuzz_answers(
            status in 100..600u16,
            body in vec(any::<u8>(), 0..200),
            header in "[ -~]{0,40}",
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, header.parse().unwrap());
            headers.insert("x-amz-request-id", header.parse().unwrap());
            retry_after(&headers);
            http_date(&header);
            Answer::read(status, &headers, &body);
            let answer = Answer::read(status, &headers, document(&String::from_utf8_lossy(&body)).as_bytes());
            prop_assert!(answer.to_string().len() < 4000);
        }
    }

    #[test]
    fn transient_by_status_or_by_code() {
        for status in [429, 500, 502, 503, 504] {
            assert!(error(Operation::Get, status, "").is_transient(), "{status}");
        }
        assert!(error(Operation::Put, 400, &document("RequestTimeout")).is_transient());
        assert!(error(Operation::Put, 400, &document("SlowDown")).is_transient());
        for (status, code) in [(403, "AccessDenied"), (404, "NoSuchKey"), (400, "InvalidArgument"), (501, "")]
        {
            assert!(!error(Operation::Put, status, &document(code)).is_transient(), "{code}");
        }
    }

    #[test]
    fn wrong_credentials_name_the_key_and_the_remedy() {
        let unknown = error(Operation::Get, 403, &document("InvalidAccessKeyId")).to_string();
        assert!(
            unknown.contains("does not know access key \"thermometer\": check `access_key`"),
            "{unknown}"
        );
        let secret = error(Operation::Get, 403, &document("SignatureDoesNotMatch")).to_string();
        assert!(secret.contains("check the secret key"), "{secret}");
        let policy = error(Operation::Put, 403, &document("AccessDenied")).to_string();
        assert!(policy.contains("allow it s3:PutObject"), "{policy}");
        let head = error(Operation::Head, 403, "");
        assert!(matches!(head, Error::Denied { .. }) && head.code().is_none());
        assert!(matches!(error(Operation::Get, 400, &document("ExpiredToken")), Error::Denied { .. }));
    }

    #[test]
    fn not_found_means_the_object_only_where_that_is_certain() {
        assert!(error(Operation::Get, 404, &document("NoSuchKey")).is_not_found());
        assert!(error(Operation::Head, 404, "").is_not_found());
        assert!(matches!(error(Operation::Get, 404, &document("NoSuchBucket")), Error::NoBucket { .. }));
        assert!(matches!(error(Operation::List, 404, "<html>"), Error::Protocol { .. }));
        assert!(matches!(error(Operation::Get, 404, "<html>"), Error::Protocol { .. }));
    }

    #[test]
    fn reads_retry_after_and_dates() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
        headers.insert(RETRY_AFTER, "Sun, 22 Nov 2015 20:15:00 GMT".parse().unwrap());
        assert_eq!(retry_after(&headers), None, "a date that has passed");
        let date = http_date("Sun, 22 Nov 2015 20:15:00 GMT").unwrap();
        assert_eq!(date.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs(), 1_448_223_300);
        assert_eq!(http_date("yesterday"), None);
    }
}
