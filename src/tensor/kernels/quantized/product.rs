//! Products of blocks with rows that are rounded to eight bits on the way: whole numbers multiply four times as many to an
//! instruction, and the weights are read as they lie in memory, a few bits each.

use super::unpack::{CHUNK, GROUP, GROUPS, Unpacked, unpack};
use super::{Scheme, chunk_bytes};
use crate::tensor::kernels::simd::{Isa, Kernel, Vector, dispatch, dispatch_to_avx2};

/// How many rows a product takes. More of them are faster multiplied as numbers.
pub(crate) const MOST_ROWS: usize = 8;

/// How many numbers of a row share a scale.
const BLOCK: usize = 32;
/// What a register may read behind the last number.
const MARGIN: usize = 64;

/// Rows as whole numbers from −127 to 127, with a scale for each 32.
pub(crate) struct Rows {
    len: usize,
    q: Vec<i8>,
    /// For each [`GROUP`], the scale.
    scale: Vec<f32>,
    /// For each [`GROUP`], the sum of its numbers, as rounded.
    sum: Vec<f32>,
}

impl Rows {
    /// Rounds rows of `len` numbers, a multiple of 32.
    pub(crate) fn new(x: &[f32], len: usize) -> Self {
        assert!(len.is_multiple_of(BLOCK) && x.len().is_multiple_of(len.max(1)), "rows of whole blocks");
        let groups = x.len() / GROUP;
        let mut rows = Self { len, q: vec![0; x.len() + MARGIN], scale: vec![0.0; groups], sum: vec![0.0; groups] };
        dispatch_to_avx2(Rounding { x, rows: &mut rows });
        rows
    }

    fn count(&self) -> usize {
        (self.scale.len() * GROUP).checked_div(self.len).unwrap_or(0)
    }
}

struct Rounding<'a> {
    x: &'a [f32],
    rows: &'a mut Rows,
}

impl Kernel for Rounding<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Rows { q, scale, sum, .. } = self.rows;
        let places =
            q.as_chunks_mut::<BLOCK>().0.iter_mut().zip(scale.as_chunks_mut::<2>().0).zip(sum.as_chunks_mut::<2>().0);
        for (x, ((q, scales), sums)) in self.x.as_chunks::<BLOCK>().0.iter().zip(places) {
            let (mut most, mut poison) = ([0.0_f32; 8], [0.0_f32; 8]);
            for x in x.as_chunks::<8>().0 {
                for j in 0..8 {
                    most[j] = if x[j].abs() > most[j] { x[j].abs() } else { most[j] };
                    // Not a number if one of them is none, which comparing does not see.
                    poison[j] += x[j] * 0.0;
                }
            }
            let most = most.iter().fold(0.0_f32, |a, b| if *b > a { *b } else { a });
            let poison: f32 = poison.iter().sum();
            let scale = most / 127.0 + poison;
            let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
            for j in 0..BLOCK {
                q[j] = (x[j] * inverse).round_ties_even() as i32 as i8;
            }
            for (half, (scales, sums)) in q.as_chunks::<GROUP>().0.iter().zip(scales.iter_mut().zip(sums)) {
                let total: i32 = half.iter().map(|q| i32::from(*q)).sum();
                (*scales, *sums) = (scale, scale * total as f32);
            }
        }
    }
}

/// `out[i][j]`: row `i` of the blocks times row `j` of `x`. There are at most [`MOST_ROWS`] of the latter.
pub(crate) fn products(scheme: Scheme, blocks: &[u8], x: &Rows, out: &mut [f32]) {
    let (count, row_bytes) = (x.count(), x.len / scheme.block_len() * scheme.block_bytes());
    assert!(
        x.len.is_multiple_of(scheme.block_len()) && (1..=MOST_ROWS).contains(&count) && row_bytes > 0,
        "rows of whole blocks, not too many"
    );
    assert_eq!(out.len() * row_bytes, blocks.len() * count, "the blocks and their products");
    dispatch(Products { scheme, blocks, row_bytes, x, count, out });
}

struct Products<'a> {
    scheme: Scheme,
    blocks: &'a [u8],
    row_bytes: usize,
    x: &'a Rows,
    count: usize,
    out: &'a mut [f32],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { scheme, blocks, row_bytes, x, count, out } = self;
        let (mut unpacked, bytes) = (Unpacked::new(), chunk_bytes(scheme));
        for (row, out) in blocks.chunks_exact(row_bytes).zip(out.chunks_exact_mut(count)) {
            // SAFETY: whoever runs this has the set.
            let mut sums = [unsafe { I::F32::splat(0.0) }; MOST_ROWS];
            for (c, blocks) in row.chunks(bytes).enumerate() {
                unpack(scheme, blocks, &mut unpacked);
                for (j, sum) in sums.iter_mut().enumerate().take(count) {
                    *sum =
                        add_chunk::<I>(scheme, &unpacked, x, j * x.len + c * CHUNK, CHUNK.min(x.len - c * CHUNK), *sum);
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                // SAFETY: as above.
                *out = unsafe { sum.sum() };
            }
        }
    }
}

/// Adds to `sum` the product of a chunk with the `len` numbers of the rows from `at` on.
#[inline(always)]
fn add_chunk<I: Isa>(scheme: Scheme, chunk: &Unpacked, x: &Rows, at: usize, len: usize, mut sum: I::F32) -> I::F32 {
    let (groups, width) = (at / GROUP..(at + len) / GROUP, I::F32::WIDTH);
    // Behind the last group it is 0, so it does not matter what stands there.
    let mut scale = [0.0; GROUPS];
    for ((out, a), b) in scale.iter_mut().zip(&chunk.scale).zip(&x.scale[groups.clone()]) {
        *out = a * b;
    }
    // All that is read of them: `len` is a multiple of 32, and the width that of at most 64 bytes.
    let (q, own) = (&x.q[at..at + len.next_multiple_of(MARGIN)], &chunk.q);
    let mut i = 0;
    while i < len {
        // SAFETY: whoever runs this has the set. `i` is a multiple of what a register holds, which divides 64, so it reads within
        // `q` and, as that is at most as long, within `own`; of the scales it reads those of as many numbers, and they are as many.
        unsafe {
            let product = I::F32::dot(own.as_ptr().add(i), q.as_ptr().add(i));
            sum = product.mul_add(I::F32::spread(scale.as_ptr().add(i / GROUP)), sum);
        }
        i += 4 * width;
    }
    if scheme.has_offset() {
        let mut added = [0.0; GROUPS];
        for ((out, a), b) in added.iter_mut().zip(&chunk.offset).zip(&x.sum[groups]) {
            *out = a * b;
        }
        let mut i = 0;
        while i < GROUPS {
            // SAFETY: whoever runs this has the set; there are 16 numbers, which the width divides.
            sum = unsafe { sum.add(I::F32::load(added.as_ptr().add(i))) };
            i += width;
        }
    }
    sum
}
