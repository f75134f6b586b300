//! AVX-512, and AVX2 with FMA, as [`Simd`].

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::simd::{Job, Simd, tile_table};
use super::tile::{self, TileFn};

/// 512-bit vectors (AVX-512 F).
pub(super) struct Avx512<T>(PhantomData<T>);

/// 256-bit vectors (AVX2 and FMA).
pub(super) struct Avx2<T>(PhantomData<T>);

/// One unit: names of types and intrinsics in, an implementation out. The bodies differ only in these.
macro_rules! unit {
    (
        $unit:ident<$t:ty>, $features:literal, $width:literal, [$($height:literal)*],
        $vec:ty, $mask:ty, $make_mask:ident,
        $splat:ident $load:ident $load_first:ident $store:ident $store_first:ident
        $add:ident $mul:ident $mul_add:ident $max:ident $zero:ident $zip:ident $sum:ident
    ) => {
        impl Simd for $unit<$t> {
            type Elem = $t;
            type Vec = $vec;
            type Mask = $mask;
            const WIDTH: usize = $width;
            tile_table!($($height)*);

            #[inline(always)]
            unsafe fn splat(x: $t) -> $vec {
                // SAFETY: the caller knows that the processor has the unit.
                unsafe { $splat(x) }
            }

            #[inline(always)]
            unsafe fn mask(n: usize) -> $mask {
                // SAFETY: as above.
                unsafe { $make_mask(n) }
            }

            #[inline(always)]
            unsafe fn load(from: *const $t) -> $vec {
                // SAFETY: as above, and the caller vouches for WIDTH elements.
                unsafe { $load(from) }
            }

            #[inline(always)]
            unsafe fn load_first(from: *const $t, mask: $mask) -> $vec {
                // SAFETY: as above, and the caller vouches for the elements under the mask.
                unsafe { $load_first(from, mask) }
            }

            #[inline(always)]
            unsafe fn store(to: *mut $t, v: $vec) {
                // SAFETY: as above, and the caller vouches for WIDTH elements.
                unsafe { $store(to, v) }
            }

            #[inline(always)]
            unsafe fn store_first(to: *mut $t, v: $vec, mask: $mask) {
                // SAFETY: as above, and the caller vouches for the elements under the mask.
                unsafe { $store_first(to, mask, v) }
            }

            #[inline(always)]
            unsafe fn add(a: $vec, b: $vec) -> $vec {
                // SAFETY: the caller knows that the processor has the unit.
                unsafe { $add(a, b) }
            }

            #[inline(always)]
            unsafe fn mul(a: $vec, b: $vec) -> $vec {
                // SAFETY: as above.
                unsafe { $mul(a, b) }
            }

            #[inline(always)]
            unsafe fn mul_add(a: $vec, b: $vec, c: $vec) -> $vec {
                // SAFETY: as above.
                unsafe { $mul_add(a, b, c) }
            }

            #[inline(always)]
            unsafe fn relu(v: $vec) -> $vec {
                // SAFETY: as above. The instruction returns its second operand if one is NaN.
                unsafe { $max($zero(), v) }
            }

            #[inline(always)]
            unsafe fn zip(a: $vec, b: $vec) -> ($vec, $vec) {
                // SAFETY: as above.
                unsafe { $zip(a, b) }
            }

            #[inline(always)]
            unsafe fn sum(v: $vec) -> $t {
                // SAFETY: as above.
                unsafe { $sum(v) }
            }

            #[target_feature(enable = $features)]
            unsafe fn run<J: Job<$t>>(job: J) {
                // SAFETY: the processor has the unit, and the caller vouches for the rest.
                unsafe { job.call::<Self>() }
            }

            #[inline(always)]
            unsafe fn prefetch(address: *const $t) {
                // SAFETY: prefetching has no effect but on time, whatever the address.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
            }
        }
    };
}

