//! Discrete Fourier transforms, through the crates `rustfft` and `realfft`.
//!
//! Complex numbers are pairs in a last dimension of 2. Each row is transformed on one thread, so that results do not depend on the
//! number of threads.

use std::sync::{Arc, Mutex, PoisonError};

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftNum, FftPlanner};

use crate::error::{Result, bug};
use crate::parallel::for_blocks;
use crate::tensor::create::stale;
use crate::tensor::dtype::with_float;
use crate::tensor::layout::Dims;
use crate::tensor::{Element, Tensor};

/// So many numbers are worth a hand-over to another thread.
const BLOCK: usize = 1 << 14;

/// A length and what a plan for it needs takes several times the memory of a row: only few are kept, and no long ones.
const KEPT: usize = 16;
const LONGEST_KEPT: usize = 1 << 16;

/// The way to transform rows of some length.
#[derive(Clone)]
enum Plan<T> {
    Complex(Arc<dyn Fft<T>>),
    ToHalf(Arc<dyn RealToComplex<T>>),
    ToReal(Arc<dyn ComplexToReal<T>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Forward,
    Inverse,
    ToHalf,
    ToReal,
}

/// The plans made last.
type Plans<T> = Mutex<Vec<(Kind, usize, Plan<T>)>>;

trait Number: FftNum + Element {
    fn plans() -> &'static Plans<Self>;
    fn of(x: f64) -> Self;
}

macro_rules! number {
    ($($T:ident),*) => {$(
        impl Number for $T {
            fn plans() -> &'static Plans<Self> {
                static PLANS: Plans<$T> = Mutex::new(Vec::new());
                &PLANS
            }

            fn of(x: f64) -> Self {
                x as $T
            }
        }
    )*};
}

number!(f32, f64);

fn plan<T: Number>(kind: Kind, n: usize) -> Plan<T> {
    let plans = || T::plans().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((.., plan)) = plans().iter().find(|(of, len, _)| (*of, *len) == (kind, n)) {
        return plan.clone();
    }
    let plan = match kind {
        Kind::Forward => Plan::Complex(FftPlanner::new().plan_fft_forward(n)),
        Kind::Inverse => Plan::Complex(FftPlanner::new().plan_fft_inverse(n)),
        Kind::ToHalf => Plan::ToHalf(RealFftPlanner::new().plan_fft_forward(n)),
        Kind::ToReal => Plan::ToReal(RealFftPlanner::new().plan_fft_inverse(n)),
    };
    if n <= LONGEST_KEPT {
        let mut plans = plans();
        if plans.len() >= KEPT {
            plans.remove(0);
        }
        plans.push((kind, n, plan.clone()));
    }
    plan
}

/// How many numbers the middle frequencies of half a spectrum stand for: all but the first and, of an even length, the last.
fn is_inner(k: usize, n: usize) -> bool {
    k > 0 && 2 * k < n
}

/// Dimension `axis` last, or before the pairs.
fn with_last(x: &Tensor, axis: usize, pairs: bool) -> Tensor {
    let rank = x.rank();
    let tail = pairs.then_some(rank - 1);
    let others = (0..rank).filter(|d| *d != axis && Some(*d) != tail);
    x.permuted(&Dims::collect(others.chain([axis]).chain(tail))).packed()
}

/// The dimension back in its place. The result has pairs.
fn with_back(x: &Tensor, axis: usize, pairs: bool) -> Tensor {
    let rank = x.rank();
    let last = if pairs { rank - 2 } else { rank - 1 };
    let order = (0..axis).chain([last]).chain(axis..last).chain(pairs.then_some(rank - 1));
    x.permuted(&Dims::collect(order))
}

/// A shape with another size in place `at`.
fn with_size(shape: &[usize], at: usize, size: usize) -> Dims {
    let mut shape = Dims::collect(shape.iter().copied());
    shape[at] = size;
    shape
}

fn read<T: Number>(from: &[T], to: &mut [Complex<T>]) {
    for (z, pair) in to.iter_mut().zip(from.chunks_exact(2)) {
        *z = Complex::new(pair[0], pair[1]);
    }
}

/// `scale · Σₜ xₜ e^(∓2πi k t / n)` along dimension `axis` of pairs; minus is forward.
#[track_caller]
pub(crate) fn complex(op: &'static str, x: &Tensor, axis: usize, inverse: bool, scale: f64) -> Result<Tensor> {
    let x = with_last(x, axis, true);
    let n = x.shape()[x.rank() - 2];
    let mut out = stale(op, x.shape(), x.dtype())?;
    with_float!(x.dtype(), T => complex_rows::<T>(&x, n, inverse, T::of(scale), out.data_mut()), else return Err(bug!(op, "transforms of {}", x.dtype())));
    Ok(with_back(&out, axis, true))
}

