//! The file with the rules. What is wrong in it is named with its line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use people_counter_events::{DeviceID, Severity};
use serde::Deserialize;
use toml::Spanned;

use super::Rule;
use super::quiet::Quiet;
use super::select::Selector;
use super::text::Text;
use super::verdict::Test;
use crate::state::Condition;

/// Most rules.
const MOST: usize = 1000;
/// The states that a rule can be about.
const STATES: [Condition; 3] = [Condition::Stale, Condition::Offline, Condition::Failing];

/// Rules that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{}, line {line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What, in one sentence.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Spanned<String>,
    devices: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    sum: Option<Spanned<String>>,
    above: Option<Spanned<u32>>,
    below: Option<Spanned<u32>>,
    clear: Option<Spanned<u32>>,
    state: Option<Spanned<Vec<String>>>,
    #[serde(default, with = "humantime_serde")]
    r#for: Duration,
    #[serde(default)]
    severity: Severity,
    message: Option<Spanned<String>>,
    #[serde(default)]
    quiet: Vec<Spanned<Hours>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hours {
    from: String,
    to: String,
    zone: String,
    #[serde(default)]
    days: Vec<String>,
}

/// Something wrong, and where: the offset in bytes.
type Wrong = (usize, String);

/// Reads the rules in the file at `path`.
///
/// # Errors
/// [`RulesError`] names the file, the line and what to do.
pub fn load(path: &Path) -> Result<Vec<Rule>, RulesError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| RulesError::File { path: path.into(), source })?;
    parse(&text).map_err(|(at, problem)| {
        let before = text.as_bytes().iter().take(at);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        RulesError::Line { path: path.into(), line, problem }
    })
}

pub(super) fn parse(text: &str) -> Result<Vec<Rule>, Wrong> {
    let file: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        (at, error.message().replace('\n', ", "))
    })?;
    if file.rule.len() > MOST {
        let at = file.rule[MOST].span().start;
        return Err((at, format!("there are more than {MOST} rules")));
    }
    let mut names = BTreeSet::new();
    file.rule
        .into_iter()
        .map(|entry| {
            let at = entry.span().start;
            let name_at = entry.get_ref().name.span().start;
            let rule = rule(at, entry.into_inner())?;
            if !names.insert(rule.name.clone()) {
                return Err((
                    name_at,
                    format!("there is another rule {:?}, give each its own name", rule.name),
                ));
            }
            Ok(rule)
        })
        .collect()
}

