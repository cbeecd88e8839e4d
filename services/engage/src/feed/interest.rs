//! [`Interest`]: which devices a viewer follows.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use people_counter_events::DeviceID;
use serde::Deserialize;

use super::Feed;
use super::pages::{Ranking, TooMany};
use crate::state::{Filter, Listed, Query, QueryError, ScopeID, Sort};

/// Most devices in a list.
const LONGEST_LIST: usize = 2_000;

/// Most devices on a page.
const LARGEST_PAGE: usize = 500;

/// Devices on a page unless a viewer says how many.
const USUAL_PAGE: usize = 50;

/// Which devices a viewer asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subscription {
    /// All that it may see.
    Everything,
    /// These, sorted.
    Devices(Listed),
    /// Some of those that a query selects.
    Page {
        /// The query.
        query: Query,
        /// How many to leave out first.
        offset: usize,
        /// How many at most.
        limit: usize,
    },
}

/// A subscription as viewers write it.
#[derive(Debug, Deserialize)]
pub struct Written {
    devices: Option<WrittenDevices>,
    filter: Option<WrittenFilter>,
    sort: Option<String>,
    offset: Option<usize>,
    limit: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum WrittenDevices {
    Word(String),
    List(Vec<DeviceID>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WrittenFilter {
    q: String,
    state: Vec<String>,
    labels: BTreeMap<String, String>,
}

/// A subscription that cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSubscription {
    /// Devices and a page at once, or a word that is not `all`.
    #[error("subscribe to devices (\"all\" or a list of ids) or to a page (filter, sort, offset, limit)")]
    Unclear,
    /// Too many devices.
    #[error("a list has at most {LONGEST_LIST} devices, a page 1 to {LARGEST_PAGE}")]
    TooLong,
    /// The filter or the order.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl TryFrom<Written> for Subscription {
    type Error = BadSubscription;

    fn try_from(written: Written) -> Result<Self, BadSubscription> {
        let Written { devices, filter, sort, offset, limit } = written;
        let paged = filter.is_some() || sort.is_some() || offset.is_some() || limit.is_some();
        match devices {
            Some(_) if paged => Err(BadSubscription::Unclear),
            Some(WrittenDevices::Word(word)) if word == "all" => Ok(Self::Everything),
            Some(WrittenDevices::Word(_)) => Err(BadSubscription::Unclear),
            Some(WrittenDevices::List(ids)) => Self::of(ids),
            None if !paged => Err(BadSubscription::Unclear),
            None => {
                let WrittenFilter { q, state, labels } = filter.unwrap_or_default();
                let filter = Filter::new(state.iter().map(String::as_str), labels, &q)?;
                let sort: Sort = sort.as_deref().unwrap_or("deviceID").parse()?;
                Self::page(Query { filter, sort }, offset, limit)
            }
        }
    }
}

impl Subscription {
    /// These devices.
    ///
    /// # Errors
    /// When there are too many.
    pub fn of(mut ids: Vec<DeviceID>) -> Result<Self, BadSubscription> {
        if ids.len() > LONGEST_LIST {
            return Err(BadSubscription::TooLong);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(Self::Devices(Listed::new(ids.into())))
    }

    /// A page of what `query` selects, the first and of the usual size unless something else is asked for.
    ///
    /// # Errors
    /// When it is too large.
    pub fn page(query: Query, offset: Option<usize>, limit: Option<usize>) -> Result<Self, BadSubscription> {
        let limit = limit.unwrap_or(USUAL_PAGE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            return Err(BadSubscription::TooLong);
        }
        Ok(Self::Page { query, offset: offset.unwrap_or(0), limit })
    }
}

/// A subscription of somebody with a scope; equal ones need equal messages.
#[derive(Debug)]
pub struct Interest {
    pub(super) scope: ScopeID,
    pub(super) subscription: Subscription,
    /// What a page is taken from.
    pub(super) ranking: Option<Arc<Ranking>>,
    hash: u64,
}

impl PartialEq for Interest {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.scope == other.scope && self.subscription == other.subscription
    }
}

impl Eq for Interest {}

impl Hash for Interest {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.hash);
    }
}

impl Feed {
    /// What a viewer with this `scope` follows from now on.
    ///
    /// # Errors
    /// [`TooMany`] when there are as many different queries as there may be.
    pub fn interest(&self, scope: ScopeID, subscription: Subscription) -> Result<Arc<Interest>, TooMany> {
        let ranking = match &subscription {
            Subscription::Everything | Subscription::Devices(_) => None,
            Subscription::Page { query, .. } => Some(self.ranking(scope, query)?),
        };
        let mut hasher = DefaultHasher::new();
        (scope, &subscription).hash(&mut hasher);
        Ok(Arc::new(Interest { scope, subscription, ranking, hash: hasher.finish() }))
    }

    fn ranking(&self, scope: ScopeID, query: &Query) -> Result<Arc<Ranking>, TooMany> {
        self.pages.ranking(scope, query).or_else(|TooMany| {
            // messages that were kept for others may be all that holds a query that nobody follows
            self.shared.clear();
            self.pages.ranking(scope, query)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Subscription, BadSubscription> {
        serde_json::from_str::<Written>(text).unwrap().try_into()
    }

    #[test]
    fn what_viewers_may_ask_for() {
        assert_eq!(read(r#"{"devices":"all"}"#), Ok(Subscription::Everything));
        let listed = read(r#"{"devices":["b","a","b"]}"#).unwrap();
        assert_eq!(
            listed,
            Subscription::Devices(Listed::new(["a", "b"].map(|id| id.parse().unwrap()).into()))
        );
        let usual = Subscription::Page { query: Query::default(), offset: 0, limit: USUAL_PAGE };
        assert_eq!(read(r#"{"offset":0}"#), Ok(usual));
        let paged =
            read(r#"{"filter":{"q":"x","state":["live"],"labels":{"a":"b"}},"sort":"-count","limit":9}"#);
        assert!(matches!(paged, Ok(Subscription::Page { offset: 0, limit: 9, .. })), "{paged:?}");
    }

    #[test]
    fn what_viewers_may_not_ask_for() {
        for text in ["{}", r#"{"devices":"some"}"#, r#"{"devices":"all","limit":5}"#] {
            assert_eq!(read(text), Err(BadSubscription::Unclear), "{text}");
        }
        let long: Vec<String> = (0..=LONGEST_LIST).map(|n| format!("cam-{n}")).collect();
        let long = serde_json::json!({ "devices": long }).to_string();
        for text in [r#"{"limit":0}"#, r#"{"limit":501}"#, &long] {
            assert_eq!(read(text), Err(BadSubscription::TooLong), "{text}");
        }
        assert_eq!(read(r#"{"sort":"name"}"#), Err(BadSubscription::Query(QueryError::Sort)));
        assert_eq!(read(r#"{"filter":{"state":["x"]}}"#), Err(BadSubscription::Query(QueryError::State)));
        for bad in [r#"{"devices":["a b"]}"#, r#"{"devices":7}"#, r#"{"filter":{"x":1}}"#, r#"{"offset":-1}"#]
        {
            assert!(serde_json::from_str::<Written>(bad).is_err(), "{bad}");
        }
    }
}
