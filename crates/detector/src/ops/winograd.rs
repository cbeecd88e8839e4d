//! 3x3 convolutions of stride one by Winograd's minimal filtering, F(4x4, 3x3) and F(2x2, 3x3)
//!
//! Four by four outputs are computed from six by six inputs with 36 multiplications for each pair of channels instead of
//! 144 (or two by two from four by four with 16 instead of 36): inputs and weights are transformed, multiplied point by
//! point (so many matrix products over the channels), and the products transformed back. Lavin and Gray, "Fast
//! Algorithms for Convolutional Neural Networks", 2015.

use std::marker::PhantomData;

use super::activation::Activation;
use super::lanes::{BLOCK, Lanes, Pixel, ZERO};
use super::product::{Panels, Product, Span, multiply};
use super::window::{Scratch, Window, take};

/// Transformed inputs and products of so many tiles are held at once that they take about this much.
const GROUP_BYTES: usize = 1 << 20;

/// Whether the window is one that minimal filtering works for.
pub(super) fn fits(window: &Window) -> bool {
    window.kernel == (3, 3) && window.stride == (1, 1) && window.dilation == (1, 1)
}

/// Tiles of `out` by `out` outputs that cover an output.
pub(super) fn tiles(output: (usize, usize), out: usize) -> usize {
    output.0.div_ceil(out) * output.1.div_ceil(out)
}

/// The transformations for tiles of `IN` by `IN` inputs and `OUT` by `OUT` outputs.
pub(super) trait Filter<const IN: usize, const OUT: usize>: Send + Sync + 'static {
    /// G: weights are transformed to G g Gᵀ.
    const WEIGHTS: [[f64; 3]; IN];
    /// Bᵀ d along one axis.
    fn input<L: Lanes>(lanes: L, d: [L::Block; IN]) -> [L::Block; IN];
    /// Aᵀ m along one axis.
    fn output<L: Lanes>(lanes: L, m: [L::Block; IN]) -> [L::Block; OUT];
}

/// F(4x4, 3x3)
pub(super) struct Four;

impl Filter<6, 4> for Four {
    const WEIGHTS: [[f64; 3]; 6] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];

    #[inline(always)]
    fn input<L: Lanes>(lanes: L, d: [L::Block; 6]) -> [L::Block; 6] {
        let (two, four) = (lanes.splat(2.0), lanes.splat(4.0));
        let (minus_four, minus_five) = (lanes.splat(-4.0), lanes.splat(-5.0));
        let a = lanes.mul_add(minus_four, d[2], d[4]);
        let b = lanes.mul_add(minus_four, d[1], d[3]);
        let c = lanes.sub(d[4], d[2]);
        let e = lanes.mul(two, lanes.sub(d[3], d[1]));
        [
            lanes.mul_add(four, d[0], lanes.mul_add(minus_five, d[2], d[4])),
            lanes.add(a, b),
            lanes.sub(a, b),
            lanes.add(c, e),
            lanes.sub(c, e),
            lanes.mul_add(four, d[1], lanes.mul_add(minus_five, d[3], d[5])),
        ]
    }

    #[inline(always)]
    fn output<L: Lanes>(lanes: L, m: [L::Block; 6]) -> [L::Block; 4] {
        let (two, four, eight) = (lanes.splat(2.0), lanes.splat(4.0), lanes.splat(8.0));
        let a = lanes.add(m[1], m[2]);
        let b = lanes.sub(m[1], m[2]);
        let c = lanes.add(m[3], m[4]);
        let d = lanes.sub(m[3], m[4]);
        [
            lanes.add(m[0], lanes.add(a, c)),
            lanes.mul_add(two, d, b),
            lanes.mul_add(four, c, a),
            lanes.add(lanes.mul_add(eight, d, b), m[5]),
        ]
    }
}

/// F(2x2, 3x3)
pub(super) struct Two;

impl Filter<4, 2> for Two {
    const WEIGHTS: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

    #[inline(always)]
    fn input<L: Lanes>(lanes: L, d: [L::Block; 4]) -> [L::Block; 4] {
        [lanes.sub(d[0], d[2]), lanes.add(d[1], d[2]), lanes.sub(d[2], d[1]), lanes.sub(d[1], d[3])]
    }

    #[inline(always)]
    fn output<L: Lanes>(lanes: L, m: [L::Block; 4]) -> [L::Block; 2] {
        let (sum, difference) = (lanes.add(m[1], m[2]), lanes.sub(m[1], m[2]));
        [lanes.add(m[0], sum), lanes.sub(difference, m[3])]
    }
}

