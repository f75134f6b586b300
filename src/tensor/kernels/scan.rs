//! Running sums and products along the middle of `[outer, len, inner]`.

use crate::parallel;

use super::Real;
use super::simd::{Isa, Kernel, dispatch};
use super::{Elem, GRAIN, count};

/// The widest group of columns that is scanned side by side.
const COLUMNS: usize = 256;

/// A type whose running sums and products are kept in a wider one: `f64` for `f32`, as PyTorch does.
pub(crate) trait Scan: Elem {
    type Running: Elem;
    const ZERO: Self::Running;
    const ONE: Self::Running;
    fn sum(running: Self::Running, x: Self) -> Self::Running;
    fn product(running: Self::Running, x: Self) -> Self::Running;
    fn narrow(running: Self::Running) -> Self;
}

macro_rules! real_scans {
    ($($t:ty),*) => {$(
        impl Scan for $t {
            type Running = f64;
            const ZERO: f64 = 0.0;
            const ONE: f64 = 1.0;
            #[inline(always)]
            fn sum(running: f64, x: Self) -> f64 { running + x.to_f64() }
            #[inline(always)]
            fn product(running: f64, x: Self) -> f64 { running * x.to_f64() }
            #[inline(always)]
            fn narrow(running: f64) -> Self { <Self as Real>::from_f64(running) }
        }
    )*};
}
real_scans!(f32, f64);

impl Scan for i64 {
    type Running = Self;
    const ZERO: Self = 0;
    const ONE: Self = 1;
    #[inline(always)]
    fn sum(running: Self, x: Self) -> Self {
        running.wrapping_add(x)
    }
    #[inline(always)]
    fn product(running: Self, x: Self) -> Self {
        running.wrapping_mul(x)
    }
    #[inline(always)]
    fn narrow(running: Self) -> Self {
        running
    }
}

/// `out[i] = x[0] + … + x[i]` along `len`. Integers wrap around.
pub(crate) fn cumsum<T: Scan>(x: &[T], outer: usize, len: usize, inner: usize, out: &mut [T]) {
    scan(x, outer, len, inner, out, T::ZERO, T::sum);
}

/// `out[i] = x[0] · … · x[i]` along `len`. Integers wrap around.
pub(crate) fn cumprod<T: Scan>(x: &[T], outer: usize, len: usize, inner: usize, out: &mut [T]) {
    scan(x, outer, len, inner, out, T::ONE, T::product);
}

fn scan<T: Scan>(
    x: &[T],
    outer: usize,
    len: usize,
    inner: usize,
    out: &mut [T],
    start: T::Running,
    step: impl Fn(T::Running, T) -> T::Running + Copy + Send + Sync,
) {
    assert!(x.len() == count(&[outer, len, inner]) && out.len() == x.len(), "scan: input and output");
    let matrix = len * inner;
    if matrix == 0 {
        return;
    }
    let matrices = (GRAIN / matrix).max(1);
    parallel::for_blocks(out, matrices * matrix, |first, out| {
        for (i, out) in out.chunks_mut(matrix).enumerate() {
            dispatch(ScanLoop { x: &x[first + i * matrix..][..matrix], inner, out, start, step });
        }
    });
}

/// Scans the columns of one matrix.
struct ScanLoop<'a, T: Scan, F> {
    x: &'a [T],
    inner: usize,
    out: &'a mut [T],
    start: T::Running,
    step: F,
}

impl<T: Scan, F: Fn(T::Running, T) -> T::Running> Kernel for ScanLoop<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        if self.inner == 1 {
            let mut running = self.start;
            for (out, &x) in self.out.iter_mut().zip(self.x) {
                running = (self.step)(running, x);
                *out = T::narrow(running);
            }
            return;
        }
        for left in (0..self.inner).step_by(COLUMNS) {
            let width = COLUMNS.min(self.inner - left);
            let mut running = [self.start; COLUMNS];
            let running = &mut running[..width];
            for (out, x) in self.out.chunks_exact_mut(self.inner).zip(self.x.chunks_exact(self.inner)) {
                let (out, x) = (&mut out[left..left + width], &x[left..left + width]);
                for ((out, &x), running) in out.iter_mut().zip(x).zip(running.iter_mut()) {
                    *running = (self.step)(*running, x);
                    *out = T::narrow(*running);
                }
            }
        }
    }
}
