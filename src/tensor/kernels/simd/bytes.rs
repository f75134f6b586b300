//! A register of bytes, for products of whole numbers.

use half::f16;

/// Thirty-two bytes.
///
/// # Safety
/// Every function needs a processor that has the set, so belongs into a [`Kernel`](super::Kernel). Those that take a pointer read as
/// many bytes as they say, at any alignment.
pub(crate) trait Bytes: Copy {
    /// Eight sums of products.
    type Sums: Copy;

    /// 32 bytes.
    unsafe fn load(from: *const u8) -> Self;
    /// The low halves of 16 bytes, then the high ones.
    unsafe fn nibbles(from: *const u8) -> Self;
    /// Adds 16 to each byte for which a bit of four bytes is set.
    unsafe fn with_fifth(self, bits: *const u8) -> Self;
    /// The lowest bits of each byte that a mask has, after those below `shift` are gone.
    unsafe fn bits(self, shift: i32, mask: u8) -> Self;
    /// Bytes with those of another above their lowest bits. Together they fit into a byte.
    unsafe fn with_high(self, high: Self, shift: i32) -> Self;
    /// The entries of a table that bytes from 0 to 15 number.
    unsafe fn entries(self, table: &[i8; 16]) -> Self;
    /// Products of bytes with a sign, those at `x` above −128: four neighbours added up.
    unsafe fn dot_signed(self, x: *const i8) -> Self::Sums;
    /// The same of bytes without a sign, at most 127.
    unsafe fn dot_unsigned(self, x: *const i8) -> Self::Sums;

    /// The same, those of each half times a factor: the two of sixteen that belong to this part of eight.
    unsafe fn dot_by_halves(self, x: *const i8, factors: &[i8; 16], part: usize) -> Self::Sums;

    /// Says that what is there will be read. It may lie outside of what there is.
    unsafe fn prefetch(from: *const u8);

    unsafe fn zero() -> Self::Sums;
    /// `sums + products · scale`
    unsafe fn add_scaled(sums: Self::Sums, products: Self::Sums, scale: f32) -> Self::Sums;
    unsafe fn total(sums: Self::Sums) -> f32;
    /// Numbers of 16 bits, each from two bytes.
    unsafe fn half<const R: usize>(from: [*const u8; R]) -> [f32; R];
    /// Two numbers of 16 bits each, from four bytes: the first ones, then the second ones.
    unsafe fn halves<const R: usize>(from: [*const u8; R]) -> [[f32; R]; 2];
}

/// An array: on processors without a set of [`super::x86`], and for Miri.
impl Bytes for [u8; 32] {
    type Sums = [f32; 8];

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller vouches for 32 bytes.
        unsafe { from.cast::<Self>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn nibbles(from: *const u8) -> Self {
        // SAFETY: the caller vouches for 16 bytes.
        let both = unsafe { from.cast::<[u8; 16]>().read_unaligned() };
        let mut bytes = [0; 32];
        for j in 0..16 {
            (bytes[j], bytes[j + 16]) = (both[j] & 15, both[j] >> 4);
        }
        bytes
    }

    #[inline(always)]
    unsafe fn with_fifth(mut self, bits: *const u8) -> Self {
        // SAFETY: the caller vouches for four bytes.
        let bits = u32::from_le_bytes(unsafe { bits.cast::<[u8; 4]>().read_unaligned() });
        for (j, byte) in self.iter_mut().enumerate() {
            *byte |= ((bits >> j & 1) << 4) as u8;
        }
        self
    }

    #[inline(always)]
    unsafe fn bits(self, shift: i32, mask: u8) -> Self {
        self.map(|byte| byte >> shift & mask)
    }

    #[inline(always)]
    unsafe fn with_high(mut self, high: Self, shift: i32) -> Self {
        for (byte, high) in self.iter_mut().zip(high) {
            *byte |= high << shift;
        }
        self
    }

    #[inline(always)]
    unsafe fn entries(mut self, table: &[i8; 16]) -> Self {
        for byte in &mut self {
            *byte = table[usize::from(*byte & 15)] as u8;
        }
        self
    }

    #[inline(always)]
    unsafe fn dot_signed(self, x: *const i8) -> [f32; 8] {
        // SAFETY: the caller vouches for 32 bytes.
        let x = unsafe { x.cast::<[i8; 32]>().read_unaligned() };
        let mut sums = [0.0; 8];
        for (i, sum) in sums.iter_mut().enumerate() {
            let mut whole = 0;
            for j in 4 * i..4 * i + 4 {
                whole += i32::from(self[j] as i8) * i32::from(x[j]);
            }
            *sum = whole as f32;
        }
        sums
    }

    #[inline(always)]
    unsafe fn dot_unsigned(self, x: *const i8) -> [f32; 8] {
        // SAFETY: as the caller vouches for. Up to 127 there is no difference.
        unsafe { self.dot_signed(x) }
    }

    #[inline(always)]
    unsafe fn dot_by_halves(self, x: *const i8, factors: &[i8; 16], part: usize) -> [f32; 8] {
        // SAFETY: as the caller vouches for.
        let mut sums = unsafe { self.dot_signed(x) };
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum *= f32::from(factors[2 * part + i / 4]);
        }
        sums
    }

    #[inline(always)]
    unsafe fn prefetch(_: *const u8) {}

    #[inline(always)]
    unsafe fn zero() -> [f32; 8] {
        [0.0; 8]
    }

    #[inline(always)]
    unsafe fn add_scaled(mut sums: [f32; 8], products: [f32; 8], scale: f32) -> [f32; 8] {
        for (sum, product) in sums.iter_mut().zip(products) {
            *sum += product * scale;
        }
        sums
    }

    #[inline(always)]
    unsafe fn total(s: [f32; 8]) -> f32 {
        ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
    }

    #[inline(always)]
    unsafe fn half<const R: usize>(from: [*const u8; R]) -> [f32; R] {
        // SAFETY: the caller vouches for two bytes at each.
        from.map(|from| f16::from_le_bytes(unsafe { from.cast::<[u8; 2]>().read_unaligned() }).to_f32())
    }

    #[inline(always)]
    unsafe fn halves<const R: usize>(from: [*const u8; R]) -> [[f32; R]; 2] {
        // SAFETY: the caller vouches for four bytes at each.
        unsafe { [Self::half(from), Self::half(from.map(|from| from.wrapping_add(2)))] }
    }
}
