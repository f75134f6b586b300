//! Arrays as vectors: for processors without a unit of [`super::x86`], and for Miri.

use std::marker::PhantomData;

use num_traits::Float;

use super::simd::{Job, Simd, tile_table};
use super::tile::{self, TileFn};

const WIDTH: usize = 4;

/// Vectors of four elements in an array. Multiplies and adds with two roundings: a fused `mul_add` is a slow
/// library call where the processor has none.
pub(super) struct Portable<T>(PhantomData<T>);

impl<T: Float + Send + Sync + 'static> Simd for Portable<T> {
    type Elem = T;
    type Vec = [T; WIDTH];
    type Mask = usize;
    const WIDTH: usize = WIDTH;
    tile_table!(4 2);

    #[inline(always)]
    unsafe fn splat(x: T) -> Self::Vec {
        [x; WIDTH]
    }

    #[inline(always)]
    unsafe fn mask(n: usize) -> usize {
        n
    }

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self::Vec {
        // SAFETY: the caller vouches for WIDTH elements.
        unsafe { from.cast::<Self::Vec>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const T, mask: usize) -> Self::Vec {
        // SAFETY: the caller vouches for the elements under the mask.
        std::array::from_fn(|i| if i < mask { unsafe { *from.add(i) } } else { T::zero() })
    }

    #[inline(always)]
    unsafe fn store(to: *mut T, v: Self::Vec) {
        // SAFETY: the caller vouches for WIDTH elements.
        unsafe { to.cast::<Self::Vec>().write_unaligned(v) }
    }

    #[inline(always)]
    unsafe fn store_first(to: *mut T, v: Self::Vec, mask: usize) {
        for (i, x) in v.into_iter().enumerate().take(mask) {
            // SAFETY: the caller vouches for the elements under the mask.
            unsafe { *to.add(i) = x }
        }
    }

    #[inline(always)]
    unsafe fn add(a: Self::Vec, b: Self::Vec) -> Self::Vec {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Vec, b: Self::Vec) -> Self::Vec {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    unsafe fn mul_add(a: Self::Vec, b: Self::Vec, c: Self::Vec) -> Self::Vec {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    unsafe fn relu(v: Self::Vec) -> Self::Vec {
        v.map(|x| if x < T::zero() { T::zero() } else { x })
    }

    #[inline(always)]
    unsafe fn zip(a: Self::Vec, b: Self::Vec) -> (Self::Vec, Self::Vec) {
        ([a[0], b[0], a[1], b[1]], [a[2], b[2], a[3], b[3]])
    }

    #[inline(always)]
    unsafe fn sum(v: Self::Vec) -> T {
        (v[0] + v[2]) + (v[1] + v[3])
    }

    #[inline(always)]
    unsafe fn run<J: Job<T>>(job: J) {
        // SAFETY: the caller vouches for what the job demands.
        unsafe { job.call::<Self>() }
    }

    #[inline(always)]
    unsafe fn prefetch(_: *const T) {}
}
