//! [`Topic`]: a pattern such as `site/{room}/light` and the type of its messages.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::MAX_TOPIC_BYTES;

/// One level of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Literal(String),
    Param(String),
}

/// A topic whose name follows a pattern and whose payload is a `T` in JSON.
///
/// In a pattern every level is either literal text or one `{parameter}`.
pub struct Topic<T> {
    levels: Vec<Level>,
    params: usize,
    payload: PhantomData<fn() -> T>,
}

/// A pattern that cannot be a topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// A level is empty, holds a wildcard or a control character, or has a stray brace.
    #[error(
        "topic pattern {pattern:?}: level {level:?} is not valid, write plain text or one {{parameter}} between slashes"
    )]
    Level {
        /// The whole pattern.
        pattern: String,
        /// The level that is wrong.
        level: String,
    },
    /// The pattern alone is longer than MQTT allows.
    #[error("topic pattern of {0} bytes is longer than the {MAX_TOPIC_BYTES} bytes that MQTT allows")]
    TooLong(usize),
}

/// A parameter that does not fit into a topic name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamError {
    /// The value is empty or contains `/`, `+`, `#` or a control character.
    #[error(
        "{name:?} cannot be {value:?} in a topic, use at least one character and none of / + # or control characters"
    )]
    Value {
        /// Name of the parameter in the pattern.
        name: String,
        /// The value that was refused.
        value: String,
    },
    /// More or fewer values than the pattern has parameters.
    #[error("topic {pattern} takes {expected} parameters, {given} were given")]
    Number {
        /// The pattern.
        pattern: String,
        /// How many it takes.
        expected: usize,
        /// How many were given.
        given: usize,
    },
    /// The name would be longer than MQTT allows.
    #[error("topic name of {0} bytes is longer than the {MAX_TOPIC_BYTES} bytes that MQTT allows")]
    TooLong(usize),
}

/// A payload that is not what the topic carries.
#[derive(Debug, thiserror::Error)]
#[error("message on {pattern}: {source}")]
pub struct CodecError {
    pattern: String,
    source: serde_json::Error,
}

impl<T> Topic<T> {
    /// Reads a pattern such as `site/{room}/light`.
    ///
    /// # Errors
    /// [`PatternError`] when a level is empty, contains a wildcard or a control character, or the pattern
    /// is too long.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        if pattern.len() > MAX_TOPIC_BYTES {
            return Err(PatternError::TooLong(pattern.len()));
        }
        let levels = pattern
            .split('/')
            .map(|level| {
                parse_level(level)
                    .ok_or_else(|| PatternError::Level { pattern: pattern.into(), level: level.into() })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let params = levels.iter().filter(|level| matches!(level, Level::Param(_))).count();
        Ok(Self { levels, params, payload: PhantomData })
    }

    /// The topic name with `params` in the order of the pattern.
    ///
    /// # Errors
    /// [`ParamError`] when their number differs from the pattern's or a value may not stand in a topic.
    pub fn name(&self, params: &[&str]) -> Result<String, ParamError> {
        let values: Vec<Option<&str>> = params.iter().copied().map(Some).collect();
        self.filter_with(&values)
    }

    /// The filter that matches every topic of this pattern.
    pub fn filter(&self) -> String {
        self.join(|_, _| "+")
    }

    /// The filter with some parameters given and `+` for each that is `None`.
    ///
    /// # Errors
    /// As [`Topic::name`].
    pub fn filter_with(&self, params: &[Option<&str>]) -> Result<String, ParamError> {
        if params.len() != self.params {
            return Err(ParamError::Number {
                pattern: self.to_string(),
                expected: self.params,
                given: params.len(),
            });
        }
        for (name, value) in self.param_names().zip(params) {
            if let Some(value) = value {
                check_level(name, value)?;
            }
        }
        let filter = self.join(|index, _| params[index].unwrap_or("+"));
        if filter.len() > MAX_TOPIC_BYTES {
            return Err(ParamError::TooLong(filter.len()));
        }
        Ok(filter)
    }

    /// The parameters of `topic`, in the order of the pattern; `None` if it is another topic.
    pub fn parse<'a>(&self, topic: &'a str) -> Option<Vec<&'a str>> {
        let mut params = Vec::with_capacity(self.params);
        let mut given = topic.split('/');
        for level in &self.levels {
            match (level, given.next()?) {
                (Level::Literal(text), part) if text == part => {}
                (Level::Param(_), part) if !part.is_empty() => params.push(part),
                _ => return None,
            }
        }
        given.next().is_none().then_some(params)
    }

    fn param_names(&self) -> impl Iterator<Item = &str> {
        self.levels.iter().filter_map(|level| match level {
            Level::Param(name) => Some(name.as_str()),
            Level::Literal(_) => None,
        })
    }

    fn join<'a>(&'a self, mut param: impl FnMut(usize, &'a str) -> &'a str) -> String {
        let mut index = 0;
        let parts: Vec<&str> = self
            .levels
            .iter()
            .map(|level| match level {
                Level::Literal(text) => text.as_str(),
                Level::Param(name) => {
                    index += 1;
                    param(index - 1, name)
                }
            })
            .collect();
        parts.join("/")
    }
}

