//! Products with few rows or few columns, such as a matrix times a vector. Each element of the large operand is used
//! only a few times, so it is read once, in the order in which it lies in memory, and never copied.
//!
//! A product with few columns is seen transposed: there are always few rows.

use std::ops::Range;

use crate::tensor::kernels::simd::{Isa, Kernel, Vector, dispatch};

use super::pack::Block;
use super::product::Product;
use super::scratch::Scratch;

/// How few rows there may be. Each has sums of its own in registers.
const FEW: usize = 4;
/// The sums that [`sweep`] works on: enough to read long runs of memory, few enough for the first-level cache.
const SPAN: usize = 4096;
/// A size of `w` that the second-level cache just holds.
const CACHED: usize = 1 << 18;
/// From how many bytes on `w` is read strictly in order, one row after the other: then it comes from beyond the caches of a
/// core, and one long stream of it arrives half as fast again as several side by side.
const FAR: usize = 1 << 21;
/// The parts in which the rows of a far `w` are added up. So many whatever the number of threads, for the same sums.
pub(super) const ROW_PARTS: usize = 16;
/// The most elements in a vector of any set.
const WIDEST: usize = 16;
/// The longest rows of the small operand that are made contiguous.
const GATHER: usize = 1 << 16;

/// The m × n product of the small `x`, m × k, and the large `w`, k × n.
pub(super) struct Few<'a> {
    product: &'a Product<'a, f32>,
    transposed: bool,
    x: Block,
    w: Block,
    m: usize,
    pub(super) k: usize,
    pub(super) n: usize,
}

/// What of `w` is contiguous: its columns, each of which makes dot products with `x`, or its rows, which are added up.
#[derive(Clone, Copy)]
enum Way {
    Dots,
    Sweep,
}

// SAFETY: threads share it in order to read the operands and to write different columns of the product.
unsafe impl Sync for Few<'_> {}

impl<'a> Few<'a> {
    /// Sees a product this way, if that is worth it.
    pub(super) fn new(product: &'a Product<'a, f32>) -> Option<Self> {
        let Product { a, b, .. } = *product;
        let upright = Self {
            product,
            transposed: false,
            x: Block { data: a.data.as_ptr(), row_stride: a.row_stride, col_stride: a.col_stride },
            w: Block { data: b.data.as_ptr(), row_stride: b.row_stride, col_stride: b.col_stride },
            m: a.rows,
            k: a.cols,
            n: b.cols,
        };
        let turned = Self {
            product,
            transposed: true,
            x: Block { data: b.data.as_ptr(), row_stride: b.col_stride, col_stride: b.row_stride },
            w: Block { data: a.data.as_ptr(), row_stride: a.col_stride, col_stride: a.row_stride },
            m: b.cols,
            k: a.cols,
            n: a.rows,
        };
        [upright, turned].into_iter().find(|few| few.way().is_some())
    }

    /// How to compute it, if there is a way that reads `w` in order.
    fn way(&self) -> Option<Way> {
        let dots = self.w.row_stride == 1 && (self.x.col_stride == 1 || self.k <= GATHER);
        // Tiles are as good for rows that are in the cache, if they write rows of `c`.
        let sweep = self.w.col_stride == 1 && (self.transposed || self.k.saturating_mul(self.n) >= CACHED);
        match (self.m <= FEW, dots, sweep) {
            (true, true, _) => Some(Way::Dots),
            (true, false, true) => Some(Way::Sweep),
            (_, _, _) => None,
        }
    }

    /// Whether `w` comes from far away, and has to be read in order.
    pub(super) fn is_far(&self) -> bool {
        self.k.saturating_mul(self.n).saturating_mul(size_of::<f32>()) >= FAR
    }

    /// Whether to add up rows of `w` in [`ROW_PARTS`] parts, instead of dividing its columns.
    pub(super) fn by_rows(&self) -> bool {
        matches!(self.way(), Some(Way::Sweep)) && self.is_far() && self.m * self.row_of_sums() <= SPAN
    }

    /// How many sums stand for a row of the product: vectors of any width that are full.
    fn row_of_sums(&self) -> usize {
        self.n.next_multiple_of(WIDEST)
    }

    /// How many sums a part of the rows needs.
    pub(super) fn sums_len(&self) -> usize {
        self.m * self.row_of_sums()
    }

