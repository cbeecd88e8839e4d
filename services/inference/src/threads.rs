//! [`Threads`]: a number, or as many as there are processors.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most threads.
const MOST: u64 = 1024;

/// How many worker threads there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Threads {
    /// One for each processor that this process may use.
    #[default]
    Auto,
    /// So many, at least 1.
    Number(usize),
}

impl Threads {
    /// The number here and now.
    pub fn number(self) -> usize {
        match self {
            Self::Auto => std::thread::available_parallelism().map_or(1, usize::from),
            Self::Number(number) => number,
        }
    }
}

impl Serialize for Threads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Number(number) => serializer.serialize_u64(*number as u64),
        }
    }
}

impl<'de> Deserialize<'de> for Threads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text)
    }
}

/// Numbers from files, text from files and from the environment.
struct Text;

impl Visitor<'_> for Text {
    type Value = Threads;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"auto\" or a number of threads from 1 to {MOST}")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Threads, E> {
        match number {
            1..=MOST => Ok(Threads::Number(number as usize)),
            _ => Err(E::invalid_value(de::Unexpected::Unsigned(number), &self)),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Threads, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Threads, E> {
        match text.parse() {
            _ if text == "auto" => Ok(Threads::Auto),
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct Table {
        workers: Threads,
    }

    fn read(value: &str) -> Result<Threads, String> {
        let table = toml::from_str::<Table>(&format!("workers = {value}"));
        table.map(|table| table.workers).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_number_or_auto() {
        assert_eq!(read("\"auto\"").unwrap(), Threads::Auto);
        assert_eq!(read("3").unwrap(), Threads::Number(3));
        assert_eq!(read("\"3\"").unwrap(), Threads::Number(3), "as the environment gives it");
        assert!(Threads::Auto.number() >= 1);
        assert_eq!(Threads::Number(3).number(), 3);
        for bad in ["0", "-1", "1025", "\"many\"", "\"0\""] {
            let error = read(bad).unwrap_err();
            assert!(error.contains("\"auto\" or a number"), "{bad}: {error}");
        }
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        for threads in [Threads::Auto, Threads::Number(2)] {
            let text = toml::to_string(&Table { workers: threads }).unwrap();
            assert_eq!(toml::from_str::<Table>(&text).unwrap().workers, threads);
        }
    }
}
