//! The largest or the mean of the values in a window

use super::lanes::{Lanes, Pixel, Processor, on_lanes, pixels, pixels_mut};
use super::node::Kernel;
use super::window::{Scratch, Window};

/// What is made of the values in a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Summary {
    Max,
    Sum,
    /// The sum over the number of the window's points inside the picture.
    MeanInside,
    /// The sum over the number of all points of the window.
    MeanOfAll,
}

/// A pool from blocked tensors to a blocked one.
pub(super) struct Pool {
    pub(super) window: Window,
    pub(super) summary: Summary,
}

impl Kernel for Pool {
    fn name(&self) -> &'static str {
        "BlockedPool"
    }

    fn run(&self, processor: Processor, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        let (points, outputs) = self.window.points();
        let planes = inputs.iter().flat_map(|input| pixels(input).chunks_exact(points));
        for (plane, out) in planes.zip(pixels_mut(out).chunks_exact_mut(outputs)) {
            on_lanes!(processor, lanes => self.rows(lanes, plane, 0, 0, out));
        }
    }
}

impl Pool {
    /// Computes the rows from `first` on that `out` has room for out of the rows from `top` on that `plane` has.
    pub(super) fn rows<L: Lanes>(
        &self,
        lanes: L,
        plane: &[Pixel],
        top: usize,
        first: usize,
        out: &mut [Pixel],
    ) {
        lanes.vectorize(Plane { lanes, pool: self, plane, top, first, out });
    }
}

/// One block of channels.
struct Plane<'a, L> {
    lanes: L,
    pool: &'a Pool,
    plane: &'a [Pixel],
    top: usize,
    first: usize,
    out: &'a mut [Pixel],
}

impl<L: Lanes> pulp::NullaryFnOnce for Plane<'_, L> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { lanes, pool: Pool { window, summary }, plane, top, first, out } = self;
        let (width, all) = (window.input.1, window.kernel.0 * window.kernel.1);
        for (y, out) in out.chunks_exact_mut(window.output.1).enumerate() {
            let rows = window.rows(first + y).map(|y| y - top);
            let height = rows.clone().count();
            for (x, out) in out.iter_mut().enumerate() {
                let columns = window.columns(x);
                let value = match summary {
                    Summary::Max => {
                        let mut value = lanes.splat(f32::MIN);
                        for y in rows.clone() {
                            for x in columns.clone() {
                                value = lanes.max(value, lanes.load(&plane[y * width + x]));
                            }
                        }
                        value
                    }
                    Summary::Sum | Summary::MeanInside | Summary::MeanOfAll => {
                        let mut sum = lanes.splat(0.0);
                        for y in rows.clone() {
                            for x in columns.clone() {
                                sum = lanes.add(sum, lanes.load(&plane[y * width + x]));
                            }
                        }
                        match summary {
                            Summary::MeanInside => {
                                let count = height * columns.count();
                                lanes.mul(sum, lanes.splat(1.0 / count as f32))
                            }
                            Summary::MeanOfAll => lanes.mul(sum, lanes.splat(1.0 / all as f32)),
                            _ => sum,
                        }
                    }
                };
                lanes.store(value, out);
            }
        }
    }
}
