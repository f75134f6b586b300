//! Windows: weights of the samples of a stretch of signal.

use std::f64::consts::PI;

use super::frequencies::sampled;
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// # Windows of signals
/// With the feature `fft`. Of `n` weights, the first and the last are alike in a symmetric window; a *periodic* one is a symmetric one
/// of `n + 1` weights without the last, as [`stft`](Self::stft) takes it.
///
/// ```
/// use demotic::{DType, Tensor};
///
/// let thousandths = |window: Tensor| (1000.0 * window).round().to_f64_vec();
/// assert_eq!(thousandths(Tensor::hamming_window(3, false, DType::F32)?), [80.0, 1000.0, 80.0]);
/// assert_eq!(thousandths(Tensor::blackman_window(5, false, DType::F64)?), [0.0, 340.0, 1000.0, 340.0, 0.0]);
/// assert_eq!(thousandths(Tensor::bartlett_window(5, false, DType::F32)?), [0.0, 500.0, 1000.0, 500.0, 0.0]);
/// assert_eq!(thousandths(Tensor::kaiser_window(3, false, 0.0, DType::F32)?), [1000.0; 3]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// Hann's window, `½ − ½ cos(2π t / n)`, of shape `[n]`.
    ///
    /// # Errors
    /// If the type is not floating, or they do not fit into memory.
    ///
    /// ```
    /// use demotic::{DType, Tensor};
    ///
    /// assert_eq!(Tensor::hann_window(4, true, DType::F32)?.to_vec::<f32>()?, [0.0, 0.5, 1.0, 0.5]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn hann_window(n: usize, periodic: bool, dtype: DType) -> Result<Tensor> {
        cosines("hann_window", n, periodic, dtype, [0.5, 0.5, 0.0])
    }

    /// Hamming's window, `0.54 − 0.46 cos(2π t / n)`.
    ///
    /// # Errors
    /// As for [`hann_window`](Self::hann_window).
    #[track_caller]
    pub fn hamming_window(n: usize, periodic: bool, dtype: DType) -> Result<Tensor> {
        cosines("hamming_window", n, periodic, dtype, [0.54, 0.46, 0.0])
    }

    /// Blackman's window, `0.42 − 0.5 cos(2π t / n) + 0.08 cos(4π t / n)`.
    ///
    /// # Errors
    /// As for [`hann_window`](Self::hann_window).
    #[track_caller]
    pub fn blackman_window(n: usize, periodic: bool, dtype: DType) -> Result<Tensor> {
        cosines("blackman_window", n, periodic, dtype, [0.42, 0.5, 0.08])
    }

    /// Bartlett's window, a triangle.
    ///
    /// # Errors
    /// As for [`hann_window`](Self::hann_window).
    #[track_caller]
    pub fn bartlett_window(n: usize, periodic: bool, dtype: DType) -> Result<Tensor> {
        let f = |t: f64, steps: f64| 1.0 - (2.0 * t / steps - 1.0).abs();
        window("bartlett_window", n, periodic, dtype, &f)
    }

    /// Kaiser's window, `I₀(beta √(1 − (2t / n − 1)²)) / I₀(beta)`, where `I₀` is Bessel's modified function; 12 is usual.
    ///
    /// # Errors
    /// As for [`hann_window`](Self::hann_window), or if `beta` is negative or above 700, from which on `I₀` is too large.
    #[track_caller]
    pub fn kaiser_window(n: usize, periodic: bool, beta: f64, dtype: DType) -> Result<Tensor> {
        if !(0.0..=700.0).contains(&beta) {
            return Err(Error::argument("kaiser_window", format!("beta is {beta}, expected a number from 0 to 700")));
        }
        let all = bessel_i0(beta);
        let f = |t: f64, steps: f64| {
            let place = 2.0 * t / steps - 1.0;
            bessel_i0(beta * (1.0 - place * place).max(0.0).sqrt()) / all
        };
        window("kaiser_window", n, periodic, dtype, &f)
    }
}

/// `f(t, steps)` at each place `t` of so many steps.
#[track_caller]
fn window(op: &'static str, n: usize, periodic: bool, dtype: DType, f: &dyn Fn(f64, f64) -> f64) -> Result<Tensor> {
    let steps = if periodic { n } else { n.saturating_sub(1) };
    // A single weight is all of the window.
    sampled(op, n, dtype, &|t| if n == 1 { 1.0 } else { f(t as f64, steps as f64) })
}

/// `a − b cos φ + c cos 2φ` with the angle `φ` going round once.
#[track_caller]
fn cosines(op: &'static str, n: usize, periodic: bool, dtype: DType, [a, b, c]: [f64; 3]) -> Result<Tensor> {
    // In this order the ends are exactly 0.
    let f = |t: f64, steps: f64| (a + c * (4.0 * PI * t / steps).cos()) - b * (2.0 * PI * t / steps).cos();
    window(op, n, periodic, dtype, &f)
}

/// `I₀(x) = Σ ((x / 2)ᵏ / k!)²`: all terms are positive, so none of the digits are lost.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}
