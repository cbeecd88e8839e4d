//! What a topic filter covers.

/// Does `allowed` cover all that `wanted`, a topic or a filter, can match?
pub(super) fn covers(allowed: &str, wanted: &str) -> bool {
    // `#` and `+/…` do not reach the topics that begin with `$`
    if wanted.starts_with('$') && allowed.starts_with(['#', '+']) {
        return false;
    }
    let mut allowed = allowed.split('/');
    let mut wanted = wanted.split('/');
    loop {
        match (allowed.next(), wanted.next()) {
            (Some("#"), _) => return true,
            (Some("+"), Some(level)) if level != "#" => {}
            (Some(have), Some(want)) if have == want && !matches!(have, "#" | "+") => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// The filter inside a shared subscription: `$share/group/a/b` → `a/b`; any other as it is.
pub(super) fn without_share(filter: &str) -> &str {
    filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/')).map_or(filter, |(_, inner)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_what_it_matches_and_nothing_wider() {
        for (allowed, wanted) in [
            ("#", "a/b"),
            ("#", "#"),
            ("a/#", "a"),
            ("a/#", "a/+/c"),
            ("a/#", "a/#"),
            ("a/+", "a/b"),
            ("a/+", "a/+"),
            ("a/b", "a/b"),
            ("$SYS/#", "$SYS/broker"),
        ] {
            assert!(covers(allowed, wanted), "{allowed} covers {wanted}");
        }
        for (allowed, wanted) in [
            ("a/+", "a/#"),
            ("a/+", "a/b/c"),
            ("a/b", "a/+"),
            ("a/b/#", "a/#"),
            ("a/b", "a"),
            ("a", "a/b"),
            ("#", "$SYS/broker"),
            ("+/broker", "$SYS/broker"),
        ] {
            assert!(!covers(allowed, wanted), "{allowed} does not cover {wanted}");
        }
    }

    #[test]
    fn a_shared_subscription_is_judged_by_its_filter() {
        assert_eq!(without_share("$share/workers/jobs/+"), "jobs/+");
        assert_eq!(without_share("jobs/+"), "jobs/+");
        assert_eq!(without_share("$share/broken"), "$share/broken");
    }
}
