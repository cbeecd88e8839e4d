//! Convolutions of each channel by itself

use super::activation::Activation;
use super::conv::{Convolution, in_blocks};
use super::lanes::{BLOCK, Lanes, Pixel, ZERO};
use super::window::{Scratch, Strip, Window, take};

/// Points that are computed at once.
const POINTS: usize = 6;

/// Weights by block of channels and tap.
pub(super) struct Depthwise {
    window: Window,
    strip: Strip,
    weights: Vec<Pixel>,
    bias: Vec<Pixel>,
    activation: Activation,
}

impl Depthwise {
    pub(super) fn new(of: Convolution<'_>) -> Self {
        let Convolution { window, weights, bias, lanes, activation } = of;
        let taps = window.kernel.0 * window.kernel.1;
        let value =
            |channel: Option<usize>, tap| channel.map_or(0.0, |channel| weights[channel * taps + tap]);
        let bias =
            lanes.iter().map(|channel| channel.map_or(0.0, |channel| bias[channel])).collect::<Vec<_>>();
        let weights = lanes
            .as_chunks::<BLOCK>()
            .0
            .iter()
            .flat_map(|block| (0..taps).map(|tap| block.map(|channel| value(channel, tap))))
            .collect();
        let strip = Strip::new(window, 1, size_of::<Pixel>());
        Self { window, strip, weights, bias: in_blocks(&bias), activation }
    }

    pub(super) fn run<L: Lanes>(
        &self,
        lanes: L,
        planes: &[&[Pixel]],
        out: &mut [Pixel],
        scratch: &mut Scratch,
    ) {
        let (height, width) = self.window.output;
        let (down, right) = self.window.kernel;
        let buffer = take(&mut scratch.pixels, self.strip.points(), ZERO);
        let taps: Vec<_> = (0..down)
            .flat_map(|y| (0..right).map(move |x| (y, x)))
            .map(|(y, x)| self.strip.tap(y, x))
            .collect();
        let blocks = planes.iter().zip(out.chunks_exact_mut(height * width));
        let factors = self.weights.chunks_exact(taps.len()).zip(&self.bias);
        for ((plane, out), (weights, bias)) in blocks.zip(factors) {
            for (index, out) in out.chunks_mut(self.strip.rows * width).enumerate() {
                self.strip.fill(plane, index * self.strip.rows, ZERO, |pixel| pixel, buffer);
                for (row, out) in out.chunks_exact_mut(width).enumerate() {
                    let from = &buffer[self.strip.row(row)..];
                    let activation = self.activation;
                    lanes.vectorize(Row { lanes, from, taps: &taps, weights, bias, activation, out });
                }
            }
        }
    }
}

/// One row of one block of channels.
struct Row<'a, L> {
    lanes: L,
    from: &'a [Pixel],
    taps: &'a [usize],
    weights: &'a [Pixel],
    bias: &'a Pixel,
    activation: Activation,
    out: &'a mut [Pixel],
}

impl<L: Lanes> Row<'_, L> {
    #[inline(always)]
    fn group<const P: usize>(&self, at: usize, out: &mut [Pixel; P]) {
        let lanes = self.lanes;
        let mut sums = [lanes.load(self.bias); P];
        for (tap, weight) in self.taps.iter().zip(self.weights) {
            let points = self.from[tap + at..].first_chunk::<P>().expect("strips reach to the last point");
            let weight = lanes.load(weight);
            for (sum, point) in sums.iter_mut().zip(points) {
                *sum = lanes.mul_add(lanes.load(point), weight, *sum);
            }
        }
        for (sum, out) in sums.into_iter().zip(out) {
            lanes.store(self.activation.apply(lanes, sum), out);
        }
    }
}

impl<L: Lanes> pulp::NullaryFnOnce for Row<'_, L> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        let (groups, rest) = std::mem::take(&mut self.out).as_chunks_mut::<POINTS>();
        let done = groups.len() * POINTS;
        for (index, out) in groups.iter_mut().enumerate() {
            self.group(index * POINTS, out);
        }
        for (index, out) in rest.iter_mut().enumerate() {
            self.group(done + index, std::array::from_mut(out));
        }
    }
}
