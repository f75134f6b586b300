//! The loops of the reductions.

use super::super::math::Real;
use super::super::simd::Isa;
use super::{COLUMNS, Elem, LANES};

/// The loop of a reduction of elements of type `T`.
pub(super) trait Fold<T: Elem> {
    /// How much longer than an addition one step takes, roughly.
    const COST: usize = 1;
    /// Whether wider registers than those of every processor are worth another copy of the loop. Not of double precision, except
    /// where products are added up: fused, those have other digits.
    const VECTORS: bool = true;

    /// What a lane holds.
    type Lane: Copy;
    /// What a block amounts to.
    type Total: Elem;

    /// A lane before its first element.
    fn start() -> Self::Lane;
    fn feed<I: Isa>(lane: Self::Lane, x: T) -> Self::Lane;
    /// Two lanes together.
    fn join<I: Isa>(a: Self::Lane, b: Self::Lane) -> Self::Lane;
    fn total(lane: Self::Lane) -> Self::Total;
    /// Two blocks together.
    fn merge(a: Self::Total, b: Self::Total) -> Self::Total;

    /// Reduces up to [`BLOCK`](super::BLOCK) contiguous elements.
    #[inline(always)]
    fn fold<I: Isa>(x: &[T]) -> Self::Total {
        Self::total(fold_lanes(x, Self::start(), |lane, x| Self::feed::<I>(lane, x), |a, b| Self::join::<I>(a, b)))
    }

    /// Reduces up to [`ROWS`](super::ROWS) rows, `stride` elements apart, into a total for each of up to [`COLUMNS`] columns.
    #[inline(always)]
    fn fold_columns<I: Isa>(x: &[T], stride: usize, rows: usize, totals: &mut [Self::Total]) {
        let mut lanes = [Self::start(); COLUMNS];
        let lanes = &mut lanes[..totals.len().min(COLUMNS)];
        feed_columns(x, stride, rows, lanes, |lane, x| Self::feed::<I>(lane, x));
        for (total, &lane) in totals.iter_mut().zip(lanes.iter()) {
            *total = Self::merge(*total, Self::total(lane));
        }
    }
}