fn complex_rows<T: Number>(x: &Tensor, n: usize, inverse: bool, scale: T, out: &mut [T]) {
    // Of no rows, the length may be anything.
    if out.is_empty() {
        return;
    }
    let Plan::Complex(plan) = plan::<T>(if inverse { Kind::Inverse } else { Kind::Forward }, n) else { return };
    let (len, data) = (2 * n, x.data::<T>());
    for_blocks(out, (BLOCK / len).max(1) * len, |start, block| {
        let mut row = vec![Complex::default(); n];
        let mut scratch = vec![Complex::default(); plan.get_inplace_scratch_len()];
        for (out, from) in block.chunks_exact_mut(len).zip(data[start..].chunks_exact(len)) {
            read(from, &mut row);
            plan.process_with_scratch(&mut row, &mut scratch);
            for (pair, z) in out.chunks_exact_mut(2).zip(&row) {
                (pair[0], pair[1]) = (z.re * scale, z.im * scale);
            }
        }
    });
}

/// The first half of the same for real numbers, `[.., n]` to `[.., n / 2 + 1, 2]`. Frequencies that have a twin in the other half
/// are multiplied by `inner` besides.
#[track_caller]
pub(crate) fn to_half(op: &'static str, x: &Tensor, axis: usize, scale: f64, inner: f64) -> Result<Tensor> {
    let x = with_last(x, axis, false);
    let n = x.shape()[x.rank() - 1];
    let shape: Vec<usize> = [&*with_size(x.shape(), x.rank() - 1, n / 2 + 1), &[2]].concat();
    let mut out = stale(op, &shape, x.dtype())?;
    with_float!(x.dtype(), T => half_rows::<T>(&x, n, scale, inner, out.data_mut()), else return Err(bug!(op, "transforms of {}", x.dtype())));
    Ok(with_back(&out, axis, true))
}

fn half_rows<T: Number>(x: &Tensor, n: usize, scale: f64, inner: f64, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    let Plan::ToHalf(plan) = plan::<T>(Kind::ToHalf, n) else { return };
    let (len, data, outer, inner) = (2 * (n / 2 + 1), x.data::<T>(), T::of(scale), T::of(scale * inner));
    for_blocks(out, (BLOCK / len).max(1) * len, |start, block| {
        let (mut row, mut half) = (plan.make_input_vec(), plan.make_output_vec());
        let mut scratch = plan.make_scratch_vec();
        for (out, from) in block.chunks_exact_mut(len).zip(data[start / len * n..].chunks_exact(n)) {
            row.copy_from_slice(from);
            // It fails for buffers of other lengths alone.
            let done = plan.process_with_scratch(&mut row, &mut half, &mut scratch);
            assert!(done.is_ok(), "a row of {n} numbers");
            for (k, (pair, z)) in out.chunks_exact_mut(2).zip(&half).enumerate() {
                let scale = if is_inner(k, n) { inner } else { outer };
                (pair[0], pair[1]) = (z.re * scale, z.im * scale);
            }
        }
    });
}

/// The transpose of [`to_half`]: `Re Σₖ cₖ zₖ e^(2πi k t / n)`, where `cₖ` is `scale`, and `inner` times that for frequencies that have
/// a twin. With `inner` 2 it is the inverse transform of the whole spectrum of real numbers.
#[track_caller]
pub(crate) fn to_real(op: &'static str, x: &Tensor, axis: usize, n: usize, scale: f64, inner: f64) -> Result<Tensor> {
    let x = with_last(x, axis, true);
    let mut out = stale(op, &with_size(&x.shape()[..x.rank() - 1], x.rank() - 2, n), x.dtype())?;
    with_float!(x.dtype(), T => real_rows::<T>(&x, n, scale, inner, out.data_mut()), else return Err(bug!(op, "transforms of {}", x.dtype())));
    Ok(with_back(&out, axis, false))
}

fn real_rows<T: Number>(x: &Tensor, n: usize, scale: f64, inner: f64, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    let Plan::ToReal(plan) = plan::<T>(Kind::ToReal, n) else { return };
    // The plan adds the twins.
    let (len, data, outer, inner) = (2 * (n / 2 + 1), x.data::<T>(), T::of(scale), T::of(scale * inner * 0.5));
    for_blocks(out, (BLOCK / n).max(1) * n, |start, block| {
        let mut half = plan.make_input_vec();
        let mut scratch = plan.make_scratch_vec();
        for (out, from) in block.chunks_exact_mut(n).zip(data[start / n * len..].chunks_exact(len)) {
            read(from, &mut half);
            for (k, z) in half.iter_mut().enumerate() {
                // Where there is no twin, the imaginary part does not count.
                *z = if is_inner(k, n) { *z * inner } else { Complex::new(z.re * outer, T::of(0.0)) };
            }
            let done = plan.process_with_scratch(&mut half, out, &mut scratch);
            assert!(done.is_ok(), "half a spectrum of {n} numbers");
        }
    });
}