    /// Adds up the sums of all parts, in their order, and turns them into the product.
    ///
    /// # Safety
    /// As for [`Product`], and nobody else may use `c`.
    pub(super) unsafe fn finish_parts(&self, sums: &mut [f32]) {
        let (first, rest) = sums.split_at_mut(self.sums_len().min(sums.len()));
        for part in rest.chunks(first.len().max(1)) {
            first.iter_mut().zip(part).for_each(|(sum, x)| *sum += *x);
        }
        for (i, sums) in first.chunks(self.row_of_sums().max(1)).enumerate() {
            // SAFETY: there are as many rows of sums as of the product, and `n` of them are its columns.
            unsafe { self.finish(i, 0, &sums[..self.n]) };
        }
    }

    /// Turns sums into elements of `c`: those of row `i` from column `j` on.
    ///
    /// # Safety
    /// The elements must exist, and nobody else may use them.
    #[inline(always)]
    unsafe fn finish(&self, i: usize, j: usize, sums: &[f32]) {
        let Product { alpha, beta, c, c_row_stride, bias, .. } = *self.product;
        for (j, &sum) in (j..).zip(sums) {
            let (row, col) = if self.transposed { (j, i) } else { (i, j) };
            // SAFETY: `c` has this element by the caller's promise, and the bias as many as `c` has columns.
            unsafe {
                let c = c.add(row * c_row_stride + col);
                let mut x = alpha * sum;
                if beta != 0.0 {
                    x += beta * *c;
                }
                if let Some(bias) = bias {
                    x += *bias.get_unchecked(col);
                }
                *c = x;
            }
        }
    }
}

/// Some columns of a product with few rows.
///
/// Whoever makes one vouches that nobody else uses these columns of `c` as long as it runs.
pub(super) struct Columns<'a> {
    pub(super) few: &'a Few<'a>,
    pub(super) cols: Range<usize>,
}

impl Columns<'_> {
    /// Computes them.
    pub(super) fn compute(self) {
        // More dots at once than these would not fit into 16 registers.
        match (self.few.way(), self.few.m, self.few.is_far()) {
            (Some(Way::Dots), 1, false) => dispatch(Dots::<1, 8, 1>(self)),
            (Some(Way::Dots), 2, false) => dispatch(Dots::<2, 4, 1>(self)),
            (Some(Way::Dots), 3, false) => dispatch(Dots::<3, 3, 1>(self)),
            (Some(Way::Dots), _, false) => dispatch(Dots::<4, 2, 1>(self)),
            (Some(Way::Dots), 1, true) => dispatch(Dots::<1, 1, 4>(self)),
            (Some(Way::Dots), 2, true) => dispatch(Dots::<2, 1, 4>(self)),
            (Some(Way::Dots), 3, true) => dispatch(Dots::<3, 1, 2>(self)),
            (Some(Way::Dots), _, true) => dispatch(Dots::<4, 1, 2>(self)),
            (Some(Way::Sweep), 1, _) => dispatch(Sweep::<1>(self)),
            (Some(Way::Sweep), 2, _) => dispatch(Sweep::<2>(self)),
            (Some(Way::Sweep), 3, _) => dispatch(Sweep::<3>(self)),
            (Some(Way::Sweep), _, _) => dispatch(Sweep::<4>(self)),
            (None, _, _) => {}
        }
    }
}

/// [`dots`], compiled by itself for each size: in one function they take twice as long to compile.
struct Dots<'a, const M: usize, const N: usize, const U: usize>(Columns<'a>);

impl<const M: usize, const N: usize, const U: usize> Kernel for Dots<'_, M, N, U> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        // SAFETY: the maker vouches for the columns.
        unsafe { dots::<I::F32, M, N, U>(self.0.few, self.0.cols) }
    }
}

/// [`sweep`], in the same way.
struct Sweep<'a, const M: usize>(Columns<'a>);

impl<const M: usize> Kernel for Sweep<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        // SAFETY: the maker vouches for the columns.
        unsafe { sweep::<I::F32, M>(self.0.few, self.0.cols) }
    }
}

