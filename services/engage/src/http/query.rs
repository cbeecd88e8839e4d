//! [`Parameters`]: what stands behind the `?` of a request.

use std::collections::BTreeMap;
use std::str::FromStr;

use actix_web::HttpRequest;

use super::Problem;
use crate::state::{Filter, QueryError, Sort};

/// Largest whole number that a double holds with all before it.
const LARGEST_NUMBER: u64 = (1 << 53) - 1;

/// The parameters of a request, each of which must be known and, unless it is a list, be there once.
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads them.
    ///
    /// # Errors
    /// When there is one that is not `known`, or one too often that is not in `lists`.
    pub fn of(request: &HttpRequest, known: &[&str], lists: &[&str]) -> Result<Self, Problem> {
        let read = url::form_urlencoded::parse(request.query_string().as_bytes());
        let parameters: Vec<(String, String)> = read.into_owned().collect();
        for (n, (name, _)) in parameters.iter().enumerate() {
            let list = lists.contains(&name.as_str());
            if !list && !known.contains(&name.as_str()) {
                let all = [known, lists].concat().join(", ");
                return Err(Problem::bad_request(format!("{name:?} is not a parameter here, only {all}")));
            }
            if !list && parameters[..n].iter().any(|(before, _)| before == name) {
                return Err(Problem::bad_request(format!("{name} is there twice")));
            }
        }
        Ok(Self(parameters))
    }

    /// The text of a parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every text of a parameter.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// The value of a parameter.
    ///
    /// # Errors
    /// When the text is not `what`.
    pub fn value<T: FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, Problem> {
        let read =
            |text: &str| text.parse().map_err(|_| Problem::bad_request(format!("{name} is not {what}")));
        self.text(name).map(read).transpose()
    }

    /// A whole number that every program can hold, JavaScript included.
    ///
    /// # Errors
    /// When the text is none.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let number: Option<u64> = self.value(name, "a whole number")?;
        match number {
            Some(number) if number > LARGEST_NUMBER => {
                Err(Problem::bad_request(format!("{name} is larger than {LARGEST_NUMBER}")))
            }
            number => Ok(number),
        }
    }

    /// The same, of things that are counted in memory.
    ///
    /// # Errors
    /// When the text is none.
    pub fn size(&self, name: &str) -> Result<Option<usize>, Problem> {
        // no memory holds more than what this leaves out
        let number = self.number(name)?;
        Ok(number.map(|number| usize::try_from(number).unwrap_or(usize::MAX)))
    }

    /// A time in Unix seconds, or a number of seconds.
    ///
    /// # Errors
    /// When the text is no finite number.
    pub fn seconds(&self, name: &str, what: &str) -> Result<Option<f64>, Problem> {
        let seconds: Option<f64> = self.value(name, what)?;
        match seconds {
            Some(seconds) if !seconds.is_finite() => {
                Err(Problem::bad_request(format!("{name} is not {what}")))
            }
            seconds => Ok(seconds),
        }
    }

    /// Which devices: the parameters `state`, `label` and `q`.
    ///
    /// # Errors
    /// When one of them makes no sense.
    pub fn filter(&self) -> Result<Filter, Problem> {
        let states = self.text("state").into_iter().flat_map(|text| text.split(','));
        Filter::new(states, self.pairs("label")?, self.text("q").unwrap_or_default()).map_err(bad_query)
    }

    /// In which order: the parameter `sort`.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn sort(&self) -> Result<Sort, Problem> {
        Ok(self.text("sort").map(str::parse).transpose().map_err(bad_query)?.unwrap_or_default())
    }

    /// The parameters `name=key:value`.
    ///
    /// # Errors
    /// When there is no colon.
    fn pairs(&self, name: &str) -> Result<BTreeMap<String, String>, Problem> {
        let pair = |text: &str| {
            let (key, value) = text.split_once(':')?;
            Some((key.to_owned(), value.to_owned()))
        };
        let read = self.all(name).map(pair).collect::<Option<_>>();
        read.ok_or_else(|| Problem::bad_request(format!("{name} is not key:value")))
    }
}

fn bad_query(error: QueryError) -> Problem {
    Problem::bad_request(error.to_string())
}