unit!(
    Avx512<f32>, "avx512f", 16, [12 8 4 2], __m512, __mmask16, mask16,
    _mm512_set1_ps _mm512_loadu_ps load_first_16 _mm512_storeu_ps _mm512_mask_storeu_ps
    _mm512_add_ps _mm512_mul_ps _mm512_fmadd_ps _mm512_max_ps _mm512_setzero_ps zip_16 _mm512_reduce_add_ps
);
unit!(
    Avx512<f64>, "avx512f", 8, [12 8 4 2], __m512d, __mmask8, mask8,
    _mm512_set1_pd _mm512_loadu_pd load_first_8d _mm512_storeu_pd _mm512_mask_storeu_pd
    _mm512_add_pd _mm512_mul_pd _mm512_fmadd_pd _mm512_max_pd _mm512_setzero_pd zip_8d _mm512_reduce_add_pd
);
unit!(
    Avx2<f32>, "avx2,fma", 8, [6 4 2], __m256, __m256i, lanes8,
    _mm256_set1_ps _mm256_loadu_ps _mm256_maskload_ps _mm256_storeu_ps _mm256_maskstore_ps
    _mm256_add_ps _mm256_mul_ps _mm256_fmadd_ps _mm256_max_ps _mm256_setzero_ps zip_8 sum_8
);
unit!(
    Avx2<f64>, "avx2,fma", 4, [6 4 2], __m256d, __m256i, lanes4,
    _mm256_set1_pd _mm256_loadu_pd _mm256_maskload_pd _mm256_storeu_pd _mm256_maskstore_pd
    _mm256_add_pd _mm256_mul_pd _mm256_fmadd_pd _mm256_max_pd _mm256_setzero_pd zip_4d sum_4d
);

#[inline]
#[target_feature(enable = "avx512f")]
fn mask16(n: usize) -> __mmask16 {
    ((1u32 << n) - 1) as __mmask16
}

#[inline]
#[target_feature(enable = "avx512f")]
fn mask8(n: usize) -> __mmask8 {
    ((1u32 << n) - 1) as __mmask8
}

#[inline]
#[target_feature(enable = "avx2")]
fn lanes8(n: usize) -> __m256i {
    _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
}

#[inline]
#[target_feature(enable = "avx2")]
fn lanes4(n: usize) -> __m256i {
    _mm256_cmpgt_epi64(_mm256_set1_epi64x(n as i64), _mm256_setr_epi64x(0, 1, 2, 3))
}

#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load_first_16(from: *const f32, mask: __mmask16) -> __m512 {
    // SAFETY: the caller vouches for the elements under the mask.
    unsafe { _mm512_maskz_loadu_ps(mask, from) }
}

#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load_first_8d(from: *const f64, mask: __mmask8) -> __m512d {
    // SAFETY: the caller vouches for the elements under the mask.
    unsafe { _mm512_maskz_loadu_pd(mask, from) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn zip_16(a: __m512, b: __m512) -> (__m512, __m512) {
    let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    (_mm512_permutex2var_ps(a, low, b), _mm512_permutex2var_ps(a, high, b))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn zip_8d(a: __m512d, b: __m512d) -> (__m512d, __m512d) {
    let low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
    let high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
    (_mm512_permutex2var_pd(a, low, b), _mm512_permutex2var_pd(a, high, b))
}

#[inline]
#[target_feature(enable = "avx2")]
fn zip_8(a: __m256, b: __m256) -> (__m256, __m256) {
    let (even, odd) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    (_mm256_permute2f128_ps::<0x20>(even, odd), _mm256_permute2f128_ps::<0x31>(even, odd))
}

#[inline]
#[target_feature(enable = "avx2")]
fn zip_4d(a: __m256d, b: __m256d) -> (__m256d, __m256d) {
    let (even, odd) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
    (_mm256_permute2f128_pd::<0x20>(even, odd), _mm256_permute2f128_pd::<0x31>(even, odd))
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum_8(v: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum_4d(v: __m256d) -> f64 {
    let two = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
    _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
}
