//! Results of which fast sums may have lost everything, computed again with more range.
//!
//! Squares and powers leave the range of a type long before the numbers do, and so do sums and products of which others
//! bring the rest back. The fast loops do not look for that. They are right whenever their result is well within the range,
//! and where it is not, its elements are gone through once more, one after the other, in `f64` and scaled.

use super::super::{Elem, Real};

/// A product whose exponent is a number of its own, so that it never leaves the range on its way.
#[derive(Debug, Clone, Copy)]
pub(in crate::tensor::kernels) struct Scaled {
    product: f64,
    power: i64,
}

impl Scaled {
    pub(in crate::tensor::kernels) const ONE: Self = Self { product: 1.0, power: 0 };

    pub(in crate::tensor::kernels) fn times(self, x: f64) -> Self {
        let Self { mut product, mut power } = self;
        if x == 0.0 || !x.is_finite() {
            return Self { product: product * x, power };
        }
        // A subnormal number is brought up first.
        let (x, by) = if x.is_normal() { (x, 0) } else { (scaled(x, 60), -60) };
        let e = exponent(x);
        product *= scaled(x, (-e).into());
        power += i64::from(e) + by;
        if product.is_normal() {
            let e = exponent(product);
            product = scaled(product, (-e).into());
            power += i64::from(e);
        }
        Self { product, power }
    }

    pub(in crate::tensor::kernels) fn value(self) -> f64 {
        scaled(self.product, self.power)
    }
}

/// The elements that make one result.
pub(super) struct Column<'a, T> {
    x: &'a [T],
    stride: usize,
    len: usize,
}

/// Elements that are added up before they are added to the others.
const BLOCK: usize = 256;

/// The sum of numbers, by blocks.
fn sum_of(x: impl Iterator<Item = f64>) -> f64 {
    let (mut total, mut block, mut count) = (0.0, 0.0, 0);
    for x in x {
        block += x;
        count += 1;
        if count == BLOCK {
            total += block;
            (block, count) = (0.0, 0);
        }
    }
    total + block
}

/// `2ⁿ`, for the exponents of normal numbers.
fn power_of_two(n: i32) -> f64 {
    f64::from_bits(((n + 1023) as u64) << 52)
}

/// `x · 2ⁿ`, for any `n`.
fn scaled(x: f64, n: i64) -> f64 {
    let (mut x, mut n) = (x, n.clamp(-4000, 4000) as i32);
    while n.abs() > 1000 {
        let step = 1000 * n.signum();
        x *= power_of_two(step);
        n -= step;
    }
    x * power_of_two(n)
}

/// The exponent `e` with `2ᵉ ≤ |x| < 2ᵉ⁺¹`, at least that of the smallest normal number, of a number.
fn exponent(x: f64) -> i32 {
    (((x.abs().to_bits() >> 52) as i32) - 1023).max(-1022)
}

/// The `p`-th root. `1/p` has been rounded, which the logarithm of a large number makes more of; a step of Newton's method
/// takes that out again.
pub(super) fn root(x: f64, p: f64) -> f64 {
    let y = x.powf(p.recip());
    let off = (x / y.powf(p) - 1.0) / p;
    if off.abs() < 1e-6 { y + y * off } else { y }
}

impl<'a, T: Elem> Column<'a, T> {
    /// `len` elements of `x`, `stride` apart.
    pub(super) fn new(x: &'a [T], stride: usize, len: usize) -> Self {
        Self { x, stride, len }
    }
}

