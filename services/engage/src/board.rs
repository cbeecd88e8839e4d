//! [`Board`]: the state, shared by whoever writes and whoever reads it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock;
use crate::state::{Changes, Nodes, State};

/// How often devices are looked at whose time may be up. What viewers see of it is rounded to seconds.
const TICK: Duration = Duration::from_millis(200);

/// How the state stands to the broker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Link {
    /// The broker is connected and everything it keeps has been heard on this connection.
    pub current: bool,
    /// That has been so at least once.
    pub complete: bool,
}

/// The state behind a lock that is never held across an await, and what wakes those who wait for a change.
#[derive(Debug)]
pub struct Board {
    state: Mutex<State>,
    nodes: Mutex<Nodes>,
    version: watch::Sender<u64>,
    link: watch::Sender<Link>,
}

impl Board {
    /// Shares `state`, and room for `nodes` nodes.
    pub fn new(state: State, nodes: usize) -> Arc<Self> {
        let version = watch::Sender::new(state.version());
        let nodes = Mutex::new(Nodes::new(nodes));
        Arc::new(Self { state: Mutex::new(state), nodes, version, link: watch::Sender::default() })
    }

    /// Looks at the inference and engage nodes, or changes what is known of them.
    pub fn nodes<R>(&self, look: impl FnOnce(&mut Nodes) -> R) -> R {
        look(&mut self.nodes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state and wakes those who wait.
    pub fn update<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        let version = state.version();
        drop(state);
        self.version.send_if_modified(|known| std::mem::replace(known, version) != version);
        result
    }

    /// Looks at the state.
    pub fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.lock())
    }

    /// A panic while the lock was held is a mistake in one update, no reason to stop showing the rest.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version of the state.
    pub fn version(&self) -> u64 {
        *self.version.borrow()
    }

    /// The version of the state, now and when it changes.
    pub fn versions(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Says whether the state is what the broker has.
    pub fn set_current(&self, current: bool) {
        self.link.send_if_modified(|link| {
            let before = *link;
            *link = Link { current, complete: link.complete || current };
            *link != before
        });
    }

    /// How the state stands to the broker's.
    pub fn link(&self) -> Link {
        *self.link.borrow()
    }

    /// The same, now and when it changes.
    pub fn links(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    /// Lets the time pass; ends only when dropped.
    pub async fn keep_time(&self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.update(|state| state.tick(clock::now()));
        }
    }

    /// Follows the changes from here on, after everything there is.
    pub fn watch(self: &Arc<Self>) -> Watch {
        Watch { board: Arc::downgrade(self), versions: self.versions(), known: None }
    }
}

/// Follows the changes of the state; what changes several times between two looks is seen once.
#[derive(Debug)]
pub struct Watch {
    board: Weak<Board>,
    versions: watch::Receiver<u64>,
    known: Option<u64>,
}

impl Watch {
    /// The next changes; at first everything there is. `None` once the service has ended.
    pub async fn next(&mut self) -> Option<Changes> {
        loop {
            let version = *self.versions.borrow_and_update();
            if self.known != Some(version) {
                let board = self.board.upgrade()?;
                let changes = board.read(|state| state.changes_since(self.known, clock::now()));
                self.known = Some(changes.version);
                return Some(changes);
            }
            self.versions.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Options;

    fn board() -> Arc<Board> {
        Board::new(State::new("e".into(), Options::default()), 10)
    }

    #[tokio::test]
    async fn a_watch_sees_everything_then_changes_then_the_end() {
        let board = board();
        let mut watch = board.watch();
        assert_eq!(watch.next().await.unwrap().since, None);
        let status = serde_json::json!({
            "type": "status", "deviceID": "cam-1", "state": "online", "bootID": 1, "connection": 1,
            "version": "1", "source": "folder", "cadenceSeconds": 1.0, "delivery": "latest"
        });
        let status = serde_json::from_value(status).unwrap();
        board.update(|state| state.status(status, crate::state::Receipt::live(1.0)));
        let changes = watch.next().await.unwrap();
        assert_eq!((changes.since, changes.devices.len()), (Some(0), 1));
        drop(board);
        assert!(watch.next().await.is_none());
    }

    #[test]
    fn once_complete_stays_complete() {
        let board = board();
        board.set_current(false);
        assert_eq!(board.link(), Link { current: false, complete: false });
        board.set_current(true);
        board.set_current(false);
        assert_eq!(board.link(), Link { current: false, complete: true });
    }
}