/// Columns of `w` are contiguous: each element is a dot product of two contiguous vectors, `M × N` of them at once, each
/// in `U` vectors.
#[inline(always)]
unsafe fn dots<S: Vector, const M: usize, const N: usize, const U: usize>(few: &Few<'_>, cols: Range<usize>) {
    let gathered = if few.x.col_stride == 1 { 0 } else { M * few.k };
    let mut scratch = Scratch::new(gathered);
    let mut x = few.x;
    if gathered > 0 {
        let scratch = scratch.as_mut_slice();
        x = Block { data: scratch.as_ptr(), row_stride: few.k, col_stride: 1 };
        for (i, row) in scratch.chunks_mut(few.k).enumerate() {
            for (p, element) in row.iter_mut().enumerate() {
                // SAFETY: the element exists.
                *element = unsafe { *few.x.at(i, p).data };
            }
        }
    }
    let mut j = cols.start;
    // SAFETY: the columns exist, and nobody else uses them.
    unsafe {
        while j + N <= cols.end {
            for (i, sums) in dot::<S, M, N, U>(x, few.w.at(0, j), few.k).iter().enumerate() {
                few.finish(i, j, sums);
            }
            j += N;
        }
        while N > 1 && j < cols.end {
            for (i, sums) in dot::<S, M, 1, U>(x, few.w.at(0, j), few.k).iter().enumerate() {
                few.finish(i, j, sums);
            }
            j += 1;
        }
    }
}

/// The products of `M` rows and `N` columns. Each is summed up in `U` vectors, whatever `M` and `N`.
#[inline(always)]
unsafe fn dot<S: Vector, const M: usize, const N: usize, const U: usize>(
    x: Block,
    w: Block,
    k: usize,
) -> [[f32; N]; M] {
    // SAFETY: the caller vouches for M rows and N columns of k contiguous elements.
    unsafe {
        let mut sums = [[[S::splat(0.0); U]; N]; M];
        let all = S::mask(S::WIDTH);
        let whole = k - k % (U * S::WIDTH);
        for p in (0..whole).step_by(U * S::WIDTH) {
            for u in 0..U {
                add_products::<S, M, N, U>(x, w, p + u * S::WIDTH, all, u, &mut sums);
            }
        }
        for (u, p) in (whole..k).step_by(S::WIDTH).enumerate() {
            add_products::<S, M, N, U>(x, w, p, S::mask((k - p).min(S::WIDTH)), u, &mut sums);
        }
        let mut totals = [[0.0; N]; M];
        for (totals, sums) in totals.iter_mut().zip(sums) {
            for (total, sums) in totals.iter_mut().zip(sums) {
                let mut sum = sums[0];
                for more in &sums[1..] {
                    sum = sum.add(*more);
                }
                *total = sum.sum();
            }
        }
        totals
    }
}

/// Adds the products of one vector of elements from `p` on to the sums number `u`.
#[inline(always)]
unsafe fn add_products<S: Vector, const M: usize, const N: usize, const U: usize>(
    x: Block,
    w: Block,
    p: usize,
    mask: S::Mask,
    u: usize,
    sums: &mut [[[S; U]; N]; M],
) {
    // SAFETY: the caller vouches for M rows and N columns, and for the elements under the mask.
    unsafe {
        let mut ys = [S::splat(0.0); N];
        for (j, y) in ys.iter_mut().enumerate() {
            *y = S::load_first(w.at(p, j).data, mask);
        }
        for (i, sums) in sums.iter_mut().enumerate() {
            let x = S::load_first(x.at(i, p).data, mask);
            for (sums, y) in sums.iter_mut().zip(ys) {
                sums[u] = x.mul_add(y, sums[u]);
            }
        }
    }
}

/// Rows of `w` are contiguous: they are added up, each times its element of `x`, four rows at a time.
#[inline(always)]
unsafe fn sweep<S: Vector, const M: usize>(few: &Few<'_>, cols: Range<usize>) {
    let mut scratch = Scratch::new(SPAN);
    let sums = scratch.as_mut_slice();
    let span = SPAN / M / S::WIDTH * S::WIDTH;
    for j in cols.clone().step_by(span) {
        let n = (cols.end - j).min(span);
        let stride = n.next_multiple_of(S::WIDTH);
        sums[..M * stride].fill(0.0);
        let whole = few.k - few.k % 4;
        // SAFETY: the rows and columns exist; nobody else uses these columns.
        unsafe {
            for p in (0..whole).step_by(4) {
                add_rows::<S, M, 4, 1>(few.x.at(0, p), few.w.at(p, j), n, stride, sums.as_mut_ptr());
            }
            for p in whole..few.k {
                add_rows::<S, M, 1, 1>(few.x.at(0, p), few.w.at(p, j), n, stride, sums.as_mut_ptr());
            }
            for (i, sums) in sums.chunks(stride).take(M).enumerate() {
                few.finish(i, j, &sums[..n]);
            }
        }
    }
}

