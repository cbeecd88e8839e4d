//! [`Touched`]: which devices changed, so compact that thousands of viewers can look at once.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use people_counter_events::DeviceID;

/// A bit for each possible [`bit`].
const WORDS: usize = (u16::MAX as usize + 1) / 64;

/// A set of devices that may hold a few more than were put in: a viewer that is mistaken looks closer.
#[derive(Debug, Default)]
pub(super) struct Touched(Option<Box<[u64; WORDS]>>);

/// Where a device stands in the set.
pub(super) fn bit(id: &DeviceID) -> u16 {
    let mut hasher = DefaultHasher::new();
    id.as_str().hash(&mut hasher);
    hasher.finish() as u16
}

impl Touched {
    pub(super) fn of<'a>(ids: impl Iterator<Item = &'a Arc<DeviceID>>) -> Self {
        let mut set: Option<Box<[u64; WORDS]>> = None;
        for id in ids {
            let bit = usize::from(bit(id));
            set.get_or_insert_with(|| Box::new([0; WORDS]))[bit / 64] |= 1 << (bit % 64);
        }
        Self(set)
    }

    /// Whether any of the devices with these bits may have changed.
    pub(super) fn may_hold(&self, bits: &[u16]) -> bool {
        let Some(set) = &self.0 else { return false };
        bits.iter().any(|&bit| set[usize::from(bit) / 64] & 1 << (bit % 64) != 0)
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
        assert!(ids[..10].iter().all(|id| touched.may_hold(&[bit(id)])));
        assert!(touched.may_hold(&ids.iter().map(|id| bit(id)).collect::<Vec<_>>()));
        let mistaken = ids[10..].iter().filter(|id| touched.may_hold(&[bit(id)])).count();
        assert!(mistaken < 10, "{mistaken} of 90");
        assert!(!Touched::default().may_hold(&[0, u16::MAX]) && !touched.may_hold(&[]));
    }
}
