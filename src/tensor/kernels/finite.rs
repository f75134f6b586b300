//! Whether numbers are finite: a question to their bits, which costs one pass at the speed of memory.

use std::ops::{BitAnd, Range};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::parallel;

use super::GRAIN;
use super::simd::{Isa, Kernel, dispatch_to_avx2};

/// The bits of a floating-point number.
pub(crate) trait Bits: Copy + Ord + Default + BitAnd<Output = Self> + Sync {}

impl Bits for u16 {}
impl Bits for u32 {}
impl Bits for u64 {}

/// Whether all magnitudes, which are what `mask` leaves of the bits, are below that of infinity.
pub(crate) fn all_below<B: Bits>(bits: &[B], mask: B, infinity: B) -> bool {
    let found = AtomicBool::new(false);
    parallel::for_ranges(bits.len(), GRAIN, &|range: Range<usize>| {
        if dispatch_to_avx2(Largest { bits: &bits[range], mask }) >= infinity {
            found.store(true, Ordering::Relaxed);
        }
    });
    !found.into_inner()
}

struct Largest<'a, B> {
    bits: &'a [B],
    mask: B,
}

impl<B: Bits> Kernel for Largest<'_, B> {
    type Output = B;

    #[inline(always)]
    fn run<I: Isa>(self) -> B {
        let mut largest = B::default();
        for &bits in self.bits {
            let magnitude = bits & self.mask;
            largest = if magnitude > largest { magnitude } else { largest };
        }
        largest
    }
}
