//! Products of blocks of 256 numbers, whose parts have scales of a few bits: these too are multiplied as whole numbers.

use super::product::{BLOCK, Rows};
use super::unpack::{CHUNK, GROUPS, half};
use crate::tensor::kernels::simd::{Bytes, Isa};

/// How many parts of 32 a block has.
const PARTS: usize = CHUNK / BLOCK;

/// What a block's numbers are multiplied by, and what is added to them: those of a group of sixteen are
/// `scale · factors[g] · q + offset · addends[g]`.
pub(super) struct Scales {
    scale: f32,
    factors: [i8; GROUPS],
    offset: f32,
    addends: [i8; GROUPS],
}

/// Blocks of 256 numbers.
pub(super) trait LargeBlock {
    const BYTES: usize;

    fn scales(block: &[u8]) -> Scales;

    /// The numbers of a part of 32, without a sign, at most 63.
    ///
    /// # Safety
    /// Whoever calls it has the instruction set, and the pointer is that of a whole block.
    unsafe fn numbers<B: Bytes>(block: *const u8, part: usize) -> B;
}

macro_rules! large_blocks {
    ($($name:ident: $bytes:literal, $scales:expr, |$block:ident, $part:ident| $read:expr;)*) => {$(
        pub(super) struct $name;

        impl LargeBlock for $name {
            const BYTES: usize = $bytes;

            #[inline(always)]
            fn scales(block: &[u8]) -> Scales {
                $scales(block)
            }

            #[inline(always)]
            unsafe fn numbers<B: Bytes>($block: *const u8, $part: usize) -> B {
                // SAFETY: as the caller vouches for; what is read lies within the block.
                unsafe { $read }
            }
        }
    )*};
}

large_blocks! {
    Q2K: 84, q2_k, |block, part| B::load(block.add(16 + part / 4 * 32)).bits(2 * (part % 4) as i32, 3);
    Q3K: 110, q3_k, |block, part| {
        let high = B::load(block).bits(part as i32, 1);
        B::load(block.add(32 + part / 4 * 32)).bits(2 * (part % 4) as i32, 3).with_high(high, 2)
    };
    Q4K: 144, sixes, |block, part| B::load(block.add(16 + part / 2 * 32)).bits(4 * (part % 2) as i32, 15);
    Q5K: 176, sixes, |block, part| {
        let high = B::load(block.add(16)).bits(part as i32, 1);
        B::load(block.add(48 + part / 2 * 32)).bits(4 * (part % 2) as i32, 15).with_high(high, 4)
    };
    Q6K: 210, q6_k, |block, part| {
        let (half, quarter) = (part / 4, part % 4);
        let high = B::load(block.add(128 + half * 32)).bits(2 * quarter as i32, 3);
        B::load(block.add(half * 64 + quarter % 2 * 32)).bits(4 * (quarter / 2) as i32, 15).with_high(high, 4)
    };
}

#[inline(always)]
fn half_at(block: &[u8], at: usize) -> f32 {
    half([block[at], block[at + 1]])
}

#[inline(always)]
fn q2_k(block: &[u8]) -> Scales {
    let (mut factors, mut addends) = ([0; GROUPS], [0; GROUPS]);
    for g in 0..GROUPS {
        (factors[g], addends[g]) = ((block[g] & 15) as i8, (block[g] >> 4) as i8);
    }
    Scales { scale: half_at(block, 80), factors, offset: -half_at(block, 82), addends }
}

#[inline(always)]
fn q3_k(block: &[u8]) -> Scales {
    let (packed, scale, mut factors) = (&block[96..108], half_at(block, 108), [0; GROUPS]);
    for (g, factor) in factors.iter_mut().enumerate() {
        // Four bits of the first eight bytes, two of the last four.
        let low = packed[g % 8] >> (4 * (g / 8)) & 15;
        let up = packed[8 + g % 4] >> (2 * (g / 4)) & 3;
        *factor = (low | up << 4) as i8 - 32;
    }
    Scales { scale, factors, offset: -4.0 * scale, addends: factors }
}

/// Scales and offsets of eight parts of 32, of six bits each, all taken apart at once.
#[inline(always)]
fn sixes(block: &[u8]) -> Scales {
    let [first, second, third] =
        [4, 8, 12].map(|at| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]));
    let (low, four, two) = (0x3f3f_3f3f, 0x0f0f_0f0f, 0x3030_3030);
    let factors = twice([first & low, third & four | first >> 2 & two]);
    let addends = twice([second & low, third >> 4 & four | second >> 2 & two]);
    Scales { scale: half_at(block, 0), factors, offset: -half_at(block, 2), addends }
}

/// Each byte for both groups of its part.
#[inline(always)]
fn twice([low, high]: [u32; 2]) -> [i8; GROUPS] {
    let (bytes, mut groups) = ((u64::from(high) << 32 | u64::from(low)).to_le_bytes(), [0; GROUPS]);
    for (pair, byte) in groups.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [byte as i8; 2];
    }
    groups
}

#[inline(always)]
fn q6_k(block: &[u8]) -> Scales {
    let (scale, mut factors) = (half_at(block, 208), [0; GROUPS]);
    for (factor, byte) in factors.iter_mut().zip(&block[192..208]) {
        *factor = *byte as i8;
    }
    Scales { scale, factors, offset: -32.0 * scale, addends: factors }
}

/// A row of blocks times the rows `first ..` of `x`.
#[inline(always)]
pub(super) fn large_sums<I: Isa, B: LargeBlock, const N: usize>(row: &[u8], x: &Rows, first: usize) -> [f32; N] {
    let blocks = x.len / CHUNK;
    assert!(row.len() == blocks * B::BYTES && x.q.len() >= (first + N) * x.len, "whole blocks, and their rows");
    // SAFETY: whoever runs this has the set.
    let (mut sums, mut added) = ([[unsafe { I::Bytes::zero() }; 2]; N], [[0.0; GROUPS]; N]);
    for (i, block) in row.chunks_exact(B::BYTES).enumerate() {
        let Scales { scale, factors, offset, addends } = B::scales(block);
        for part in 0..PARTS {
            // SAFETY: whoever runs this has the set. Of `x` there are the blocks up to `first + N`, and sixteen factors.
            unsafe {
                let own = B::numbers::<I::Bytes>(block.as_ptr(), part);
                for (j, sums) in sums.iter_mut().enumerate() {
                    let at = ((first + j) * blocks + i) * PARTS + part;
                    let products = own.dot_by_halves(x.q.as_ptr().add(at * BLOCK), &factors, part);
                    let sum = &mut sums[part % 2];
                    *sum = I::Bytes::add_scaled(*sum, products, scale * x.scale.get_unchecked(at));
                }
            }
        }
        for (j, added) in added.iter_mut().enumerate() {
            let at = ((first + j) * blocks + i) * PARTS;
            for (added, (sum, addend)) in added.iter_mut().zip(x.sum[at..at + PARTS].as_flattened().iter().zip(addends))
            {
                *added += offset * f32::from(addend) * sum;
            }
        }
    }
    let mut totals = [0.0; N];
    for j in 0..N {
        // SAFETY: as above.
        let [even, odd] = sums[j].map(|sums| unsafe { I::Bytes::total(sums) });
        totals[j] = even + odd + added[j].iter().sum::<f32>();
    }
    totals
}
