//! [`Listed`]: devices that are asked for by their names, again and again.

use std::hash::{DefaultHasher, Hash, Hasher};

use people_counter_events::DeviceID;

/// Number of different [`slot`]s.
pub const SLOTS: usize = u16::MAX as usize + 1;

/// A number for a device that a few others may have too: to tell cheaply, of many devices, which are worth a closer
/// look.
pub fn slot(id: &DeviceID) -> u16 {
    let mut hasher = DefaultHasher::new();
    id.as_str().hash(&mut hasher);
    hasher.finish() as u16
}

/// Some devices, whether they are there or not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listed {
    ids: Box<[DeviceID]>,
    slots: Box<[u16]>,
}

impl Listed {
    /// These devices, in this order.
    pub fn new(ids: Box<[DeviceID]>) -> Self {
        let slots = ids.iter().map(slot).collect();
        Self { ids, slots }
    }

    /// Their names.
    pub fn ids(&self) -> &[DeviceID] {
        &self.ids
    }

    /// Their slots.
    pub fn slots(&self) -> &[u16] {
        &self.slots
    }

    /// Those whose slot is worth a look.
    pub(super) fn with_slots(&self, worth: impl Fn(u16) -> bool) -> impl Iterator<Item = &DeviceID> {
        self.ids.iter().zip(&self.slots).filter(move |(_, slot)| worth(**slot)).map(|(id, _)| id)
    }
}
