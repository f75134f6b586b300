//! The vectors of AVX-512, and of AVX2 with FMA.

use std::arch::x86_64::*;

use super::bytes::Bytes;
use super::vector::Vector;

/// One kind of vector: names of intrinsics in, an implementation out. The bodies differ only in these.
macro_rules! vector {
    (
        $vec:ty, $mask:ty, $width:literal, $make_mask:ident,
        $splat:ident $load:ident $load_first:ident $store:ident $store_first:ident
        $add:ident $mul:ident $max:ident $mul_add:ident $sum:ident $transpose:ident $look_up:ident
    ) => {
        impl Vector for $vec {
            type Mask = $mask;
            const WIDTH: usize = $width;

            #[inline(always)]
            unsafe fn splat(x: f32) -> Self {
                // SAFETY: the caller knows that the processor has the set.
                unsafe { $splat(x) }
            }

            #[inline(always)]
            unsafe fn mask(n: usize) -> $mask {
                // SAFETY: as above.
                unsafe { $make_mask(n) }
            }

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: as above, and the caller vouches for WIDTH elements.
                unsafe { $load(from) }
            }

            #[inline(always)]
            unsafe fn load_first(from: *const f32, mask: $mask) -> Self {
                // SAFETY: as above, and the caller vouches for the elements under the mask.
                unsafe { $load_first(from, mask) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: as above, and the caller vouches for WIDTH elements.
                unsafe { $store(to, self) }
            }

            #[inline(always)]
            unsafe fn store_first(self, to: *mut f32, mask: $mask) {
                // SAFETY: as above, and the caller vouches for the elements under the mask.
                unsafe { $store_first(to, mask, self) }
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: the caller knows that the processor has the set.
                unsafe { $add(self, other) }
            }

            #[inline(always)]
            unsafe fn mul(self, other: Self) -> Self {
                // SAFETY: as above.
                unsafe { $mul(self, other) }
            }

            #[inline(always)]
            unsafe fn max(self, other: Self) -> Self {
                // SAFETY: as above. The instruction gives its second operand where one is not a number.
                unsafe { $max(other, self) }
            }

            #[inline(always)]
            unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: as above.
                unsafe { $mul_add(self, b, c) }
            }

            #[inline(always)]
            unsafe fn sum(self) -> f32 {
                // SAFETY: as above.
                unsafe { $sum(self) }
            }

            #[inline(always)]
            unsafe fn transpose(square: &mut [Self; 16]) {
                // SAFETY: as above.
                unsafe { $transpose(square) }
            }

            #[inline(always)]
            unsafe fn prefetch(address: *const f32) {
                // SAFETY: prefetching has no effect but on time, whatever the address.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
            }

            #[inline(always)]
            unsafe fn look_up(table: *const f32, places: *const u8) -> Self {
                // SAFETY: as above, and the caller vouches for the table and the places.
                unsafe { $look_up(table, places) }
            }
        }
    };
}

vector!(
    __m512, __mmask16, 16, mask_16,
    _mm512_set1_ps _mm512_loadu_ps load_first_16 _mm512_storeu_ps _mm512_mask_storeu_ps
    _mm512_add_ps _mm512_mul_ps _mm512_max_ps _mm512_fmadd_ps _mm512_reduce_add_ps transpose_16 look_up_16
);
vector!(
    __m256, __m256i, 8, mask_8,
    _mm256_set1_ps _mm256_loadu_ps _mm256_maskload_ps _mm256_storeu_ps _mm256_maskstore_ps
    _mm256_add_ps _mm256_mul_ps _mm256_max_ps _mm256_fmadd_ps sum_8 transpose_8 look_up_8
);

#[inline]
#[target_feature(enable = "avx512f")]
fn mask_16(n: usize) -> __mmask16 {
    ((1u32 << n) - 1) as __mmask16
}

#[inline]
#[target_feature(enable = "avx2")]
fn mask_8(n: usize) -> __m256i {
    _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
}

#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load_first_16(from: *const f32, mask: __mmask16) -> __m512 {
    // SAFETY: the caller vouches for the elements under the mask.
    unsafe { _mm512_maskz_loadu_ps(mask, from) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum_8(v: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}

#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn look_up_16(table: *const f32, places: *const u8) -> __m512 {
    // SAFETY: the caller vouches for 32 elements and 16 places.
    unsafe {
        let places = _mm512_cvtepu8_epi32(_mm_loadu_si128(places.cast()));
        _mm512_permutex2var_ps(_mm512_loadu_ps(table), places, _mm512_loadu_ps(table.add(16)))
    }
}

