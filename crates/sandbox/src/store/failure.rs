//! Why a request is refused, and how S3 says so.

use s3s::{S3Error, S3ErrorCode, s3_error};
use std::io;

#[derive(Debug)]
pub(super) enum Failure {
    NoSuchBucket,
    NoSuchKey,
    InvalidBucketName,
    BucketExists,
    BucketNotEmpty,
    PreconditionFailed,
    NotModified,
    RangeNotSatisfiable,
    TooLarge { limit: u64 },
    Full,
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full
            }
            _ => Self::Io(error),
        }
    }
}

impl From<Failure> for S3Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoSuchBucket => s3_error!(NoSuchBucket),
            Failure::NoSuchKey => s3_error!(NoSuchKey),
            Failure::InvalidBucketName => s3_error!(InvalidBucketName),
            Failure::BucketExists => s3_error!(BucketAlreadyOwnedByYou),
            Failure::BucketNotEmpty => s3_error!(BucketNotEmpty),
            Failure::PreconditionFailed => s3_error!(PreconditionFailed),
            Failure::NotModified => s3_error!(NotModified),
            Failure::RangeNotSatisfiable => s3_error!(InvalidRange),
            Failure::TooLarge { limit } => s3_error!(EntityTooLarge, "more than {limit} bytes"),
            Failure::Full => insufficient_storage(),
            Failure::Io(error) => {
                tracing::error!(%error, "the object store cannot use its folder");
                s3_error!(InternalError, "input or output error")
            }
        }
    }
}

/// S3 has no code of its own for it. 507 is what the status means, and a client that retries on
/// 5xx does the right thing.
fn insufficient_storage() -> S3Error {
    let mut error = S3Error::with_message(
        S3ErrorCode::Custom("InsufficientStorage".into()),
        "the disk of the object store is full",
    );
    if let Ok(status) = 507_u16.try_into() {
        error.set_status_code(status);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_has_an_answer_of_its_own() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let error = S3Error::from(Failure::from(io::Error::from(kind)));
            assert_eq!(error.code().as_str(), "InsufficientStorage");
            assert_eq!(error.status_code().map(|status| status.as_u16()), Some(507));
        }
        let error = S3Error::from(Failure::from(io::Error::from(io::ErrorKind::PermissionDenied)));
        assert_eq!(error.code().as_str(), "InternalError");
    }
}
