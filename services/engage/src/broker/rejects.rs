//! [`Rejects`]: names what was rejected in the log, but not a thousand times.

use std::collections::HashMap;
use std::time::Duration;

use people_counter_events::Rejected;
use tokio::time::Instant;

use crate::metrics::{Kind, Metrics};

/// One line per kind and code in this time; the others are counted in the next one.
const EVERY: Duration = Duration::from_secs(10);

/// Longest text of a foreign message in a log line, characters.
const LONGEST: usize = 300;

#[derive(Debug)]
struct Line {
    at: Instant,
    since: u64,
}

/// What was rejected of late.
#[derive(Debug)]
pub(super) struct Rejects {
    metrics: Metrics,
    lines: HashMap<(Kind, &'static str), Line>,
}

impl Rejects {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics, lines: HashMap::new() }
    }

    /// A message that is not one of the contract.
    pub(super) fn rejected(&mut self, kind: Kind, topic: &str, why: &Rejected) {
        self.note(kind, why.code(), topic, &why.to_string());
    }

    /// A message that was turned away for another reason.
    pub(super) fn note(&mut self, kind: Kind, code: &'static str, topic: &str, why: &str) {
        self.metrics.rejected(kind, code);
        if let Some(more) = self.may_log(kind, code, Instant::now()) {
            let (topic, why) = (printable(topic), printable(why));
            tracing::warn!(?kind, code, more, "rejected a message on {topic}: {why}");
        }
    }

    /// Whether to write a line now, and how many were left out since the last one.
    fn may_log(&mut self, kind: Kind, code: &'static str, now: Instant) -> Option<u64> {
        if let Some(line) = self.lines.get_mut(&(kind, code)).filter(|line| now < line.at + EVERY) {
            line.since += 1;
            return None;
        }
        let before = self.lines.insert((kind, code), Line { at: now, since: 0 });
        Some(before.map_or(0, |line| line.since))
    }
}

/// Foreign text as it may stand in a log line.
fn printable(text: &str) -> String {
    text.chars().take(LONGEST).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_and_a_number() {
        let mut rejects = Rejects::new(Metrics::default());
        let start = Instant::now();
        assert_eq!(rejects.may_log(Kind::Status, "json", start), Some(0));
        for _ in 0..99 {
            assert_eq!(rejects.may_log(Kind::Status, "json", start), None);
        }
        assert_eq!(rejects.may_log(Kind::Counts, "json", start), Some(0), "another kind has its own line");
        assert_eq!(rejects.may_log(Kind::Status, "json", start + EVERY), Some(99));
    }

    #[test]
    fn foreign_text_cannot_write_log_lines() {
        assert_eq!(printable("a\nERROR b\u{1b}[31m"), "a\\nERROR b\\u{1b}[31m");
        assert_eq!(printable(&"x".repeat(1000)).len(), LONGEST);
    }
}
