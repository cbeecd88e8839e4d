//! Functions of single values, computed where a kernel already has them in registers

use super::lanes::Lanes;

/// What is done with a value before it is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Activation {
    Identity,
    /// The value, or this share (0 to 1) of it where it is negative: leaky ReLU.
    Leaky(f32),
    /// The value, at least the first and at most the second: ReLU, ReLU6, clip.
    Clip(f32, f32),
}

impl Activation {
    #[inline(always)]
    pub(super) fn apply<L: Lanes>(self, lanes: L, value: L::Block) -> L::Block {
        match self {
            Self::Identity => value,
            Self::Leaky(share) => lanes.max(value, lanes.mul(value, lanes.splat(share))),
            Self::Clip(low, high) => lanes.min(lanes.max(value, lanes.splat(low)), lanes.splat(high)),
        }
    }
}
