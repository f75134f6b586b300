//! Products of many rows of bytes: sixteen rows of weights at a time lie side by side, so that one instruction multiplies four numbers of
//! each with the same four of an input, and nothing has to be added up across a register.

use std::ops::Range;

use super::scheme::INT8_HEAD;
use super::whole::Set;
use crate::parallel;
use crate::tensor::kernels::GRAIN;

/// Rows of weights that lie side by side.
pub(crate) const LANES: usize = 16;
/// How many numbers a row may have for its products to fit into 32 bits: `2¹⁶ · 255 · 127` is below `2³¹`.
pub(crate) const LONGEST: usize = 1 << 16;
/// Numbers of a row that are multiplied at once.
const WORD: usize = 4;

/// Rows of weights with one scale each, as they are multiplied.
pub(crate) struct Panels {
    set: Set,
    /// Panel by panel and word by word, those of all lanes. Beyond the last row and the end of the rows there are zeros.
    words: Vec<u8>,
    scales: Vec<f32>,
    /// How many numbers a row has.
    len: usize,
}

impl Set {
    /// What makes of the bytes of weights what is multiplied: VNNI takes one side without a sign, which is 128 more here.
    fn flips(self) -> u8 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Vnni => 1 << 7,
            _ => 0,
        }
    }
}

impl Panels {
    /// Rows of `len` bytes, each behind its scale.
    pub(crate) fn new(own: &[u8], len: usize) -> Self {
        let set = Set::of_now();
        let rows: Vec<(&[u8], &[u8])> = own.chunks_exact(len + INT8_HEAD).map(|row| row.split_at(INT8_HEAD)).collect();
        let scale = |head: &[u8]| head.try_into().map_or(f32::NAN, f32::from_le_bytes);
        let panel = panel_bytes(len);
        let mut words = vec![set.flips(); rows.len().div_ceil(LANES) * panel];
        parallel::for_blocks(&mut words, (GRAIN / panel.max(1)).max(1) * panel, |start, words| {
            let rows = &rows[start / panel * LANES..];
            for (panel, rows) in words.chunks_exact_mut(panel).zip(rows.chunks(LANES)) {
                for (lane, (_, row)) in rows.iter().enumerate() {
                    put(row, set.flips(), lane, panel);
                }
            }
        });
        Self { set, words, scales: rows.iter().map(|(head, _)| scale(head)).collect(), len }
    }

    /// How many panels there are.
    pub(crate) fn count(&self) -> usize {
        self.scales.len().div_ceil(LANES)
    }

    /// The rows of some panels times all rows of `given`, none of whose numbers is −128: `out[j * strides[0] + i * strides[1]]` is the product of
    /// row `j` of `given`, which has the scale `scales[j]`, and row `i` of these panels.
    pub(crate) fn products(
        &self,
        panels: Range<usize>,
        given: &[i8],
        scales: &[f32],
        out: &mut [f32],
        strides: [usize; 2],
    ) {
        assert_eq!(given.len(), scales.len() * self.len, "rows with a scale each");
        assert!(self.len <= LONGEST && panels.end <= self.count(), "panels {panels:?} of rows of {}", self.len);
        let own = panels.start * LANES..self.scales.len().min(panels.end * LANES);
        let all = Products { panels: self, own, given, scales, out, strides };
        // SAFETY: the processor has what was found when the panels were made.
        unsafe {
            match self.set {
                Set::Portable => all.run::<[[i8; WORD]; LANES], 4>(),
                #[cfg(target_arch = "x86_64")]
                Set::Avx2 => x86::with_avx2(all),
                #[cfg(target_arch = "x86_64")]
                Set::Vnni => x86::with_vnni(all),
            }
        }
    }
}

/// The bytes of a panel of rows of this length.
fn panel_bytes(len: usize) -> usize {
    len.div_ceil(WORD) * LANES * WORD
}

/// Puts a row into a lane of a panel.
fn put(row: &[u8], flips: u8, lane: usize, panel: &mut [u8]) {
    let (whole, rest) = row.as_chunks::<WORD>();
    let (words, _) = panel.as_chunks_mut::<WORD>();
    for (to, from) in words[lane..].iter_mut().step_by(LANES).zip(whole) {
        *to = from.map(|x| x ^ flips);
    }
    let last = &mut panel[whole.len() * LANES * WORD..];
    if !rest.is_empty() {
        last[lane * WORD..].iter_mut().zip(rest).for_each(|(to, from)| *to = from ^ flips);
    }
}

