//! Rows of bytes with one scale each, and their products: whole numbers until the very end.

use super::scheme::INT8_HEAD;
#[cfg(target_arch = "x86_64")]
use crate::tensor::kernels::simd::Level;
use crate::tensor::kernels::simd::{Isa, Kernel, dispatch_to_avx2, level};

/// Rows of weights and of inputs that are multiplied with each other while they are in registers.
const OWN: usize = 4;
const GIVEN: usize = 2;
/// Numbers whose products fit into 32 bits when added up: `2¹⁶ · 127²` is below `2³¹`.
const PIECE: usize = 1 << 16;
const BYTES: usize = 32;

/// Rounds numbers to multiples of their largest by 127, and returns that scale: not a number if one of them is none.
pub(crate) fn round(x: &[f32], q: &mut [i8]) -> f32 {
    assert_eq!(x.len(), q.len(), "numbers and their multiples");
    dispatch_to_avx2(Rounding { x, q })
}

struct Rounding<'a> {
    x: &'a [f32],
    q: &'a mut [i8],
}

impl Kernel for Rounding<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<I: Isa>(self) -> f32 {
        let (mut most, mut poison) = ([0.0_f32; 8], [0.0_f32; 8]);
        for x in self.x.chunks(8) {
            for (j, x) in x.iter().enumerate() {
                most[j] = if x.abs() > most[j] { x.abs() } else { most[j] };
                poison[j] += x * 0.0;
            }
        }
        let most = most.iter().fold(0.0_f32, |a, b| if *b > a { *b } else { a });
        let scale = most / 127.0 + poison.iter().sum::<f32>();
        if scale == 0.0 {
            self.q.fill(0);
            return scale;
        }
        for (q, x) in self.q.iter_mut().zip(self.x) {
            let nearest = (x / scale).round_ties_even();
            let nearest = if nearest > 127.0 { 127.0 } else { nearest };
            *q = (if nearest < -127.0 { -127.0 } else { nearest }) as i32 as i8;
        }
        scale
    }
}

/// `out[i][j]`: row `i` of `own`, each behind its scale, times row `j` of `given`, which has the scale `scales[j]`.
pub(crate) fn products(own: &[u8], given: &[i8], scales: &[f32], out: &mut [f32]) {
    let rows = scales.len();
    assert!(rows > 0 && given.len().is_multiple_of(rows), "rows with a scale each");
    let len = given.len() / rows;
    assert_eq!(out.len() * (len + INT8_HEAD), own.len() * rows, "rows and their products");
    let all = Products { own, given, scales, len, out };
    // SAFETY: the processor has what was asked for; all rows have `len` numbers.
    unsafe {
        match Set::of_now() {
            Set::Portable => all.run::<[i8; BYTES]>(),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => x86::with_avx2(all),
            #[cfg(target_arch = "x86_64")]
            Set::Vnni => x86::with_vnni(all),
        }
    }
}

/// What multiplies whole numbers here.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Set {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Vnni,
}

impl Set {
    pub(super) fn of_now() -> Self {
        match level() {
            #[cfg(target_arch = "x86_64")]
            l if l >= Level::Avx512 && is_x86_feature_detected!("avx512vnni") => Self::Vnni,
            #[cfg(target_arch = "x86_64")]
            l if l >= Level::Avx2 => Self::Avx2,
            _ => Self::Portable,
        }
    }
}

struct Products<'a> {
    own: &'a [u8],
    given: &'a [i8],
    scales: &'a [f32],
    len: usize,
    out: &'a mut [f32],
}

impl Products<'_> {
    /// # Safety
    /// The processor must have what `D` is.
    #[inline(always)]
    unsafe fn run<D: Dot>(self) {
        let Self { own, given, scales, len, out } = self;
        let rows = scales.len();
        let own_row = |i: usize| own[i * (len + INT8_HEAD)..(i + 1) * (len + INT8_HEAD)].split_at(INT8_HEAD);
        let scale = |i: usize| match own_row(i).0 {
            &[a, b, c, d] => f32::from_le_bytes([a, b, c, d]),
            _ => f32::NAN,
        };
        let count = out.len() / rows;
        let mut i = 0;
        while i < count {
            let many = if i + OWN <= count { OWN } else { 1 };
            let mut j = 0;
            while j < rows {
                let also = if j + GIVEN <= rows { GIVEN } else { 1 };
                let mut totals = [[0_i64; GIVEN]; OWN];
                for from in (0..len).step_by(PIECE) {
                    let to = len.min(from + PIECE);
                    let a = |k: usize| own_row(i + k).1[from..to].as_ptr().cast::<i8>();
                    let b = |k: usize| given[(j + k) * len + from..(j + k) * len + to].as_ptr();
                    // SAFETY: the caller vouches for the set, and all of these rows have as many numbers.
                    unsafe {
                        match (many, also) {
                            (OWN, GIVEN) => tile::<D, OWN, GIVEN>(&a, &b, to - from, &mut totals),
                            (OWN, _) => tile::<D, OWN, 1>(&a, &b, to - from, &mut totals),
                            (_, GIVEN) => tile::<D, 1, GIVEN>(&a, &b, to - from, &mut totals),
                            _ => tile::<D, 1, 1>(&a, &b, to - from, &mut totals),
                        }
                    }
                }
                for (k, totals) in totals.iter().enumerate().take(many) {
                    for (l, total) in totals.iter().enumerate().take(also) {
                        out[(i + k) * rows + j + l] = *total as f32 * (scales[j + l] * scale(i + k));
                    }
                }
                j += also;
            }
            i += many;
        }
    }
}

