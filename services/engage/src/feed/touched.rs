//! [`Touched`]: which devices changed, so compact that thousands of viewers can look at once.

use std::sync::Arc;

use people_counter_events::DeviceID;

use crate::state::{Listed, SLOTS, slot};

/// A bit for each slot.
const WORDS: usize = SLOTS / 64;

/// A set of devices that may hold a few more than were put in: a viewer that is mistaken looks closer.
#[derive(Debug, Default)]
pub(super) struct Touched(Option<Box<[u64; WORDS]>>);

impl Touched {
    pub(super) fn of<'a>(ids: impl Iterator<Item = &'a Arc<DeviceID>>) -> Self {
        let mut set: Option<Box<[u64; WORDS]>> = None;
        for id in ids {
            let slot = usize::from(slot(id));
            set.get_or_insert_with(|| Box::new([0; WORDS]))[slot / 64] |= 1 << (slot % 64);
        }
        Self(set)
    }

    /// Whether any of these devices may have changed.
    pub(super) fn may_hold(&self, listed: &Listed) -> bool {
        let Some(set) = &self.0 else { return false };
        listed.slots().iter().any(|&slot| set[usize::from(slot) / 64] & 1 << (slot % 64) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_held() {
        let ids: Vec<Arc<DeviceID>> =
            (0..100).map(|n| Arc::new(format!("cam-{n}").parse().unwrap())).collect();
        let touched = Touched::of(ids[..10].iter());
        let listed = |ids: &[Arc<DeviceID>]| Listed::new(ids.iter().map(|id| (**id).clone()).collect());
        let may_hold = |id: &Arc<DeviceID>| touched.may_hold(&listed(std::slice::from_ref(id)));
        assert!(ids[..10].iter().all(may_hold));
        assert!(touched.may_hold(&listed(&ids)));
        let mistaken = ids[10..].iter().filter(|id| may_hold(id)).count();
        assert!(mistaken < 10, "{mistaken} of 90");
        assert!(!Touched::default().may_hold(&listed(&ids)) && !touched.may_hold(&listed(&[])));
    }
}
