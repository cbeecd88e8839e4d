//! [`Test`]: does a condition hold, given what is known?

use std::fmt;

use crate::state::Condition;

/// What is known of a number of people: exactly, or that there are at least so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) least: u64,
    pub(super) exact: bool,
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.exact {
            f.write_str("at least ")?;
        }
        write!(f, "{}", self.least)
    }
}

/// What a rule looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    /// More people than `limit`; over again at `clear` or fewer.
    Above { limit: u64, clear: u64 },
    /// Fewer people than `limit`; over again at `clear` or more.
    Below { limit: u64, clear: u64 },
    /// The device is in one of these states.
    State(Vec<Condition>),
}

/// What came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The condition holds.
    Met,
    /// It does not, but not so clearly that an alert would be over.
    Between,
    /// It does not.
    Over,
    /// Too little is known.
    Unknown,
}

impl Test {
    /// The limit, if there is one.
    pub(super) fn limit(&self) -> Option<u64> {
        match self {
            Self::Above { limit, .. } | Self::Below { limit, .. } => Some(*limit),
            Self::State(_) => None,
        }
    }

    /// Judges a device or a sum.
    pub(super) fn judge(&self, known: Known, state: Condition) -> Verdict {
        let Known { least, exact } = known;
        match self {
            Self::State(states) if states.contains(&state) => Verdict::Met,
            Self::State(_) => Verdict::Over,
            // more people than are known of can only add to the number
            Self::Above { limit, .. } if least > *limit => Verdict::Met,
            Self::Above { clear, .. } if least > *clear => Verdict::Between,
            Self::Above { .. } if exact => Verdict::Over,
            Self::Below { clear, .. } if least >= *clear => Verdict::Over,
            Self::Below { limit, .. } if exact && least < *limit => Verdict::Met,
            Self::Below { .. } if exact => Verdict::Between,
            Self::Above { .. } | Self::Below { .. } => Verdict::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exactly(least: u64) -> Known {
        Known { least, exact: true }
    }

    fn at_least(least: u64) -> Known {
        Known { least, exact: false }
    }

    #[test]
    fn unknown_is_never_zero_and_never_enough_to_be_over() {
        let above = Test::Above { limit: 20, clear: 15 };
        let below = Test::Below { limit: 3, clear: 5 };
        for (test, known, expected) in [
            (&above, exactly(21), Verdict::Met),
            (&above, exactly(20), Verdict::Between),
            (&above, exactly(16), Verdict::Between),
            (&above, exactly(15), Verdict::Over),
            (&above, at_least(0), Verdict::Unknown),
            (&above, at_least(15), Verdict::Unknown),
            (&above, at_least(16), Verdict::Between),
            (&above, at_least(21), Verdict::Met),
            (&below, exactly(0), Verdict::Met),
            (&below, exactly(2), Verdict::Met),
            (&below, exactly(3), Verdict::Between),
            (&below, exactly(4), Verdict::Between),
            (&below, exactly(5), Verdict::Over),
            (&below, at_least(0), Verdict::Unknown),
            (&below, at_least(4), Verdict::Unknown),
            (&below, at_least(5), Verdict::Over),
        ] {
            assert_eq!(test.judge(known, Condition::Live), expected, "{test:?} {known:?}");
        }
        let away = Test::State(vec![Condition::Stale, Condition::Offline]);
        assert_eq!(away.judge(at_least(0), Condition::Offline), Verdict::Met);
        assert_eq!(away.judge(at_least(0), Condition::Failing), Verdict::Over);
        assert_eq!((away.limit(), above.limit()), (None, Some(20)));
    }
}
