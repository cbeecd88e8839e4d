//! [`Text`]: what an alert says to people.

use std::collections::BTreeMap;

use super::verdict::Known;

/// Longest message, bytes.
const LONGEST: usize = 1024;

/// A text with fields such as `{value}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Plain(String),
    Rule,
    Target,
    Value,
    Limit,
    State,
    Severity,
    Label(String),
}

/// What the fields stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) rule: &'a str,
    pub(super) target: &'a str,
    pub(super) value: Option<Known>,
    pub(super) limit: Option<u64>,
    pub(super) state: &'a str,
    pub(super) severity: &'a str,
    pub(super) labels: &'a BTreeMap<String, String>,
}

impl Text {
    /// Reads a text; `{{` and `}}` stand for braces.
    ///
    /// # Errors
    /// Says which field is not known, or that a brace is missing.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(behind) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = behind;
            } else if brace == "{"
                && let Some((field, behind)) = rest.split_once('}')
            {
                parts.extend((!plain.is_empty()).then(|| Part::Plain(std::mem::take(&mut plain))));
                parts.push(Part::field(field)?);
                rest = behind;
            } else {
                return Err("has a single brace, write {{ or }} for one that is meant as such".into());
            }
        }
        plain.push_str(rest);
        parts.extend((!plain.is_empty()).then_some(Part::Plain(plain)));
        Ok(Self(parts))
    }

    /// The text with its fields filled in: one line of bounded length.
    pub(super) fn fill(&self, fields: &Fields<'_>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Plain(plain) => text.push_str(plain),
                Part::Rule => text.push_str(fields.rule),
                Part::Target => text.push_str(fields.target),
                Part::Value => {
                    text.push_str(&fields.value.map_or_else(String::new, |value| value.to_string()))
                }
                Part::Limit => {
                    text.push_str(&fields.limit.map_or_else(String::new, |limit| limit.to_string()))
                }
                Part::State => text.push_str(fields.state),
                Part::Severity => text.push_str(fields.severity),
                Part::Label(name) => text.push_str(fields.labels.get(name).map_or("", String::as_str)),
            }
        }
        let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if text.len() > LONGEST {
            text.truncate(text.floor_char_boundary(LONGEST));
        }
        text
    }
}

impl Part {
    fn field(name: &str) -> Result<Self, String> {
        Ok(match name {
            "rule" => Self::Rule,
            "target" => Self::Target,
            "value" => Self::Value,
            "limit" => Self::Limit,
            "state" => Self::State,
            "severity" => Self::Severity,
            _ => match name.strip_prefix("label.") {
                Some(label) if !label.is_empty() => Self::Label(label.into()),
                _ => {
                    return Err(format!(
                        "has a field {{{name}}}; there are {{rule}}, {{target}}, {{value}}, {{limit}}, {{state}}, \
                         {{severity}} and {{label.NAME}}"
                    ));
                }
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str, value: Option<Known>) -> String {
        let labels = BTreeMap::from([("room".to_owned(), "the\nlobby".to_owned())]);
        let fields = Fields {
            rule: "crowded",
            target: "cam-1",
            value,
            limit: Some(20),
            state: "live",
            severity: "warning",
            labels: &labels,
        };
        Text::parse(text).unwrap().fill(&fields)
    }

    #[test]
    fn fields_are_filled_in_and_the_result_is_one_line() {
        let text = "{severity}: {target} ({rule}, {label.room}{label.none}) {value} > {limit} {{{state}}}";
        let value = Some(Known { least: 25, exact: true });
        assert_eq!(fill(text, value), "warning: cam-1 (crowded, the lobby) 25 > 20 {live}");
        assert_eq!(fill("{value}", Some(Known { least: 25, exact: false })), "at least 25");
        assert_eq!(fill("<{value}>", None), "<>");
        assert_eq!(fill(&"ö".repeat(2000), None).len(), 1024);
        assert_eq!(fill("", None), "");
    }

    #[test]
    fn a_text_that_makes_no_sense_is_refused() {
        for (text, expected) in [
            ("{count}", "{count}"),
            ("{", "brace"),
            ("a } b", "brace"),
            ("{label.}", "{label.}"),
            ("{}", "{}"),
        ] {
            let error = Text::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
