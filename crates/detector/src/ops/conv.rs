//! Convolutions, each by the way that suits its window

use super::activation::Activation;
use super::depthwise::Depthwise;
use super::lanes::{BLOCK, Lanes, Pixel, Processor, ZERO, blocks, on_lanes, pixels, pixels_mut};
use super::node::Kernel;
use super::pool::Pool;
use super::product::{Depth, Panels, Product, Span, multiply};
use super::window::{Scratch, Strip, Window, take};
use super::winograd::{self, Four, Two, Winograd};

/// What a convolution computes.
pub(super) struct Convolution<'a> {
    pub(super) window: Window,
    /// `[output channels, input channels / groups, kernel height, kernel width]`
    pub(super) weights: &'a [f32],
    pub(super) bias: &'a [f32],
    /// Which channel of the input each lane of each of its blocks holds, if any.
    pub(super) lanes: Vec<Option<usize>>,
    pub(super) activation: Activation,
}

/// A convolution from blocked tensors to a blocked one.
pub(super) struct Conv {
    window: Window,
    method: Method,
}

enum Method {
    /// Sums over channels and taps, point by point.
    Pointwise(Layer),
    /// The same out of strips with margins.
    Direct(Layer, Strip),
    WinogradFour(Winograd<Four, 6, 4>),
    WinogradTwo(Winograd<Two, 4, 2>),
    Depthwise(Depthwise),
}

/// How many multiplications take as long as reading one weight from beyond the second-level cache.
const READ: usize = 18;

/// Side of the tiles of outputs that are best for a window, if minimal filtering is.
pub(super) fn best_tiles(window: &Window) -> Option<usize> {
    if !winograd::fits(window) {
        return None;
    }
    // for each pair of channels: so many weights, each used at so many places
    let cost = |weights: usize, places: usize| weights * (places + READ);
    let with = |out: usize| cost((out + 2) * (out + 2), winograd::tiles(window.output, out));
    let direct = (cost(9, window.points().1), None);
    [(with(4), Some(4)), (with(2), Some(2)), direct].into_iter().min_by_key(|(cost, _)| *cost)?.1
}

impl Conv {
    /// A dense convolution.
    pub(super) fn new(processor: Processor, of: Convolution<'_>) -> Self {
        let Convolution { window, weights, bias, lanes, activation } = of;
        let (outputs, taps) = (bias.len(), window.kernel.0 * window.kernel.1);
        let inputs = weights.len() / (outputs * taps);
        let weight = |output: usize, row: usize, tap: usize| {
            lanes[row].map_or(0.0, |channel| weights[(output * inputs + channel) * taps + tap])
        };
        let bias = in_blocks(bias);
        let (panel, rows) = (processor.panel(), lanes.len());
        let method = match best_tiles(&window) {
            Some(4) => {
                Method::WinogradFour(Winograd::new(window, panel, rows, bias, outputs, activation, weight))
            }
            Some(_) => {
                Method::WinogradTwo(Winograd::new(window, panel, rows, bias, outputs, activation, weight))
            }
            None => {
                let weight = |row: usize, output| weight(output, row % rows, row / rows);
                let weights = Panels::new(panel, taps * rows, outputs, weight);
                let layer = Layer { window, weights, bias, activation };
                match window.is_pointwise() {
                    true => Method::Pointwise(layer),
                    false => Method::Direct(layer, Strip::new(window, rows / BLOCK, size_of::<Pixel>())),
                }
            }
        };
        Self { window, method }
    }

    /// A convolution of each channel by itself.
    pub(super) fn depthwise(of: Convolution<'_>) -> Self {
        Self { window: of.window, method: Method::Depthwise(Depthwise::new(of)) }
    }

