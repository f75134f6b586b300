//! The general product: loops around the tiles that keep the operands in the caches.

use std::ops::Range;

use crate::tensor::kernels::simd::Vector;

use super::pack::{Block, Strip, Strips};
use super::product::{Part, Product};
use super::scratch::Scratch;
use super::tile::{Finish, Tile, Tiles, VECTORS};

// Sizes of the blocks, measured on processors with 48 KB and 1 or 2 MB of cache per core, where half or twice of each cost
// little. While a strip of `b`, at most DEPTH deep, is in the first-level cache, NEAR rows of `a` and the STRIPES columns of `b`
// that were packed together stay in the second. What is packed of `a` has at most ROWS rows and serves for COLS columns, a
// block of `c` that does not leave the caches until the next DEPTH is added to it. NEAR is a multiple of the heights of tiles.
const DEPTH: usize = 384;
const STRIPES: usize = 128;
const NEAR: usize = 264;
const ROWS: usize = 4 * NEAR;
const COLS: usize = 1024;

// Below these, packing `b` costs more than reading it in place.
const DIRECT_B_ROWS: usize = 24;
const DIRECT_B_BLOCK: usize = 8192;
const DIRECT_B_COLS: usize = 512;

// The same for `a`, of which it also matters whether its lines are an odd distance apart: those that are a multiple of ALIASED
// elements apart drive each other out of the cache.
const DIRECT_A_COLS: usize = 128;
const DIRECT_A_COLS_APART: usize = 512;
const ALIASED: usize = 512;

/// From this `k` on, a tile takes long enough to fetch its part of `c` meanwhile.
const PREFETCH_K: usize = 128;

/// Sums of fewer rows than these wait for each other.
const LOW: usize = 4;

/// Whether the tiles read `a` where it is.
fn is_direct_a(p: &Product<'_, f32>, cols: usize) -> bool {
    let lines_apart = match (p.a.row_stride, p.a.col_stride) {
        (stride, 1) | (1, stride) => stride,
        (_, _) => return false,
    };
    cols <= DIRECT_A_COLS || cols <= DIRECT_A_COLS_APART && !lines_apart.is_multiple_of(ALIASED)
}

impl Part<'_, f32> {
    /// Computes the part.
    ///
    /// # Safety
    /// As for [`Product`], nobody else may use this part of `c`, and the processor must have the instruction set.
    pub(super) unsafe fn by_tiles<I: Tiles>(self) {
        let Self { product: p, rows, cols } = self;
        let k = p.a.cols;
        // Blocks of about the same depth. It shows in the result, and so follows from `k` alone.
        let depth = k.div_ceil(k.div_ceil(DEPTH).max(1)).max(1);
        let direct_a = is_direct_a(p, cols.len());
        let direct_b = p.b.col_stride == 1
            && (depth * cols.len() <= DIRECT_B_BLOCK || rows.len() <= DIRECT_B_ROWS && cols.len() <= DIRECT_B_COLS);
        let in_vectors = cols.len().is_multiple_of(I::F32::WIDTH);
        let b_len = if direct_b && in_vectors { 0 } else { cols.len().min(STRIPES).next_multiple_of(I::F32::WIDTH) };
        let a_len = if direct_a { 0 } else { depth * rows.len().min(ROWS) + I::F32::WIDTH };
        // Packing reads `a` by rows of `k`, and so sees it transposed.
        let a = Block { data: p.a.data.as_ptr(), row_stride: p.a.col_stride, col_stride: p.a.row_stride };
        let b = Block { data: p.b.data.as_ptr(), row_stride: p.b.row_stride, col_stride: p.b.col_stride };
        let mut scratch = Scratch::new(depth * b_len + a_len);
        let (for_b, for_a) = scratch.as_mut_slice().split_at_mut(depth * b_len);
        for i in rows.clone().step_by(ROWS) {
            let m = (rows.end - i).min(ROWS);
            for j in cols.clone().step_by(COLS) {
                let stripes_end = cols.end.min(j + COLS);
                for l in (0..k.max(1)).step_by(depth) {
                    let k = (k - l).min(depth);
                    let finish = p.finish(l == 0, l + k == p.a.cols);
                    let a = if direct_a {
                        Operand::InPlace(a.at(l, i))
                    } else {
                        // SAFETY: the rows lie within `a`, and the scratch was sized for them.
                        unsafe { pack_rows::<I>(a.at(l, i), m, k, for_a.as_mut_ptr()) };
                        Operand::Packed(for_a.as_ptr())
                    };
                    for s in (j..stripes_end).step_by(STRIPES) {
                        let n = (stripes_end - s).min(STRIPES);
                        let b = Stripe { place: b.at(l, s), k, cols: n, direct: direct_b, packed: for_b.as_mut_ptr() };
                        // SAFETY: the columns lie within `b`, and the scratch was sized for them.
                        unsafe { b.pack::<I>() };
                        for r in (0..m).step_by(NEAR) {
                            let (rows, a) = (i + r..i + m.min(r + NEAR), a.rows_from(r, k));
                            // SAFETY: the caller's promise for the part holds for its blocks.
                            unsafe { block::<I>(p, (rows, s..s + n), k, a, &b, finish) };
                        }
                    }
                }
            }
        }
    }
}

