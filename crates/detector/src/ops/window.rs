//! A window that moves over a picture: what convolutions and pools have in common

use super::lanes::Pixel;

/// Sizes are (height, width), steps (down, right).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    pub(super) input: (usize, usize),
    pub(super) output: (usize, usize),
    pub(super) kernel: (usize, usize),
    pub(super) stride: (usize, usize),
    pub(super) dilation: (usize, usize),
    /// Rows above and columns left of the picture; those below and right of it follow from the output's size.
    pub(super) pad: (usize, usize),
}

/// Strips are at most this large, so that they stay in the second-level cache.
const STRIP_BYTES: usize = 256 << 10;

impl Window {
    /// Points of the input and of the output.
    pub(super) fn points(&self) -> (usize, usize) {
        (self.input.0 * self.input.1, self.output.0 * self.output.1)
    }

    /// The window is one point that visits every point.
    pub(super) fn is_pointwise(&self) -> bool {
        self.kernel == (1, 1) && self.stride == (1, 1) && self.pad == (0, 0) && self.input == self.output
    }

    /// Rows of the input and its margins that `rows` rows of the output need.
    pub(super) fn covered(&self, rows: usize) -> usize {
        (rows - 1) * self.stride.0 + (self.kernel.0 - 1) * self.dilation.0 + 1
    }

    /// Where the taps of a kernel fall along one side of the input, those outside left out.
    fn taps(
        position: usize,
        stride: usize,
        dilation: usize,
        pad: usize,
        kernel: usize,
        input: usize,
    ) -> impl Iterator<Item = usize> + Clone {
        let start = position * stride;
        (0..kernel).filter_map(move |tap| (start + tap * dilation).checked_sub(pad).filter(|&at| at < input))
    }

    /// The rows of the input that an output row's window covers.
    pub(super) fn rows(&self, y: usize) -> impl Iterator<Item = usize> + Clone {
        Self::taps(y, self.stride.0, self.dilation.0, self.pad.0, self.kernel.0, self.input.0)
    }

    /// The columns of the input that an output column's window covers.
    pub(super) fn columns(&self, x: usize) -> impl Iterator<Item = usize> + Clone {
        Self::taps(x, self.stride.1, self.dilation.1, self.pad.1, self.kernel.1, self.input.1)
    }
}

/// A few rows of a picture with its margins, laid out so that the points one tap of the kernel visits lie side by side.
///
/// Padded columns that are a stride apart are neighbours: column x is at `(x % stride) * phase + x / stride`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strip {
    window: Window,
    /// Columns of one residue.
    phase: usize,
    /// Rows of output that are computed from a strip.
    pub(super) rows: usize,
    /// Rows of input in it.
    height: usize,
}

impl Strip {
    /// The strips for a window over `planes` planes of `bytes` bytes a point.
    pub(super) fn new(window: Window, planes: usize, bytes: usize) -> Self {
        let size = |rows| planes * Self::of_rows(window, rows).points() * bytes;
        let rows = (1..=window.output.0).rev().find(|&rows| size(rows) <= STRIP_BYTES).unwrap_or(1);
        // strips of equal height rather than a low one at the end
        Self::of_rows(window, window.output.0.div_ceil(window.output.0.div_ceil(rows)))
    }

    /// Strips that give `rows` rows.
    pub(super) fn of_rows(window: Window, rows: usize) -> Self {
        let width = (window.output.1 - 1) * window.stride.1 + (window.kernel.1 - 1) * window.dilation.1 + 1;
        Self { window, phase: width.div_ceil(window.stride.1), rows, height: window.covered(rows) }
    }

    /// Points from a row to the next.
    fn pitch(&self) -> usize {
        self.phase * self.window.stride.1
    }

    /// Points of one plane.
    pub(super) fn points(&self) -> usize {
        self.height * self.pitch()
    }

    /// The first of the points that a tap visits for the strip's first output row.
    pub(super) fn tap(&self, down: usize, right: usize) -> usize {
        let column = right * self.window.dilation.1;
        let stride = self.window.stride.1;
        down * self.window.dilation.0 * self.pitch() + column % stride * self.phase + column / stride
    }

    /// How much further the points for an output row of the strip are.
    pub(super) fn row(&self, row: usize) -> usize {
        row * self.window.stride.0 * self.pitch()
    }

    /// Copies from `plane` what the output rows from `first` on need; `nothing` is what the margins hold.
    pub(super) fn fill<T: Copy>(
        &self,
        plane: &[T],
        first: usize,
        nothing: T,
        map: impl Fn(T) -> T,
        strip: &mut [T],
    ) {
        let Window { input, stride, pad, .. } = self.window;
        for (row, to) in strip.chunks_exact_mut(self.pitch()).enumerate() {
            let y = (first * stride.0 + row).checked_sub(pad.0).filter(|&y| y < input.0);
            let Some(y) = y else {
                to.fill(nothing);
                continue;
            };
            let from = &plane[y * input.1..][..input.1];
            for (residue, to) in to.chunks_exact_mut(self.phase).enumerate() {
                // columns left of the picture, in it, right of it
                let left = pad.1.saturating_sub(residue).div_ceil(stride.1).min(to.len());
                let start = (left * stride.1 + residue).saturating_sub(pad.1);
                let inside = input.1.saturating_sub(start).div_ceil(stride.1).min(to.len() - left);
                to[..left].fill(nothing);
                to[left + inside..].fill(nothing);
                let from = from.get(start..).unwrap_or_default();
                copy_each(stride.1, from, &map, &mut to[left..left + inside]);
            }
        }
    }
}

/// Copies every `stride`th value.
fn copy_each<T: Copy>(stride: usize, from: &[T], map: impl Fn(T) -> T, to: &mut [T]) {
    match stride {
        1 => to.iter_mut().zip(from).for_each(|(to, from)| *to = map(*from)),
        2 => {
            // pairs, because the compiler makes whole registers of them
            let (pairs, last) = from.as_chunks::<2>();
            to.iter_mut().zip(pairs).for_each(|(to, [from, _])| *to = map(*from));
            if let (Some(to), Some(from)) = (to.get_mut(pairs.len()), last.first()) {
                *to = map(*from);
            }
        }
        _ => to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = map(*from)),
    }
}

/// Memory that kernels use while they run and share in turn.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) pixels: Vec<Pixel>,
    pub(super) more_pixels: Vec<Pixel>,
    pub(super) values: Vec<f32>,
}

/// The first `len` elements of a buffer, which grows as needed; they hold anything.
pub(super) fn take<T: Copy>(buffer: &mut Vec<T>, len: usize, nothing: T) -> &mut [T] {
    if buffer.len() < len {
        buffer.resize(len, nothing);
    }
    &mut buffer[..len]
}