#[inline]
#[target_feature(enable = "avx2")]
unsafe fn look_up_8(table: *const f32, places: *const u8) -> __m256 {
    // SAFETY: the caller vouches for 32 elements and 8 places.
    unsafe {
        // Gathering them would take three times as long: each quarter is permuted by three bits, and two more choose among these.
        let places = _mm256_cvtepu8_epi32(_mm_loadl_epi64(places.cast()));
        let (fourth, fifth) = (_mm256_slli_epi32::<28>(places), _mm256_slli_epi32::<27>(places));
        let a = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), places);
        let b = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table.add(8)), places);
        let c = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table.add(16)), places);
        let d = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table.add(24)), places);
        let low = _mm256_blendv_ps(a, b, _mm256_castsi256_ps(fourth));
        let high = _mm256_blendv_ps(c, d, _mm256_castsi256_ps(fourth));
        _mm256_blendv_ps(low, high, _mm256_castsi256_ps(fifth))
    }
}

/// Four rows of 4 × 4 squares, one in each quarter (or half) of the registers, are transposed by two rounds of unpacking; then the
/// quarters change places.
macro_rules! transpose_fours {
    ($rows:expr, $lo:ident $hi:ident $lo_pd:ident $hi_pd:ident $pd:ident $ps:ident) => {{
        let [a, b, c, d] = $rows;
        let (ab, cd) = ($pd($lo(a, b)), $pd($lo(c, d)));
        let (ab2, cd2) = ($pd($hi(a, b)), $pd($hi(c, d)));
        [$ps($lo_pd(ab, cd)), $ps($hi_pd(ab, cd)), $ps($lo_pd(ab2, cd2)), $ps($hi_pd(ab2, cd2))]
    }};
}