impl<T: Real> Column<'_, T> {
    /// How many elements there are.
    pub(super) fn count(&self) -> f64 {
        self.len as f64
    }

    fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.x.iter().step_by(self.stride).take(self.len).map(|&x| x.to_f64())
    }

    fn magnitudes(&self) -> impl Iterator<Item = f64> + '_ {
        self.values().map(f64::abs)
    }

    /// The largest magnitude, or NaN if there is one.
    fn largest(&self) -> f64 {
        self.magnitudes().fold(0.0, |a: f64, x| if x <= a || a.is_nan() { a } else { x })
    }

    /// Whether a sum of squares, or of other terms from 0 on, is so large that the terms which were too small for their
    /// type do not matter, and none was too large.
    fn is_safe(&self, total: f64, result: T) -> bool {
        // Each term was off by half of the smallest number at most, which is 2⁻²³ or 2⁻⁵² of the smallest normal one.
        let floor = T::min_positive_value().to_f64() * f64::from(1_u32 << 26);
        total >= self.count() * floor && total.is_finite() && result.is_finite()
    }

    /// `Σ x / divisor`, of which `result` is the fast one.
    #[inline(always)]
    pub(super) fn sum(&self, result: T, divisor: f64) -> T {
        if result.is_finite() { result } else { self.slow_sum(divisor) }
    }

    #[cold]
    #[inline(never)]
    fn slow_sum(&self, divisor: f64) -> T {
        let scale = power_of_two(-64);
        T::from_f64(scaled(sum_of(self.values().map(|x| x * scale)) / divisor, 64))
    }

    /// `Σ x² / divisor`, of which `result` is the fast one.
    #[inline(always)]
    pub(super) fn squares(&self, result: T, divisor: f64) -> T {
        let total = result.to_f64() * divisor;
        if self.is_safe(total, result) { result } else { self.slow_squares(divisor, false) }
    }

    /// `√(Σ x²)`, of which `result` is the fast one.
    #[inline(always)]
    pub(super) fn norm(&self, result: T) -> T {
        let norm = result.to_f64();
        if self.is_safe(norm * norm, result) { result } else { self.slow_squares(1.0, true) }
    }

    #[cold]
    #[inline(never)]
    fn slow_squares(&self, divisor: f64, root: bool) -> T {
        let largest = self.largest();
        if largest == 0.0 || !largest.is_finite() {
            return T::from_f64(largest / divisor);
        }
        let e = -exponent(largest);
        let total = sum_of(self.values().map(|x| scaled(x, e.into())).map(|x| x * x)) / divisor;
        T::from_f64(if root { scaled(total.sqrt(), (-e).into()) } else { scaled(total, (-2 * e).into()) })
    }

    /// `(Σ |x|ᵖ)^(1/p)`, of which `result` is the fast one.
    #[inline(always)]
    pub(super) fn p_norm(&self, result: T, p: f64) -> T {
        if self.is_safe(result.to_f64().powf(p), result) { result } else { self.slow_p_norm(p) }
    }

    /// By the largest one for `p > 0`, by the smallest one for `p < 0`: no power is then above 1.
    #[cold]
    #[inline(never)]
    fn slow_p_norm(&self, p: f64) -> T {
        let smallest = || self.magnitudes().fold(f64::INFINITY, |a: f64, x| if x >= a || a.is_nan() { a } else { x });
        let unit = if p > 0.0 { self.largest() } else { smallest() };
        if unit == 0.0 || !unit.is_finite() {
            return T::from_f64(unit);
        }
        T::from_f64(unit * root(sum_of(self.magnitudes().map(|x| (x / unit).powf(p))), p))
    }

    /// `Π x`, of which `result` is the fast one.
    #[inline(always)]
    pub(super) fn product(&self, result: T) -> T {
        if result.is_normal() && (T::WIDENS || self.stays_in_range()) { result } else { self.slow_product() }
    }

    /// Whether no product of some of the elements is beyond the range of normal numbers.
    fn stays_in_range(&self) -> bool {
        let powers = self.values().map(|x| i64::from(exponent(x)) + 1);
        let (up, down) = powers.fold((0, 0), |(up, down), e| (up + e.max(0), down + (e - 1).min(0)));
        up < 1023 && down > -1022
    }

    #[cold]
    #[inline(never)]
    fn slow_product(&self) -> T {
        T::from_f64(self.values().fold(Scaled::ONE, Scaled::times).value())
    }

    /// The variance (or its root), of which `result` is the fast one. That of `f32` was computed in `f64` and is never off.
    #[inline(always)]
    pub(super) fn spread(&self, result: T, divisor: f64, root: bool) -> T {
        let spread = result.to_f64();
        let square = if root { spread * spread } else { spread };
        let safe = T::WIDENS || self.is_safe(square * divisor, result);
        if safe { result } else { self.slow_spread(result, divisor, root) }
    }

    #[cold]
    #[inline(never)]
    fn slow_spread(&self, result: T, divisor: f64, root: bool) -> T {
        let largest = self.largest();
        if largest == 0.0 || !largest.is_finite() {
            return result;
        }
        let e = -exponent(largest);
        let values = || self.values().map(|x| scaled(x, e.into()));
        let count = self.count();
        let mean = sum_of(values()) / count;
        let mean = mean + sum_of(values().map(|x| x - mean)) / count;
        // What is left may be far smaller than the numbers, and its squares too small once more.
        let distance = values().fold(0.0, |a: f64, x| a.max((x - mean).abs()));
        let f = if distance == 0.0 { 0 } else { -exponent(distance) };
        let squares = sum_of(values().map(|x| scaled(x - mean, f.into())).map(|x| x * x)) / divisor;
        let back = -i64::from(e) - i64::from(f);
        T::from_f64(if root { scaled(squares.sqrt(), back) } else { scaled(squares, 2 * back) })
    }
}

#[cfg(test)]
mod tests;
