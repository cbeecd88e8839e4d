//! [`Hold`]: a condition holds, not for long enough yet, and for how long is to be known after a takeover too.

use people_counter_events::AlertWait;

/// Shorter waits are not worth a message, seconds: to begin again costs no more than that.
const WORTH: f64 = 5.0;
/// How often the broker is told that a condition still holds, seconds.
const RENEWED: f64 = 20.0;
/// A wait that was known to last until longer ago is over, seconds: nobody can tell what was meanwhile.
const LONGEST_GAP: f64 = 120.0;

/// Since when a condition has held.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hold {
    /// Unix seconds.
    pub(super) since: f64,
    /// When the broker was told last.
    kept: Option<f64>,
}

impl Hold {
    /// One that begins.
    pub(super) fn new(now: f64) -> Self {
        Self { since: now, kept: None }
    }

    /// Goes on with what a predecessor has left; `None` if that is too long ago.
    pub(super) fn resumed(wait: &AlertWait, now: f64) -> Option<Self> {
        let (since, until) = (wait.since_timestamp, wait.until_timestamp);
        let goes_on = since <= now && now - until <= LONGEST_GAP;
        goes_on.then_some(Self { since, kept: Some(until) })
    }

    /// Whether the broker keeps it.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Whether the broker is to be told now. It counts as told from then on.
    pub(super) fn is_to_be_kept(&mut self, now: f64) -> bool {
        let due = match self.kept {
            None => now - self.since >= WORTH,
            // a clock that was set back must not make what is kept look old to others
            Some(kept) => !(0.0..RENEWED).contains(&(now - kept)),
        };
        if due {
            self.kept = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use people_counter_events::AlertWaitType;

    use super::*;

    fn wait(since: f64, until: f64) -> AlertWait {
        AlertWait {
            kind: AlertWaitType::Wait,
            rule: "rule".into(),
            target: "cam-1".into(),
            since_timestamp: since,
            until_timestamp: until,
        }
    }

    #[test]
    fn the_broker_is_told_of_what_lasts_and_now_and_then_again() {
        let mut hold = Hold::new(100.0);
        let told: Vec<u32> = (0..60).filter(|n| hold.is_to_be_kept(100.0 + f64::from(*n))).collect();
        assert_eq!(told, [5, 25, 45]);
        assert!(hold.is_to_be_kept(140.0), "the clock was set back");
        assert!(!hold.is_to_be_kept(141.0));
    }

    #[test]
    fn a_wait_goes_on_after_a_short_gap_alone() {
        let resumed = |since, until, now| Hold::resumed(&wait(since, until), now).map(|hold| hold.since);
        assert_eq!(resumed(100.0, 140.0, 150.0), Some(100.0));
        assert_eq!(resumed(100.0, 140.0, 260.0), Some(100.0));
        assert_eq!(resumed(100.0, 140.0, 260.5), None, "what was in between is not known");
        assert_eq!(resumed(100.0, 140.0, 138.0), Some(100.0), "two clocks are never quite the same");
        assert_eq!(resumed(100.0, 140.0, 90.0), None, "it has not begun yet by this clock");
    }
}
