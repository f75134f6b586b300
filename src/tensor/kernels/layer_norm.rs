//! Rows brought to mean 0 and variance 1 (layer norm), or to mean square 1 (RMS norm), and their gradients.
//!
//! With `x̂ = (x - mean) · rstd`, the result is `x̂ w + b`. Both norms are one loop: without a mean, which is then 0.

use std::ops::Range;

use crate::parallel;

use super::lanes::{lanes, total};
use super::shared::Shared;
use super::simd::{Isa, Kernel, dispatch};
use super::{GRAIN, Real};

/// Elements of a row that are worked on side by side: two of the widest registers of `f32`.
const LANES: usize = 32;

type Chunk<T> = [T; LANES];

/// How much longer than an addition an element takes, roughly.
const COST: usize = 2;

/// The most rows whose products are added up one after the other.
const BLOCK: usize = 256;

/// Rows of `cols` elements that are one task.
fn rows_per_task(cols: usize) -> usize {
    (GRAIN / COST / cols.max(1)).max(1)
}

/// What the rows are multiplied by and moved by, once they are normalised.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Affine<'a, T> {
    pub(crate) weight: Option<&'a [T]>,
    pub(crate) bias: Option<&'a [T]>,
}

/// Which norm, of rows of which length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Norm {
    pub(crate) cols: usize,
    /// Whether the mean of a row is taken away: layer norm, not RMS norm.
    pub(crate) centred: bool,
    /// Added to the variance or the mean square.
    pub(crate) eps: f64,
}

/// Normalises rows, and keeps their means (of a layer norm; otherwise there are none) and the reciprocals of their standard
/// deviations or root mean squares.
pub(crate) fn normalize<T: Real>(
    norm: Norm,
    x: &[T],
    affine: Affine<'_, T>,
    out: &mut [T],
    mean: &mut [T],
    rstd: &mut [T],
) {
    let (cols, rows) = (norm.cols, rstd.len());
    assert!(x.len() == out.len() && x.len() == cols * rows, "layer_norm: rows and their statistics");
    assert_eq!(mean.len(), if norm.centred { rows } else { 0 }, "layer_norm: means");
    let fits = |x: Option<&[T]>| x.is_none_or(|x| x.len() == cols);
    assert!(fits(affine.weight) && fits(affine.bias), "layer_norm: weight and bias");
    let (out, mean, rstd) = (Shared::new(out), Shared::new(mean), Shared::new(rstd));
    parallel::for_ranges(rows, rows_per_task(cols), &|rows| {
        let elements = times(&rows, cols);
        // SAFETY: the ranges do not overlap.
        let (out, mean, rstd) =
            unsafe { (out.part(elements.clone()), mean.part_or_nothing(rows.clone()), rstd.part(rows)) };
        dispatch(Forward { norm, x: &x[elements], affine, out, mean, rstd });
    });
}

/// The elements of rows, or the rows of blocks.
fn times(range: &Range<usize>, each: usize) -> Range<usize> {
    range.start * each..range.end * each
}

/// Where the gradients of a weight and a bias go. Without a mean there is no bias.
#[derive(Debug)]
pub(crate) struct AffineGrad<'a, T> {
    pub(crate) weight: &'a mut [T],
    pub(crate) bias: &'a mut [T],
    /// [`scratch_len`] elements.
    pub(crate) scratch: &'a mut [T],
}

/// How many elements the sums of weight and bias need on the way: some for each block of rows.
pub(crate) fn scratch_len(norm: Norm, rows: usize) -> usize {
    rows.div_ceil(rows_per_block(norm.cols)) * sums_len(norm)
}

/// Rows of `cols` elements whose products are added up before they are added to those of other rows.
fn rows_per_block(cols: usize) -> usize {
    rows_per_task(cols).min(BLOCK)
}

/// The same for one block. Sums are padded to full chunks.
fn sums_len(norm: Norm) -> usize {
    norm.cols.next_multiple_of(LANES) * (1 + usize::from(norm.centred))
}