fn rule(at: usize, entry: Entry) -> Result<Rule, Wrong> {
    let name = plain_name("name", entry.name)?;
    if entry.devices.is_none() && entry.labels.is_empty() {
        return Err((at, "the rule selects nothing, give it devices = \"*\" or labels".into()));
    }
    let sum = entry.sum.map(|sum| Ok((sum.span().start, plain_name("sum", sum)?))).transpose()?;
    let default_text = match (&entry.above, &entry.below) {
        (Some(_), _) => "{target}: {value} people, more than {limit}",
        (_, Some(_)) => "{target}: {value} people, fewer than {limit}",
        _ => "{target} is {state}",
    };
    let test = test(at, entry.above, entry.below, entry.clear, entry.state)?;
    if let (Some((at, _)), Test::State(_)) = (&sum, &test) {
        return Err((*at, "a sum has no state, leave out sum or test with above or below".into()));
    }
    let text = match entry.message {
        None => Text::parse(default_text).map_err(|problem| (at, problem))?,
        Some(message) => {
            let at = message.span().start;
            Text::parse(message.get_ref()).map_err(|problem| (at, format!("message {problem}")))?
        }
    };
    let selector = Selector { devices: entry.devices, labels: entry.labels };
    let quiet = entry.quiet.into_iter().map(quiet).collect::<Result<_, _>>()?;
    let (sum, hold, severity) = (sum.map(|(_, sum)| sum), entry.r#for, entry.severity);
    Ok(Rule { name, selector, sum, test, hold, severity, text, quiet })
}

fn plain_name(key: &str, name: Spanned<String>) -> Result<String, Wrong> {
    let at = name.span().start;
    let name = name.into_inner();
    match name.parse::<DeviceID>() {
        Ok(_) => Ok(name),
        Err(_) => Err((at, format!("{key} {name:?} stands in topics, use 1 to 64 of A-Z a-z 0-9 _ -"))),
    }
}

fn test(
    at: usize,
    above: Option<Spanned<u32>>,
    below: Option<Spanned<u32>>,
    clear: Option<Spanned<u32>>,
    state: Option<Spanned<Vec<String>>>,
) -> Result<Test, Wrong> {
    let number = |clear: &Option<Spanned<u32>>, limit: u64| {
        clear.as_ref().map_or(limit, |clear| u64::from(*clear.get_ref()))
    };
    let clear_at = clear.as_ref().map_or(at, |clear| clear.span().start);
    match (above, below, state) {
        (Some(above), None, None) => {
            let limit = u64::from(above.into_inner());
            match number(&clear, limit) {
                above if above > limit => {
                    Err((clear_at, format!("clear must be at most above, which is {limit}")))
                }
                clear => Ok(Test::Above { limit, clear }),
            }
        }
        (None, Some(below), None) => {
            let (at, limit) = (below.span().start, u64::from(below.into_inner()));
            match number(&clear, limit) {
                _ if limit == 0 => Err((at, "below must be at least 1, there are never fewer than 0".into())),
                below if below < limit => {
                    Err((clear_at, format!("clear must be at least below, which is {limit}")))
                }
                clear => Ok(Test::Below { limit, clear }),
            }
        }
        (None, None, Some(_)) if clear.is_some() => {
            Err((clear_at, "clear belongs to above or below, not to state".into()))
        }
        (None, None, Some(names)) => {
            let at = names.span().start;
            let states = names
                .into_inner()
                .iter()
                .map(|name| STATES.into_iter().find(|state| state.as_str() == name))
                .collect::<Option<Vec<_>>>()
                .filter(|states| !states.is_empty());
            let states = states
                .ok_or_else(|| (at, "state is a list of \"stale\", \"offline\", \"failing\"".to_owned()))?;
            Ok(Test::State(states))
        }
        _ => Err((at, "the rule needs exactly one of above, below and state".into())),
    }
}

fn quiet(hours: Spanned<Hours>) -> Result<Quiet, Wrong> {
    let at = hours.span().start;
    let Hours { from, to, zone, days } = hours.into_inner();
    let time = |key: &str, text: &str| {
        text.parse()
            .map_err(|_| (at, format!("quiet {key} {text:?} is no time of day, write it as \"22:00\"")))
    };
    let zone = TimeZone::get(&zone).map_err(|_| {
        (at, format!("time zone {zone:?} is not known, use a name such as \"Europe/Berlin\" or \"UTC\""))
    })?;
    let week: Vec<Weekday> = Weekday::Monday.cycle_forward().take(7).collect();
    let days = if days.is_empty() {
        week
    } else {
        let day = |name: &String| {
            let found = week.iter().find(|day| format!("{day:?}").eq_ignore_ascii_case(name));
            found.copied().ok_or_else(|| (at, format!("{name:?} is no day, write \"monday\" and so on")))
        };
        days.iter().map(day).collect::<Result<_, _>>()?
    };
    Ok(Quiet { from: time("from", &from)?, to: time("to", &to)?, days, zone })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_for_operators_is_valid() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config/rules.toml");
        let rules = load(&path).unwrap();
        assert!(rules.len() >= 3);
        assert!(
            rules.iter().any(|rule| rule.sum.is_some()) && rules.iter().any(|rule| !rule.quiet.is_empty())
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.toml");
        let good = "[[rule]]\nname = \"a\"\ndevices = \"*\"\nabove = 5\n";
        for (line, words, text) in [
            (2, "name", "[[rule]]\nname = \"a/b\"\ndevices = \"*\"\nabove = 5"),
            (1, "missing field `name`", "[[rule]]\ndevices = \"*\"\nabove = 5"),
            (6, "another rule", &format!("{good}[[rule]]\nname = \"a\"\ndevices = \"*\"\nabove = 5")),
            (5, "abov", &format!("{good}abov = 6")),
            (4, "", "[[rule]]\nname = \"a\"\ndevices = \"*\"\nabove = -1"),
            (1, "selects nothing", "[[rule]]\nname = \"a\"\nabove = 1"),
            (1, "exactly one", "[[rule]]\nname = \"a\"\ndevices = \"*\""),
            (1, "exactly one", &format!("{good}below = 1")),
            (5, "at most", &format!("{good}clear = 6")),
            (5, "at least", "[[rule]]\nname = \"a\"\ndevices = \"*\"\nbelow = 5\nclear = 4"),
            (4, "at least 1", "[[rule]]\nname = \"a\"\ndevices = \"*\"\nbelow = 0"),
            (4, "stale", "[[rule]]\nname = \"a\"\ndevices = \"*\"\nstate = [\"live\"]"),
            (4, "stale", "[[rule]]\nname = \"a\"\ndevices = \"*\"\nstate = []"),
            (5, "clear", "[[rule]]\nname = \"a\"\ndevices = \"*\"\nstate = [\"stale\"]\nclear = 1"),
            (5, "sum", "[[rule]]\nname = \"a\"\ndevices = \"*\"\nstate = [\"stale\"]\nsum = \"all\""),
            (5, "{who}", &format!("{good}message = \"{{who}}\"")),
            (5, "duration", &format!("{good}for = \"soon\"")),
            (5, "dreadful", &format!("{good}severity = \"dreadful\"")),
            (
                5,
                "zone",
                &format!("{good}quiet = [{{from = \"1:00\", to = \"02:00\", zone = \"Mars/Base\"}}]"),
            ),
            (5, "22:00", &format!("{good}quiet = [{{from = \"late\", to = \"02:00\", zone = \"UTC\"}}]")),
            (
                6,
                "monday",
                &format!(
                    "{good}\n[[rule.quiet]]\nfrom = \"22:00\"\nto = \"02:00\"\nzone = \"UTC\"\ndays = [\"mon\"]"
                ),
            ),
            (2, "", "[[rule]]\nname = "),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = load(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("rules.toml, line {line}: ")), "{text}\n{error}");
            assert!(error.contains(words), "{text}\n{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        let missing = load(Path::new("nowhere/rules.toml")).unwrap_err().to_string();
        assert!(missing.contains("nowhere/rules.toml"), "{missing}");
    }

    #[test]
    fn rules_are_bounded() {
        let text: String =
            (0..=MOST).map(|n| format!("[[rule]]\nname = \"r{n}\"\ndevices = \"*\"\nabove = 5\n")).collect();
        let (at, problem) = parse(&text).unwrap_err();
        assert!(problem.contains("1000 rules") && at > 0, "{problem}");
    }
}
