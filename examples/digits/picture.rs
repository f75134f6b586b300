//! The mistakes as a picture.

use std::path::Path;

use demotic::autograd::InterpolateOptions;
use demotic::data::write_image;
use demotic::{Result, Tensor};

/// Mistakes in a row, and of how many pixels one is.
const COLUMNS: usize = 8;
const CELL: usize = 96;
/// Above each of them is room for two numbers.
const HEAD: usize = 24;

/// Three columns and five rows for each figure, from the upper left one on.
const FIGURES: [u16; 10] = [
    0b111_101_101_101_111,
    0b010_110_010_010_111,
    0b111_001_111_100_111,
    0b111_001_111_001_111,
    0b101_101_111_001_001,
    0b111_100_111_001_111,
    0b111_100_111_101_111,
    0b111_001_010_010_010,
    0b111_101_111_101_111,
    0b111_101_111_001_111,
];

struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<f32>,
}

impl Canvas {
    fn set(&mut self, x: usize, y: usize, colour: [f32; 3]) {
        for (channel, value) in colour.into_iter().enumerate() {
            if x < self.width && y < self.height {
                self.pixels[(channel * self.height + y) * self.width + x] = value;
            }
        }
    }

    /// A number whose upper left corner is there.
    fn number(&mut self, n: i64, x: usize, y: usize, colour: [f32; 3]) {
        const DOT: usize = 3;
        for (k, figure) in n.to_string().bytes().enumerate() {
            let dots = FIGURES[usize::from(figure.wrapping_sub(b'0')).min(9)];
            for i in (0..15).filter(|i| dots >> (14 - i) & 1 == 1) {
                let (left, top) = (x + (4 * k + i % 3) * DOT, y + i / 3 * DOT);
                (0..DOT * DOT).for_each(|p| self.set(left + p % DOT, top + p / DOT, colour));
            }
        }
    }
}

/// Writes the pictures with these numbers, what they are, and what they were taken for.
pub fn mistakes(path: &Path, x: &Tensor, wrong: &[usize], truth: &[i64], guesses: &[i64]) -> Result<()> {
    let rows = wrong.len().div_ceil(COLUMNS).max(1);
    let (width, height) = (COLUMNS * (CELL + 8) + 8, rows * (CELL + HEAD + 8) + 8);
    let mut canvas = Canvas { width, height, pixels: vec![0.15; 3 * width * height] };
    for (k, i) in wrong.iter().enumerate() {
        let (left, top) = (8 + k % COLUMNS * (CELL + 8), 8 + k / COLUMNS * (CELL + HEAD + 8));
        canvas.number(truth[*i], left, top + 2, [0.3, 0.9, 0.4]);
        canvas.number(guesses[*i], left + CELL / 2, top + 2, [1.0, 0.4, 0.35]);
        let large = x.narrow(0, *i, 1)?.mean_dims(&[1], true)?.interpolate(&InterpolateOptions::size(CELL))?;
        for (p, level) in large.to_vec::<f32>()?.into_iter().enumerate() {
            canvas.set(left + p % CELL, top + HEAD + p / CELL, [level; 3]);
        }
    }
    write_image(path, &Tensor::from_vec(canvas.pixels, [3, height, width])?)
}