    fn run_with<L: Lanes>(&self, lanes: L, planes: &[&[Pixel]], out: &mut [Pixel], scratch: &mut Scratch) {
        match &self.method {
            Method::WinogradFour(winograd) => winograd.run(lanes, planes, out, scratch),
            Method::WinogradTwo(winograd) => winograd.run(lanes, planes, out, scratch),
            Method::Depthwise(depthwise) => depthwise.run(lanes, planes, out, scratch),
            Method::Direct(layer, strip) => {
                let (points, (height, width)) = (strip.points(), self.window.output);
                let buffer = take(&mut scratch.pixels, planes.len() * points, ZERO);
                for first in (0..height).step_by(strip.rows) {
                    for (plane, to) in planes.iter().zip(buffer.chunks_exact_mut(points)) {
                        strip.fill(plane, first, ZERO, |pixel| pixel, to);
                    }
                    let rows = strip.rows.min(height - first);
                    layer.rows(lanes, strip, buffer, rows, out, height * width, first * width);
                }
            }
            Method::Pointwise(layer) => {
                let stride = self.window.points().1;
                let spans: Vec<_> = Span::cut(0, 0, stride, L::POINTS).collect();
                layer.multiply(lanes, planes, &spans, out, stride);
            }
        }
    }
}

impl Kernel for Conv {
    fn name(&self) -> &'static str {
        match self.method {
            Method::Pointwise(_) => "BlockedConvPointwise",
            Method::Direct(..) => "BlockedConvDirect",
            Method::WinogradFour(_) => "BlockedConvWinograd4",
            Method::WinogradTwo(_) => "BlockedConvWinograd2",
            Method::Depthwise(_) => "BlockedConvDepthwise",
        }
    }

    fn run(&self, processor: Processor, inputs: &[&[f32]], out: &mut [f32], scratch: &mut Scratch) {
        let points = self.window.points().0;
        let planes: Vec<_> = inputs.iter().flat_map(|input| pixels(input).chunks_exact(points)).collect();
        on_lanes!(processor, lanes => self.run_with(lanes, &planes, pixels_mut(out), scratch));
    }
}

/// A convolution as sums of products.
struct Layer {
    window: Window,
    weights: Panels,
    bias: Vec<Pixel>,
    activation: Activation,
}

impl Layer {
    fn multiply<L: Lanes, D: Depth>(
        &self,
        lanes: L,
        planes: &[&[D]],
        spans: &[Span],
        out: &mut [Pixel],
        stride: usize,
    ) {
        let Self { weights, bias, activation, .. } = self;
        let (bias, activation) = (Some(&bias[..]), *activation);
        multiply(lanes, Product { planes, spans, weights, bias, activation, out, stride });
    }

    /// Computes the first `rows` rows that come out of a strip, whose planes are in `buffer`, to `at` in each block.
    #[expect(clippy::too_many_arguments, reason = "where from and where to")]
    fn rows<L: Lanes, D: Depth>(
        &self,
        lanes: L,
        strip: &Strip,
        buffer: &[D],
        rows: usize,
        out: &mut [Pixel],
        stride: usize,
        at: usize,
    ) {
        let (width, mut planes) = (self.window.output.1, vec![]);
        for down in 0..self.window.kernel.0 {
            for right in 0..self.window.kernel.1 {
                let tap = strip.tap(down, right);
                planes.extend(buffer.chunks_exact(strip.points()).map(|plane| &plane[tap..]));
            }
        }
        let spans: Vec<_> =
            (0..rows).flat_map(|row| Span::cut(strip.row(row), at + row * width, width, L::POINTS)).collect();
        self.multiply(lanes, &planes, &spans, out, stride);
    }
}

/// A convolution of a few channels that are not blocked, such as a picture's three colours, to a blocked tensor; a pool
/// that follows takes the rows as they come, so that the largest tensor of many networks never exists as a whole.
pub(super) struct ThinConv {
    layer: Layer,
    strip: Strip,
    /// Added to each channel of the input, not to the margins.
    offset: Vec<f32>,
    pool: Option<Pool>,
}

