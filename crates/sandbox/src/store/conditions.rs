//! `If-Match` and its relatives, in the order of RFC 9110, section 13.2.2.

use super::failure::Failure;
use super::object::Meta;
use s3s::dto::{ETagCondition, Timestamp};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Debug, Default)]
pub(super) struct Conditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
    pub(super) if_modified_since: Option<Timestamp>,
    pub(super) if_unmodified_since: Option<Timestamp>,
}

impl Conditions {
    /// May what is there now (`None`: nothing) be replaced?
    pub(super) fn check_write(&self, existing: Option<&Meta>) -> Result<(), Failure> {
        let matches = |condition| existing.is_some_and(|meta| is_met(condition, meta));
        if self.if_match.as_ref().is_some_and(|condition| !matches(condition)) {
            return Err(Failure::PreconditionFailed);
        }
        if self.if_none_match.as_ref().is_some_and(matches) {
            return Err(Failure::PreconditionFailed);
        }
        Ok(())
    }

    /// Is the object wanted by whoever asks for it?
    pub(super) fn check_read(&self, meta: &Meta) -> Result<(), Failure> {
        let modified = whole_seconds(meta.modified());
        let wanted = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => is_met(condition, meta),
            (None, Some(time)) => modified <= *time,
            (None, None) => true,
        };
        if !wanted {
            return Err(Failure::PreconditionFailed);
        }
        let known = match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => is_met(condition, meta),
            (None, Some(time)) => modified <= *time,
            (None, None) => false,
        };
        if known { Err(Failure::NotModified) } else { Ok(()) }
    }
}

fn is_met(condition: &ETagCondition, meta: &Meta) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == meta.etag,
    }
}

/// Times in headers have no fractions.
fn whole_seconds(time: SystemTime) -> Timestamp {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Timestamp::from(UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3s::dto::ETag;

    fn meta() -> Meta {
        let modified = UNIX_EPOCH + Duration::from_millis(1_000_500);
        Meta::new("key".into(), 1, "abc".into(), Default::default(), modified)
    }

    fn etag(value: &str) -> Option<ETagCondition> {
        Some(ETagCondition::ETag(ETag::Strong(value.into())))
    }

    fn at(seconds: u64) -> Option<Timestamp> {
        Some(Timestamp::from(UNIX_EPOCH + Duration::from_secs(seconds)))
    }

    #[test]
    fn a_write_is_held_back_by_what_is_there() {
        let absent = Conditions { if_none_match: Some(ETagCondition::Any), ..Default::default() };
        assert!(absent.check_write(None).is_ok());
        assert!(matches!(absent.check_write(Some(&meta())), Err(Failure::PreconditionFailed)));
        let same = Conditions { if_match: etag("abc"), ..Default::default() };
        assert!(same.check_write(Some(&meta())).is_ok());
        assert!(matches!(same.check_write(None), Err(Failure::PreconditionFailed)));
        let other = Conditions { if_match: etag("xyz"), ..Default::default() };
        assert!(matches!(other.check_write(Some(&meta())), Err(Failure::PreconditionFailed)));
    }

    #[test]
    fn a_read_is_answered_with_what_the_client_lacks() {
        let read = |conditions: Conditions| match conditions.check_read(&meta()) {
            Ok(()) => 200,
            Err(Failure::NotModified) => 304,
            Err(Failure::PreconditionFailed) => 412,
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(read(Conditions::default()), 200);
        assert_eq!(read(Conditions { if_none_match: etag("abc"), ..Default::default() }), 304);
        assert_eq!(read(Conditions { if_none_match: etag("xyz"), ..Default::default() }), 200);
        assert_eq!(read(Conditions { if_match: etag("xyz"), ..Default::default() }), 412);
        assert_eq!(read(Conditions { if_modified_since: at(1000), ..Default::default() }), 304);
        assert_eq!(read(Conditions { if_modified_since: at(999), ..Default::default() }), 200);
        assert_eq!(read(Conditions { if_unmodified_since: at(999), ..Default::default() }), 412);
        assert_eq!(read(Conditions { if_unmodified_since: at(1000), ..Default::default() }), 200);
        let etag_wins =
            Conditions { if_none_match: etag("xyz"), if_modified_since: at(2000), ..Default::default() };
        assert_eq!(read(etag_wins), 200);
    }
}
