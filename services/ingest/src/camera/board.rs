//! [`Board`]: the device's status, what was last published of it, and its last will.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use iot_mqtt::{Message, Presence, Will};
use people_counter_events::{DeviceState, DeviceStatus, Topics};

/// How long the broker waits for the device to come back before it says that it is offline.
pub const WILL_DELAY: Duration = Duration::from_secs(5);

/// The status of a device, shared with its connection.
#[derive(Debug)]
pub struct Board {
    topics: Topics,
    topic: String,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Everything but state and connection.
    status: DeviceStatus,
    /// The boot id is final. Before, there is a will but no birth.
    fixed: bool,
    /// What the broker was sent last.
    published: Option<DeviceStatus>,
}

impl Board {
    /// A board that shows `status`, to be published on `topic`.
    pub fn new(topics: Topics, topic: String, status: DeviceStatus) -> Arc<Self> {
        let inner = Mutex::new(Inner { status, fixed: false, published: None });
        Arc::new(Self { topics, topic, inner })
    }

    /// What a connection needs of it.
    pub fn presence(self: &Arc<Self>) -> impl Presence + use<> {
        Shown(self.clone())
    }

    /// Nothing inside can panic half-way, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// The boot id that stands in will and birth.
    pub fn boot_id(&self) -> u64 {
        self.lock().status.boot_id
    }

    /// Sets the boot id, for good or until more is known.
    pub fn set_boot(&self, boot_id: u64, fixed: bool) {
        let mut inner = self.lock();
        inner.status.boot_id = boot_id;
        inner.fixed = fixed;
    }

    /// Changes what the status says.
    pub fn change(&self, change: impl FnOnce(&mut DeviceStatus)) {
        change(&mut self.lock().status);
    }

    /// What it says.
    pub fn status(&self) -> DeviceStatus {
        self.lock().status.clone()
    }

    /// Whether the broker has something else than what should stand there for `connection`.
    pub fn is_outdated(&self, connection: u64) -> bool {
        let inner = self.lock();
        inner.fixed && inner.published.as_ref() != Some(&inner.at(DeviceState::Online, connection))
    }

    /// Somebody overwrote what was published.
    pub fn forget_published(&self) {
        self.lock().published = None;
    }

    /// The message to publish, which is taken as published from now on.
    pub fn message(&self, state: DeviceState, connection: u64) -> Message {
        let mut inner = self.lock();
        let status = inner.at(state, connection);
        let message =
            Message::new(&self.topic, self.encode(&status)).retained().content_type("application/json");
        inner.published = Some(status);
        message
    }

    fn encode(&self, status: &DeviceStatus) -> Bytes {
        self.topics.status.encode(status).expect("a checked status is finite numbers and text").into()
    }
}

impl Inner {
    fn at(&self, state: DeviceState, connection: u64) -> DeviceStatus {
        DeviceStatus { state, connection, ..self.status.clone() }
    }
}

struct Shown(Arc<Board>);

impl Presence for Shown {
    fn will(&self, connection: u64) -> Will {
        let status = self.0.lock().at(DeviceState::Offline, connection);
        let payload = self.0.encode(&status);
        Will::new(&self.0.topic, payload).delay(WILL_DELAY)
    }

    fn birth(&self, connection: u64) -> Option<Message> {
        let fixed = self.0.lock().fixed;
        fixed.then(|| self.0.message(DeviceState::Online, connection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Camera, Folder, Source};

    fn board() -> Arc<Board> {
        let topics = Topics::new(Topics::DEFAULT_ROOT).unwrap();
        let camera = Camera::new("cam-1".parse().unwrap(), Source::Folder(Folder::new("/p")));
        Board::new(topics, "people-counter/v1/devices/cam-1/status".into(), camera.status())
    }

    #[test]
    fn there_is_no_birth_before_the_boot_is_fixed() {
        let board = board();
        let presence = board.presence();
        board.set_boot(7, false);
        assert!(presence.birth(1).is_none());
        assert!(!board.is_outdated(1));
        board.set_boot(8, true);
        assert!(board.is_outdated(1));
        assert!(presence.birth(1).is_some());
        assert!(!board.is_outdated(1), "the birth is a publication");
        assert!(board.is_outdated(2), "another connection needs its own");
    }

    #[test]
    fn the_will_says_offline_for_its_connection() {
        let board = board();
        board.set_boot(7, true);
        let will = board.presence().will(3);
        let status: DeviceStatus = serde_json::from_slice(&will.payload).unwrap();
        assert_eq!((status.state, status.session()), (DeviceState::Offline, (7, 3)));
        assert_eq!(will.delay, WILL_DELAY);
    }

    #[test]
    fn a_change_is_published_once() {
        let board = board();
        board.set_boot(7, true);
        drop(board.message(DeviceState::Online, 1));
        board.change(|status| status.problem = Some("camera is busy".into()));
        assert!(board.is_outdated(1));
        drop(board.message(DeviceState::Online, 1));
        assert!(!board.is_outdated(1));
        board.forget_published();
        assert!(board.is_outdated(1));
    }
}