/// Output that waits for the pool is about this large.
const POOLED_BYTES: usize = 512 << 10;

impl ThinConv {
    /// `of.lanes` is not used: the input's channels are as they come.
    pub(super) fn new(
        processor: Processor,
        of: Convolution<'_>,
        offset: Vec<f32>,
        pool: Option<Pool>,
    ) -> Self {
        let Convolution { window, weights, bias, activation, .. } = of;
        let (inputs, taps) = (offset.len(), window.kernel.0 * window.kernel.1);
        let panels = Panels::new(processor.panel(), taps * inputs, bias.len(), |row, output| {
            weights[(output * inputs + row % inputs) * taps + row / inputs]
        });
        let bias = in_blocks(bias);
        let strip = match &pool {
            None => Strip::new(window, inputs, size_of::<f32>()),
            Some(pool) => {
                let row = bias.len() * window.output.1 * size_of::<Pixel>();
                let rows = (POOLED_BYTES / row).max(pool.window.covered(1)).min(window.output.0);
                Strip::of_rows(window, rows)
            }
        };
        let layer = Layer { window, weights: panels, bias, activation };
        Self { layer, strip, offset, pool }
    }

    fn run_with<L: Lanes>(&self, lanes: L, input: &[f32], out: &mut [Pixel], scratch: &mut Scratch) {
        let Self { layer, strip, offset, pool } = self;
        let (points, (height, width)) = (strip.points(), layer.window.output);
        let buffer = take(&mut scratch.values, offset.len() * points, 0.0);
        let fill = |first: usize, buffer: &mut [f32]| {
            let planes = input.chunks_exact(layer.window.points().0).zip(buffer.chunks_exact_mut(points));
            for ((plane, to), offset) in planes.zip(offset) {
                strip.fill(plane, first, 0.0, |value| value + offset, to);
            }
        };
        let Some(pool) = pool else {
            for first in (0..height).step_by(strip.rows) {
                fill(first, buffer);
                let rows = strip.rows.min(height - first);
                layer.rows(lanes, strip, buffer, rows, out, height * width, first * width);
            }
            return;
        };
        let stride = strip.rows * width;
        let kept = take(&mut scratch.pixels, layer.bias.len() * stride, ZERO);
        let (pooled, outputs) = (pool.window.output.0, pool.window.points().1);
        let mut next = 0;
        while next < pooled {
            // as many rows of the pool as the rows of a strip are enough for
            let first = (next * pool.window.stride.0).saturating_sub(pool.window.pad.0);
            let rows = strip.rows.min(height - first);
            let whole = |y: &usize| pool.window.rows(*y).all(|row| row < first + rows);
            let end = (next + 1..pooled).find(|y| !whole(y)).unwrap_or(pooled);
            fill(first, buffer);
            layer.rows(lanes, strip, buffer, rows, kept, stride, 0);
            for (plane, out) in kept.chunks_exact(stride).zip(out.chunks_exact_mut(outputs)) {
                let out = &mut out[next * pool.window.output.1..end * pool.window.output.1];
                pool.rows(lanes, plane, first, next, out);
            }
            next = end;
        }
    }
}

impl Kernel for ThinConv {
    fn name(&self) -> &'static str {
        match self.pool {
            None => "BlockedConvThin",
            Some(_) => "BlockedConvThinPool",
        }
    }

    fn run(&self, processor: Processor, inputs: &[&[f32]], out: &mut [f32], scratch: &mut Scratch) {
        on_lanes!(processor, lanes => self.run_with(lanes, inputs[0], pixels_mut(out), scratch));
    }
}

/// One value for each channel, padded with zeros to whole blocks.
pub(super) fn in_blocks(values: &[f32]) -> Vec<Pixel> {
    let value = |at: usize| values.get(at).copied().unwrap_or_default();
    (0..blocks(values.len())).map(|block| std::array::from_fn(|lane| value(block * BLOCK + lane))).collect()
}