/// Transformed weights.
pub(super) struct Winograd<F, const IN: usize, const OUT: usize> {
    window: Window,
    /// Blocks of input channels and of output channels.
    blocks: (usize, usize),
    /// Tiles down and across.
    tiles: (usize, usize),
    /// One for each point of a tile of inputs.
    weights: Vec<Panels>,
    bias: Vec<Pixel>,
    activation: Activation,
    filter: PhantomData<F>,
}

impl<F: Filter<IN, OUT>, const IN: usize, const OUT: usize> Winograd<F, IN, OUT> {
    /// `weight(output, row, tap)`, where `row` counts the channels of all input blocks and tap goes row by row.
    pub(super) fn new(
        window: Window,
        panel: usize,
        rows: usize,
        bias: Vec<Pixel>,
        outputs: usize,
        activation: Activation,
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> Self {
        let mut transformed = vec![[[0.0; IN]; IN]; rows * outputs];
        for (at, transformed) in transformed.iter_mut().enumerate() {
            *transformed = transform_weights::<F, IN, OUT>(|tap| weight(at % outputs, at / outputs, tap));
        }
        let points = (0..IN).flat_map(|y| (0..IN).map(move |x| (y, x)));
        let weights = points
            .map(|(y, x)| {
                Panels::new(panel, rows, outputs, |row, output| transformed[row * outputs + output][y][x])
            })
            .collect();
        Self {
            window,
            blocks: (rows / BLOCK, bias.len()),
            tiles: (window.output.0.div_ceil(OUT), window.output.1.div_ceil(OUT)),
            weights,
            bias,
            activation,
            filter: PhantomData,
        }
    }

    /// Convolves the blocks `planes`.
    pub(super) fn run<L: Lanes>(
        &self,
        lanes: L,
        planes: &[&[Pixel]],
        out: &mut [Pixel],
        scratch: &mut Scratch,
    ) {
        let tiles = self.tiles.0 * self.tiles.1;
        let (inputs, outputs) = self.blocks;
        let bytes = IN * IN * (inputs + outputs) * size_of::<Pixel>();
        // whole groups of points, which the product likes best
        let most = (GROUP_BYTES / bytes / L::POINTS).max(1) * L::POINTS;
        let groups = tiles.div_ceil(most);
        for group in 0..groups {
            let (start, end) = (tiles * group / groups, tiles * (group + 1) / groups);
            let count = end - start;
            // One more than needed: frequencies a power of two apart would fight for the same lines of the cache.
            let (from_pitch, to_pitch) = (inputs * count + 1, outputs * count + 1);
            let from = take(&mut scratch.pixels, IN * IN * from_pitch, ZERO);
            let to = take(&mut scratch.more_pixels, IN * IN * to_pitch, ZERO);
            for (block, plane) in planes.iter().enumerate() {
                let target = &mut from[block * count..];
                lanes.vectorize(Inputs {
                    lanes,
                    conv: self,
                    plane,
                    start,
                    count,
                    out: target,
                    pitch: from_pitch,
                });
            }
            let spans: Vec<_> = Span::cut(0, 0, count, L::POINTS).collect();
            let chunks = from.chunks_exact(from_pitch).zip(to.chunks_exact_mut(to_pitch));
            for ((from, to), weights) in chunks.zip(&self.weights) {
                let planes: Vec<_> = from.chunks_exact(count).collect();
                multiply(
                    lanes,
                    Product {
                        planes: &planes[..inputs],
                        spans: &spans,
                        weights,
                        bias: None,
                        activation: Activation::Identity,
                        out: to,
                        stride: count,
                    },
                );
            }
            let planes = out.chunks_exact_mut(self.window.points().1);
            for ((block, plane), bias) in planes.enumerate().zip(&self.bias) {
                let products = &to[block * count..];
                lanes.vectorize(Outputs {
                    lanes,
                    conv: self,
                    products,
                    pitch: to_pitch,
                    bias,
                    start,
                    count,
                    plane,
                });
            }
        }
    }
}

/// G g Gᵀ for a kernel whose tap (row by row) is given.
fn transform_weights<F: Filter<IN, OUT>, const IN: usize, const OUT: usize>(
    tap: impl Fn(usize) -> f32,
) -> [[f32; IN]; IN] {
    let half =
        F::WEIGHTS.map(|g| [0, 1, 2].map(|x| (0..3).map(|y| g[y] * f64::from(tap(y * 3 + x))).sum::<f64>()));
    half.map(|half| F::WEIGHTS.map(|g| (0..3).map(|x| half[x] * g[x]).sum::<f64>() as f32))
}

/// Transforms one block of channels of a group of tiles.
struct Inputs<'a, L, F, const IN: usize, const OUT: usize> {
    lanes: L,
    conv: &'a Winograd<F, IN, OUT>,
    plane: &'a [Pixel],
    start: usize,
    count: usize,
    out: &'a mut [Pixel],
    pitch: usize,
}

