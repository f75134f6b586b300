//! Products of blocks with rows that are rounded to eight bits on the way: whole numbers multiply four times as many to an
//! instruction, and the weights are read as they lie in memory, a few bits each.

use super::Scheme;
use super::large::{LargeBlock, Q2K, Q3K, Q4K, Q5K, Q6K, large_sums};
use super::unpack::{GROUP, TABLE};
use crate::tensor::kernels::simd::{Bytes, Isa, Kernel, dispatch_to_avx2};

/// How many rows a product takes. More of them are faster multiplied as numbers.
pub(crate) const MOST_ROWS: usize = 8;

/// How many numbers of a row share a scale.
pub(super) const BLOCK: usize = 32;
/// How many bytes before they are multiplied blocks are asked for, at least.
const AHEAD: usize = 16384;
/// How many rows are multiplied by a block while it is in a register.
const TOGETHER: usize = 4;

/// Rows as whole numbers from −127 to 127, with a scale for each 32.
pub(crate) struct Rows {
    pub(super) len: usize,
    pub(super) q: Vec<i8>,
    pub(super) scale: Vec<f32>,
    /// For each [`GROUP`], the sum of its numbers, as rounded.
    pub(super) sum: Vec<[f32; 2]>,
}

impl Rows {
    /// Rounds rows of `len` numbers, a multiple of 32.
    pub(crate) fn new(x: &[f32], len: usize) -> Self {
        assert!(len.is_multiple_of(BLOCK) && x.len().is_multiple_of(len.max(1)), "rows of whole blocks");
        let blocks = x.len() / BLOCK;
        let mut rows = Self { len, q: vec![0; x.len()], scale: vec![0.0; blocks], sum: vec![[0.0; 2]; blocks] };
        dispatch_to_avx2(Rounding { x, rows: &mut rows });
        rows
    }

    fn count(&self) -> usize {
        self.q.len().checked_div(self.len).unwrap_or(0)
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
        let places = q.as_chunks_mut::<BLOCK>().0.iter_mut().zip(scale.iter_mut().zip(sum));
        for (x, (q, (scale, sum))) in self.x.as_chunks::<BLOCK>().0.iter().zip(places) {
            let (mut most, mut poison) = ([0.0_f32; 8], [0.0_f32; 8]);
            for x in x.as_chunks::<8>().0 {
                for j in 0..8 {
                    most[j] = if x[j].abs() > most[j] { x[j].abs() } else { most[j] };
                    // Not a number if one of them is none, which comparing does not see.
                    poison[j] += x[j] * 0.0;
                }
            }
            let most = most.iter().fold(0.0_f32, |a, b| if *b > a { *b } else { a });
            *scale = most / 127.0 + poison.iter().sum::<f32>();
            // Of the very smallest numbers, as of zeros, it is infinite: their products are nothing.
            let inverse = 127.0 / most;
            let inverse = if inverse < f32::INFINITY { inverse } else { 0.0 };
            let mut totals = [0; 2];
            for (j, (q, x)) in q.iter_mut().zip(x).enumerate() {
                let whole = (x * inverse).round_ties_even() as i32;
                *q = whole as i8;
                totals[j / GROUP] += whole;
            }
            *sum = [*scale * totals[0] as f32, *scale * totals[1] as f32];
        }
    }
}

/// `out[i][j]`: row `i` of the blocks times row `j` of `x`. There are at most [`MOST_ROWS`] of the latter.
pub(crate) fn products(scheme: Scheme, blocks: &[u8], x: &Rows, out: &mut [f32]) {
    let (count, row_bytes) = (x.count(), scheme.row_bytes(x.len));
    assert!(scheme != Scheme::Int8, "its products are those of `whole`");
    assert!(
        x.len.is_multiple_of(scheme.block_len()) && (1..=MOST_ROWS).contains(&count) && row_bytes > 0,
        "rows of whole blocks, not too many"
    );
    assert_eq!(out.len() * row_bytes, blocks.len() * count, "the blocks and their products");
    dispatch_to_avx2(Products { scheme, blocks, row_bytes, x, count, out });
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
        match self.scheme {
            Scheme::Q4_0 => self.small::<I, Q4_0>(),
            Scheme::Q4_1 => self.small::<I, Q4_1>(),
            Scheme::Q5_0 => self.small::<I, Q5_0>(),
            Scheme::Q5_1 => self.small::<I, Q5_1>(),
            Scheme::Q8_0 => self.small::<I, Q8_0>(),
            Scheme::Iq4Nl => self.small::<I, Iq4Nl>(),
            Scheme::Q2K => self.large::<I, Q2K>(),
            Scheme::Q3K => self.large::<I, Q3K>(),
            Scheme::Q4K => self.large::<I, Q4K>(),
            Scheme::Q5K => self.large::<I, Q5K>(),
            Scheme::Q6K => self.large::<I, Q6K>(),
            // Its products are those of `whole`.
            Scheme::Int8 => (),
        }
    }
}