/// What the backward pass looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Normalized<'a, T> {
    pub(crate) x: &'a [T],
    pub(crate) mean: &'a [T],
    pub(crate) rstd: &'a [T],
    pub(crate) weight: Option<&'a [T]>,
}

/// The gradients of [`normalize`], given that of its result. With `h = g w`, that of `x` is
/// `rstd (h - mean(h) - x̂ mean(h x̂))`, that of the weight is `Σ g x̂`, and that of the bias `Σ g`.
pub(crate) fn normalize_backward<T: Real>(
    norm: Norm,
    g: &[T],
    saved: Normalized<'_, T>,
    dx: &mut [T],
    affine: Option<AffineGrad<'_, T>>,
) {
    let Normalized { x, mean, rstd, weight } = saved;
    let (Norm { cols, centred, .. }, count) = (norm, rstd.len());
    let rows_fit = x.len() == g.len() && x.len() == dx.len() && x.len() == cols * count;
    assert!(rows_fit && mean.len() == if centred { count } else { 0 }, "layer_norm: rows and their statistics");
    assert!(weight.is_none_or(|weight| weight.len() == cols), "layer_norm: weight");
    if let Some(AffineGrad { weight, bias, scratch }) = &affine {
        assert!(weight.len() == cols && (!centred || bias.len() == cols), "layer_norm: gradients of weight and bias");
        assert_eq!(scratch.len(), scratch_len(norm, count), "layer_norm: scratch");
    }
    let (scratch, sums) = match affine {
        Some(AffineGrad { weight, bias, scratch }) => (scratch, Some((weight, bias))),
        None => (&mut [][..], None),
    };
    let width = if sums.is_some() { sums_len(norm) } else { 0 };
    let per_block = rows_per_block(cols);
    let (dx, for_sums) = (Shared::new(dx), Shared::new(&mut *scratch));
    // The unit that is split is the block: what is added up in one does not depend on the number of threads.
    parallel::for_ranges(count.div_ceil(per_block), rows_per_task(cols) / per_block, &|blocks| {
        for block in blocks {
            let rows = block * per_block..count.min((block + 1) * per_block);
            let elements = times(&rows, cols);
            let (x, mean) = (&x[elements.clone()], mean.get(rows.clone()).unwrap_or_default());
            let saved = Normalized { x, mean, rstd: &rstd[rows], weight };
            // SAFETY: blocks do not overlap.
            let (dx, sums) = unsafe { (dx.part(elements.clone()), for_sums.part(block * width..(block + 1) * width)) };
            dispatch(Backward { norm, g: &g[elements], saved, dx, sums });
        }
    });
    if let Some((weight, bias)) = sums {
        for (sum, at) in [(weight, 0), (bias, cols.next_multiple_of(LANES))] {
            sum.fill(T::zero());
            for block in scratch.chunks(width) {
                sum.iter_mut().zip(block.iter().skip(at)).for_each(|(sum, x)| *sum += *x);
            }
        }
    }
}

/// The chunk that `rest` begins, filled up with `fill`.
#[inline(always)]
fn padded<T: Real>(rest: &[T], fill: T) -> Chunk<T> {
    let mut chunk = [fill; LANES];
    chunk.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    chunk
}

struct Forward<'a, T> {
    norm: Norm,
    x: &'a [T],
    affine: Affine<'a, T>,
    out: &'a mut [T],
    mean: &'a mut [T],
    rstd: &'a mut [T],
}

impl<T: Real> Kernel for Forward<'_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Affine { weight, bias } = self.affine;
        let Norm { cols, centred, .. } = self.norm;
        let eps = T::from_f64(self.norm.eps);
        let rows = self.x.chunks_exact(cols).zip(self.out.chunks_exact_mut(cols)).zip(self.rstd);
        for (i, ((x, out), rstd)) in rows.enumerate() {
            let (mean, scale) = statistics::<I, T>(x, centred, eps);
            *rstd = scale;
            if centred {
                self.mean[i] = mean;
            }
            let pairs = out.iter_mut().zip(x);
            match (weight, bias) {
                (Some(w), Some(b)) => {
                    pairs.zip(w).zip(b).for_each(|(((out, &x), &w), &b)| *out = I::mul_add((x - mean) * scale, w, b));
                }
                (Some(w), None) => pairs.zip(w).for_each(|((out, &x), &w)| *out = (x - mean) * scale * w),
                (None, Some(b)) => pairs.zip(b).for_each(|((out, &x), &b)| *out = I::mul_add(x - mean, scale, b)),
                (None, None) => pairs.for_each(|(out, &x)| *out = (x - mean) * scale),
            }
        }
    }
}