impl<L: Lanes, F: Filter<IN, OUT>, const IN: usize, const OUT: usize> pulp::NullaryFnOnce
    for Inputs<'_, L, F, IN, OUT>
{
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { lanes, conv, plane, start, count, out, pitch } = self;
        let Window { input: (height, width), pad, .. } = conv.window;
        for tile in 0..count {
            let (down, right) = ((start + tile) / conv.tiles.1 * OUT, (start + tile) % conv.tiles.1 * OUT);
            let mut half = [[lanes.splat(0.0); IN]; IN];
            let inside =
                down >= pad.0 && right >= pad.1 && down - pad.0 + IN <= height && right - pad.1 + IN <= width;
            if inside {
                for (y, half) in half.iter_mut().enumerate() {
                    let at = (down - pad.0 + y) * width + right - pad.1;
                    let row = plane[at..].first_chunk::<IN>().expect("the tile is inside");
                    let mut values = [lanes.splat(0.0); IN];
                    for (value, pixel) in values.iter_mut().zip(row) {
                        *value = lanes.load(pixel);
                    }
                    *half = F::input(lanes, values);
                }
            } else {
                for (y, half) in half.iter_mut().enumerate() {
                    let Some(y) = (down + y).checked_sub(pad.0).filter(|&y| y < height) else { continue };
                    let row = &plane[y * width..][..width];
                    let mut values = [lanes.splat(0.0); IN];
                    for (x, value) in values.iter_mut().enumerate() {
                        if let Some(pixel) = (right + x).checked_sub(pad.1).and_then(|x| row.get(x)) {
                            *value = lanes.load(pixel);
                        }
                    }
                    *half = F::input(lanes, values);
                }
            }
            for x in 0..IN {
                let mut column = [lanes.splat(0.0); IN];
                for (value, half) in column.iter_mut().zip(&half) {
                    *value = half[x];
                }
                for (y, value) in F::input(lanes, column).into_iter().enumerate() {
                    lanes.store(value, &mut out[(y * IN + x) * pitch + tile]);
                }
            }
        }
    }
}

/// Transforms the products of one block of channels of a group of tiles back.
struct Outputs<'a, L, F, const IN: usize, const OUT: usize> {
    lanes: L,
    conv: &'a Winograd<F, IN, OUT>,
    products: &'a [Pixel],
    pitch: usize,
    bias: &'a Pixel,
    start: usize,
    count: usize,
    plane: &'a mut [Pixel],
}

impl<L: Lanes, F: Filter<IN, OUT>, const IN: usize, const OUT: usize> pulp::NullaryFnOnce
    for Outputs<'_, L, F, IN, OUT>
{
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { lanes, conv, products, pitch, bias, start, count, plane } = self;
        let (height, width) = conv.window.output;
        let bias = lanes.load(bias);
        for tile in 0..count {
            let (down, right) = ((start + tile) / conv.tiles.1 * OUT, (start + tile) % conv.tiles.1 * OUT);
            let mut half = [[lanes.splat(0.0); OUT]; IN];
            for (y, half) in half.iter_mut().enumerate() {
                let mut row = [lanes.splat(0.0); IN];
                for (x, value) in row.iter_mut().enumerate() {
                    *value = lanes.load(&products[(y * IN + x) * pitch + tile]);
                }
                *half = F::output(lanes, row);
            }
            let mut outputs = [[lanes.splat(0.0); OUT]; OUT];
            for x in 0..OUT {
                let mut column = [lanes.splat(0.0); IN];
                for (value, half) in column.iter_mut().zip(&half) {
                    *value = half[x];
                }
                for (outputs, value) in outputs.iter_mut().zip(F::output(lanes, column)) {
                    outputs[x] = conv.activation.apply(lanes, lanes.add(value, bias));
                }
            }
            let rows = plane[down * width..].chunks_mut(width).zip(outputs).take(height - down);
            for (row, outputs) in rows {
                for (pixel, output) in row[right..].iter_mut().zip(outputs) {
                    lanes.store(output, pixel);
                }
            }
        }
    }
}
