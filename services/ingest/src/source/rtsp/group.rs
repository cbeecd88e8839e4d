//! [`Group`]: what has come of a video since its last key frame, which is all that a decoder needs.

/// Larger groups are given up. A camera that sends a key frame every 20 s at 8 Mbit/s stays below.
const MAX_BYTES: usize = 24 << 20;
const MAX_UNITS: usize = 2_000;

/// The coded pictures since the last key frame.
#[derive(Debug, Default)]
pub struct Group {
    /// Rises with every key frame.
    number: u64,
    units: Vec<Vec<u8>>,
    bytes: usize,
}

impl Group {
    /// Adds a coded picture. What comes before the first key frame is of no use and dropped.
    pub fn push(&mut self, unit: Vec<u8>, is_key: bool) {
        if is_key {
            self.clear();
            self.number += 1;
        } else if self.units.is_empty() {
            return;
        }
        self.bytes += unit.len();
        self.units.push(unit);
        if self.bytes > MAX_BYTES || self.units.len() > MAX_UNITS {
            tracing::debug!("{} coded pictures without a key frame are given up", self.units.len());
            self.clear();
        }
    }

    /// Something is missing: nothing can be decoded until the next key frame.
    pub fn clear(&mut self) {
        self.units.clear();
        self.bytes = 0;
    }

    /// The coded pictures, the last one being the picture that is wanted.
    pub fn units(&self) -> &[Vec<u8>] {
        &self.units
    }

    /// Number of this group.
    #[cfg(any(test, feature = "h264"))]
    pub fn number(&self) -> u64 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_begins_with_a_key_frame() {
        let mut group = Group::default();
        group.push(vec![1], false);
        assert!(group.units().is_empty());
        group.push(vec![2], true);
        group.push(vec![3], false);
        assert_eq!((group.number(), group.units()), (1, &[vec![2], vec![3]][..]));
        group.push(vec![4], true);
        assert_eq!((group.number(), group.units()), (2, &[vec![4]][..]));
        group.clear();
        group.push(vec![5], false);
        assert!(group.units().is_empty(), "after a loss a key frame must come");
    }

    #[test]
    fn a_group_is_bounded() {
        let mut group = Group::default();
        group.push(vec![0; 100], true);
        for _ in 0..10 * MAX_UNITS {
            group.push(vec![0; 10], false);
            assert!(group.units().len() <= MAX_UNITS);
        }
        group.push(vec![0; MAX_BYTES + 1], true);
        assert!(group.units().is_empty());
    }
}
