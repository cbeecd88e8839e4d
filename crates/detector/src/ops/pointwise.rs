//! Operations on each value by itself, or on pairs of them

use super::activation::Activation;
use super::lanes::{Lanes, Pixel, Processor, on_lanes, pixels, pixels_mut};
use super::node::Kernel;
use super::window::Scratch;

/// The sum of blocked tensors, then an activation: `inputs` are first all parts of the first, then all of the second.
pub(super) struct Add {
    /// Where the values of each part of the first tensor, then of the second, start in the output.
    pub(super) first: Vec<usize>,
    pub(super) second: Vec<usize>,
    pub(super) activation: Activation,
}

impl Kernel for Add {
    fn name(&self) -> &'static str {
        "BlockedAdd"
    }

    fn run(&self, processor: Processor, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        let (first, second) = inputs.split_at(self.first.len());
        for (from, start) in first.iter().zip(&self.first) {
            out[*start..][..from.len()].copy_from_slice(from);
        }
        for (from, start) in second.iter().zip(&self.second) {
            let (from, to) = (pixels(from), pixels_mut(&mut out[*start..][..from.len()]));
            let activation = self.activation;
            on_lanes!(processor, lanes => lanes.vectorize(AddTo { lanes, activation, from, to }));
        }
    }
}

/// `to = activation(to + from)`
struct AddTo<'a, L> {
    lanes: L,
    activation: Activation,
    from: &'a [Pixel],
    to: &'a mut [Pixel],
}

impl<L: Lanes> pulp::NullaryFnOnce for AddTo<'_, L> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { lanes, activation, from, to } = self;
        for (from, to) in from.iter().zip(to) {
            let sum = lanes.add(lanes.load(from), lanes.load(to));
            lanes.store(activation.apply(lanes, sum), to);
        }
    }
}
