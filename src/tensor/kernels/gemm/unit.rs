//! Which vector unit computes the products of an element type.

use num_traits::Float;

use super::portable::Portable;
use super::simd::{Job, Simd};
#[cfg(all(target_arch = "x86_64", not(miri)))]
use super::x86::{Avx2, Avx512};
use crate::tensor::kernels::simd::{Level, level};

/// Whether the products run on a vector unit that the kernels are written for. Miri has none.
pub(super) fn detected() -> bool {
    level() > Level::Portable
}

/// An element type that has a matrix product: `f32` and `f64`.
pub(crate) trait Gemm: Float + Send + Sync + 'static {
    /// Calls `job` for the best vector unit of this processor.
    ///
    /// # Safety
    /// As for the job.
    unsafe fn on_best_unit<J: Job<Self>>(job: J);

    /// `c = alpha · a·b + beta · c`, as `matrixmultiply` computes it. Strides are those of rows and of columns.
    ///
    /// # Safety
    /// The pointers and strides must describe matrices that may be read (`a`, `b`) and written (`c`).
    #[expect(clippy::too_many_arguments, reason = "the library's")]
    unsafe fn by_library(
        m: usize,
        k: usize,
        n: usize,
        alpha: Self,
        a: *const Self,
        a_strides: [usize; 2],
        b: *const Self,
        b_strides: [usize; 2],
        beta: Self,
        c: *mut Self,
        c_strides: [usize; 2],
    );
}

/// A stride that is used lies within a slice, and so is never too large.
fn to_signed(stride: usize) -> isize {
    isize::try_from(stride).unwrap_or(0)
}

macro_rules! gemm {
    ($t:ty, $library:path) => {
        impl Gemm for $t {
            unsafe fn on_best_unit<J: Job<Self>>(job: J) {
                match level() {
                    // SAFETY: the processor has what `level` reports; the caller vouches for the job.
                    #[cfg(all(target_arch = "x86_64", not(miri)))]
                    Level::Avx512 => unsafe { Avx512::<$t>::run(job) },
                    // SAFETY: as above.
                    #[cfg(all(target_arch = "x86_64", not(miri)))]
                    Level::Avx2 => unsafe { Avx2::<$t>::run(job) },
                    // SAFETY: the caller vouches for the job. Miri knows no other level than the portable one.
                    _ => unsafe { Portable::<$t>::run(job) },
                }
            }

            unsafe fn by_library(
                m: usize,
                k: usize,
                n: usize,
                alpha: $t,
                a: *const $t,
                a_strides: [usize; 2],
                b: *const $t,
                b_strides: [usize; 2],
                beta: $t,
                c: *mut $t,
                c_strides: [usize; 2],
            ) {
                let ([ra, ca], [rb, cb], [rc, cc]) =
                    (a_strides.map(to_signed), b_strides.map(to_signed), c_strides.map(to_signed));
                // SAFETY: the caller vouches for the matrices.
                unsafe { $library(m, k, n, alpha, a, ra, ca, b, rb, cb, beta, c, rc, cc) }
            }
        }
    };
}

gemm!(f32, matrixmultiply::sgemm);
gemm!(f64, matrixmultiply::dgemm);
