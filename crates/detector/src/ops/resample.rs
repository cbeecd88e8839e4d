//! Rows or columns as weighted sums of rows or columns: enlarging, with any filter

use super::lanes::{Lanes, Pixel, Processor, ZERO, on_lanes, pixels, pixels_mut};
use super::node::Kernel;
use super::window::Scratch;

/// The direction in which the sums go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Rows,
    Columns,
}

/// A linear map along one side of a blocked picture.
pub(super) struct Resample {
    side: Side,
    /// Rows and columns of the input.
    input: (usize, usize),
    /// For each row or column of the output, those of the input and their weights.
    sums: Vec<Vec<(usize, f32)>>,
}

impl Resample {
    /// `sums` has, for each row or column of the output, those of the input and their weights.
    pub(super) fn new(side: Side, input: (usize, usize), sums: Vec<Vec<(usize, f32)>>) -> Self {
        Self { side, input, sums }
    }
}

impl Kernel for Resample {
    fn name(&self) -> &'static str {
        "BlockedResample"
    }

    fn run(&self, processor: Processor, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        let (height, width) = self.input;
        let outputs = match self.side {
            Side::Rows => self.sums.len() * width,
            Side::Columns => height * self.sums.len(),
        };
        let planes = inputs.iter().flat_map(|input| pixels(input).chunks_exact(height * width));
        for (plane, out) in planes.zip(pixels_mut(out).chunks_exact_mut(outputs)) {
            on_lanes!(processor, lanes => lanes.vectorize(Plane { lanes, resample: self, plane, out }));
        }
    }
}

/// One block of channels.
struct Plane<'a, L> {
    lanes: L,
    resample: &'a Resample,
    plane: &'a [Pixel],
    out: &'a mut [Pixel],
}

impl<L: Lanes> pulp::NullaryFnOnce for Plane<'_, L> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { lanes, resample: Resample { side, input: (_, width), sums }, plane, out } = self;
        match side {
            Side::Rows => {
                for (out, terms) in out.chunks_exact_mut(*width).zip(sums) {
                    out.fill(ZERO);
                    for &(y, weight) in terms {
                        let (row, weight) = (&plane[y * width..][..*width], lanes.splat(weight));
                        for (out, value) in out.iter_mut().zip(row) {
                            lanes.store(lanes.mul_add(weight, lanes.load(value), lanes.load(out)), out);
                        }
                    }
                }
            }
            Side::Columns => {
                for (out, row) in out.chunks_exact_mut(sums.len()).zip(plane.chunks_exact(*width)) {
                    for (out, terms) in out.iter_mut().zip(sums) {
                        let mut sum = lanes.splat(0.0);
                        for &(x, weight) in terms {
                            sum = lanes.mul_add(lanes.splat(weight), lanes.load(&row[x]), sum);
                        }
                        lanes.store(sum, out);
                    }
                }
            }
        }
    }
}
