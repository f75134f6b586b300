//! Products of blocks with rows that are rounded to eight bits on the way: whole numbers multiply four times as many to an
//! instruction, and the weights are read as they lie in memory, a few bits each.

use super::unpack::{CHUNK, GROUP, TABLE, Unpacked, unpack};
use super::{Scheme, chunk_bytes};
use crate::tensor::kernels::simd::{Bytes, Isa, Kernel, dispatch_to_avx2};

/// How many rows a product takes. More of them are faster multiplied as numbers.
pub(crate) const MOST_ROWS: usize = 8;

/// How many numbers of a row share a scale.
const BLOCK: usize = 32;
/// How many rows are multiplied by a block while it is in a register.
const TOGETHER: usize = 4;

/// Rows as whole numbers from −127 to 127, with a scale for each 32.
pub(crate) struct Rows {
    len: usize,
    q: Vec<i8>,
    scale: Vec<f32>,
    /// For each [`GROUP`], the sum of its numbers, as rounded.
    sum: Vec<[f32; 2]>,
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
            let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
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
        let Self { scheme, blocks, row_bytes, x, count, out } = self;
        for (row, out) in blocks.chunks_exact(row_bytes).zip(out.chunks_exact_mut(count)) {
            let mut first = 0;
            while first + TOGETHER <= count {
                let sums = row_sums::<I, TOGETHER>(scheme, row, x, first);
                out[first..first + TOGETHER].copy_from_slice(&sums);
                first += TOGETHER;
            }
            while first < count {
                [out[first]] = row_sums::<I, 1>(scheme, row, x, first);
                first += 1;
            }
        }
    }
}

/// A row of blocks times the rows `first ..` of `x`.
#[inline(always)]
fn row_sums<I: Isa, const N: usize>(scheme: Scheme, row: &[u8], x: &Rows, first: usize) -> [f32; N] {
    match scheme {
        Scheme::Q4_0 => small::<I, N, 18, false>(row, x, first, q4_0),
        Scheme::Q4_1 => small::<I, N, 20, false>(row, x, first, q4_1),
        Scheme::Q5_0 => small::<I, N, 22, false>(row, x, first, q5_0),
        Scheme::Q5_1 => small::<I, N, 24, false>(row, x, first, q5_1),
        Scheme::Q8_0 => small::<I, N, 34, true>(row, x, first, q8_0),
        Scheme::Iq4Nl => small::<I, N, 18, true>(row, x, first, iq4_nl),
        _ => large::<I, N>(scheme, row, x, first),
    }
}

/// Blocks of 32 numbers, by what finds the bytes of one, with a sign or without, the scale, and for the latter what is added to each
/// number. Functions, for closures would be compiled apart, without the instruction set.
macro_rules! blocks {
    ($($name:ident($block:ident: $bytes:literal) $read:expr;)*) => {$(
        #[inline(always)]
        fn $name<B: Bytes>($block: &[u8; $bytes]) -> (B, f32, f32) {
            // SAFETY: whoever multiplies has the set, and what is read lies within the block.
            unsafe { $read }
        }
    )*};
}

blocks! {
    q4_0(block: 18) {
        let scale = B::half(block.as_ptr());
        (B::nibbles(block.as_ptr().add(2)), scale, -8.0 * scale)
    };
    q4_1(block: 20) {
        let [scale, least] = B::halves(block.as_ptr());
        (B::nibbles(block.as_ptr().add(4)), scale, least)
    };
    q5_0(block: 22) {
        let scale = B::half(block.as_ptr());
        let fifth = u32::from_le_bytes([block[2], block[3], block[4], block[5]]);
        (B::nibbles(block.as_ptr().add(6)).with_fifth(fifth), scale, -16.0 * scale)
    };
    q5_1(block: 24) {
        let [scale, least] = B::halves(block.as_ptr());
        let fifth = u32::from_le_bytes([block[4], block[5], block[6], block[7]]);
        (B::nibbles(block.as_ptr().add(8)).with_fifth(fifth), scale, least)
    };
    q8_0(block: 34) {
        let scale = B::half(block.as_ptr());
        (B::load(block.as_ptr().add(2)), scale, 0.0)
    };
    iq4_nl(block: 18) {
        let scale = B::half(block.as_ptr());
        (B::nibbles(block.as_ptr().add(2)).entries(&TABLE), scale, 0.0)
    };
}

/// Blocks of 32 numbers, which `read` reads.
#[inline(always)]
fn small<I: Isa, const N: usize, const BYTES: usize, const SIGNED: bool>(
    row: &[u8],
    x: &Rows,
    first: usize,
    read: impl Fn(&[u8; BYTES]) -> (I::Bytes, f32, f32),
) -> [f32; N] {
    let blocks = x.len / BLOCK;
    // SAFETY: whoever runs this has the set.
    let (mut sums, mut added) = ([unsafe { I::Bytes::zero() }; N], [0.0; N]);
    for (i, block) in row.as_chunks::<BYTES>().0.iter().enumerate() {
        let (own, scale, offset) = read(block);
        for j in 0..N {
            let at = (first + j) * blocks + i;
            let (q, by) = (&x.q[at * BLOCK..(at + 1) * BLOCK], scale * x.scale[at]);
            // SAFETY: whoever runs this has the set, and of `q` there are 32 bytes.
            unsafe {
                let products = if SIGNED { own.dot_signed(q.as_ptr()) } else { own.dot_unsigned(q.as_ptr()) };
                sums[j] = I::Bytes::add_scaled(sums[j], products, by);
            }
            if !SIGNED {
                added[j] += offset * (x.sum[at][0] + x.sum[at][1]);
            }
        }
    }
    // SAFETY: as above.
    std::array::from_fn(|j| unsafe { I::Bytes::total(sums[j]) } + added[j])
}

/// Blocks of 256 numbers, unpacked before they are multiplied.
#[inline(always)]
fn large<I: Isa, const N: usize>(scheme: Scheme, row: &[u8], x: &Rows, first: usize) -> [f32; N] {
    let (blocks, mut unpacked) = (x.len / BLOCK, Unpacked::new());
    // SAFETY: whoever runs this has the set.
    let (mut sums, mut added) = ([unsafe { I::Bytes::zero() }; N], [0.0; N]);
    for (c, chunk) in row.chunks(chunk_bytes(scheme)).enumerate() {
        unpack(scheme, chunk, &mut unpacked);
        let Unpacked { q: own, scale, offset } = &unpacked;
        for (i, own) in own.as_chunks::<BLOCK>().0.iter().enumerate() {
            let (scale, offset) = (&scale[2 * i..2 * i + 2], &offset[2 * i..2 * i + 2]);
            for j in 0..N {
                let at = (first + j) * blocks + c * (CHUNK / BLOCK) + i;
                let (q, by) = (&x.q[at * BLOCK..(at + 1) * BLOCK], x.scale[at]);
                // SAFETY: whoever runs this has the set, and both have 32 bytes.
                unsafe {
                    let products = I::Bytes::load(own.as_ptr().cast()).dot_signed(q.as_ptr());
                    sums[j] = I::Bytes::add_scaled_by_two(sums[j], products, [scale[0] * by, scale[1] * by]);
                }
                if scheme.has_offset() {
                    added[j] += offset[0] * x.sum[at][0] + offset[1] * x.sum[at][1];
                }
            }
        }
    }
    // SAFETY: as above.
    std::array::from_fn(|j| unsafe { I::Bytes::total(sums[j]) } + added[j])
}
