//! [`Scope`]: the devices that somebody may see.

use std::fmt;

/// Names one of the scopes of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScopeID(pub(super) u16);

impl ScopeID {
    /// Every device.
    pub const ALL: Self = Self(0);

    /// The scope at `position` of the options' list.
    pub fn listed(position: usize) -> Self {
        Self(u16::try_from(position + 1).unwrap_or(u16::MAX))
    }
}

/// Devices by patterns of their ids: `*` stands for any characters, `?` for one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope(Vec<String>);

/// A text that is no pattern of device ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no pattern of device ids, write letters, digits, _ and - with * for any and ? for one of them"
)]
pub struct ScopeError(String);

impl Scope {
    /// Longest pattern, bytes.
    const LONGEST: usize = 128;

    /// The devices that match any of `patterns`.
    ///
    /// # Errors
    /// When one of them can match no device.
    pub fn new(patterns: &[String]) -> Result<Self, ScopeError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'*' | b'?');
        for pattern in patterns {
            if pattern.is_empty() || pattern.len() > Self::LONGEST || !pattern.bytes().all(fits) {
                return Err(ScopeError(pattern.chars().take(Self::LONGEST).collect()));
            }
        }
        Ok(Self(patterns.to_vec()))
    }

    /// Whether it holds the device `id`.
    pub fn holds(&self, id: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern.as_bytes(), id.as_bytes()))
    }

    /// Whether it holds every device there can be.
    pub fn is_everything(&self) -> bool {
        self.0.iter().any(|pattern| pattern.bytes().all(|byte| byte == b'*'))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

/// In time of pattern times text at most: after a mismatch only the last `*` takes one byte more.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(patterns: &[&str]) -> Scope {
        Scope::new(&patterns.iter().map(|&text| text.to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn patterns_match_whole_ids() {
        for (pattern, id, holds) in [
            ("cam-1", "cam-1", true),
            ("cam-1", "cam-10", false),
            ("cam-1", "xcam-1", false),
            ("cam-*", "cam-", true),
            ("*-1", "cam-1-1", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("c?m", "cam", true),
            ("c?m", "cm", false),
            ("?", "", false),
            ("*", "anything", true),
            ("lobby*cam-?", "lobby-2-cam-1", true),
        ] {
            assert_eq!(scope(&[pattern]).holds(id), holds, "{pattern} {id}");
        }
        assert!(scope(&["a", "b-*"]).holds("b-1") && !scope(&[]).holds("a"));
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let pattern = "*a".repeat(60);
        assert!(!scope(&[&pattern]).holds(&"a".repeat(59)));
        assert!(!scope(&[&format!("{}b", "*".repeat(100))]).holds(&"a".repeat(64)));
    }

    #[test]
    fn what_no_device_can_have_is_no_pattern() {
        for bad in ["", "cam 1", "cam/1", "[a-z]", "ä", &"x".repeat(129)] {
            assert!(Scope::new(&[bad.to_owned()]).is_err(), "{bad:?} was taken");
        }
        assert!(scope(&["a", "**"]).is_everything() && !scope(&["a*"]).is_everything());
    }
}