/// The mean of a row (0 if it is not to be centred), and what brings its deviations from that to a mean square of 1.
///
/// The squares are added up about the mean, and the mean is corrected by what the deviations add up to, so that rows far
/// from zero lose no accuracy.
#[inline(always)]
fn statistics<I: Isa, T: Real>(x: &[T], centred: bool, eps: T) -> (T, T) {
    let count = T::from_f64(x.len() as f64);
    let (chunks, rest) = x.as_chunks::<LANES>();
    let zero = [T::zero(); LANES];
    let mut mean = T::zero();
    if centred {
        let mut sum = chunks.iter().fold(zero, |sum, x| lanes(|i| sum[i] + x[i]));
        if !rest.is_empty() {
            let x = padded(rest, T::zero());
            sum = lanes(|i| sum[i] + x[i]);
        }
        mean = total(sum) / count;
    }
    let mut about = Deviations { mean, sum: zero, squares: zero };
    for x in chunks {
        about.add::<I>(x);
    }
    if !rest.is_empty() {
        about.add::<I>(&padded(rest, mean));
    }
    let off = if centred { total(about.sum) / count } else { T::zero() };
    let variance = total(about.squares) / count - off * off;
    // Squares of numbers that are very large or small may have left the range of their type.
    let floor = T::min_positive_value() * T::from_f64(f64::from(1_u32 << 26));
    let fast = (mean + off, T::one() / (variance + eps).sqrt());
    if variance.is_finite() && variance + eps >= floor { fast } else { wide_statistics(x, centred, eps, fast) }
}

/// The same in `f64`, and of numbers that were scaled by a power of two; `fast` if they are not numbers.
#[cold]
#[inline(never)]
fn wide_statistics<T: Real>(x: &[T], centred: bool, eps: T, fast: (T, T)) -> (T, T) {
    let magnitudes = x.iter().map(|&x| x.to_f64().abs());
    let largest = magnitudes.fold(0.0, |a: f64, x| if x <= a || a.is_nan() { a } else { x });
    if !largest.is_finite() {
        return fast;
    }
    // Not beyond what is a normal number, and so is its reciprocal.
    let scale = f64::from_bits((2046_u64 - (largest.to_bits() >> 52).clamp(1, 2045)) << 52);
    let count = x.len() as f64;
    let about = |mean: f64, power: i32| x.iter().map(|&x| (x.to_f64() * scale - mean).powi(power)).sum::<f64>() / count;
    let mean = if centred { about(0.0, 1) } else { 0.0 };
    let mean = if centred { mean + about(mean, 1) } else { mean };
    let deviation = (about(mean, 2) + eps.to_f64() * scale * scale).sqrt();
    (T::from_f64(mean / scale), T::from_f64(scale / deviation))
}

/// What the deviations of a row from `mean` add up to, lane by lane, and their squares.
struct Deviations<T> {
    mean: T,
    sum: Chunk<T>,
    squares: Chunk<T>,
}

impl<T: Real> Deviations<T> {
    #[inline(always)]
    fn add<I: Isa>(&mut self, x: &Chunk<T>) {
        let Self { mean, sum, squares } = self;
        let off: Chunk<T> = lanes(|i| x[i] - *mean);
        *sum = lanes(|i| sum[i] + off[i]);
        *squares = lanes(|i| I::mul_add(off[i], off[i], squares[i]));
    }
}

struct Backward<'a, T> {
    norm: Norm,
    g: &'a [T],
    saved: Normalized<'a, T>,
    dx: &'a mut [T],
    /// Where the sums for weight and bias are to be put; empty if they are not needed.
    sums: &'a mut [T],
}

