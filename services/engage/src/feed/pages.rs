//! [`Pages`]: the order of the devices for each query that viewers follow, kept up to date at a bounded cost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use people_counter_events::DeviceID;

use crate::board::Board;
use crate::clock;
use crate::state::{Listed, Query, ScopeID};

/// Most different queries at once.
const MOST: usize = 128;

/// An order is looked at again after this time at the earliest.
const PACE: Duration = Duration::from_secs(1);

/// All queries together may keep a core busy for this part of the time, as a divisor.
const SHARE: u32 = 4;

/// There are as many different queries as there may be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many different filters are followed, try again later")]
pub struct TooMany;

/// What a page shows.
#[derive(Debug, PartialEq, Eq)]
pub struct Window {
    /// The devices, in order.
    pub(super) listed: Listed,
    /// Number of all devices that the query selects.
    pub(super) total: usize,
}

/// The queries that viewers follow.
#[derive(Debug, Default)]
pub(super) struct Pages {
    rankings: Mutex<HashMap<(ScopeID, Query), Weak<Ranking>>>,
    /// Microseconds that one round over all queries takes.
    round: Arc<AtomicU64>,
}

impl Pages {
    /// The ranking of a query, shared by all who follow it.
    pub(super) fn ranking(&self, scope: ScopeID, query: &Query) -> Result<Arc<Ranking>, TooMany> {
        let mut rankings = self.rankings.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (scope, query.clone());
        if let Some(known) = rankings.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        if rankings.len() >= MOST {
            rankings.retain(|_, ranking| ranking.strong_count() > 0);
        }
        if rankings.len() >= MOST {
            return Err(TooMany);
        }
        let ranking = Arc::new(Ranking {
            scope,
            query: query.clone(),
            round: Arc::clone(&self.round),
            ranked: Mutex::default(),
        });
        rankings.insert(key, Arc::downgrade(&ranking));
        Ok(ranking)
    }
}

/// The order of the devices for one query.
#[derive(Debug)]
pub(super) struct Ranking {
    scope: ScopeID,
    query: Query,
    round: Arc<AtomicU64>,
    ranked: Mutex<Ranked>,
}

#[derive(Debug, Default)]
struct Ranked {
    at: Option<Instant>,
    version: u64,
    took: Duration,
    order: Vec<DeviceID>,
    windows: HashMap<(usize, usize), Arc<Window>>,
    before: HashMap<(usize, usize), Arc<Window>>,
}

impl Ranking {
    /// The devices from `offset` on, `limit` at most. The same ones are the same window.
    pub(super) fn window(&self, board: &Board, offset: usize, limit: usize) -> Arc<Window> {
        let mut ranked = self.ranked.lock().unwrap_or_else(PoisonError::into_inner);
        let version = board.version();
        if ranked.at.is_none_or(|at| ranked.version != version && at.elapsed() >= self.pace()) {
            self.rank(&mut ranked, board);
        }
        if let Some(window) = ranked.windows.get(&(offset, limit)) {
            return Arc::clone(window);
        }
        let ids: Box<[DeviceID]> = ranked.order.iter().skip(offset).take(limit).cloned().collect();
        let window = Window { listed: Listed::new(ids), total: ranked.order.len() };
        let same = ranked.before.remove(&(offset, limit)).filter(|before| **before == window);
        let window = same.unwrap_or_else(|| Arc::new(window));
        ranked.windows.insert((offset, limit), Arc::clone(&window));
        window
    }

    fn pace(&self) -> Duration {
        PACE.max(Duration::from_micros(self.round.load(Ordering::Relaxed)) * SHARE)
    }

    fn rank(&self, ranked: &mut Ranked, board: &Board) {
        let started = Instant::now();
        let (version, devices) = board.read(|state| (state.version(), state.all(self.scope, clock::now())));
        let devices = self.query.select(devices);
        ranked.order = devices.iter().map(|device| device.id().clone()).collect();
        ranked.version = version;
        ranked.before = std::mem::take(&mut ranked.windows);
        let now = Instant::now();
        self.charge(ranked.took, now - started);
        (ranked.at, ranked.took) = (Some(now), now - started);
    }

    /// Takes this query's part of a round from `before` to `after`.
    fn charge(&self, before: Duration, after: Duration) {
        self.round.fetch_add(micros(after), Ordering::Relaxed);
        self.round.fetch_sub(micros(before), Ordering::Relaxed);
    }
}

impl Drop for Ranking {
    fn drop(&mut self) {
        let took = self.ranked.get_mut().unwrap_or_else(PoisonError::into_inner).took;
        self.charge(took, Duration::ZERO);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Filter, Options, State};

    fn query(text: &str) -> Query {
        Query { filter: Filter::new([], Default::default(), text).unwrap(), ..Query::default() }
    }

    #[test]
    fn queries_are_shared_and_bounded() {
        let pages = Pages::default();
        let first = pages.ranking(ScopeID::ALL, &query("0")).unwrap();
        assert!(Arc::ptr_eq(&first, &pages.ranking(ScopeID::ALL, &query("0")).unwrap()));
        assert!(!Arc::ptr_eq(&first, &pages.ranking(ScopeID::listed(0), &query("0")).unwrap()));
        let others: Vec<_> =
            (1..MOST).map(|n| pages.ranking(ScopeID::ALL, &query(&n.to_string())).unwrap()).collect();
        assert_eq!(pages.ranking(ScopeID::ALL, &query("one more")).err(), Some(TooMany));
        drop(others);
        assert!(pages.ranking(ScopeID::ALL, &query("one more")).is_ok(), "the others are gone");
    }

    #[test]
    fn expensive_queries_are_looked_at_less_often() {
        let pages = Pages::default();
        let ranking = pages.ranking(ScopeID::ALL, &Query::default()).unwrap();
        assert_eq!(ranking.pace(), PACE);
        let dear = pages.ranking(ScopeID::ALL, &query("dear")).unwrap();
        dear.ranked.lock().unwrap().took = Duration::from_secs(3);
        dear.charge(Duration::ZERO, Duration::from_secs(3));
        assert_eq!(ranking.pace(), Duration::from_secs(3) * SHARE);
        drop(dear);
        assert_eq!(ranking.pace(), PACE);
        let board = Board::new(State::new("e".into(), Options::default()), 1);
        let window = ranking.window(&board, 0, 9);
        assert_eq!((window.listed.ids().len(), window.total), (0, 0));
    }
}
