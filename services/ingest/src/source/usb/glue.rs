//! [`Glue`]: finds MJPEG pictures whose end is that of an earlier one.
//!
//! When a transfer over USB is cut off, the driver reports fewer bytes than usual, but nokhwa 0.10 hands out the whole
//! buffer all the same. Behind the cut stands what the buffer held before: the rest of an earlier picture with its
//! end, so that the whole looks well-formed. Such a picture ends at the same place and with the same bytes as the
//! earlier one, and differs from it before.

use std::collections::VecDeque;

/// The driver uses its four buffers in turn; some cameras make it use more.
const REMEMBERED: usize = 16;

const TAIL: usize = 32;
const SAMPLES: usize = 64;

#[derive(Debug, PartialEq, Eq)]
struct Print {
    length: usize,
    tail: [u8; TAIL],
    /// Bytes at even distances. The coded pixels of two different pictures differ in nearly every byte.
    samples: [u8; SAMPLES],
}

/// What the last pictures looked like.
#[derive(Debug, Default)]
pub struct Glue {
    prints: VecDeque<Print>,
}

impl Glue {
    /// To be called for each picture that the driver gives, in order. True: its end is not its own.
    pub fn is_glued(&mut self, jpeg: &[u8]) -> bool {
        // the end marker is the same for all
        let Some(tail) = jpeg.len().checked_sub(2).and_then(|end| jpeg[..end].last_chunk()) else {
            return false;
        };
        let samples = std::array::from_fn(|number| jpeg[number * jpeg.len() / SAMPLES]);
        let print = Print { length: jpeg.len(), tail: *tail, samples };
        let is_glued = self.prints.iter().any(|earlier| {
            earlier.length == print.length && earlier.tail == print.tail && earlier.samples != print.samples
        });
        if is_glued {
            // not remembered, or the next whole picture would differ from it
            return true;
        }
        self.prints.push_back(print);
        if self.prints.len() > REMEMBERED {
            self.prints.pop_front();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg::{self, tests::sample};

    #[test]
    fn a_picture_with_another_ones_end_is_found() {
        let (long, short) = (sample(160, 120, 85), sample(160, 120, 80));
        assert!(short.len() < long.len());
        let mut glue = Glue::default();
        for picture in [&long, &short, &long, &long, &short] {
            assert!(!glue.is_glued(picture), "whole pictures, some of them again");
        }
        // the second half did not arrive
        let mut buffer = long.clone();
        let other = sample(160, 120, 86);
        let cut = long.len() / 2;
        buffer[..cut].copy_from_slice(&other[..cut]);
        let info = jpeg::scan(&buffer).unwrap();
        assert_eq!(info.bytes, long.len(), "it looks well-formed");
        assert!(glue.is_glued(&buffer));
        assert!(!glue.is_glued(&long), "the whole one is still good");
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut glue = Glue::default();
        for length in 0..10 * REMEMBERED {
            glue.is_glued(&vec![0; length]);
        }
        assert_eq!(glue.prints.len(), REMEMBERED);
    }
}
