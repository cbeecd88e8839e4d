//! What leads a viewer from what it knows to now.

use std::sync::Arc;

use bytestring::ByteString;
use people_counter_events::DeviceID;

use super::document::{Document, to_millis};
use super::interest::{Interest, Subscription};
use super::pages::Window;
use super::{Feed, Pulse};
use crate::clock;
use crate::state::{Changes, Device, ScopeID};

/// Most devices in a message, and about how many bytes of them. What is more comes with the next one, once
/// this one was acknowledged.
const CHUNK: usize = 256;
const CHUNK_BYTES: usize = 256 << 10;

/// What a viewer has.
#[derive(Debug, Clone, Default)]
pub struct Cursor {
    /// The version; `None` while it has nothing.
    pub known: Option<u64>,
    /// The page.
    pub(super) window: Option<Arc<Window>>,
}

/// A message as it goes to viewers.
#[derive(Debug)]
pub struct Message {
    /// What it was made for.
    pub pulse: Pulse,
    /// What a viewer has that has it.
    pub cursor: Cursor,
    /// Whether there is nothing more to be sent.
    pub whole: bool,
    /// Its JSON.
    pub text: ByteString,
}

/// What is told, and how much there is of it.
struct Told {
    changes: Changes,
    total: Option<usize>,
    window: Option<Arc<Window>>,
}

impl Feed {
    /// What leads a viewer with this `interest` from `cursor` to now: a delta, or a snapshot if it knows
    /// nothing or too little.
    pub fn message(&self, interest: &Arc<Interest>, cursor: &Cursor) -> Arc<Message> {
        let pulse = self.beat().pulse;
        let usable = |message: &Message| message.pulse == pulse;
        self.shared.get(interest, cursor, usable, || self.make(interest, cursor, pulse))
    }

    fn make(&self, interest: &Interest, cursor: &Cursor, pulse: Pulse) -> Message {
        let now = clock::now();
        let Told { mut changes, total, window } = self.changes(interest, cursor, now);
        if window.is_none() {
            shorten(&mut changes);
        }
        let before = cursor.window.as_ref().filter(|_| changes.since.is_some());
        let order =
            window.as_ref().filter(|window| before.is_none_or(|before| before.listed != window.listed));
        let snapshot = changes.since.is_none();
        let document = Document {
            kind: Some(if snapshot { "snapshot" } else { "delta" }),
            epoch: &self.epoch,
            version: changes.version,
            since: changes.since,
            server_time: to_millis(now),
            connected: pulse.link.current,
            summary: changes.summary,
            total,
            order: order.map(|window| window.listed.ids()),
            alerts: changes.alerts.as_ref().map(|alerts| alerts.iter().map(Arc::as_ref).collect()),
            removed: (!snapshot).then(|| changes.removed.iter().map(Arc::as_ref).collect()),
            devices: [],
        };
        self.metrics.messages_made.inc();
        Message {
            pulse,
            whole: changes.whole,
            text: document.with(&changes.devices).into(),
            cursor: Cursor { known: Some(changes.version), window },
        }
    }

    fn changes(&self, interest: &Interest, cursor: &Cursor, now: f64) -> Told {
        let (scope, known) = (interest.scope, cursor.known);
        let first = known.is_none();
        match (&interest.subscription, &interest.ranking) {
            (Subscription::Page { offset, limit, .. }, Some(ranking)) => {
                let window = ranking.window(&self.board, *offset, *limit);
                let changes = self.page(interest, cursor, &window, now);
                Told { changes, total: Some(window.total), window: Some(window) }
            }
            (Subscription::Devices(listed), _) => self.board.read(|state| Told {
                changes: state.next_changes_of(listed, scope, known, CHUNK, now),
                total: first.then(|| state.count_of(listed, scope)),
                window: None,
            }),
            _ => self.board.read(|state| {
                let changes = state.next_changes(scope, known, CHUNK, now);
                let total = first.then(|| usize::try_from(changes.summary.devices()).unwrap_or(usize::MAX));
                Told { changes, total, window: None }
            }),
        }
    }

    /// What leads from one page to another.
    fn page(&self, interest: &Interest, cursor: &Cursor, window: &Window, now: f64) -> Changes {
        let before = cursor.window.as_ref().filter(|_| cursor.known.is_some());
        let had = |id: &DeviceID| before.is_some_and(|before| before.listed.ids().contains(id));
        let known = cursor.known.filter(|_| before.is_some());
        self.board.read(|state| {
            let shown: Vec<Device> =
                window.listed.ids().iter().filter_map(|id| state.device(id, interest.scope, now)).collect();
            let is_shown = |id: &DeviceID| shown.iter().any(|device| device.id() == id);
            let left = before.iter().flat_map(|before| before.listed.ids()).filter(|id| !is_shown(id));
            let removed = left.map(|id| Arc::new(id.clone())).collect();
            let is_news =
                |device: &Device| !had(device.id()) || known.is_none_or(|known| device.version > known);
            Changes {
                since: known,
                version: state.version(),
                summary: state.summary(interest.scope),
                removed,
                devices: shown.iter().filter(|device| is_news(device)).cloned().collect(),
                whole: true,
                alerts: state.alerts_since(interest.scope, known),
            }
        })
    }

    /// Whether a viewer that was told everything for `seen` has reason to be told more.
    pub(super) fn has_changed(&self, interest: &Interest, cursor: &Cursor, seen: u64) -> bool {
        let beat = self.beat();
        if beat.alerts > seen {
            return true;
        }
        let listed = match (&interest.subscription, &interest.ranking) {
            (Subscription::Page { offset, limit, .. }, Some(ranking)) => {
                let window = ranking.window(&self.board, *offset, *limit);
                match &cursor.window {
                    Some(known) if Arc::ptr_eq(known, &window) => &known.listed,
                    _ => return true,
                }
            }
            (Subscription::Devices(listed), _) => listed,
            _ if interest.scope == ScopeID::ALL => return true,
            _ => return self.board.read(|state| state.has_changed(None, interest.scope, seen)),
        };
        if beat.from <= seen && !beat.touched.may_hold(listed) {
            return false;
        }
        self.board.read(|state| state.has_changed(Some(listed), interest.scope, seen))
    }
}

/// Leaves for the next message what would make this one too large.
fn shorten(changes: &mut Changes) {
    let mut bytes = 0;
    let fits = changes.devices.iter().take_while(|device| {
        let before = bytes;
        bytes += device.size();
        before < CHUNK_BYTES
    });
    let fits = fits.count();
    if fits < changes.devices.len() {
        changes.devices.truncate(fits);
        changes.whole = false;
        if let Some(last) = changes.devices.last() {
            changes.version = last.version;
        }
    }
}