impl<T: Serialize> Topic<T> {
    /// The payload that carries `value`.
    ///
    /// # Errors
    /// [`CodecError`] when `value` has no JSON form (a map with keys that are not strings, for example).
    pub fn encode(&self, value: &T) -> Result<Vec<u8>, CodecError> {
        serde_json::to_vec(value).map_err(|source| CodecError { pattern: self.to_string(), source })
    }
}

impl<T: DeserializeOwned> Topic<T> {
    /// The value that `payload` carries.
    ///
    /// # Errors
    /// [`CodecError`] when it is not JSON of a `T`; the message says where.
    pub fn decode(&self, payload: &[u8]) -> Result<T, CodecError> {
        serde_json::from_slice(payload).map_err(|source| CodecError { pattern: self.to_string(), source })
    }
}

impl<T> fmt::Display for Topic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, level) in self.levels.iter().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            match level {
                Level::Literal(text) => f.write_str(text)?,
                Level::Param(name) => write!(f, "{{{name}}}")?,
            }
        }
        Ok(())
    }
}

impl<T> fmt::Debug for Topic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topic({self})")
    }
}

impl<T> Clone for Topic<T> {
    fn clone(&self) -> Self {
        Self { levels: self.levels.clone(), params: self.params, payload: PhantomData }
    }
}

/// Checks that `value` can be one level of a topic name.
pub(crate) fn check_level(name: &str, value: &str) -> Result<(), ParamError> {
    if is_plain(value) { Ok(()) } else { Err(ParamError::Value { name: name.into(), value: value.into() }) }
}

fn parse_level(level: &str) -> Option<Level> {
    let name = level.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let text = name.unwrap_or(level);
    if !is_plain(text) || text.contains(['{', '}']) {
        return None;
    }
    Some(match name {
        Some(name) => Level::Param(name.into()),
        None => Level::Literal(level.into()),
    })
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(['/', '+', '#']) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::matches;

    type Text = Topic<String>;

    #[test]
    fn a_pattern_needs_plain_levels() {
        for bad in ["", "a//b", "a/+", "#", "a/{", "a/}b", "a/{}", "a/{b+}", "a/x{b}", "a/\u{7}", "/a"] {
            assert!(Text::new(bad).is_err(), "{bad:?} was taken");
        }
        let long = format!("a/{}", "x".repeat(MAX_TOPIC_BYTES));
        assert_eq!(Text::new(&long).unwrap_err(), PatternError::TooLong(long.len()));
    }

    #[test]
    fn names_need_every_parameter_and_no_wildcard() {
        let topic = Text::new("a/{b}/c/{d}").unwrap();
        assert_eq!(topic.name(&["1", "2"]).unwrap(), "a/1/c/2");
        assert_eq!(topic.filter_with(&[None, Some("2")]).unwrap(), "a/+/c/2");
        for bad in [&["1"][..], &["1", "2", "3"], &["1", ""], &["+", "2"], &["1/2", "3"], &["1", "\0"]] {
            assert!(topic.name(bad).is_err(), "{bad:?} was taken");
        }
        let long = "x".repeat(MAX_TOPIC_BYTES);
        assert!(matches!(topic.name(&["1", &long]), Err(ParamError::TooLong(_))));
    }

    #[test]
    fn a_foreign_topic_is_not_parsed() {
        let topic = Text::new("a/{b}/c").unwrap();
        for other in ["a/1", "a/1/d", "a/1/c/d", "a//c", "x/1/c", ""] {
            assert_eq!(topic.parse(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_bad_payload_names_the_topic() {
        let topic = Topic::<u8>::new("a/{b}").unwrap();
        let message = topic.decode(b"{").unwrap_err().to_string();
        assert!(message.starts_with("message on a/{b}: "), "{message}");
    }

    proptest! {
        #[test]
        fn names_parse_back_and_match_the_filter(first in "[^/+#\\p{Cc}]{1,20}", second in "[^/+#\\p{Cc}]{1,20}") {
            let topic = Text::new("root/{one}/mid/{two}").unwrap();
            let name = topic.name(&[&first, &second]).unwrap();
            prop_assert!(matches(&topic.filter(), &name));
            prop_assert_eq!(topic.parse(&name), Some(vec![first.as_str(), second.as_str()]));
        }

        #[test]
        fn fuzz_patterns_and_topics(pattern in ".{0,60}", topic in ".{0,60}") {
            if let Ok(pattern) = Text::new(&pattern)
                && let Some(params) = pattern.parse(&topic)
            {
                prop_assert!(pattern.name(&params).map_or(true, |name| name == topic));
            }
            matches(&pattern, &topic);
        }
    }
}