struct Products<'a> {
    panels: &'a Panels,
    own: Range<usize>,
    given: &'a [i8],
    scales: &'a [f32],
    out: &'a mut [f32],
    strides: [usize; 2],
}

impl Products<'_> {
    /// `R` rows at a time.
    ///
    /// # Safety
    /// The processor must have what `D` is.
    #[inline(always)]
    unsafe fn run<D: Lanes, const R: usize>(self) {
        let Self { panels: &Panels { set, ref words, scales: ref own_scales, len }, own, given, scales, out, strides } =
            self;
        let behind = own.start;
        let row = |j: usize| &given[j * len..(j + 1) * len];
        // What the 128 that the weights have too much have added.
        let surplus = |j: usize| -i32::from(set.flips()) * row(j).iter().map(|x| i32::from(*x)).sum::<i32>();
        let surplus: Vec<i32> = (0..scales.len()).map(surplus).collect();
        for first in own.clone().step_by(LANES) {
            let panel = &words[first / LANES * panel_bytes(len)..][..panel_bytes(len)];
            let own_scales = &own_scales[first..own.end.min(first + LANES)];
            for j in (0..scales.len()).step_by(R) {
                // The last rows come several times.
                let at = |r: usize| (j + r).min(scales.len() - 1);
                let mut rows: [&[i8]; R] = [&[]; R];
                let mut starts = [0; R];
                for r in 0..R {
                    (rows[r], starts[r]) = (row(at(r)), surplus[at(r)]);
                }
                let mut totals = [[0; LANES]; R];
                // SAFETY: the caller vouches for the set; the panel has `len` numbers of each lane, as the rows have.
                unsafe { tile::<D, R>(panel, rows, starts, &mut totals) }
                for (totals, j) in totals.iter().zip(j..scales.len()) {
                    let products = totals.iter().zip(own_scales).map(|(total, own)| *total as f32 * (scales[j] * own));
                    let out = &mut out[j * strides[0] + (first - behind) * strides[1]..];
                    // Side by side they are written at once.
                    match strides[1] {
                        1 => out.iter_mut().zip(products).for_each(|(out, product)| *out = product),
                        stride => {
                            out.iter_mut().step_by(stride).zip(products).for_each(|(out, product)| *out = product)
                        }
                    }
                }
            }
        }
    }
}

/// The products of a panel and `R` rows.
///
/// # Safety
/// The processor must have what `D` is; all rows have as many numbers as a lane of the panel has, but for what a last word has more.
#[inline(always)]
unsafe fn tile<D: Lanes, const R: usize>(
    panel: &[u8],
    rows: [&[i8]; R],
    starts: [i32; R],
    totals: &mut [[i32; LANES]; R],
) {
    let (len, from) = (rows[0].len(), panel.as_ptr());
    // SAFETY: the caller vouches for the set, for `len / WORD` words of each row, and for as many of the panel, or one more if there is a rest.
    unsafe {
        let mut sums = [D::zero(); R];
        for word in 0..len / WORD {
            let own = D::load(from.add(word * LANES * WORD));
            for r in 0..R {
                sums[r] = D::add(sums[r], own, rows[r].as_ptr().add(word * WORD).cast::<[i8; WORD]>().read());
            }
        }
        if !len.is_multiple_of(WORD) {
            let own = D::load(from.add(len / WORD * LANES * WORD));
            for r in 0..R {
                let mut last = [0; WORD];
                last.iter_mut().zip(&rows[r][len / WORD * WORD..]).for_each(|(last, x)| *last = *x);
                sums[r] = D::add(sums[r], own, last);
            }
        }
        for r in 0..R {
            totals[r] = D::totals(sums[r]);
            totals[r].iter_mut().for_each(|total| *total = total.wrapping_add(starts[r]));
        }
    }
}

/// A word of each lane of a panel.
///
/// # Safety
/// Every function needs a processor that has the set; `load` reads 64 bytes at any alignment.
trait Lanes: Copy {
    type Sums: Copy;
    unsafe fn zero() -> Self::Sums;
    unsafe fn load(from: *const u8) -> Self;
    /// `sums`, and the products of each lane with `word`.
    unsafe fn add(sums: Self::Sums, own: Self, word: [i8; WORD]) -> Self::Sums;
    unsafe fn totals(sums: Self::Sums) -> [i32; LANES];
}

