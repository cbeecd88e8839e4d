//! [`Nodes`]: the inference and engage nodes that announce themselves.

use std::collections::BTreeMap;

use people_counter_events::{ServiceState, ServiceStatus};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::to_millis;

/// A node refreshes its status each minute and the broker drops it after three; that is not announced, so
/// it is waited for here.
const EXPIRES_AFTER: f64 = 190.0;

type Key = (String, String);

#[derive(Debug, Clone)]
struct Heard {
    status: ServiceStatus,
    received: f64,
}

/// A node as it is told.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Node {
    /// What it last said of itself.
    #[serde(flatten)]
    pub status: ServiceStatus,
    /// How long ago that was.
    #[serde(rename = "ageSeconds")]
    pub age_seconds: f64,
}

/// The nodes, a bounded number.
#[derive(Debug)]
pub struct Nodes {
    nodes: BTreeMap<Key, Heard>,
    capacity: usize,
}

impl Nodes {
    /// Room for `capacity` nodes.
    pub fn new(capacity: usize) -> Self {
        Self { nodes: BTreeMap::new(), capacity }
    }

    /// Takes a node's status; `false` when there is no room for another node.
    pub fn take(&mut self, status: ServiceStatus, now: f64) -> bool {
        let key = (status.service.clone(), status.instance.clone());
        if self.nodes.len() >= self.capacity && !self.nodes.contains_key(&key) {
            self.expire(now);
            if self.nodes.len() >= self.capacity {
                return false;
            }
        }
        self.nodes.insert(key, Heard { status, received: now });
        true
    }

    /// Forgets a node whose status was cleared.
    pub fn clear(&mut self, service: &str, instance: &str) {
        self.nodes.remove(&(service.to_owned(), instance.to_owned()));
    }

    /// Forgets every node; what is still there will be heard again.
    pub fn clear_all(&mut self) {
        self.nodes.clear();
    }

    /// Forgets the nodes that were not heard for too long.
    pub fn expire(&mut self, now: f64) {
        self.nodes.retain(|_, node| now - node.received < EXPIRES_AFTER);
    }

    /// The nodes that were heard of late, by service and instance.
    pub fn list(&self, now: f64) -> Vec<Node> {
        let fresh = self.nodes.values().filter(|node| now - node.received < EXPIRES_AFTER);
        fresh
            .map(|node| Node {
                status: node.status.clone(),
                age_seconds: to_millis((now - node.received).max(0.0)),
            })
            .collect()
    }

    /// Number of nodes of `service` that are at work.
    pub fn online(&self, service: &str) -> usize {
        self.nodes
            .values()
            .filter(|node| node.status.service == service && node.status.state == ServiceState::Online)
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(instance: &str, state: ServiceState) -> ServiceStatus {
        ServiceStatus { state, ..ServiceStatus::online("inference", instance, "1", 1.0) }
    }

    #[test]
    fn nodes_come_go_and_expire() {
        let mut nodes = Nodes::new(2);
        assert!(nodes.take(node("a", ServiceState::Online), 0.0));
        assert!(nodes.take(node("b", ServiceState::Online), 100.0));
        assert!(!nodes.take(node("c", ServiceState::Online), 100.0), "there was room for a third");
        assert!(nodes.take(node("a", ServiceState::Offline), 100.0));
        assert_eq!(nodes.online("inference"), 1);
        assert_eq!(nodes.online("engage"), 0);
        let told = nodes.list(101.5);
        let names: Vec<_> =
            told.iter().map(|node| (node.status.instance.as_str(), node.age_seconds)).collect();
        assert_eq!(names, [("a", 1.5), ("b", 1.5)]);
        assert!(nodes.list(290.0).is_empty(), "what was not heard for so long is not told");
        nodes.expire(289.0);
        assert_eq!(nodes.online("inference"), 1);
        assert!(nodes.take(node("c", ServiceState::Online), 290.0), "the others have expired");
        nodes.clear("inference", "c");
        assert_eq!(nodes.online("inference"), 0);
    }
}