/// Adds the products with `K` rows of `w` to `M` rows of sums, which are `stride` apart and as long as the whole vectors
/// that `n` columns take: `U` vectors at a time.
#[inline(always)]
unsafe fn add_rows<S: Vector, const M: usize, const K: usize, const U: usize>(
    x: Block,
    w: Block,
    n: usize,
    stride: usize,
    sums: *mut f32,
) {
    // SAFETY: the caller vouches for M rows of x, K of w, n columns, and the sums.
    unsafe {
        let mut xs = [[S::splat(0.0); K]; M];
        for (i, xs) in xs.iter_mut().enumerate() {
            for (p, value) in xs.iter_mut().enumerate() {
                *value = S::splat(*x.at(i, p).data);
            }
        }
        let all = S::mask(S::WIDTH);
        let whole = n - n % (U * S::WIDTH);
        for j in (0..whole).step_by(U * S::WIDTH) {
            let mut ws = [[S::splat(0.0); K]; U];
            for (u, ws) in ws.iter_mut().enumerate() {
                *ws = column::<S, K>(w, j + u * S::WIDTH, all);
            }
            for (u, ws) in ws.into_iter().enumerate() {
                add_column::<S, M, K>(xs, ws, sums.add(j + u * S::WIDTH), stride);
            }
        }
        for j in (whole..n).step_by(S::WIDTH) {
            let ws = column::<S, K>(w, j, S::mask((n - j).min(S::WIDTH)));
            add_column::<S, M, K>(xs, ws, sums.add(j), stride);
        }
    }
}

/// A vector of each of `K` rows of `w`, from column `j` on.
#[inline(always)]
unsafe fn column<S: Vector, const K: usize>(w: Block, j: usize, mask: S::Mask) -> [S; K] {
    // SAFETY: the caller vouches for the elements under the mask.
    unsafe {
        let mut ws = [S::splat(0.0); K];
        for (p, row) in ws.iter_mut().enumerate() {
            *row = S::load_first(w.at(p, j).data, mask);
        }
        ws
    }
}

/// Adds the products of a column of vectors to a vector of each row of sums.
#[inline(always)]
unsafe fn add_column<S: Vector, const M: usize, const K: usize>(
    xs: [[S; K]; M],
    ws: [S; K],
    sums: *mut f32,
    stride: usize,
) {
    for (i, xs) in xs.into_iter().enumerate() {
        // SAFETY: the caller vouches for M rows of sums.
        unsafe {
            let sum = sums.add(i * stride);
            let mut total = S::load(sum);
            for (x, row) in xs.into_iter().zip(ws) {
                total = x.mul_add(row, total);
            }
            total.store(sum);
        }
    }
}

/// The sums of some rows of a far `w`, over all columns.
pub(super) struct Rows<'a> {
    pub(super) few: &'a Few<'a>,
    /// Which of [`ROW_PARTS`] parts.
    pub(super) part: usize,
    /// [`Few::sums_len`] elements.
    pub(super) sums: &'a mut [f32],
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { few, part, sums } = self;
        let each = few.k.div_ceil(ROW_PARTS);
        let rows = (part * each).min(few.k)..((part + 1) * each).min(few.k);
        sums.fill(0.0);
        // SAFETY: the rows exist, and the sums are as many as `add_rows` is told.
        unsafe {
            match few.m {
                1 => sweep_rows::<I::F32, 1>(few, rows, sums),
                2 => sweep_rows::<I::F32, 2>(few, rows, sums),
                3 => sweep_rows::<I::F32, 3>(few, rows, sums),
                _ => sweep_rows::<I::F32, 4>(few, rows, sums),
            }
        }
    }
}

#[inline(always)]
unsafe fn sweep_rows<S: Vector, const M: usize>(few: &Few<'_>, rows: Range<usize>, sums: &mut [f32]) {
    let stride = few.row_of_sums();
    for p in rows {
        // SAFETY: the caller vouches for the rows, and for M rows of sums.
        unsafe { add_rows::<S, M, 1, 4>(few.x.at(0, p), few.w.at(p, 0), few.n, stride, sums.as_mut_ptr()) };
    }
}
