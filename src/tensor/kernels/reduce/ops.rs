//! The reductions.

use super::super::Elem;
use super::super::math::Real;
use super::super::ops::Number;
use super::super::simd::Isa;
use super::{Column, LANES, Reduce, fold_lanes};

/// Reductions of `f32` and `f64` whose lanes add numbers and whose blocks add `f64`:
/// `Name cost => |acc, x| next, |total, len| result, |result, column| checked;`.
macro_rules! real_sums {
    ($(
        $(#[$doc:meta])* $name:ident $cost:literal =>
            |$acc:ident, $x:ident| $feed:expr, |$total:ident, $len:ident| $finish:expr,
            |$result:ident, $column:ident| $checked:expr;
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name;
        impl<T: Real> Reduce<T> for $name {
            const COST: usize = $cost;
            type Output = T;
            type Acc = T;
            type Total = f64;

            #[inline(always)]
            fn start(self) -> T {
                T::zero()
            }
            #[inline(always)]
            fn feed<I: Isa>(self, $acc: T, $x: T) -> T {
                $feed
            }
            #[inline(always)]
            fn join<I: Isa>(self, a: T, b: T) -> T {
                a + b
            }
            #[inline(always)]
            fn total(self, acc: T) -> f64 {
                acc.to_f64()
            }
            #[inline(always)]
            fn merge(self, a: f64, b: f64) -> f64 {
                a + b
            }
            #[inline(always)]
            fn finish(self, $total: f64, $len: usize) -> T {
                T::from_f64($finish)
            }
            #[inline(always)]
            fn checked(self, $result: T, $column: &Column<'_, T>) -> T {
                $checked
            }
        }
    )*};
}

real_sums! {
    /// `Σ x`, 0 for nothing.
    Sum 1 => |acc, x| acc + x, |total, _len| total,
        |y, column| if y.is_finite() { y } else { column.sum_over(1.0) };
    /// `Σ x / n`, NaN for nothing.
    Mean 1 => |acc, x| acc + x, |total, len| total / len as f64,
        |y, column| if y.is_finite() { y } else { column.sum_over(column.count()) };
    /// `Σ x²`.
    SumSquares 1 => |acc, x| I::mul_add(x, x, acc), |total, _len| total, |y, column| column.squares(y, 1.0);
    /// `Σ x² / n`, NaN for nothing.
    MeanSquares 1 => |acc, x| I::mul_add(x, x, acc), |total, len| total / len as f64,
        |y, column| column.squares(y, column.count());
    /// `√(Σ x²)`.
    Norm2 1 => |acc, x| I::mul_add(x, x, acc), |total, _len| total.sqrt(), |y, column| column.norm(y);
    /// `Σ |x|`.
    SumAbs 1 => |acc, x| acc + x.abs(), |total, _len| total, |y, _column| y;
}

/// The `p`-th root. `1/p` has been rounded, which the logarithm of a large number makes more of; a step of Newton's method
/// takes that out again.
pub(super) fn root(x: f64, p: f64) -> f64 {
    let y = x.powf(p.recip());
    let off = (x / y.powf(p) - 1.0) / p;
    if off.abs() < 1e-6 { y + y * off } else { y }
}

/// `(Σ |x|ᵖ)^(1/p)`, for a finite `p` other than 0; [`norm`](super::norm) takes any.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NormP(pub(crate) f64);

impl<T: Real> Reduce<T> for NormP {
    const COST: usize = 8;
    type Output = T;
    type Acc = T;
    type Total = f64;

    #[inline(always)]
    fn start(self) -> T {
        T::zero()
    }
    #[inline(always)]
    fn feed<I: Isa>(self, acc: T, x: T) -> T {
        acc + x.abs().pow_on::<I>(T::from_f64(self.0))
    }
    #[inline(always)]
    fn join<I: Isa>(self, a: T, b: T) -> T {
        a + b
    }
    #[inline(always)]
    fn total(self, acc: T) -> f64 {
        acc.to_f64()
    }
    #[inline(always)]
    fn merge(self, a: f64, b: f64) -> f64 {
        a + b
    }
    #[inline(always)]
    fn finish(self, total: f64, _len: usize) -> T {
        T::from_f64(root(total, self.0))
    }
    #[inline(always)]
    fn checked(self, result: T, column: &Column<'_, T>) -> T {
        column.p_norm(result, self.0)
    }
}

/// Reductions whose lanes and totals are of one type, joined in one way:
/// `impl (generics) Name for T => Output as Acc: start, |acc, x| next, |a, b| joined, |total| result;`.
macro_rules! plain_reductions {
    ($(
        impl ($($generics:tt)*) $name:ident for $t:ty => $output:ty as $acc_type:ty:
            $start:expr, |$acc:ident, $x:ident| $feed:expr, |$a:ident, $b:ident| $join:expr;
    )*) => {$(
        impl<$($generics)*> Reduce<$t> for $name {
            type Output = $output;
            type Acc = $acc_type;
            type Total = $output;

            #[inline(always)]
            fn start(self) -> $acc_type {
                $start
            }
            #[inline(always)]
            fn feed<I: Isa>(self, $acc: $acc_type, $x: $t) -> $acc_type {
                $feed
            }
            #[inline(always)]
            fn join<I: Isa>(self, $a: $acc_type, $b: $acc_type) -> $acc_type {
                $join
            }
            #[inline(always)]
            fn total(self, acc: $acc_type) -> $output {
                acc.into()
            }
            #[inline(always)]
            fn merge(self, $a: $output, $b: $output) -> $output {
                $join
            }
            #[inline(always)]
            fn finish(self, total: $output, _len: usize) -> $output {
                total
            }
        }
    )*};
}

/// The product, 1 for nothing. Integers wrap around.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prod;
/// The largest element, or NaN if there is one; the lowest value of the type for nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Max;
/// The smallest element, or NaN if there is one; the highest value of the type for nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Min;
/// The largest absolute value, or NaN if there is a NaN; 0 for nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MaxAbs;
/// The smallest absolute value, or NaN if there is a NaN; ∞ for nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MinAbs;
/// How many elements are not zero. NaN is not zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CountNonzero;
/// Whether any element is true.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Any;
/// Whether every element is true, so also for nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct All;
/// `log Σ eˣ` without overflow, -∞ for nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogSumExp;

/// The bounds of a type.
pub(crate) trait Extremes: Number {
    const LOWEST: Self;
    const HIGHEST: Self;
}

macro_rules! extremes {
    ($($t:ty: $lowest:expr, $highest:expr;)*) => {$(
        impl Extremes for $t {
            const LOWEST: Self = $lowest;
            const HIGHEST: Self = $highest;
        }
    )*};
}
extremes! {
    f32: f32::NEG_INFINITY, f32::INFINITY;
    f64: f64::NEG_INFINITY, f64::INFINITY;
    i64: i64::MIN, i64::MAX;
    u8: u8::MIN, u8::MAX;
}

/// The larger of two, or NaN.
#[inline(always)]
fn larger<T: Number>(a: T, b: T) -> T {
    if b > a || b.is_nan() { b } else { a }
}

/// The smaller of two, or NaN.
#[inline(always)]
fn smaller<T: Number>(a: T, b: T) -> T {
    if b < a || b.is_nan() { b } else { a }
}

plain_reductions! {
    impl () Sum for i64 => i64 as i64: 0, |acc, x| acc.wrapping_add(x), |a, b| a.wrapping_add(b);
    // A block of `u8` cannot exceed `u32`: 4096 · 255.
    impl () Sum for u8 => i64 as u32: 0, |acc, x| acc + u32::from(x), |a, b| a + b;
    impl () Sum for bool => i64 as u32: 0, |acc, x| acc + u32::from(x), |a, b| a + b;
    impl () Prod for i64 => i64 as i64: 1, |acc, x| acc.wrapping_mul(x), |a, b| a.wrapping_mul(b);
    impl () Prod for u8 => i64 as i64: 1, |acc, x| acc.wrapping_mul(i64::from(x)), |a, b| a.wrapping_mul(b);
    impl (T: Extremes) Max for T => T as T: T::LOWEST, |acc, x| larger(acc, x), |a, b| larger(a, b);
    impl (T: Extremes) Min for T => T as T: T::HIGHEST, |acc, x| smaller(acc, x), |a, b| smaller(a, b);
    impl (T: Real + Number) MaxAbs for T => T as T: T::zero(), |acc, x| larger(acc, x.abs()), |a, b| larger(a, b);
    impl (T: Real + Number) MinAbs for T => T as T:
        T::infinity(), |acc, x| smaller(acc, x.abs()), |a, b| smaller(a, b);
    impl (T: Elem + PartialEq) CountNonzero for T => i64 as u32:
        0, |acc, x| acc + u32::from(x != T::default()), |a, b| a + b;
    impl () Any for bool => bool as bool: false, |acc, x| acc | x, |a, b| a | b;
    impl () All for bool => bool as bool: true, |acc, x| acc & x, |a, b| a & b;
}

/// In `f64`, which the products of a few `f32` do not leave.
impl<T: Real> Reduce<T> for Prod {
    const COST: usize = 2;
    type Output = T;
    type Acc = f64;
    type Total = f64;

    #[inline(always)]
    fn start(self) -> f64 {
        1.0
    }
    #[inline(always)]
    fn feed<I: Isa>(self, acc: f64, x: T) -> f64 {
        acc * x.to_f64()
    }
    #[inline(always)]
    fn join<I: Isa>(self, a: f64, b: f64) -> f64 {
        a * b
    }
    #[inline(always)]
    fn total(self, acc: f64) -> f64 {
        acc
    }
    #[inline(always)]
    fn merge(self, a: f64, b: f64) -> f64 {
        a * b
    }
    #[inline(always)]
    fn finish(self, total: f64, _len: usize) -> T {
        T::from_f64(total)
    }
    #[inline(always)]
    fn checked(self, result: T, column: &Column<'_, T>) -> T {
        column.product(result)
    }
}

/// `log Σ e^(x - max)`, with the maximum: a pair `(max, Σ e^(x - max))`.
impl<T: Real + Extremes> Reduce<T> for LogSumExp {
    const COST: usize = 4;
    type Output = T;
    type Acc = (T, T);
    type Total = (T, f64);

    #[inline(always)]
    fn start(self) -> (T, T) {
        (T::LOWEST, T::zero())
    }

    /// Only one exponential is needed: either of the new element or of the step from the old maximum to it.
    #[inline(always)]
    fn feed<I: Isa>(self, (max, sum): (T, T), x: T) -> (T, T) {
        // Equal infinities differ by nothing.
        let difference = if x == max { T::zero() } else { x - max };
        let e = (-difference.abs()).exp_on::<I>();
        if difference > T::zero() { (x, sum * e + T::one()) } else { (max, sum + e) }
    }

    #[inline(always)]
    fn join<I: Isa>(self, a: (T, T), b: (T, T)) -> (T, T) {
        let (max, sum) = self.merge((a.0, a.1.to_f64()), (b.0, b.1.to_f64()));
        (max, T::from_f64(sum))
    }

    #[inline(always)]
    fn total(self, (max, sum): (T, T)) -> (T, f64) {
        (max, sum.to_f64())
    }

    #[inline(always)]
    fn merge(self, a: (T, f64), b: (T, f64)) -> (T, f64) {
        let (low, high) = if a.0 > b.0 { (b, a) } else { (a, b) };
        let step = if low.0 == high.0 { 0.0 } else { (low.0 - high.0).to_f64() };
        (high.0, high.1 + low.1 * step.exp())
    }

    #[inline(always)]
    fn finish(self, (max, sum): (T, f64), _len: usize) -> T {
        max + T::from_f64(sum.ln())
    }

    /// Twice over a block in the first-level cache: the maximum, then the exponentials.
    #[inline(always)]
    fn fold<I: Isa>(self, x: &[T]) -> (T, f64) {
        let max = fold_lanes(x, T::LOWEST, |a, x| if x > a { x } else { a }, |a, b| if b > a { b } else { a });
        // Infinite maxima: every equal element counts 1, every other one 0.
        let term = |x: T| if x == max { T::one() } else { (x - max).exp_on::<I>() };
        let mut sum = T::zero();
        let (chunks, rest) = x.as_chunks::<LANES>();
        if !chunks.is_empty() {
            let mut lanes = [T::zero(); LANES];
            for chunk in chunks {
                for (lane, &x) in lanes.iter_mut().zip(chunk) {
                    *lane += term(x);
                }
            }
            sum = fold_lanes(&lanes, T::zero(), |a, x| a + x, |a, b| a + b);
        }
        if !rest.is_empty() {
            let mut last = [T::LOWEST; LANES];
            last[..rest.len()].copy_from_slice(rest);
            let mut terms = [T::zero(); LANES];
            for (t, &x) in terms.iter_mut().zip(&last) {
                *t = term(x);
            }
            for &t in &terms[..rest.len()] {
                sum += t;
            }
        }
        (max, sum.to_f64())
    }
}