/// Adds the products of `A` rows with `B` rows of `len` numbers each.
///
/// # Safety
/// The processor must have what `D` is, and each row as many numbers.
#[inline(always)]
unsafe fn tile<D: Dot, const A: usize, const B: usize>(
    a: &impl Fn(usize) -> *const i8,
    b: &impl Fn(usize) -> *const i8,
    len: usize,
    totals: &mut [[i64; GIVEN]; OWN],
) {
    let (mut own, mut given) = ([std::ptr::null(); A], [std::ptr::null(); B]);
    own.iter_mut().enumerate().for_each(|(k, row)| *row = a(k));
    given.iter_mut().enumerate().for_each(|(k, row)| *row = b(k));
    // SAFETY: as the caller vouches for; what is read lies before `len`.
    unsafe {
        let mut sums = [[D::zero(); B]; A];
        let whole = len / BYTES * BYTES;
        for at in (0..whole).step_by(BYTES) {
            let mut x = [D::load(given[0].add(at)); B];
            for l in 1..B {
                x[l] = D::load(given[l].add(at));
            }
            for k in 0..A {
                let w = D::load(own[k].add(at));
                for l in 0..B {
                    sums[k][l] = D::add(sums[k][l], w, x[l]);
                }
            }
        }
        for k in 0..A {
            for l in 0..B {
                let mut total = D::total(sums[k][l]);
                for at in whole..len {
                    total += i32::from(*own[k].add(at)) * i32::from(*given[l].add(at));
                }
                totals[k][l] += i64::from(total);
            }
        }
    }
}

/// Thirty-two bytes with a sign, none of them −128.
///
/// # Safety
/// Every function needs a processor that has the set; `load` reads 32 bytes at any alignment.
pub(super) trait Dot: Copy {
    type Sums: Copy;
    unsafe fn zero() -> Self::Sums;
    unsafe fn load(from: *const i8) -> Self;
    /// `sums`, and the products of neighbours.
    unsafe fn add(sums: Self::Sums, a: Self, b: Self) -> Self::Sums;
    unsafe fn total(sums: Self::Sums) -> i32;
}

impl Dot for [i8; BYTES] {
    type Sums = [i32; 8];

    #[inline(always)]
    unsafe fn zero() -> [i32; 8] {
        [0; 8]
    }

    #[inline(always)]
    unsafe fn load(from: *const i8) -> Self {
        // SAFETY: the caller vouches for 32 bytes.
        unsafe { from.cast::<Self>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn add(mut sums: [i32; 8], a: Self, b: Self) -> [i32; 8] {
        for (j, (a, b)) in a.iter().zip(b).enumerate() {
            sums[j % 8] += i32::from(i16::from(*a) * i16::from(b));
        }
        sums
    }

    #[inline(always)]
    unsafe fn total(sums: [i32; 8]) -> i32 {
        sums.iter().sum()
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    use std::arch::x86_64::*;

    use super::{Dot, Products};

    /// # Safety
    /// The processor must have the sets.
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    pub(super) unsafe fn with_avx2(all: Products<'_>) {
        // SAFETY: the function has the set.
        unsafe { all.run::<Pairs>() }
    }

    /// # Safety
    /// The processor must have the sets.
    #[target_feature(enable = "avx512vnni,avx512f,avx512bw,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
    pub(super) unsafe fn with_vnni(all: Products<'_>) {
        // SAFETY: the function has the sets.
        unsafe { all.run::<Fours>() }
    }

    /// Two products are added up in 16 bits, which hold `2 · 128 · 127`. The instruction takes one operand without a sign: that goes over
    /// to the other one.
    #[derive(Clone, Copy)]
    pub(in crate::tensor::kernels::quantized) struct Pairs(pub(in crate::tensor::kernels::quantized) __m256i);
    /// Four products and a sum of 32 bits in one instruction.
    #[derive(Clone, Copy)]
    struct Fours(__m256i);

    macro_rules! dot {
        ($Type:ident, |$sums:ident, $sizes:ident, $signed:ident| $add:expr) => {
            impl Dot for $Type {
                type Sums = __m256i;

                #[inline(always)]
                unsafe fn zero() -> __m256i {
                    // SAFETY: the caller knows that the processor has the set.
                    unsafe { _mm256_setzero_si256() }
                }

                #[inline(always)]
                unsafe fn load(from: *const i8) -> Self {
                    // SAFETY: as above, and the caller vouches for 32 bytes.
                    unsafe { Self(_mm256_loadu_si256(from.cast())) }
                }

                #[inline(always)]
                unsafe fn add($sums: __m256i, a: Self, b: Self) -> __m256i {
                    // SAFETY: as above.
                    unsafe {
                        let ($sizes, $signed) = (_mm256_abs_epi8(a.0), _mm256_sign_epi8(b.0, a.0));
                        $add
                    }
                }

                #[inline(always)]
                unsafe fn total(sums: __m256i) -> i32 {
                    // SAFETY: as above.
                    unsafe {
                        let half = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
                        let pair = _mm_add_epi32(half, _mm_shuffle_epi32::<0b00_00_11_10>(half));
                        _mm_cvtsi128_si32(_mm_add_epi32(pair, _mm_shuffle_epi32::<0b00_00_00_01>(pair)))
                    }
                }
            }
        };
    }

    dot!(Pairs, |sums, sizes, signed| {
        let pairs = _mm256_maddubs_epi16(sizes, signed);
        _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    });
    dot!(Fours, |sums, sizes, signed| _mm256_dpbusd_epi32(sums, sizes, signed));
}
