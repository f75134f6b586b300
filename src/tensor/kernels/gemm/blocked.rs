//! The general product: loops around the tiles that keep the operands in the caches.

use crate::tensor::kernels::simd::Vector;

use super::pack::{Block, Strip, Strips};
use super::product::{Part, Product};
use super::scratch::Scratch;
use super::tile::{Tile, Tiles, VECTORS};

// Sizes of the blocks, measured on a processor with 48 KB and 2 MB of cache per core, where half or twice of each cost
// a few per cent. A block of `b` is DEPTH_BYTES deep and COLS wide, one of `a` ROWS high.
const DEPTH_BYTES: usize = 1536;
const COLS: usize = 512;
const ROWS: usize = 240;

// Below these, packing an operand costs more than reading it in place.
const DIRECT_B_ROWS: usize = 24;
const DIRECT_B_BLOCK: usize = 8192;
const DIRECT_A_COLS: usize = 512;

/// From this `k` on, a tile takes long enough to fetch its part of `c` meanwhile.
const PREFETCH_K: usize = 128;

impl Part<'_, f32> {
    /// Computes the part.
    ///
    /// # Safety
    /// As for [`Product`], nobody else may use this part of `c`, and the processor must have the instruction set.
    pub(super) unsafe fn by_tiles<I: Tiles>(self) {
        let Self { product: p, rows, cols } = self;
        let k = p.a.cols;
        // Blocks of about the same depth. It shows in the result, and so follows from `k` alone.
        let depth = k.div_ceil(k.div_ceil(DEPTH_BYTES / size_of::<f32>()).max(1)).max(1);
        let direct_b = p.b.col_stride == 1
            && (depth * cols.len() <= DIRECT_B_BLOCK || rows.len() <= DIRECT_B_ROWS && cols.len() <= COLS);
        let direct_a = (p.a.row_stride == 1 || p.a.col_stride == 1) && cols.len() < DIRECT_A_COLS;
        let b_len = if direct_b { 0 } else { depth * cols.len().min(COLS).next_multiple_of(I::F32::WIDTH) };
        let a_len = if direct_a { 0 } else { depth * rows.len().min(ROWS) };
        // Packing reads `a` by rows of `k`, and so sees it transposed.
        let a = Block { data: p.a.data.as_ptr(), row_stride: p.a.col_stride, col_stride: p.a.row_stride };
        let b = Block { data: p.b.data.as_ptr(), row_stride: p.b.row_stride, col_stride: p.b.col_stride };
        let mut scratch = Scratch::new(b_len + a_len);
        let (for_b, for_a) = scratch.as_mut_slice().split_at_mut(b_len);
        for j in cols.clone().step_by(COLS) {
            let n = (cols.end - j).min(COLS);
            for l in (0..k.max(1)).step_by(depth) {
                let k = (k - l).min(depth);
                let b = if direct_b {
                    Operand::InPlace(b.at(l, j))
                } else {
                    // SAFETY: the block lies within `b`, and the scratch was sized for it.
                    unsafe { I::enter(Strips { from: b.at(l, j), k, cols: n, to: for_b.as_mut_ptr() }) };
                    Operand::Packed(for_b.as_ptr())
                };
                for i in rows.clone().step_by(ROWS) {
                    let m = (rows.end - i).min(ROWS);
                    let a = if direct_a {
                        Operand::InPlace(a.at(l, i))
                    } else {
                        for (r, height) in heights::<I>(m) {
                            let to = for_a[r * k..].as_mut_ptr();
                            // SAFETY: the strip lies within `a`, and the scratch was sized for the block.
                            unsafe { I::enter(Strip { from: a.at(l, i + r), k, cols: height, stride: height, to }) };
                        }
                        Operand::Packed(for_a.as_ptr())
                    };
                    // SAFETY: the caller's promise for the part holds for its blocks.
                    unsafe { block::<I>(p, (i, l, j), (m, k, n), a, b) };
                }
            }
        }
    }
}

/// A block of an operand, where the tiles find it.
#[derive(Clone, Copy)]
enum Operand {
    InPlace(Block),
    Packed(*const f32),
}

impl Operand {
    /// The strip from row of `a` or column of `b` number `at` on, whose rows of `k` are `stride` apart if it is packed.
    fn strip(self, at: usize, k: usize, stride: usize) -> Block {
        match self {
            Self::InPlace(block) => block.at(0, at),
            Self::Packed(data) => Block { data: data.wrapping_add(at * k), row_stride: stride, col_stride: 1 },
        }
    }
}

/// Cuts `m` rows into tiles, the tallest first: where they begin, and their heights.
fn heights<I: Tiles>(m: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let height = I::HEIGHTS.iter().copied().find(|&height| height <= m - next)?;
        next += height;
        Some((next - height, height))
    })
}

/// Adds the product of two blocks to a block of `c`, all of which begin at `(i, l, j)` and have the size `(m, k, n)`.
///
/// # Safety
/// As for the part that the block belongs to.
unsafe fn block<I: Tiles>(
    p: &Product<'_, f32>,
    (i, l, j): (usize, usize, usize),
    (m, k, n): (usize, usize, usize),
    a: Operand,
    b: Operand,
) {
    let finish = p.finish(l == 0, l + k == p.a.cols);
    for s in (0..n).step_by(VECTORS * I::F32::WIDTH) {
        let cols = (n - s).min(VECTORS * I::F32::WIDTH);
        let vectors = cols.div_ceil(I::F32::WIDTH);
        let b = b.strip(s, k, vectors * I::F32::WIDTH);
        for (r, height) in heights::<I>(m) {
            let a = a.strip(r, k, height);
            let kernel = if a.col_stride == 1 { I::tile::<true> } else { I::tile::<false> };
            let c = p.c.wrapping_add((i + r) * p.c_row_stride + j + s);
            let tile = Tile {
                k,
                a: a.data,
                a_row_stride: a.col_stride,
                a_col_stride: a.row_stride,
                b: b.data,
                b_row_stride: b.row_stride,
                c,
                c_row_stride: p.c_row_stride,
                last: cols - (vectors - 1) * I::F32::WIDTH,
                finish: finish.at(j + s),
            };
            // SAFETY: the tile lies within the blocks.
            unsafe {
                if k >= PREFETCH_K {
                    for row in 0..height {
                        for v in 0..vectors {
                            I::F32::prefetch(c.wrapping_add(row * p.c_row_stride + v * I::F32::WIDTH));
                        }
                    }
                }
                kernel(height, vectors)(&tile);
            }
        }
    }
}
