//! [`Parameters`]: what stands behind the `?` of a request.

use std::collections::BTreeMap;
use std::str::FromStr;

use actix_web::HttpRequest;

use super::Problem;

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

    /// The parameters `name=key:value`.
    ///
    /// # Errors
    /// When there is no colon.
    pub fn pairs(&self, name: &str) -> Result<BTreeMap<String, String>, Problem> {
        let pair = |text: &str| {
            let (key, value) = text.split_once(':')?;
            Some((key.to_owned(), value.to_owned()))
        };
        let read = self.all(name).map(pair).collect::<Option<_>>();
        read.ok_or_else(|| Problem::bad_request(format!("{name} is not key:value")))
    }
}
