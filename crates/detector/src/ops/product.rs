//! The matrix product that all dense convolutions are made of
//!
//! Out of *planes*, each of which holds one block of channels (or one channel) of many points in a row, it computes for
//! every point the weighted sums over all channels of all planes. A convolution names as planes the same picture shifted
//! by each tap of its kernel, so nothing is copied per tap. Both factors are read in the order they lie in memory:
//! weights as panels of one or two blocks of output channels, points in groups as large as the registers hold.

use super::activation::Activation;
use super::lanes::{BLOCK, Lanes, Pixel, blocks};

/// What a plane holds at a point: a block of channels, or a single channel.
pub(super) trait Depth: Copy {
    /// The number of channels.
    const CHANNELS: usize;

    fn channel(&self, channel: usize) -> f32;
}

impl Depth for Pixel {
    const CHANNELS: usize = BLOCK;

    #[inline(always)]
    fn channel(&self, channel: usize) -> f32 {
        self[channel]
    }
}

impl Depth for f32 {
    const CHANNELS: usize = 1;

    #[inline(always)]
    fn channel(&self, _: usize) -> f32 {
        *self
    }
}

/// Weights in the order in which the product reads them.
#[derive(Debug)]
pub(super) struct Panels {
    /// Rows of weights: one for each channel of each plane.
    rows: usize,
    /// Blocks of output channels, and how many of them make a panel.
    blocks: usize,
    panel: usize,
    values: Vec<Pixel>,
}

impl Panels {
    /// Lays out `weight(row, output)` for `outputs` output channels in panels of `panel` blocks.
    pub(super) fn new(
        panel: usize,
        rows: usize,
        outputs: usize,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let blocks = blocks(outputs);
        let mut values = Vec::with_capacity(rows * blocks);
        for first in (0..blocks).step_by(panel) {
            for row in 0..rows {
                for block in first..blocks.min(first + panel) {
                    values.push(std::array::from_fn(|lane| {
                        let output = block * BLOCK + lane;
                        if output < outputs { weight(row, output) } else { 0.0 }
                    }));
                }
            }
        }
        Self { rows, blocks, panel, values }
    }
}

/// Points that are computed at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// The first point in each plane.
    pub(super) from: usize,
    /// The first point in each block of the output.
    pub(super) to: usize,
    pub(super) points: usize,
}

impl Span {
    /// Cuts a row of points into spans of at most `most` points, as equal as possible.
    pub(super) fn cut(from: usize, to: usize, points: usize, most: usize) -> impl Iterator<Item = Self> {
        let parts = points.div_ceil(most).max(1);
        (0..parts).map(move |part| {
            let (start, end) = (points * part / parts, points * (part + 1) / parts);
            Self { from: from + start, to: to + start, points: end - start }
        })
    }
}

/// What is multiplied, and where it goes.
pub(super) struct Product<'a, D> {
    pub(super) planes: &'a [&'a [D]],
    pub(super) spans: &'a [Span],
    pub(super) weights: &'a Panels,
    /// Added to the sums: one value for each output channel.
    pub(super) bias: Option<&'a [Pixel]>,
    pub(super) activation: Activation,
    /// The output, and the distance between its blocks.
    pub(super) out: &'a mut [Pixel],
    pub(super) stride: usize,
}

/// Computes a product.
pub(super) fn multiply<L: Lanes, D: Depth>(lanes: L, product: Product<'_, D>) {
    let Product { planes, spans, weights, bias, activation, out, stride } = product;
    debug_assert_eq!(weights.rows, planes.len() * D::CHANNELS);
    for first in (0..weights.blocks).step_by(weights.panel) {
        let width = weights.panel.min(weights.blocks - first);
        let panel = &weights.values[first * weights.rows..][..width * weights.rows];
        let bias = bias.map(|bias| &bias[first..first + width]);
        let out = &mut out[first * stride..];
        for span in spans {
            let tile = Tile { lanes, planes, span, weights: panel, bias, activation, out, stride };
            match width {
                1 => tile.of_width::<1>(),
                2 => tile.of_width::<2>(),
                _ => unreachable!("panels are one or two blocks wide"),
            }
        }
    }
}

/// A group of points times a panel.
struct Tile<'a, L, D> {
    lanes: L,
    planes: &'a [&'a [D]],
    span: &'a Span,
    weights: &'a [Pixel],
    bias: Option<&'a [Pixel]>,
    activation: Activation,
    out: &'a mut [Pixel],
    stride: usize,
}

impl<L: Lanes, D: Depth> Tile<'_, L, D> {
    fn of_width<const N: usize>(self) {
        macro_rules! of_points {
            ($($points:literal)*) => {
                match self.span.points {
                    0 => {}
                    $($points if $points <= L::POINTS => {
                        self.lanes.vectorize(Exact::<'_, L, D, $points, N>(self))
                    })*
                    points => unreachable!("{points} points are more than the registers hold"),
                }
            };
        }
        of_points!(1 2 3 4 5 6 7 8 9 10 11 12 13 14)
    }
}

/// A tile whose size the compiler knows, so that its sums stay in registers.
struct Exact<'a, L, D, const P: usize, const N: usize>(Tile<'a, L, D>);

impl<L: Lanes, D: Depth, const P: usize, const N: usize> pulp::NullaryFnOnce for Exact<'_, L, D, P, N> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Tile { lanes, planes, span, weights, bias, activation, out, stride } = self.0;
        // Loops whose number of rounds the compiler does not know would keep the sums in memory.
        let mut start = [lanes.splat(0.0); N];
        if let Some(bias) = bias.map(|bias| bias.first_chunk::<N>().expect("a bias for each block")) {
            for (start, bias) in start.iter_mut().zip(bias) {
                *start = lanes.load(bias);
            }
        }
        let mut sums = [start; P];
        let rows = weights.as_chunks::<N>().0;
        for (plane, rows) in planes.iter().zip(rows.chunks_exact(D::CHANNELS)) {
            let points = plane[span.from..].first_chunk::<P>().expect("planes reach to the last point");
            for (channel, row) in rows.iter().enumerate() {
                let mut weights = [lanes.splat(0.0); N];
                for (weight, value) in weights.iter_mut().zip(row) {
                    *weight = lanes.load(value);
                }
                for (sums, point) in sums.iter_mut().zip(points) {
                    let value = lanes.splat(point.channel(channel));
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum = lanes.mul_add(value, weight, *sum);
                    }
                }
            }
        }
        let mut blocks = out.chunks_mut(stride);
        for block in 0..N {
            let out = blocks.next().expect("the output has all blocks");
            let out = out[span.to..].first_chunk_mut::<P>().expect("the output reaches to the last point");
            for (sums, out) in sums.iter().zip(out) {
                lanes.store(activation.apply(lanes, sums[block]), out);
            }
        }
    }
}