impl Lanes for [[i8; WORD]; LANES] {
    type Sums = [i32; LANES];

    #[inline(always)]
    unsafe fn zero() -> [i32; LANES] {
        [0; LANES]
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { from.cast::<Self>().read() }
    }

    #[inline(always)]
    unsafe fn add(mut sums: [i32; LANES], own: Self, word: [i8; WORD]) -> [i32; LANES] {
        for (sum, own) in sums.iter_mut().zip(own) {
            for (a, b) in own.iter().zip(word) {
                *sum += i32::from(*a) * i32::from(b);
            }
        }
        sums
    }

    #[inline(always)]
    unsafe fn totals(sums: [i32; LANES]) -> [i32; LANES] {
        sums
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{LANES, Lanes, Products, WORD};
    use crate::tensor::kernels::quantized::whole::Dot;
    use crate::tensor::kernels::quantized::whole::x86::Pairs;

    /// # Safety
    /// The processor must have the sets.
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    pub(super) unsafe fn with_avx2(all: Products<'_>) {
        // SAFETY: the function has the set.
        unsafe { all.run::<[Pairs; 2], 4>() }
    }

    /// # Safety
    /// The processor must have the sets.
    #[target_feature(enable = "avx512vnni,avx512f,avx512bw,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
    pub(super) unsafe fn with_vnni(all: Products<'_>) {
        // SAFETY: the function has the sets.
        unsafe { all.run::<Whole, 12>() }
    }

    /// Two halves.
    impl Lanes for [Pairs; 2] {
        type Sums = [__m256i; 2];

        #[inline(always)]
        unsafe fn zero() -> [__m256i; 2] {
            // SAFETY: the caller knows that the processor has the set.
            unsafe { [Pairs::zero(); 2] }
        }

        #[inline(always)]
        unsafe fn load(from: *const u8) -> Self {
            // SAFETY: as above, and the caller vouches for 64 bytes.
            unsafe { [Pairs::load(from.cast()), Pairs::load(from.add(32).cast())] }
        }

        #[inline(always)]
        unsafe fn add(mut sums: [__m256i; 2], own: Self, word: [i8; WORD]) -> [__m256i; 2] {
            // SAFETY: as above.
            unsafe {
                let word = Pairs(_mm256_set1_epi32(i32::from_le_bytes(word.map(|x| x as u8))));
                // In a closure, the processor would not be known to have the set.
                for (sum, own) in sums.iter_mut().zip(own) {
                    *sum = Pairs::add(*sum, own, word);
                }
                sums
            }
        }

        #[inline(always)]
        unsafe fn totals(sums: [__m256i; 2]) -> [i32; LANES] {
            // SAFETY: two registers of 32 bytes are sixteen numbers of 32 bits.
            unsafe { std::mem::transmute(sums) }
        }
    }

    /// Four products and a sum of 32 bits in one instruction, which takes the weights without a sign.
    #[derive(Clone, Copy)]
    struct Whole(__m512i);

    impl Lanes for Whole {
        type Sums = __m512i;

        #[inline(always)]
        unsafe fn zero() -> __m512i {
            // SAFETY: the caller knows that the processor has the set.
            unsafe { _mm512_setzero_si512() }
        }

        #[inline(always)]
        unsafe fn load(from: *const u8) -> Self {
            // SAFETY: as above, and the caller vouches for 64 bytes.
            unsafe { Self(_mm512_loadu_si512(from.cast())) }
        }

        #[inline(always)]
        unsafe fn add(sums: __m512i, own: Self, word: [i8; WORD]) -> __m512i {
            // SAFETY: as above.
            unsafe { _mm512_dpbusd_epi32(sums, own.0, _mm512_set1_epi32(i32::from_le_bytes(word.map(|x| x as u8)))) }
        }

        #[inline(always)]
        unsafe fn totals(sums: __m512i) -> [i32; LANES] {
            // SAFETY: a register of 64 bytes is sixteen numbers of 32 bits.
            unsafe { std::mem::transmute(sums) }
        }
    }
}
