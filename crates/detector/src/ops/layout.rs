//! From `[channels, points]` to blocks of sixteen channels and back: what happens at the edges of the blocked part

use super::lanes::{BLOCK, Processor, ZERO, pixels, pixels_mut};
use super::node::Kernel;
use super::window::Scratch;

/// To blocks.
pub(super) struct Pack {
    /// Points of the picture.
    pub(super) points: usize,
}

impl Kernel for Pack {
    fn name(&self) -> &'static str {
        "BlockedPack"
    }

    fn run(&self, _: Processor, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        let blocks = inputs[0].chunks(BLOCK * self.points);
        for (channels, out) in blocks.zip(pixels_mut(out).chunks_exact_mut(self.points)) {
            out.fill(ZERO);
            for (lane, channel) in channels.chunks_exact(self.points).enumerate() {
                for (pixel, value) in out.iter_mut().zip(channel) {
                    pixel[lane] = *value;
                }
            }
        }
    }
}

/// From blocks; the channels that pad the last block of an input are dropped.
pub(super) struct Unpack {
    /// Points of the picture.
    pub(super) points: usize,
    /// Channels of each input.
    pub(super) channels: Vec<usize>,
}

impl Kernel for Unpack {
    fn name(&self) -> &'static str {
        "BlockedUnpack"
    }

    fn run(&self, _: Processor, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        let mut rest = out;
        for (input, channels) in inputs.iter().zip(&self.channels) {
            let (out, more) = std::mem::take(&mut rest).split_at_mut(channels * self.points);
            rest = more;
            let blocks = pixels(input).chunks_exact(self.points);
            for (block, out) in blocks.zip(out.chunks_mut(BLOCK * self.points)) {
                for (lane, channel) in out.chunks_exact_mut(self.points).enumerate() {
                    for (value, pixel) in channel.iter_mut().zip(block) {
                        *value = pixel[lane];
                    }
                }
            }
        }
    }
}
