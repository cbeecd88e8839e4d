//! [`Query`]: which devices somebody asks for, and in which order.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::view::{Condition, Device};

/// Longest text that may be searched for, characters.
const LONGEST_TEXT: usize = 128;

/// Most labels that may be asked for at once.
const MOST_LABELS: usize = 8;

/// What devices are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum By {
    /// Their id.
    #[default]
    DeviceID,
    /// Their count; those that were never counted come last.
    Count,
    /// The age of their count; those without come last.
    Age,
    /// Their state: live, stale, offline, failing, unknown.
    State,
}

/// An order of devices. What is equal is sorted by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Sort {
    by: By,
    descending: bool,
}

/// A filter or an order that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// No such order.
    #[error("sort is deviceID, count, age or state, with - in front for descending")]
    Sort,
    /// No such state.
    #[error("state is one or more of live, stale, offline, failing and unknown")]
    State,
    /// A text is too long.
    #[error("a text to search for has at most {LONGEST_TEXT} characters")]
    Text,
    /// Too many labels.
    #[error("at most {MOST_LABELS} labels can be asked for")]
    Labels,
}

impl FromStr for Sort {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (descending, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
        let by = match name {
            "deviceID" => By::DeviceID,
            "count" => By::Count,
            "age" => By::Age,
            "state" => By::State,
            _ => return Err(QueryError::Sort),
        };
        Ok(Self { by, descending })
    }
}

/// Devices by their state, labels and text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Filter {
    states: BTreeSet<u8>,
    labels: BTreeMap<String, String>,
    text: String,
}

impl Filter {
    /// Devices in any of `states` (any state if empty), with all of `labels`, and `text` in their id or a
    /// label, whatever its case.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn new<'a>(
        states: impl IntoIterator<Item = &'a str>,
        labels: BTreeMap<String, String>,
        text: &str,
    ) -> Result<Self, QueryError> {
        let position = |name| Condition::ALL.iter().position(|state| state.as_str() == name);
        let states = states.into_iter().map(|name| position(name).ok_or(QueryError::State));
        let states = states.map(|position| position.map(|at| at as u8)).collect::<Result<_, _>>()?;
        if labels.len() > MOST_LABELS {
            return Err(QueryError::Labels);
        }
        let too_long = |text: &str| text.chars().nth(LONGEST_TEXT).is_some();
        if too_long(text) || labels.iter().any(|(key, value)| too_long(key) || too_long(value)) {
            return Err(QueryError::Text);
        }
        Ok(Self { states, labels, text: text.to_lowercase() })
    }

    /// Whether it lets every device pass.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    fn passes(&self, device: &Device) -> bool {
        let labels = &device.status.labels;
        let contains = |text: &str| text.to_lowercase().contains(&self.text);
        (self.states.is_empty() || self.states.contains(&rank(device)))
            && self.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && (self.text.is_empty()
                || contains(device.id().as_str())
                || labels.iter().any(|(key, value)| contains(key) || contains(value)))
    }
}

/// A filter and an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Query {
    /// Which devices.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
}

impl Query {
    /// Those of `devices` that are asked for, in order.
    pub fn select(&self, mut devices: Vec<Device>) -> Vec<Device> {
        if !self.filter.is_everything() {
            devices.retain(|device| self.filter.passes(device));
        }
        devices.sort_unstable_by(|a, b| self.sort.compare(a, b).then_with(|| a.id().cmp(b.id())));
        devices
    }
}

impl Sort {
    fn compare(self, a: &Device, b: &Device) -> Ordering {
        let ordering = match self.by {
            By::DeviceID => a.id().cmp(b.id()),
            By::State => rank(a).cmp(&rank(b)),
            By::Count => return self.known_first(a.count(), b.count(), |a, b| a.cmp(b)),
            By::Age => return self.known_first(a.age_seconds, b.age_seconds, f64::total_cmp),
        };
        self.turned(ordering)
    }

    /// What is not known comes last in either direction.
    fn known_first<T>(self, a: Option<T>, b: Option<T>, compare: impl Fn(&T, &T) -> Ordering) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) => self.turned(compare(&a, &b)),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }

    fn turned(self, ordering: Ordering) -> Ordering {
        if self.descending { ordering.reverse() } else { ordering }
    }
}

/// The place of a device's state among all.
fn rank(device: &Device) -> u8 {
    Condition::ALL.iter().position(|state| *state == device.condition).unwrap_or_default() as u8
}

#[cfg(test)]
mod tests {
    use super::super::samples::{BUCKET, NOW, result, status};
    use super::super::{Options, Receipt, ScopeID, State};
    use super::*;

    /// `a` live with 2 since 3 s, `b` live with 7 since 1 s, `c` never counted, `d` live with 2 since 4 s.
    fn devices() -> Vec<Device> {
        let mut state = State::new("e".into(), Options { bucket: BUCKET.into(), ..Options::default() });
        for (name, counted) in
            [("d", Some((2, 4.0))), ("b", Some((7, 1.0))), ("c", None), ("a", Some((2, 3.0)))]
        {
            let mut status = status(name, 1, 1);
            status.labels.insert("floor".into(), if name == "b" { "Roof" } else { "2" }.into());
            state.status(status, Receipt::live(NOW));
            if let Some((count, age)) = counted {
                let mut result = result(name, 1, 1, count);
                result.analysed_timestamp = NOW - age;
                state.counted(result, Receipt::live(NOW));
            }
        }
        state.all(ScopeID::ALL, NOW)
    }

    fn selected(filter: Filter, sort: &str) -> String {
        let query = Query { filter, sort: sort.parse().unwrap() };
        query.select(devices()).iter().map(|device| device.id().as_str()).collect()
    }

    #[test]
    fn devices_are_sorted_and_what_is_unknown_comes_last() {
        for (sort, order) in [
            ("deviceID", "abcd"),
            ("-deviceID", "dcba"),
            ("count", "adbc"),
            ("-count", "badc"),
            ("age", "badc"),
            ("-age", "dabc"),
            ("state", "abdc"),
            ("-state", "cabd"),
        ] {
            assert_eq!(selected(Filter::default(), sort), order, "{sort}");
        }
        for bad in ["", "name", "--count", "count "] {
            assert_eq!(bad.parse::<Sort>(), Err(QueryError::Sort), "{bad:?}");
        }
    }

    #[test]
    fn filters_hold_together() {
        let none = BTreeMap::new;
        let floor = |value: &str| BTreeMap::from([("floor".to_owned(), value.to_owned())]);
        for (states, labels, text, expected) in [
            (&["live"][..], none(), "", "abd"),
            (&["live", "unknown"], none(), "", "abcd"),
            (&["failing"], none(), "", ""),
            (&[], floor("2"), "", "acd"),
            (&["unknown"], floor("2"), "", "c"),
            (&[], none(), "roof", "b"),
            (&[], none(), "FLOOR", "abcd"),
            (&[], none(), "D", "d"),
        ] {
            let filter = Filter::new(states.iter().copied(), labels, text).unwrap();
            assert_eq!(selected(filter, "deviceID"), expected, "{states:?} {text:?}");
        }
        let long = "x".repeat(LONGEST_TEXT + 1);
        let many = (0..=MOST_LABELS).map(|n| (n.to_string(), String::new())).collect();
        assert_eq!(Filter::new(["alive"], none(), ""), Err(QueryError::State));
        assert_eq!(Filter::new([], none(), &long), Err(QueryError::Text));
        assert_eq!(Filter::new([], floor(&long), ""), Err(QueryError::Text));
        assert_eq!(Filter::new([], many, ""), Err(QueryError::Labels));
    }
}
