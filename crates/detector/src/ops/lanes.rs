//! Sixteen channels at a time, on whatever vector registers the processor has
//!
//! A blocked tensor holds its channels in blocks of sixteen: `[blocks, height, width, 16]`. Sixteen floats are one
//! register of AVX-512, two of AVX2, four of NEON; kernels are written once, over [`Lanes`], and `pulp` gives every
//! processor its own instructions without a line of unsafe code here.

use std::fmt::Debug;

use pulp::{NullaryFnOnce, Simd};

/// The channels of one block.
pub(super) const BLOCK: usize = 16;

/// The values of one block of channels at one point of the picture.
pub(super) type Pixel = [f32; BLOCK];

/// Where nothing is.
pub(super) const ZERO: Pixel = [0.0; BLOCK];

/// How many blocks hold `channels` channels; the last one may be padded.
pub(super) fn blocks(channels: usize) -> usize {
    channels.div_ceil(BLOCK)
}

/// The values of a blocked tensor by blocks of channels.
pub(super) fn pixels(values: &[f32]) -> &[Pixel] {
    values.as_chunks().0
}

/// As [`pixels`], to write into.
pub(super) fn pixels_mut(values: &mut [f32]) -> &mut [Pixel] {
    values.as_chunks_mut().0
}

/// Arithmetic on the sixteen values of a [`Pixel`].
pub(super) trait Lanes: Copy + Debug + Send + Sync + 'static {
    /// A pixel in registers.
    type Block: Copy;
    /// A product accumulates this many points times this many blocks of output channels in registers.
    const POINTS: usize;
    /// See [`POINTS`](Self::POINTS).
    const BLOCKS: usize;

    fn load(self, from: &Pixel) -> Self::Block;
    fn store(self, value: Self::Block, to: &mut Pixel);
    fn splat(self, value: f32) -> Self::Block;
    fn add(self, a: Self::Block, b: Self::Block) -> Self::Block;
    fn sub(self, a: Self::Block, b: Self::Block) -> Self::Block;
    fn mul(self, a: Self::Block, b: Self::Block) -> Self::Block;
    /// a * b + c
    fn mul_add(self, a: Self::Block, b: Self::Block, c: Self::Block) -> Self::Block;
    fn max(self, a: Self::Block, b: Self::Block) -> Self::Block;
    fn min(self, a: Self::Block, b: Self::Block) -> Self::Block;
    /// Runs `task`, all of whose code is inlined, with this processor's instructions.
    fn vectorize<T: NullaryFnOnce>(self, task: T) -> T::Output;
}

macro_rules! lanes {
    ($simd:ty, $registers:literal, points $points:literal, blocks $blocks:literal) => {
        impl Lanes for $simd {
            type Block = [<$simd as Simd>::f32s; $registers];
            const POINTS: usize = $points;
            const BLOCKS: usize = $blocks;

            #[inline(always)]
            fn load(self, from: &Pixel) -> Self::Block {
                pulp::cast(*from)
            }
            #[inline(always)]
            fn store(self, value: Self::Block, to: &mut Pixel) {
                *to = pulp::cast(value);
            }
            #[inline(always)]
            fn splat(self, value: f32) -> Self::Block {
                [self.splat_f32s(value); $registers]
            }
            #[inline(always)]
            fn mul_add(self, a: Self::Block, b: Self::Block, mut c: Self::Block) -> Self::Block {
                for i in 0..$registers {
                    c[i] = self.mul_add_e_f32s(a[i], b[i], c[i]);
                }
                c
            }
            lanes!(@pairwise $registers: add add_f32s, sub sub_f32s, mul mul_f32s, max max_f32s, min min_f32s);
            #[inline(always)]
            fn vectorize<T: NullaryFnOnce>(self, task: T) -> T::Output {
                Simd::vectorize(self, task)
            }
        }
    };
    (@pairwise $registers:literal: $($name:ident $function:ident),*) => {
        $(
            #[inline(always)]
            fn $name(self, mut a: Self::Block, b: Self::Block) -> Self::Block {
                for i in 0..$registers {
                    a[i] = self.$function(a[i], b[i]);
                }
                a
            }
        )*
    };
}

// Points times blocks accumulators, one block of weights and one value must fit into 32, 16 and 32 registers.
#[cfg(target_arch = "x86_64")]
lanes!(pulp::x86::V4, 1, points 14, blocks 2);
#[cfg(target_arch = "x86_64")]
lanes!(pulp::x86::V3, 2, points 6, blocks 1);
#[cfg(target_arch = "aarch64")]
lanes!(pulp::aarch64::Neon, 4, points 6, blocks 1);
#[cfg(test)]
lanes!(pulp::Scalar128b, 4, points 6, blocks 1);

/// The instructions that the kernels use.
#[derive(Clone, Copy, Debug)]
pub(super) enum Processor {
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    #[cfg(target_arch = "aarch64")]
    Neon(pulp::aarch64::Neon),
    /// What NEON's kernels do, on any processor.
    #[cfg(test)]
    Portable(pulp::Scalar128b),
}

impl Processor {
    /// The best that this processor has, if any.
    pub(super) fn detect() -> Option<Self> {
        Self::available().into_iter().next()
    }

    /// All that this processor has, best first.
    pub(super) fn available() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        let all = [pulp::x86::V4::try_new().map(Self::Avx512), pulp::x86::V3::try_new().map(Self::Avx2)];
        #[cfg(target_arch = "aarch64")]
        let all = [pulp::aarch64::Neon::try_new().map(Self::Neon)];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let all: [Option<Self>; 0] = [];
        all.into_iter().flatten().collect()
    }

    /// The widest group of output blocks a product computes at once here: how weights must be laid out.
    pub(super) fn panel(self) -> usize {
        on_lanes!(self, lanes => panel_of(lanes))
    }
}

fn panel_of<L: Lanes>(_: L) -> usize {
    L::BLOCKS
}

/// Evaluates an expression with the [`Lanes`] of a [`Processor`].
macro_rules! on_lanes {
    ($processor:expr, $lanes:ident => $expression:expr) => {
        match $processor {
            #[cfg(target_arch = "x86_64")]
            $crate::ops::lanes::Processor::Avx512($lanes) => $expression,
            #[cfg(target_arch = "x86_64")]
            $crate::ops::lanes::Processor::Avx2($lanes) => $expression,
            #[cfg(target_arch = "aarch64")]
            $crate::ops::lanes::Processor::Neon($lanes) => $expression,
            #[cfg(test)]
            $crate::ops::lanes::Processor::Portable($lanes) => $expression,
        }
    };
}
pub(super) use on_lanes;
