//! [`Nodes`]: which inference nodes are online.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Instant;

/// A node refreshes its status each minute and the broker forgets it after three.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(200);

/// More nodes than any installation has.
const MAX_NODES: usize = 10_000;

/// What a node's status changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing that matters.
    None,
    /// The first node came.
    First,
    /// A node went, and took with it what it had not finished.
    Gone,
}

/// The nodes that are online, as far as their statuses tell.
#[derive(Debug, Default)]
pub struct Nodes {
    seen: BTreeMap<String, Instant>,
}

impl Nodes {
    /// A node says that it is online or offline.
    pub fn saw(&mut self, now: Instant, instance: &str, online: bool) -> Change {
        let before = self.any_online(now);
        if online {
            if self.seen.len() < MAX_NODES || self.seen.contains_key(instance) {
                self.seen.insert(instance.to_owned(), now);
            }
            return if before { Change::None } else { Change::First };
        }
        if self.seen.remove(instance).is_some() { Change::Gone } else { Change::None }
    }

    /// Whether any node is online.
    pub fn any_online(&mut self, now: Instant) -> bool {
        self.seen.retain(|_, &mut at| now.saturating_sub(at) < FORGOTTEN_AFTER);
        !self.seen.is_empty()
    }

    /// Forgets all: the broker is gone, and tells anew when it is back.
    pub fn clear(&mut self) {
        self.seen.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Instant {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_that_comes_and_each_that_goes_matter() {
        let mut nodes = Nodes::default();
        assert_eq!(nodes.saw(at(0), "a", false), Change::None);
        assert_eq!(nodes.saw(at(1), "a", true), Change::First);
        assert_eq!(nodes.saw(at(2), "a", true), Change::None);
        assert_eq!(nodes.saw(at(3), "b", true), Change::None);
        assert_eq!(nodes.saw(at(4), "a", false), Change::Gone);
        assert!(nodes.any_online(at(5)));
        assert_eq!(nodes.saw(at(6), "b", false), Change::Gone);
        assert!(!nodes.any_online(at(7)));
    }

    #[test]
    fn a_node_that_is_not_heard_of_is_forgotten() {
        let mut nodes = Nodes::default();
        nodes.saw(at(0), "a", true);
        nodes.saw(at(100), "a", true);
        assert!(nodes.any_online(at(299)));
        assert!(!nodes.any_online(at(300)));
        assert_eq!(nodes.saw(at(301), "a", true), Change::First);
        nodes.clear();
        assert!(!nodes.any_online(at(302)));
    }
}
