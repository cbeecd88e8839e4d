//! Topic filters: what a subscription asks for.

use crate::pattern::{ParamError, check_level};

/// Whether `topic` is one that a subscription to `filter` receives (MQTT 5.0, section 4.7).
///
/// `filter` may be a shared subscription (`$share/group/...`). A filter that starts with a wildcard does
/// not match topics that start with `$`.
pub fn matches(filter: &str, topic: &str) -> bool {
    let filter = plain(filter);
    if topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#')) {
        return false;
    }
    let mut levels = topic.split('/');
    for part in filter.split('/') {
        if part == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if part == "+" || part == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// The filter that shares a subscription among the members of `group` (MQTT 5.0, section 4.8.2).
///
/// # Errors
/// [`ParamError`] when `group` is empty or contains `/`, `+`, `#` or a control character.
pub fn shared(group: &str, filter: &str) -> Result<String, ParamError> {
    check_level("group", group)?;
    Ok(format!("$share/{group}/{filter}"))
}

/// `filter` without its `$share/group/`.
fn plain(filter: &str) -> &str {
    filter
        .strip_prefix("$share/")
        .and_then(|rest| rest.split_once('/'))
        .map_or(filter, |(_group, filter)| filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_the_standard_says() {
        for (filter, topic, expected) in [
            ("a/b", "a/b", true),
            ("a/+", "a/b", true),
            ("a/+", "a", false),
            ("a/+", "a/b/c", false),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("#", "a/b", true),
            ("#", "$SYS/uptime", false),
            ("+/uptime", "$SYS/uptime", false),
            ("$SYS/#", "$SYS/uptime", true),
            ("+", "", true),
            ("a/+/c", "a//c", true),
            ("$share/g/a/+", "a/b", true),
            ("$share/g/a/+", "b/b", false),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} against {topic}");
        }
    }

    #[test]
    fn a_group_is_one_plain_level() {
        assert_eq!(shared("workers", "a/+").unwrap(), "$share/workers/a/+");
        assert!(shared("", "a").is_err());
        assert!(shared("a/b", "a").is_err());
        assert!(shared("a+", "a").is_err());
    }
}