#[inline]
#[target_feature(enable = "avx512f")]
fn transpose_16(rows: &mut [__m512; 16]) {
    let mut fours = [[_mm512_setzero_ps(); 4]; 4];
    for (i, four) in fours.iter_mut().enumerate() {
        *four = transpose_fours!(
            [rows[4 * i], rows[4 * i + 1], rows[4 * i + 2], rows[4 * i + 3]],
            _mm512_unpacklo_ps _mm512_unpackhi_ps _mm512_unpacklo_pd _mm512_unpackhi_pd _mm512_castps_pd _mm512_castpd_ps
        );
    }
    for j in 0..4 {
        // Rows of quarters: [0 1 2 3] of each four.
        let [a, b, c, d] = [fours[0][j], fours[1][j], fours[2][j], fours[3][j]];
        let (ab_low, ab_high) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
        let (cd_low, cd_high) = (_mm512_shuffle_f32x4::<0x88>(c, d), _mm512_shuffle_f32x4::<0xdd>(c, d));
        rows[j] = _mm512_shuffle_f32x4::<0x88>(ab_low, cd_low);
        rows[j + 4] = _mm512_shuffle_f32x4::<0x88>(ab_high, cd_high);
        rows[j + 8] = _mm512_shuffle_f32x4::<0xdd>(ab_low, cd_low);
        rows[j + 12] = _mm512_shuffle_f32x4::<0xdd>(ab_high, cd_high);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn transpose_8(rows: &mut [__m256; 16]) {
    let mut fours = [[_mm256_setzero_ps(); 4]; 2];
    for (i, four) in fours.iter_mut().enumerate() {
        *four = transpose_fours!(
            [rows[4 * i], rows[4 * i + 1], rows[4 * i + 2], rows[4 * i + 3]],
            _mm256_unpacklo_ps _mm256_unpackhi_ps _mm256_unpacklo_pd _mm256_unpackhi_pd _mm256_castps_pd _mm256_castpd_ps
        );
    }
    for j in 0..4 {
        rows[j] = _mm256_permute2f128_ps::<0x20>(fours[0][j], fours[1][j]);
        rows[j + 4] = _mm256_permute2f128_ps::<0x31>(fours[0][j], fours[1][j]);
    }
}

/// Bytes are multiplied by 256-bit instructions on both sets: what is waited for is memory.
///
/// The instruction for it takes one operand without a sign. Of those with one, the sign goes over to the other operand, which may
/// not be −128, for 128 has no place there. Two products fit into 16 bits: they are at most 128 · 127.
impl Bytes for __m256i {
    type Sums = __m256;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller knows that the processor has the set, and vouches for 32 bytes.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn nibbles(from: *const u8) -> Self {
        // SAFETY: as above, for 16 bytes.
        unsafe {
            let both = _mm_loadu_si128(from.cast());
            let apart = _mm256_set_m128i(_mm_srli_epi16::<4>(both), both);
            _mm256_and_si256(apart, _mm256_set1_epi8(15))
        }
    }

    #[inline(always)]
    unsafe fn with_fifth(self, bits: *const u8) -> Self {
        // SAFETY: the caller knows that the processor has the set, and vouches for four bytes.
        unsafe {
            let bits = bits.cast::<u32>().read_unaligned();
            // Each byte of the bits eight times, of which each keeps its own.
            let order = _mm256_setr_epi64x(0, 0x0101_0101_0101_0101, 0x0202_0202_0202_0202, 0x0303_0303_0303_0303);
            let bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(bits.cast_signed()), order);
            let own = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
            let is_set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, own), own);
            _mm256_or_si256(self, _mm256_and_si256(is_set, _mm256_set1_epi8(16)))
        }
    }

    #[inline(always)]
    unsafe fn bits(self, shift: i32, mask: u8) -> Self {
        // SAFETY: the caller knows that the processor has the set.
        unsafe {
            let shifted = _mm256_srl_epi16(self, _mm_cvtsi32_si128(shift));
            _mm256_and_si256(shifted, _mm256_set1_epi8(mask.cast_signed()))
        }
    }

    #[inline(always)]
    unsafe fn with_high(self, high: Self, shift: i32) -> Self {
        // SAFETY: as above.
        unsafe { _mm256_or_si256(self, _mm256_sll_epi16(high, _mm_cvtsi32_si128(shift))) }
    }

    #[inline(always)]
    unsafe fn entries(self, table: &[i8; 16]) -> Self {
        // SAFETY: the caller knows that the processor has the set; the table has the 16 bytes that are read.
        unsafe {
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()));
            _mm256_shuffle_epi8(table, self)
        }
    }

    #[inline(always)]
    unsafe fn dot_signed(self, x: *const i8) -> __m256 {
        // SAFETY: the caller knows that the processor has the set, and vouches for 32 bytes.
        unsafe {
            let x = _mm256_loadu_si256(x.cast());
            let pairs = _mm256_maddubs_epi16(_mm256_sign_epi8(self, self), _mm256_sign_epi8(x, self));
            _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }

    #[inline(always)]
    unsafe fn dot_unsigned(self, x: *const i8) -> __m256 {
        // SAFETY: as above.
        unsafe {
            let pairs = _mm256_maddubs_epi16(self, _mm256_loadu_si256(x.cast()));
            _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }

    #[inline(always)]
    unsafe fn dot_by_halves(self, x: *const i8, factors: &[i8; 16], part: usize) -> __m256 {
        // SAFETY: as above; there are sixteen factors. A pair is at most 2 · 63 · 127, and four with their factor fit into 32 bits.
        unsafe {
            let own = _mm_set1_epi16(part as i16 * 0x0202);
            let which = _mm_add_epi8(own, _mm_set_epi64x(0x0101_0101_0101_0101, 0));
            let factors = _mm_shuffle_epi8(_mm_loadu_si128(factors.as_ptr().cast()), which);
            let pairs = _mm256_maddubs_epi16(self, _mm256_loadu_si256(x.cast()));
            _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, _mm256_cvtepi8_epi16(factors)))
        }
    }

    #[inline(always)]
    unsafe fn prefetch(from: *const u8) {
        // SAFETY: nothing is read.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) };
    }

    #[inline(always)]
    unsafe fn zero() -> __m256 {
        // SAFETY: the caller knows that the processor has the set.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn add_scaled(sums: __m256, products: __m256, scale: f32) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_fmadd_ps(products, _mm256_set1_ps(scale), sums) }
    }

    #[inline(always)]
    unsafe fn total(sums: __m256) -> f32 {
        // SAFETY: as above.
        unsafe { sum_8(sums) }
    }

    #[inline(always)]
    unsafe fn half<const R: usize>(from: [*const u8; R]) -> [f32; R] {
        // SAFETY: as above, and the caller vouches for two bytes at each. Both sets have the conversion. It converts four at a time: what
        // stands behind the last is nought, and not what was left in the register, for which it would wait.
        unsafe {
            let mut out = [0.0; R];
            for (from, out) in from.chunks(4).zip(out.chunks_mut(4)) {
                let mut bits = 0;
                for (j, from) in from.iter().enumerate() {
                    bits |= u64::from(from.cast::<u16>().read_unaligned()) << (16 * j);
                }
                let mut four = [0.0; 4];
                _mm_storeu_ps(four.as_mut_ptr(), _mm_cvtph_ps(_mm_cvtsi64_si128(bits.cast_signed())));
                out.copy_from_slice(&four[..out.len()]);
            }
            out
        }
    }

    #[inline(always)]
    unsafe fn halves<const R: usize>(from: [*const u8; R]) -> [[f32; R]; 2] {
        // SAFETY: as above, and the caller vouches for four bytes at each.
        unsafe {
            let mut out = [[0.0; R]; 2];
            for (r, from) in from.iter().enumerate() {
                let both = _mm_cvtph_ps(_mm_cvtsi32_si128(from.cast::<i32>().read_unaligned()));
                (out[0][r], out[1][r]) = (_mm_cvtss_f32(both), _mm_cvtss_f32(_mm_movehdup_ps(both)));
            }
            out
        }
    }
}