/// Packs `m` rows of `a`, which is seen transposed, for the tiles that they are cut into, NEAR by NEAR.
///
/// # Safety
/// `from` must hold them, and `to` take as many, and a vector more.
unsafe fn pack_rows<I: Tiles>(from: Block, m: usize, k: usize, to: *mut f32) {
    for near in (0..m).step_by(NEAR) {
        for (r, height) in heights::<I>((m - near).min(NEAR)) {
            let (from, to) = (from.at(0, near + r), to.wrapping_add((near + r) * k));
            // SAFETY: the caller's promise. What is written beyond a strip belongs to the next one.
            unsafe { I::enter(Strip { from, k, cols: height, stride: height, slack: true, to }) };
        }
    }
}

/// Rows of `a`, where the tiles find them.
#[derive(Clone, Copy)]
enum Operand {
    InPlace(Block),
    Packed(*const f32),
}

impl Operand {
    /// Those from number `at` on, at which a tile begins.
    fn rows_from(self, at: usize, k: usize) -> Self {
        match self {
            Self::InPlace(block) => Self::InPlace(block.at(0, at)),
            Self::Packed(data) => Self::Packed(data.wrapping_add(at * k)),
        }
    }

    /// The strip of a tile that is `height` high.
    fn strip(self, height: usize) -> Block {
        match self {
            Self::InPlace(block) => block,
            Self::Packed(data) => Block { data, row_stride: height, col_stride: 1 },
        }
    }
}

/// Some columns of `b`, in place or packed. The last ones are packed in any case if they do not fill a vector, for the tiles
/// read whole vectors.
struct Stripe {
    place: Block,
    k: usize,
    cols: usize,
    direct: bool,
    packed: *mut f32,
}

impl Stripe {
    /// Packs what has to be.
    ///
    /// # Safety
    /// The columns must exist, and there must be room for them, rounded up to vectors.
    unsafe fn pack<I: Tiles>(&self) {
        let Self { place, k, cols, direct, packed } = *self;
        let first = if direct { cols - cols % (VECTORS * I::F32::WIDTH) } else { 0 };
        if !direct || !cols.is_multiple_of(I::F32::WIDTH) {
            // SAFETY: passed on.
            unsafe { I::enter(Strips { from: place.at(0, first), k, cols: cols - first, to: packed }) };
        }
    }

    /// The strip of `cols` columns from `first` on.
    fn strip<I: Tiles>(&self, first: usize, cols: usize) -> Block {
        let stride = cols.next_multiple_of(I::F32::WIDTH);
        match (self.direct, stride == cols) {
            (true, true) => self.place.at(0, first),
            (true, false) => Block { data: self.packed, row_stride: stride, col_stride: 1 },
            (false, _) => Block { data: self.packed.wrapping_add(first * self.k), row_stride: stride, col_stride: 1 },
        }
    }
}

/// Cuts `m` rows into tiles, the tallest first: where they begin, and their heights. In place of a tall and a low one there are
/// two middling ones if possible.
fn heights<I: Tiles>(m: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let rest = m - next;
        let mut fitting = I::HEIGHTS.iter().copied().filter(|&height| height <= rest);
        let tallest = fitting.next()?;
        let leaves_enough = |height: usize| height >= LOW && (height == rest || height + LOW <= rest);
        let height =
            if leaves_enough(tallest) { tallest } else { fitting.find(|&h| leaves_enough(h)).unwrap_or(tallest) };
        next += height;
        Some((next - height, height))
    })
}

/// Adds the product of blocks, which are `k` deep, to a block of `c` that has these rows and columns.
///
/// # Safety
/// As for the part that the block belongs to.
unsafe fn block<I: Tiles>(
    p: &Product<'_, f32>,
    (rows, cols): (Range<usize>, Range<usize>),
    k: usize,
    a: Operand,
    b: &Stripe,
    finish: Finish,
) {
    for j in cols.clone().step_by(VECTORS * I::F32::WIDTH) {
        let n = (cols.end - j).min(VECTORS * I::F32::WIDTH);
        let vectors = n.div_ceil(I::F32::WIDTH);
        let b = b.strip::<I>(j - cols.start, n);
        for (r, height) in heights::<I>(rows.len()) {
            let a = a.rows_from(r, k).strip(height);
            let kernel = if a.col_stride == 1 { I::tile::<true> } else { I::tile::<false> };
            let c = p.c.wrapping_add((rows.start + r) * p.c_row_stride + j);
            let tile = Tile {
                k,
                a: a.data,
                a_row_stride: a.col_stride,
                a_col_stride: a.row_stride,
                b: b.data,
                b_row_stride: b.row_stride,
                c,
                c_row_stride: p.c_row_stride,
                last: n - (vectors - 1) * I::F32::WIDTH,
                finish: finish.at(j),
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
