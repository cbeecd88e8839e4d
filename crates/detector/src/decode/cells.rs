//! The cells that many networks divide a picture into: coarser and coarser grids, one after the other, row by row

use crate::manifest::Input;

/// A cell of a grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cell {
    /// Its anchor, in pixels of the input.
    pub(super) x: f32,
    pub(super) y: f32,
    /// Its side, in pixels of the input.
    pub(super) stride: f32,
}

/// All cells, if there are `number` of them in grids of 8, 16 and 32 pixels, perhaps with one of 64. `anchor` says
/// where in a cell its anchor is: 0 in the corner, 0.5 in the middle.
pub(super) fn cells(input: &Input, number: usize, anchor: f32) -> Result<Vec<Cell>, String> {
    for strides in [&[8, 16, 32][..], &[8, 16, 32, 64]] {
        let size = |stride: u32| (input.width.div_ceil(stride), input.height.div_ceil(stride));
        let total = |stride: &u32| size(*stride).0 as usize * size(*stride).1 as usize;
        if strides.iter().map(total).sum::<usize>() == number {
            let grid = |&stride: &u32| {
                let (columns, rows) = size(stride);
                (0..rows).flat_map(move |row| {
                    (0..columns).map(move |column| {
                        let at = |n: u32| (n as f32 + anchor) * stride as f32;
                        Cell { x: at(column), y: at(row), stride: stride as f32 }
                    })
                })
            };
            return Ok(strides.iter().flat_map(grid).collect());
        }
    }
    Err(format!(
        "its output has {number} places, but an input of {}x{} has other grids of 8, 16 and 32 (and 64) pixels",
        input.width, input.height
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Color, Layout};

    #[test]
    fn grids_follow_each_other_row_by_row() {
        let input = Input {
            width: 64,
            height: 32,
            layout: Layout::Nchw,
            color: Color::Rgb,
            mean: [0.0; 3],
            std: [1.0; 3],
        };
        let all = cells(&input, 32 + 8 + 2, 0.5).unwrap();
        assert_eq!(all[1], Cell { x: 12.0, y: 4.0, stride: 8.0 });
        assert_eq!(all[8], Cell { x: 4.0, y: 12.0, stride: 8.0 });
        assert_eq!(all[41], Cell { x: 48.0, y: 16.0, stride: 32.0 });
        assert_eq!(cells(&input, 43, 0.0).unwrap()[42], Cell { x: 0.0, y: 0.0, stride: 64.0 });
        assert!(cells(&input, 40, 0.0).unwrap_err().contains("40 places"));
    }
}
