//! Cutting a picture into overlapping parts

use std::fmt;
use std::str::FromStr;

/// A rectangle of whole pixels inside a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Part {
    /// All of a picture.
    pub(crate) fn whole((width, height): (u32, u32)) -> Self {
        Self { left: 0, top: 0, width, height }
    }
}

/// A grid of parts that overlap their neighbours, e.g. `2x2`: each is looked at by itself, so that small objects
/// become larger for the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tiles {
    columns: u32,
    rows: u32,
    overlap: f32,
}

/// A grid that makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TilesError {
    /// The text is no grid.
    #[error("{0:?} is no grid of tiles, write columns x rows, for example \"2x2\"")]
    Syntax(String),
    /// Too few or too many.
    #[error(
        "a grid of {columns}x{rows} tiles is not possible, take 1 to {} each way and at least two in all",
        Tiles::MOST
    )]
    Number {
        /// Columns.
        columns: u32,
        /// Rows.
        rows: u32,
    },
    /// The overlap is out of bounds.
    #[error("tiles cannot overlap by {0} of their size, take 0 to 0.5")]
    Overlap(f32),
}

impl Tiles {
    /// Most columns and most rows.
    pub const MOST: u32 = 8;
    /// The share of a tile's size that it has in common with its neighbour, unless another one is given.
    pub const OVERLAP: f32 = 0.2;

    /// A grid of `columns` times `rows` tiles with the usual overlap.
    ///
    /// # Errors
    /// [`TilesError::Number`].
    pub fn new(columns: u32, rows: u32) -> Result<Self, TilesError> {
        let sane = 1..=Self::MOST;
        if !sane.contains(&columns) || !sane.contains(&rows) || columns * rows < 2 {
            return Err(TilesError::Number { columns, rows });
        }
        Ok(Self { columns, rows, overlap: Self::OVERLAP })
    }

    /// The same grid with another overlap, a share of a tile's width and height from 0 to 0.5. An object that is
    /// larger than the overlap is cut in every tile and only found in the whole picture.
    ///
    /// # Errors
    /// [`TilesError::Overlap`].
    pub fn with_overlap(self, overlap: f32) -> Result<Self, TilesError> {
        match (0.0..=0.5).contains(&overlap) {
            true => Ok(Self { overlap, ..self }),
            false => Err(TilesError::Overlap(overlap)),
        }
    }

    /// The parts of a picture of this size, row by row. A picture that is smaller than the grid has fewer.
    pub(crate) fn parts(self, (width, height): (u32, u32)) -> impl Iterator<Item = Part> {
        spans(height, self.rows, self.overlap).flat_map(move |(top, height)| {
            spans(width, self.columns, self.overlap).map(move |(left, width)| Part {
                left,
                top,
                width,
                height,
            })
        })
    }
}

/// Start and length of `number` spans that cover `length` and overlap by a share of their own size.
fn spans(length: u32, number: u32, overlap: f32) -> impl Iterator<Item = (u32, u32)> {
    let number = number.min(length);
    let overlap = f64::from(overlap);
    let size = f64::from(length) / (f64::from(number) - f64::from(number.saturating_sub(1)) * overlap);
    (0..number).map(move |n| {
        let start = f64::from(n) * size * (1.0 - overlap);
        let from = (start.round() as u32).min(length - 1);
        let to = ((start + size).round() as u32).clamp(from + 1, length);
        (from, to - from)
    })
}

impl FromStr for Tiles {
    type Err = TilesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let syntax = || TilesError::Syntax(text.chars().take(40).collect());
        let (columns, rows) = text.split_once('x').ok_or_else(syntax)?;
        let number = |text: &str| text.parse::<u32>().map_err(|_| syntax());
        Self::new(number(columns)?, number(rows)?)
    }
}

impl fmt::Display for Tiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.columns, self.rows)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_by_two_covers_the_picture_and_overlaps_in_the_middle() {
        let tiles: Tiles = "2x2".parse().unwrap();
        let parts: Vec<_> = tiles.with_overlap(0.2).unwrap().parts((900, 450)).collect();
        let part = |left, top| Part { left, top, width: 500, height: 250 };
        assert_eq!(parts, [part(0, 0), part(400, 0), part(0, 200), part(400, 200)]);
    }

    #[test]
    fn senseless_grids_are_refused() {
        for text in ["", "2", "2x", "x2", "2x2x2", "-1x2", "two by two", "0x2", "1x1", "9x1", "1x9"] {
            assert!(text.parse::<Tiles>().is_err(), "{text:?} was taken");
        }
        let tiles: Tiles = "3x1".parse().unwrap();
        assert_eq!(tiles.to_string(), "3x1");
        for overlap in [-0.1, 0.6, f32::NAN] {
            assert!(tiles.with_overlap(overlap).is_err(), "{overlap} was taken");
        }
    }

    proptest! {
        #[test]
        fn every_pixel_is_in_a_part_and_no_part_leaves_the_picture(
            length in 1u32..5000, number in 1u32..=8, overlap in 0.0f32..=0.5,
        ) {
            let all: Vec<_> = spans(length, number, overlap).collect();
            let mut covered = 0;
            for (start, size) in all {
                prop_assert!(start <= covered && size > 0 && start + size <= length);
                covered = start + size;
            }
            prop_assert_eq!(covered, length);
        }
    }
}