/// Reduces contiguous elements in [`LANES`] lanes, then the lanes pairwise.
#[inline(always)]
pub(super) fn fold_lanes<T: Copy, A: Copy>(x: &[T], start: A, feed: impl Fn(A, T) -> A, join: impl Fn(A, A) -> A) -> A {
    if x.len() < LANES / 4 {
        let mut acc = start;
        for &x in x {
            acc = feed(acc, x);
        }
        return acc;
    }
    let mut lanes = [start; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = feed(*lane, x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = feed(*lane, x);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = join(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Feeds `rows` rows, `stride` elements apart, to one lane per column.
#[inline(always)]
pub(super) fn feed_columns<T: Copy, A: Copy>(
    x: &[T],
    stride: usize,
    rows: usize,
    lanes: &mut [A],
    feed: impl Fn(A, T) -> A,
) {
    let width = lanes.len();
    let row = |r: usize| &x[r * stride..][..width];
    let mut r = 0;
    // Four rows at a time, so that the lanes are loaded and stored a quarter as often.
    while r + 4 <= rows {
        let (a, b, c, d) = (row(r), row(r + 1), row(r + 2), row(r + 3));
        for ((((lane, &a), &b), &c), &d) in lanes.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *lane = feed(feed(feed(feed(*lane, a), b), c), d);
        }
        r += 4;
    }
    while r < rows {
        for (lane, &x) in lanes.iter_mut().zip(row(r)) {
            *lane = feed(*lane, x);
        }
        r += 1;
    }
}

/// Folds whose lanes and totals are joined in one way:
/// `(generics) Name for T, cost, vectors; Lane = start, |lane, x| next; Total = |lane| total, |a, b| joined;`.
macro_rules! folds {
    ($(
        ($($generics:tt)*) $name:ident for $t:ty, $cost:literal, $vectors:expr;
            $lane_type:ty = $start:expr, |$lane:ident, $x:ident| $feed:expr;
            $total:ty = $to_total:expr, |$a:ident, $b:ident| $join:expr;
    )*) => {$(
        impl<$($generics)*> Fold<$t> for $name {
            const COST: usize = $cost;
            const VECTORS: bool = $vectors;
            type Lane = $lane_type;
            type Total = $total;

            #[inline(always)]
            fn start() -> $lane_type {
                $start
            }
            #[inline(always)]
            fn feed<I: Isa>($lane: $lane_type, $x: $t) -> $lane_type {
                $feed
            }
            #[inline(always)]
            fn join<I: Isa>($a: $lane_type, $b: $lane_type) -> $lane_type {
                $join
            }
            #[inline(always)]
            fn total(lane: $lane_type) -> $total {
                $to_total(lane)
            }
            #[inline(always)]
            fn merge($a: $total, $b: $total) -> $total {
                $join
            }
        }
    )*};
}

/// `Σ x`. Integers wrap around.
pub(super) struct Sum;
/// `Σ |x|`.
pub(super) struct SumAbs;
/// `Σ x²`.
pub(super) struct SumSquares;
/// `Π x`. Integers wrap around.
pub(super) struct Product;
/// The largest element, or NaN if there is one; the lowest value of the type for nothing.
pub(super) struct Max;
/// The smallest element, or NaN if there is one; the highest value of the type for nothing.
pub(super) struct Min;

/// The larger of two, or NaN.
#[inline(always)]
fn larger<T: PartialOrd>(a: T, b: T) -> T {
    if b > a || is_nan(&b) { b } else { a }
}

/// The smaller of two, or NaN.
#[inline(always)]
fn smaller<T: PartialOrd>(a: T, b: T) -> T {
    if b < a || is_nan(&b) { b } else { a }
}

#[inline(always)]
#[expect(clippy::eq_op, reason = "what differs from itself is NaN")]
pub(super) fn is_nan<T: PartialOrd>(x: &T) -> bool {
    x != x
}

folds! {
    (T: Real) Sum for T, 1, T::WIDE; T = T::zero(), |lane, x| lane + x; f64 = Real::to_f64, |a, b| a + b;
    (T: Real) SumAbs for T, 1, T::WIDE; T = T::zero(), |lane, x| lane + x.abs(); f64 = Real::to_f64, |a, b| a + b;
    (T: Real) SumSquares for T, 1, true; T = T::zero(), |lane, x| I::mul_add(x, x, lane); f64 = Real::to_f64, |a, b| a + b;
    // In `f64`, which the products of a few `f32` do not leave.
    (T: Real) Product for T, 2, T::WIDE; f64 = 1.0, |lane, x| lane * x.to_f64(); f64 = f64::from, |a, b| a * b;
    (T: Real) Max for T, 1, T::WIDE; T = T::neg_infinity(), |lane, x| larger(lane, x); f64 = Real::to_f64, |a, b| larger(a, b);
    (T: Real) Min for T, 1, T::WIDE; T = T::infinity(), |lane, x| smaller(lane, x); f64 = Real::to_f64, |a, b| smaller(a, b);

    () Sum for i64, 1, false; i64 = 0, |lane, x| lane.wrapping_add(x); i64 = i64::from, |a, b| a.wrapping_add(b);
    // A block of `u8` cannot exceed `u32`: 4096 · 255.
    () Sum for u8, 1, false; u32 = 0, |lane, x| lane + u32::from(x); i64 = i64::from, |a, b| a + b;
    () Product for i64, 1, false; i64 = 1, |lane, x| lane.wrapping_mul(x); i64 = i64::from, |a, b| a.wrapping_mul(b);
    () Product for u8, 1, false; i64 = 1, |lane, x| lane.wrapping_mul(x.into()); i64 = i64::from, |a, b| a.wrapping_mul(b);
    () Max for i64, 1, false; i64 = i64::MIN, |lane, x| lane.max(x); i64 = i64::from, |a, b| a.max(b);
    () Max for u8, 1, false; u8 = u8::MIN, |lane, x| lane.max(x); i64 = i64::from, |a, b| a.max(b);
    () Min for i64, 1, false; i64 = i64::MAX, |lane, x| lane.min(x); i64 = i64::from, |a, b| a.min(b);
    () Min for u8, 1, false; u8 = u8::MAX, |lane, x| lane.min(x); i64 = i64::from, |a, b| a.min(b);
}

/// `log Σ eˣ` without overflow: the largest element and `Σ e^(x - max)`.
pub(super) struct LogSumExp;

impl<T: Real> Fold<T> for LogSumExp {
    const COST: usize = 4;
    const VECTORS: bool = T::WIDE;
    type Lane = (T, T);
    /// The largest element, the sum, and nothing.
    type Total = [f64; 3];

    #[inline(always)]
    fn start() -> (T, T) {
        (T::neg_infinity(), T::zero())
    }

    /// Only one exponential is needed: either of the new element or of the step from the old maximum to it.
    #[inline(always)]
    fn feed<I: Isa>((max, sum): (T, T), x: T) -> (T, T) {
        // Equal infinities differ by nothing.
        let difference = if x == max { T::zero() } else { x - max };
        let e = (-difference.abs()).exp_on::<I>();
        if difference > T::zero() { (x, sum * e + T::one()) } else { (max, sum + e) }
    }

    #[inline(always)]
    fn join<I: Isa>(a: (T, T), b: (T, T)) -> (T, T) {
        let [max, sum, _] = <Self as Fold<T>>::merge(<Self as Fold<T>>::total(a), <Self as Fold<T>>::total(b));
        (T::from_f64(max), T::from_f64(sum))
    }

    #[inline(always)]
    fn total((max, sum): (T, T)) -> [f64; 3] {
        [max.to_f64(), sum.to_f64(), 0.0]
    }

    #[inline(always)]
    fn merge(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
        let (low, high) = if a[0] > b[0] { (b, a) } else { (a, b) };
        // In the elements' own type, from which the maxima are.
        let step = if low[0] == high[0] { 0.0 } else { (T::from_f64(low[0]) - T::from_f64(high[0])).to_f64() };
        [high[0], high[1] + low[1] * step.exp(), 0.0]
    }

    /// Twice over a block in the first-level cache: the maximum, then the exponentials.
    #[inline(always)]
    fn fold<I: Isa>(x: &[T]) -> [f64; 3] {
        let max = fold_lanes(x, T::neg_infinity(), |a, x| if x > a { x } else { a }, |a, b| if b > a { b } else { a });
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
            let mut last = [T::neg_infinity(); LANES];
            last[..rest.len()].copy_from_slice(rest);
            let mut terms = [T::zero(); LANES];
            for (t, &x) in terms.iter_mut().zip(&last) {
                *t = term(x);
            }
            for &t in &terms[..rest.len()] {
                sum += t;
            }
        }
        [max.to_f64(), sum.to_f64(), 0.0]
    }
}

/// How many elements there are, their mean, and the sum of their squared distances from it, about the mean of each block, so
/// that values far from zero lose no accuracy.
pub(super) struct Moments;

/// A block of so many elements, from `Σ (x - pivot)` and `Σ (x - pivot)²`, with a pivot close to the mean. What the pivot is off
/// by, the sum of the differences corrects.
#[inline(always)]
fn about(count: usize, pivot: f64, differences: f64, squares: f64) -> [f64; 3] {
    let count = count as f64;
    if count == 0.0 {
        return [0.0; 3];
    }
    [count, pivot + differences / count, squares - differences * differences / count]
}

impl<T: Real> Fold<T> for Moments {
    const COST: usize = 4;
    type Lane = [f64; 3];
    type Total = [f64; 3];

    #[inline(always)]
    fn start() -> [f64; 3] {
        [0.0; 3]
    }

    #[inline(always)]
    fn feed<I: Isa>(lane: [f64; 3], x: T) -> [f64; 3] {
        <Self as Fold<T>>::merge(lane, [1.0, x.to_f64(), 0.0])
    }

    #[inline(always)]
    fn join<I: Isa>(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
        <Self as Fold<T>>::merge(a, b)
    }

    #[inline(always)]
    fn total(lane: [f64; 3]) -> [f64; 3] {
        lane
    }

    /// Chan, Golub and LeVeque (1979).
    #[inline(always)]
    fn merge(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
        let count = a[0] + b[0];
        if count == 0.0 {
            return a;
        }
        let step = b[1] - a[1];
        [count, a[1] + step * (b[0] / count), a[2] + b[2] + step * step * (a[0] * b[0] / count)]
    }

    #[inline(always)]
    fn fold<I: Isa>(x: &[T]) -> [f64; 3] {
        let sum = fold_lanes(x, 0.0, |acc, x| acc + x.to_f64(), |a, b| a + b);
        let pivot = if x.is_empty() { 0.0 } else { sum / x.len() as f64 };
        let (differences, squares) = fold_lanes(
            x,
            (0.0, 0.0),
            |(d, s), x| {
                let off = x.to_f64() - pivot;
                (d + off, I::mul_add(off, off, s))
            },
            |a, b| (a.0 + b.0, a.1 + b.1),
        );
        about(x.len(), pivot, differences, squares)
    }

    #[inline(always)]
    fn fold_columns<I: Isa>(x: &[T], stride: usize, rows: usize, totals: &mut [[f64; 3]]) {
        let width = totals.len().min(COLUMNS);
        let mut pivots = [0.0; COLUMNS];
        let mut differences = [0.0; COLUMNS];
        let mut squares = [0.0; COLUMNS];
        let (pivots, differences, squares) = (&mut pivots[..width], &mut differences[..width], &mut squares[..width]);
        feed_columns(x, stride, rows, pivots, |acc, x: T| acc + x.to_f64());
        pivots.iter_mut().for_each(|sum| *sum /= rows as f64);
        for row in x.chunks(stride).take(rows) {
            for (((d, s), &pivot), &x) in differences.iter_mut().zip(squares.iter_mut()).zip(&*pivots).zip(row) {
                let off = x.to_f64() - pivot;
                *d += off;
                *s = I::mul_add(off, off, *s);
            }
        }
        for (((total, &pivot), &d), &s) in totals.iter_mut().zip(&*pivots).zip(&*differences).zip(&*squares) {
            *total = <Self as Fold<T>>::merge(*total, about(rows, pivot, d, s));
        }
    }
}
