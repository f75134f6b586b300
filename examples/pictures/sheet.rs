//! Pictures on a sheet.

use std::path::Path;

use demotic::autograd::InterpolateOptions;
use demotic::data::write_image;
use demotic::{Result, Tensor};

/// Pixels of a picture on a sheet, and between two.
const CELL: usize = 40;
const GAP: usize = 4;

/// Writes rows of pictures, `[count, 1, height, width]` each with levels from 0 to 1, one below the other.
pub fn write(path: &Path, rows: &[Tensor]) -> Result<()> {
    let columns = rows.iter().map(|row| row.shape()[0]).max().unwrap_or(0);
    let (width, height) = (columns * (CELL + GAP) + GAP, rows.len() * (CELL + GAP) + GAP);
    let mut pixels = vec![0.35_f32; width * height];
    for (row, pictures) in rows.iter().enumerate() {
        let large = pictures.clamp(Some(0.0), Some(1.0)).interpolate(&InterpolateOptions::size(CELL))?;
        for (i, level) in large.to_vec::<f32>()?.into_iter().enumerate() {
            let (column, y, x) = (i / (CELL * CELL), i / CELL % CELL, i % CELL);
            let (top, left) = (GAP + row * (CELL + GAP), GAP + column * (CELL + GAP));
            pixels[(top + y) * width + left + x] = level;
        }
    }
    write_image(path, &Tensor::from_vec(pixels, [1, height, width])?)
}
