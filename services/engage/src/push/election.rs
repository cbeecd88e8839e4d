//! [`Election`]: exactly one of the replicas that may push does. Pure, the time is a parameter.
//!
//! Each announces itself by a retained status of the service `push`. All see the same statuses, and the one that
//! started first pushes; the others wait until its status says that it is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use people_counter_events::{ServiceState, ServiceStatus};
use tokio::time::Instant;

/// How long a replica waits after it has become first: time for the one before to notice.
const SETTLE: Duration = Duration::from_secs(1);

/// A status is refreshed each minute and dropped by the broker after three; that is not announced.
const EXPIRES_AFTER: Duration = Duration::from_secs(190);

/// Most replicas that are kept in mind.
const MOST: usize = 100;

#[derive(Debug, Clone, Copy)]
struct Replica {
    started: f64,
    heard: Instant,
}

/// What this replica knows of itself and the others.
#[derive(Debug)]
pub(super) struct Election {
    me: String,
    replicas: BTreeMap<String, Replica>,
    first_since: Option<Instant>,
}

impl Election {
    pub(super) fn new(me: String) -> Self {
        Self { me, replicas: BTreeMap::new(), first_since: None }
    }

    /// The connection broke: nothing is known, and everything will be heard again.
    pub(super) fn lost(&mut self) {
        self.replicas.clear();
        self.first_since = None;
    }

    /// A status of the service `push` was heard, our own as well.
    pub(super) fn heard(&mut self, status: &ServiceStatus, now: Instant) {
        if status.state == ServiceState::Offline {
            self.replicas.remove(&status.instance);
        } else if self.replicas.len() < MOST || self.is_known(&status.instance) {
            let replica = Replica { started: status.started_timestamp, heard: now };
            self.replicas.insert(status.instance.clone(), replica);
        }
        self.look(now);
    }

    /// A status was cleared.
    pub(super) fn cleared(&mut self, instance: &str, now: Instant) {
        self.replicas.remove(instance);
        self.look(now);
    }

    /// Whether this replica is the one that pushes.
    pub(super) fn is_active(&mut self, now: Instant) -> bool {
        self.replicas.retain(|_, replica| now.saturating_duration_since(replica.heard) < EXPIRES_AFTER);
        self.look(now);
        self.first_since.is_some_and(|since| now.saturating_duration_since(since) >= SETTLE)
    }

    /// The replica that pushes, or will in a moment.
    pub(super) fn first(&self) -> Option<&str> {
        let key =
            |(name, replica): &(&String, &Replica)| (replica.started.max(0.0).to_bits(), (*name).clone());
        self.replicas.iter().min_by_key(key).map(|(name, _)| name.as_str())
    }

    fn is_known(&self, instance: &str) -> bool {
        instance == self.me || self.replicas.contains_key(instance)
    }

    fn look(&mut self, now: Instant) {
        if self.first() != Some(&self.me) {
            self.first_since = None;
        } else if self.first_since.is_none() {
            self.first_since = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(instance: &str, started: f64, state: ServiceState) -> ServiceStatus {
        ServiceStatus { state, ..ServiceStatus::online("push", instance, "1", started) }
    }

    const ONLINE: ServiceState = ServiceState::Online;

    #[test]
    fn alone_it_pushes_once_its_own_status_is_back_and_settled() {
        let now = Instant::now();
        let mut election = Election::new("me".into());
        assert!(!election.is_active(now + SETTLE), "its own status has not come back");
        election.heard(&status("me", 5.0, ONLINE), now);
        assert!(!election.is_active(now));
        assert!(election.is_active(now + SETTLE));
        election.lost();
        assert!(!election.is_active(now + 2 * SETTLE));
    }

    #[test]
    fn of_two_the_older_pushes_and_both_agree() {
        let now = Instant::now();
        let (mut older, mut newer) = (Election::new("b".into()), Election::new("a".into()));
        for election in [&mut older, &mut newer] {
            election.heard(&status("a", 6.0, ONLINE), now);
            election.heard(&status("b", 5.0, ONLINE), now);
        }
        let later = now + SETTLE;
        assert!(older.is_active(later) && !newer.is_active(later));
        assert_eq!((older.first(), newer.first()), (Some("b"), Some("b")));
        newer.heard(&status("b", 5.0, ServiceState::Offline), later);
        assert!(!newer.is_active(later), "the other may need a moment to notice");
        assert!(newer.is_active(later + SETTLE));
        newer.heard(&status("b", 5.0, ONLINE), later + SETTLE);
        assert!(!newer.is_active(later + SETTLE), "stepping back takes no time");
    }

    #[test]
    fn the_same_start_is_decided_by_name_and_silence_ends_a_claim() {
        let now = Instant::now();
        let mut election = Election::new("b".into());
        election.heard(&status("a", 5.0, ONLINE), now);
        election.heard(&status("b", 5.0, ONLINE), now);
        assert_eq!(election.first(), Some("a"));
        let later = now + EXPIRES_AFTER;
        election.heard(&status("b", 5.0, ONLINE), later);
        assert!(!election.is_active(later));
        assert!(election.is_active(later + SETTLE));
        election.heard(&status("a", 5.0, ONLINE), later);
        election.cleared("a", later + SETTLE);
        assert_eq!(election.first(), Some("b"));
    }

    #[test]
    fn a_flood_of_replicas_is_bounded() {
        let now = Instant::now();
        let mut election = Election::new("me".into());
        for n in 0..2 * MOST {
            election.heard(&status(&format!("r{n}"), 9.0, ONLINE), now);
        }
        election.heard(&status("me", 5.0, ONLINE), now);
        assert_eq!(election.replicas.len(), MOST + 1);
        assert!(election.is_active(now + SETTLE));
    }
}
