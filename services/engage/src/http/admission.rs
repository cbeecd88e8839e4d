//! [`Admission`]: how many connections there may be, and how fast new ones may come.
//!
//! All viewers may come back at once, and each costs a handshake and a snapshot. So they are let in at a steady pace;
//! who would wait too long, or finds no place, is closed at once and tries again later.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::config::Http;
use crate::metrics::Metrics;

/// How many may come at once after a pause: so many seconds' worth.
const BURST: Duration = Duration::from_secs(1);

/// The places, and the pace. One for all workers of the server.
#[derive(Debug)]
pub struct Admission {
    places: Arc<Semaphore>,
    pace: Mutex<Pace>,
    metrics: Metrics,
}

/// When the next connection may come.
#[derive(Debug)]
struct Pace {
    next: Instant,
    gap: Duration,
    patience: Duration,
}

impl Pace {
    /// How long a connection that comes now has to wait; `None` if that is too long.
    fn take(&mut self, now: Instant) -> Option<Duration> {
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let at = self.next.max(earliest);
        // the burst's worth lies in the past: whoever gets a time from there need not wait
        let wait = (at + self.gap).saturating_duration_since(now);
        (wait <= self.patience).then(|| {
            self.next = at + self.gap;
            wait
        })
    }
}

impl Admission {
    /// As `settings` say.
    pub fn new(settings: &Http, metrics: Metrics) -> Arc<Self> {
        let gap = Duration::from_secs(1) / settings.connections_per_second.max(1);
        let now = Instant::now();
        let next = now.checked_sub(BURST).unwrap_or(now);
        Arc::new(Self {
            places: Arc::new(Semaphore::new(settings.max_connections)),
            pace: Mutex::new(Pace { next, gap, patience: settings.request_timeout }),
            metrics,
        })
    }

    /// A place, which is held for as long as the connection lasts; `None` if there is none for it.
    pub async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.metrics.connection_refused("limit");
            return None;
        };
        let wait = self.pace.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        let Some(wait) = wait else {
            self.metrics.connection_refused("rate");
            return None;
        };
        if !wait.is_zero() {
            self.metrics.connections_delayed.inc();
            tokio::time::sleep(wait).await;
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_second_s_worth_comes_at_once_then_one_at_a_time() {
        let start = Instant::now() + Duration::from_secs(3600);
        let mut pace = Pace { next: start - BURST, gap: millis(250), patience: millis(500) };
        let mut waits = || pace.take(start);
        assert_eq!([(); 4].map(|()| waits()), [Some(Duration::ZERO); 4]);
        assert_eq!([waits(), waits(), waits()], [Some(millis(250)), Some(millis(500)), None]);
        assert_eq!(waits(), None, "who is turned away takes nobody's turn");
        assert_eq!(pace.take(start + millis(500)), Some(millis(250)));
        let later = start + Duration::from_secs(60);
        let at_once = (0..10).filter(|_| pace.take(later) == Some(Duration::ZERO)).count();
        assert_eq!(at_once, 4, "a pause saves up no more than a second's worth");
    }

    #[tokio::test]
    async fn a_place_is_free_again_when_its_connection_has_ended() {
        let settings = Http { max_connections: 1, ..Http::default() };
        let admission = Admission::new(&settings, Metrics::default());
        let place = admission.enter().await.unwrap();
        assert!(admission.enter().await.is_none());
        drop(place);
        assert!(admission.enter().await.is_some());
    }
}