impl Products<'_> {
    /// Some rows of blocks at once: their sums do not wait for each other, and their scales are converted together.
    #[inline(always)]
    fn small<I: Isa, B: Block>(self) {
        let Self { blocks, row_bytes, x, count, out, .. } = self;
        let (mut row, rows) = (0, out.len() / count);
        while row < rows {
            let (blocks, out) = (&blocks[row * row_bytes..], &mut out[row * count..]);
            let taken = match rows - row {
                4.. if count < TOGETHER => 4,
                2.. if count >= TOGETHER => 2,
                _ => 1,
            };
            let mut first = 0;
            if taken == 2 {
                while first + TOGETHER <= count {
                    block_sums::<I, B, 2, TOGETHER>(blocks, row_bytes, x, first, count, out);
                    first += TOGETHER;
                }
            }
            for first in first..count {
                match taken {
                    4 => block_sums::<I, B, 4, 1>(blocks, row_bytes, x, first, count, out),
                    2 => block_sums::<I, B, 2, 1>(blocks, row_bytes, x, first, count, out),
                    _ => block_sums::<I, B, 1, 1>(blocks, row_bytes, x, first, count, out),
                }
            }
            row += taken;
        }
    }

    /// Row by row: a block has sums enough of its own.
    #[inline(always)]
    fn large<I: Isa, B: LargeBlock>(self) {
        let Self { blocks, row_bytes, x, count, out, .. } = self;
        for (row, out) in blocks.chunks_exact(row_bytes).zip(out.chunks_exact_mut(count)) {
            let mut first = 0;
            while first + TOGETHER <= count {
                let sums = large_sums::<I, B, TOGETHER>(row, x, first);
                out[first..first + TOGETHER].copy_from_slice(&sums);
                first += TOGETHER;
            }
            while first < count {
                [out[first]] = large_sums::<I, B, 1>(row, x, first);
                first += 1;
            }
        }
    }
}

/// Blocks of 32 numbers with scales of 16 bits.
///
/// # Safety
/// Whoever calls a function has the instruction set, and the pointers are those of whole blocks.
trait Block {
    const BYTES: usize;
    /// What is added to each number, as a multiple of the scale; it stands behind the scale if there is no such number.
    const OFFSET: Option<f32>;

    /// The numbers: with a sign if nothing is added to them.
    unsafe fn numbers<B: Bytes>(block: *const u8) -> B;

    /// The scales of some blocks, and what is added to each number.
    #[inline(always)]
    unsafe fn scales<B: Bytes, const R: usize>(blocks: [*const u8; R]) -> [[f32; R]; 2] {
        // SAFETY: as the caller vouches for.
        unsafe {
            match Self::OFFSET {
                Some(offset) => {
                    let scales = B::half(blocks);
                    [scales, scales.map(|scale| offset * scale)]
                }
                None => B::halves(blocks),
            }
        }
    }
}

macro_rules! blocks {
    ($($name:ident: $bytes:literal, $offset:expr, $block:ident => $read:expr;)*) => {$(
        #[allow(non_camel_case_types)]
        struct $name;

        impl Block for $name {
            const BYTES: usize = $bytes;
            const OFFSET: Option<f32> = $offset;

            #[inline(always)]
            unsafe fn numbers<B: Bytes>($block: *const u8) -> B {
                // SAFETY: as the caller vouches for; what is read lies within the block.
                unsafe { $read }
            }
        }
    )*};
}

blocks! {
    Q4_0: 18, Some(-8.0), block => B::nibbles(block.add(2));
    Q4_1: 20, None, block => B::nibbles(block.add(4));
    Q5_0: 22, Some(-16.0), block => B::nibbles(block.add(6)).with_fifth(block.add(2));
    Q5_1: 24, None, block => B::nibbles(block.add(8)).with_fifth(block.add(4));
    Q8_0: 34, Some(0.0), block => B::load(block.add(2));
    Iq4Nl: 18, Some(0.0), block => B::nibbles(block.add(2)).entries(&TABLE);
}

/// `R` rows of blocks times `N` rows of `x`, of which `first` is the first; `out` has a row of `count` for each row of blocks.
#[inline(always)]
fn block_sums<I: Isa, B: Block, const R: usize, const N: usize>(
    rows: &[u8],
    row_bytes: usize,
    x: &Rows,
    first: usize,
    count: usize,
    out: &mut [f32],
) {
    let (blocks, signed) = (x.len / BLOCK, B::OFFSET == Some(0.0));
    // The same place in rows that are multiplied later.
    let ahead = R * row_bytes * AHEAD.div_ceil((R * row_bytes).max(1));
    assert!(row_bytes == blocks * B::BYTES && rows.len() >= R * row_bytes, "whole rows of blocks");
    assert!(x.q.len() >= (first + N) * x.len, "rows of `x`");
    // SAFETY: whoever runs this has the set.
    let (mut sums, mut added) = ([[unsafe { I::Bytes::zero() }; N]; R], [[0.0; N]; R]);
    for i in 0..blocks {
        let mut at = [rows.as_ptr(); R];
        for (r, at) in at.iter_mut().enumerate() {
            *at = at.wrapping_add(r * row_bytes + i * B::BYTES);
        }
        // SAFETY: whoever runs this has the set. Of blocks there are `R` rows of `row_bytes`, and of `x` those up to `first + N`.
        unsafe {
            let [scale, offset] = B::scales::<I::Bytes, R>(at);
            for r in 0..R {
                // Several rows at once are more than the processor follows by itself.
                I::Bytes::prefetch(at[r].wrapping_add(ahead));
                let own = B::numbers::<I::Bytes>(at[r]);
                for j in 0..N {
                    let of = (first + j) * blocks + i;
                    let q = x.q.as_ptr().add(of * BLOCK);
                    let products = if signed { own.dot_signed(q) } else { own.dot_unsigned(q) };
                    sums[r][j] = I::Bytes::add_scaled(sums[r][j], products, scale[r] * x.scale.get_unchecked(of));
                    if !signed {
                        let [low, high] = x.sum.get_unchecked(of);
                        added[r][j] += offset[r] * (low + high);
                    }
                }
            }
        }
    }
    for r in 0..R {
        for j in 0..N {
            // SAFETY: as above.
            out[r * count + first + j] = unsafe { I::Bytes::total(sums[r][j]) } + added[r][j];
        }
    }
}
