//! [`Gate`]: whether a picture differs enough from the last one sent to be worth sending. No I/O and no clock.
//!
//! Pictures are compared by their [`Sketch`]: the mean brightness of 64 x 48 fields. The mean over a field
//! levels out the noise of a sensor and of JPEG, while a person that covers a good part of one field changes
//! it by tens of levels. One changed field is enough.

use std::time::Duration;

use crate::ledger::{Instant, Number};

const COLUMNS: usize = 64;
const ROWS: usize = 48;

/// A picture in 64 x 48 levels of brightness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch(Vec<u8>);

impl Sketch {
    /// The sketch of a picture of `width` x `height` levels of brightness, row by row. `None` when there are
    /// fewer.
    pub fn new(luma: &[u8], width: usize, height: usize) -> Option<Self> {
        if width == 0 || luma.len() < width.checked_mul(height)? || height == 0 {
            return None;
        }
        // of a picture smaller than the sketch, pixels are used more than once
        let range = |at: usize, fields: usize, pixels: usize| {
            let start = at * pixels / fields;
            start..((at + 1) * pixels / fields).max(start + 1)
        };
        let columns: Vec<_> = (0..COLUMNS).map(|column| range(column, COLUMNS, width)).collect();
        let mut fields = Vec::with_capacity(COLUMNS * ROWS);
        for row in 0..ROWS {
            let mut sums = [0u64; COLUMNS];
            let rows = range(row, ROWS, height);
            for line in luma[rows.start * width..rows.end * width].chunks_exact(width) {
                for (sum, column) in sums.iter_mut().zip(&columns) {
                    *sum += line[column.clone()].iter().map(|&level| u64::from(level)).sum::<u64>();
                }
            }
            for (sum, column) in sums.iter().zip(&columns) {
                fields.push((sum / (rows.len() * column.len()) as u64) as u8);
            }
        }
        Some(Self(fields))
    }

    /// By how many levels of 255 the most changed field differs.
    pub fn difference(&self, other: &Self) -> u8 {
        self.0.iter().zip(&other.0).map(|(one, two)| one.abs_diff(*two)).max().unwrap_or_default()
    }
}

/// What is compared with.
#[derive(Debug, Clone)]
struct Reference {
    number: Number,
    sketch: Sketch,
    sent: Instant,
    /// Its count is known, so it is worth confirming.
    counted: bool,
}

/// Lets pass what has changed.
#[derive(Debug, Clone)]
pub struct Gate {
    threshold: u8,
    silence: Duration,
    reference: Option<Reference>,
}

/// What the gate says to a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to the store.
    Send,
    /// It shows what frame `number` shows.
    Unchanged {
        /// The frame sent last.
        number: Number,
        /// Whether that one has been counted.
        counted: bool,
    },
}

impl Gate {
    /// A gate that lets pass what differs by at least `threshold` levels, and anything after `silence`.
    pub fn new(threshold: u8, silence: Duration) -> Self {
        Self { threshold, silence, reference: None }
    }

    /// Whether to send a picture.
    pub fn judge(&self, now: Instant, sketch: &Sketch) -> Verdict {
        match &self.reference {
            Some(reference)
                if now < reference.sent + self.silence
                    && sketch.difference(&reference.sketch) < self.threshold =>
            {
                Verdict::Unchanged { number: reference.number, counted: reference.counted }
            }
            _ => Verdict::Send,
        }
    }

    /// A picture is sent as frame `number`; without a sketch nothing can be compared with it.
    pub fn sent(&mut self, now: Instant, number: Number, sketch: Option<Sketch>) {
        self.reference = sketch.map(|sketch| Reference { number, sketch, sent: now, counted: false });
    }

    /// Frame `number` has ended. One without a count says nothing about the scene, so the next picture is
    /// sent.
    pub fn ended(&mut self, number: Number, analysed: bool) {
        match &mut self.reference {
            Some(reference) if reference.number == number => {
                reference.counted = analysed;
                if !analysed {
                    self.reference = None;
                }
            }
            _ => {}
        }
    }

    /// The next picture is sent whatever it shows.
    pub fn open(&mut self) {
        self.reference = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(seconds: u64) -> Instant {
        Duration::from_secs(seconds)
    }

    fn gate() -> Gate {
        Gate::new(8, at(60))
    }

    /// A grey picture of 640 x 480 with a patch of another brightness.
    fn scene(patch: usize, level: u8) -> Sketch {
        let luma: Vec<u8> = (0..640 * 480)
            .map(|pixel| {
                let (x, y) = (pixel % 640, pixel / 640);
                if (300..300 + patch).contains(&x) && (200..200 + patch).contains(&y) { level } else { 100 }
            })
            .collect();
        Sketch::new(&luma, 640, 480).unwrap()
    }

    #[test]
    fn what_differs_is_sent_and_what_does_not_is_not() {
        let mut gate = gate();
        assert_eq!(gate.judge(at(0), &scene(0, 0)), Verdict::Send, "the first");
        gate.sent(at(0), 7, Some(scene(0, 0)));
        assert_eq!(gate.judge(at(1), &scene(0, 0)), Verdict::Unchanged { number: 7, counted: false });
        assert_eq!(gate.judge(at(1), &scene(30, 160)), Verdict::Send, "a person far away");
        assert_eq!(gate.judge(at(1), &scene(2, 255)), Verdict::Unchanged { number: 7, counted: false });
        gate.ended(6, false);
        gate.ended(7, true);
        assert_eq!(gate.judge(at(59), &scene(0, 0)), Verdict::Unchanged { number: 7, counted: true });
        assert_eq!(gate.judge(at(60), &scene(0, 0)), Verdict::Send, "the longest silence");
    }

    #[test]
    fn a_slow_change_adds_up() {
        let mut gate = gate();
        gate.sent(at(0), 1, Some(scene(30, 100)));
        let sent = (1..=20).position(|step| gate.judge(at(1), &scene(30, 100 + step)) == Verdict::Send);
        assert_eq!(sent, Some(7), "it is compared with what was sent, not with the picture before");
    }

    #[test]
    fn a_frame_that_came_to_nothing_is_no_reference() {
        let mut gate = gate();
        gate.sent(at(0), 7, Some(scene(0, 0)));
        gate.ended(7, false);
        assert_eq!(gate.judge(at(1), &scene(0, 0)), Verdict::Send);
        gate.sent(at(1), 8, Some(scene(0, 0)));
        gate.open();
        assert_eq!(gate.judge(at(2), &scene(0, 0)), Verdict::Send);
        gate.sent(at(2), 9, None);
        assert_eq!(gate.judge(at(3), &scene(0, 0)), Verdict::Send);
    }

    proptest! {
        #[test]
        fn any_size_gives_a_sketch_with_its_mean(width in 1usize..200, height in 1usize..200, level in any::<u8>()) {
            let sketch = Sketch::new(&vec![level; width * height], width, height).unwrap();
            prop_assert_eq!(sketch, Sketch(vec![level; COLUMNS * ROWS]));
            prop_assert_eq!(Sketch::new(&vec![level; width * height - 1], width, height), None);
        }
    }
}
