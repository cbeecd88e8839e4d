//! Rules: when is there an alert? Pure, the time is a parameter.

mod engine;
mod file;
mod hold;
#[cfg(test)]
mod properties;
mod quiet;
mod select;
mod text;
mod verdict;

use std::time::Duration;

use people_counter_events::{Alert, Severity};

use quiet::Quiet;
use select::Selector;
use text::Text;
use verdict::Test;

pub use engine::{Change, Engine};
pub use file::load;

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name: 1 to 64 of `A-Z a-z 0-9 _ -`.
    pub name: String,
    selector: Selector,
    /// The name of the sum over all selected devices, if the rule is not about each of them.
    sum: Option<String>,
    test: Test,
    /// How long the condition has to hold.
    hold: Duration,
    severity: Severity,
    text: Text,
    quiet: Vec<Quiet>,
}

impl Rule {
    /// Whether no alert is to be raised at `now`, Unix seconds.
    fn is_quiet(&self, now: f64) -> bool {
        self.quiet.iter().any(|quiet| quiet.contains(now))
    }
}

/// An alert's rule and target.
pub type Key = (String, String);

pub fn key(alert: &Alert) -> Key {
    (alert.rule.clone(), alert.target.clone())
}