impl<T: Real> Kernel for Backward<'_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Normalized { x, mean, rstd, weight } = self.saved;
        let Norm { cols, centred, .. } = self.norm;
        let count = T::from_f64(cols as f64);
        self.sums.fill(T::zero());
        let width = if self.sums.is_empty() { 0 } else { cols.next_multiple_of(LANES) };
        let (weight_sums, bias_sums) = self.sums.split_at_mut(width);
        let (weight_sums, bias_sums) = (weight_sums.as_chunks_mut::<LANES>().0, bias_sums.as_chunks_mut::<LANES>().0);
        let rows = self.g.chunks_exact(cols).zip(self.dx.chunks_exact_mut(cols)).zip(x.chunks_exact(cols)).zip(rstd);
        // Where there is no weight.
        let one = [T::one(); LANES];
        let (weights, last_weight) = weight.unwrap_or_default().as_chunks();
        let last_weight = if weight.is_some() { padded(last_weight, T::zero()) } else { one };
        for (i, (((g, dx), x), &rstd)) in rows.enumerate() {
            let mean = if centred { mean[i] } else { T::zero() };
            let mut along = Along { mean, rstd, one: [T::zero(); LANES], x: [T::zero(); LANES] };
            let (mut weight_sums, mut bias_sums) = (weight_sums.iter_mut(), bias_sums.iter_mut());
            let ((gs, g_rest), (xs, x_rest)) = (g.as_chunks(), x.as_chunks());
            let mut weights = weights.iter();
            for (g, x) in gs.iter().zip(xs) {
                along.add::<I>(g, x, weights.next().unwrap_or(&one), weight_sums.next(), bias_sums.next());
            }
            if !g_rest.is_empty() {
                // With a gradient of zero, nothing is added for what is not there.
                let (g, x) = (padded(g_rest, T::zero()), padded(x_rest, mean));
                along.add::<I>(&g, &x, &last_weight, weight_sums.next(), bias_sums.next());
            }
            let along_one = if centred { total(along.one) / count } else { T::zero() };
            let along_x = total(along.x) / count;
            let elements = dx.iter_mut().zip(g).zip(x);
            let rest = Rest { mean, rstd, along_one, along_x };
            match weight {
                Some(weight) => elements.zip(weight).for_each(|(((dx, &g), &x), &w)| *dx = rest.of::<I>(g * w, x)),
                None => elements.for_each(|((dx, &g), &x)| *dx = rest.of::<I>(g, x)),
            }
        }
    }
}

/// What is left of a row's gradient.
struct Rest<T> {
    mean: T,
    rstd: T,
    along_one: T,
    along_x: T,
}

impl<T: Real> Rest<T> {
    #[inline(always)]
    fn of<I: Isa>(&self, h: T, x: T) -> T {
        self.rstd * (h - I::mul_add((x - self.mean) * self.rstd, self.along_x, self.along_one))
    }
}

/// The parts of a row's gradient that lie along what normalising takes away, lane by lane: the mean of `h`, and of `h x̂`.
struct Along<T> {
    mean: T,
    rstd: T,
    one: Chunk<T>,
    x: Chunk<T>,
}

impl<T: Real> Along<T> {
    /// Adds a chunk, also to the sums for the weight (`g x̂`) and for the bias (`g`), where there are any.
    #[inline(always)]
    fn add<I: Isa>(
        &mut self,
        g: &Chunk<T>,
        x: &Chunk<T>,
        w: &Chunk<T>,
        weight_sum: Option<&mut Chunk<T>>,
        bias_sum: Option<&mut Chunk<T>>,
    ) {
        let x: Chunk<T> = lanes(|i| (x[i] - self.mean) * self.rstd);
        let h: Chunk<T> = lanes(|i| g[i] * w[i]);
        self.one = lanes(|i| self.one[i] + h[i]);
        self.x = lanes(|i| I::mul_add(h[i], x[i], self.x[i]));
        if let Some(sum) = weight_sum {
            *sum = lanes(|i| I::mul_add(g[i], x[i], sum[i]));
        }
        if let Some(sum) = bias_sum {
            *sum = lanes(|i| sum[i] + g[i]);
        }
    }
}
