//! Rows brought to mean 0 and variance 1 (layer norm), or to mean square 1 (RMS norm), and their gradients.
//!
//! With `x̂ = (x - mean) · rstd`, the result is `x̂ w + b`. Both norms are one loop: without a mean, which is then 0.

use super::lanes::{lanes, total};
use super::simd::{Isa, Kernel, dispatch};
use super::split::{RowsOf, RowsOfMut, for_parts};
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

/// Normalises rows of `cols` elements, and keeps their means (of a layer norm: `CENTRED`) and the reciprocals of their
/// standard deviations or root mean squares, to whose squares `eps` was added.
pub(crate) fn normalize<T: Real, const CENTRED: bool>(
    x: &[T],
    cols: usize,
    affine: Affine<'_, T>,
    eps: T,
    out: &mut [T],
    mean: &mut [T],
    rstd: &mut [T],
) {
    assert!(x.len() == out.len() && x.len() == cols * rstd.len(), "layer_norm: rows and their statistics");
    assert_eq!(mean.len(), if CENTRED { rstd.len() } else { 0 }, "layer_norm: means");
    let fits = |x: Option<&[T]>| x.is_none_or(|x| x.len() == cols);
    assert!(fits(affine.weight) && fits(affine.bias), "layer_norm: weight and bias");
    let rows = (RowsOf { data: x, cols }, RowsOfMut { data: out, cols });
    let means = RowsOfMut { data: mean, cols: usize::from(CENTRED) };
    for_parts((rows, means, rstd), rows_per_task(cols), &|((x, out), mean, rstd)| {
        dispatch(Forward::<T, CENTRED> { x: x.data, cols, affine, eps, out: out.data, mean: mean.data, rstd });
    });
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
pub(crate) fn scratch_len<const CENTRED: bool>(rows: usize, cols: usize) -> usize {
    rows.div_ceil(rows_per_block(cols)) * sums_len::<CENTRED>(cols)
}

/// Rows of `cols` elements whose products are added up before they are added to those of other rows.
fn rows_per_block(cols: usize) -> usize {
    rows_per_task(cols).min(BLOCK)
}

/// The same for one block. Sums are padded to full chunks.
fn sums_len<const CENTRED: bool>(cols: usize) -> usize {
    cols.next_multiple_of(LANES) * (1 + usize::from(CENTRED))
}

/// What the backward pass looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Normalized<'a, T> {
    pub(crate) x: &'a [T],
    pub(crate) cols: usize,
    pub(crate) mean: &'a [T],
    pub(crate) rstd: &'a [T],
    pub(crate) weight: Option<&'a [T]>,
}

/// The gradients of [`normalize`], given that of its result. With `h = g w`, that of `x` is
/// `rstd (h - mean(h) - x̂ mean(h x̂))`, that of the weight is `Σ g x̂`, and that of the bias `Σ g`.
pub(crate) fn normalize_backward<T: Real, const CENTRED: bool>(
    g: &[T],
    saved: Normalized<'_, T>,
    dx: &mut [T],
    affine: Option<AffineGrad<'_, T>>,
) {
    let Normalized { x, cols, mean, rstd, weight } = saved;
    let rows_fit = x.len() == g.len() && x.len() == dx.len() && x.len() == cols * rstd.len();
    assert!(rows_fit && mean.len() == if CENTRED { rstd.len() } else { 0 }, "layer_norm: rows and their statistics");
    assert!(weight.is_none_or(|weight| weight.len() == cols), "layer_norm: weight");
    if let Some(AffineGrad { weight, bias, scratch }) = &affine {
        assert!(weight.len() == cols && (!CENTRED || bias.len() == cols), "layer_norm: gradients of weight and bias");
        assert_eq!(scratch.len(), scratch_len::<CENTRED>(rstd.len(), cols), "layer_norm: scratch");
    }
    let rows = rows_per_block(cols);
    let (scratch, sums) = match affine {
        Some(AffineGrad { weight, bias, scratch }) => (scratch, Some((weight, bias))),
        None => (&mut [][..], None),
    };
    // The unit that is split is the block: what is added up in one does not depend on the number of threads.
    let of = |data, cols| RowsOf { data, cols: rows * cols };
    let inputs = (of(g, cols), of(x, cols), of(mean, usize::from(CENTRED)), of(rstd, 1));
    let width = if sums.is_some() { sums_len::<CENTRED>(cols) } else { 0 };
    let outputs = (RowsOfMut { data: dx, cols: rows * cols }, RowsOfMut { data: &mut *scratch, cols: width });
    for_parts((inputs, outputs), rows_per_task(cols) / rows, &|((g, x, mean, rstd), (dx, sums))| {
        let (mut scratch, mut first) = (sums.data, 0);
        for (g, dx) in g.data.chunks(rows * cols).zip(dx.data.chunks_mut(rows * cols)) {
            let (sums, rest) = scratch.split_at_mut(width);
            let saved = Normalized {
                x: &x.data[first * cols..],
                cols,
                mean: mean.data.get(first..).unwrap_or_default(),
                rstd: &rstd.data[first..],
                weight,
            };
            dispatch(Backward::<T, CENTRED> { g, saved, dx, sums });
            (scratch, first) = (rest, first + rows);
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

struct Forward<'a, T, const CENTRED: bool> {
    x: &'a [T],
    cols: usize,
    affine: Affine<'a, T>,
    eps: T,
    out: &'a mut [T],
    mean: &'a mut [T],
    rstd: &'a mut [T],
}

impl<T: Real, const CENTRED: bool> Kernel for Forward<'_, T, CENTRED> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Affine { weight, bias } = self.affine;
        let rows = self.x.chunks_exact(self.cols).zip(self.out.chunks_exact_mut(self.cols)).zip(self.rstd);
        for (i, ((x, out), rstd)) in rows.enumerate() {
            let (mean, scale) = statistics::<I, T, CENTRED>(x, self.eps);
            *rstd = scale;
            if CENTRED {
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
fn statistics<I: Isa, T: Real, const CENTRED: bool>(x: &[T], eps: T) -> (T, T) {
    let count = T::from_f64(x.len() as f64);
    let (chunks, rest) = x.as_chunks::<LANES>();
    let zero = [T::zero(); LANES];
    let mut mean = T::zero();
    if CENTRED {
        let mut sum = chunks.iter().fold(zero, |sum, x| lanes(|i| sum[i] + x[i]));
        if !rest.is_empty() {
            let x = padded(rest, T::zero());
            sum = lanes(|i| sum[i] + x[i]);
        }
        mean = total(sum) / count;
    }
    let mut about = Deviations { mean, sum: zero, squares: zero };
    for x in chunks {
        about.add::<I, CENTRED>(x);
    }
    if !rest.is_empty() {
        about.add::<I, CENTRED>(&padded(rest, mean));
    }
    let off = if CENTRED { total(about.sum) / count } else { T::zero() };
    let variance = total(about.squares) / count - off * off;
    // Squares of numbers that are very large or small may have left the range of their type.
    let floor = T::min_positive_value() * T::from_f64(f64::from(1_u32 << 26));
    let fast = (mean + off, T::one() / (variance + eps).sqrt());
    if variance.is_finite() && variance + eps >= floor { fast } else { wide_statistics::<T, CENTRED>(x, eps, fast) }
}

/// The same in `f64`, and of numbers that were scaled by a power of two; `fast` if they are not numbers.
#[cold]
#[inline(never)]
fn wide_statistics<T: Real, const CENTRED: bool>(x: &[T], eps: T, fast: (T, T)) -> (T, T) {
    let magnitudes = x.iter().map(|&x| x.to_f64().abs());
    let largest = magnitudes.fold(0.0, |a: f64, x| if x <= a || a.is_nan() { a } else { x });
    if !largest.is_finite() {
        return fast;
    }
    // Not beyond what is a normal number, and so is its reciprocal.
    let scale = f64::from_bits((2046_u64 - (largest.to_bits() >> 52).clamp(1, 2045)) << 52);
    let count = x.len() as f64;
    let about = |mean: f64, power: i32| x.iter().map(|&x| (x.to_f64() * scale - mean).powi(power)).sum::<f64>() / count;
    let mean = if CENTRED { about(0.0, 1) } else { 0.0 };
    let mean = if CENTRED { mean + about(mean, 1) } else { mean };
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
    fn add<I: Isa, const CENTRED: bool>(&mut self, x: &Chunk<T>) {
        let Self { mean, sum, squares } = self;
        let off: Chunk<T> = lanes(|i| x[i] - *mean);
        if CENTRED {
            *sum = lanes(|i| sum[i] + off[i]);
        }
        *squares = lanes(|i| I::mul_add(off[i], off[i], squares[i]));
    }
}

struct Backward<'a, T, const CENTRED: bool> {
    g: &'a [T],
    saved: Normalized<'a, T>,
    dx: &'a mut [T],
    /// Where the sums for weight and bias are to be put; empty if they are not needed.
    sums: &'a mut [T],
}

impl<T: Real, const CENTRED: bool> Kernel for Backward<'_, T, CENTRED> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        match (self.saved.weight.is_some(), self.sums.is_empty()) {
            (true, false) => self.rows::<I, true, true>(),
            (true, true) => self.rows::<I, true, false>(),
            (false, false) => self.rows::<I, false, true>(),
            (false, true) => self.rows::<I, false, false>(),
        }
    }
}

impl<T: Real, const CENTRED: bool> Backward<'_, T, CENTRED> {
    #[inline(always)]
    fn rows<I: Isa, const WEIGHTED: bool, const SUMS: bool>(self) {
        let Normalized { x, cols, mean, rstd, weight } = self.saved;
        let count = T::from_f64(cols as f64);
        self.sums.fill(T::zero());
        let (weight_sums, bias_sums) = self.sums.split_at_mut(if SUMS { cols.next_multiple_of(LANES) } else { 0 });
        let (weight_sums, bias_sums) = (weight_sums.as_chunks_mut::<LANES>().0, bias_sums.as_chunks_mut::<LANES>().0);
        let rows = self.g.chunks_exact(cols).zip(self.dx.chunks_exact_mut(cols)).zip(x.chunks_exact(cols)).zip(rstd);
        for (i, (((g, dx), x), &rstd)) in rows.enumerate() {
            // Where there is no weight, it is not looked at either.
            let w = if WEIGHTED { weight.unwrap_or(g) } else { g };
            let mean = if CENTRED { mean[i] } else { T::zero() };
            let mut along = Along { mean, rstd, one: [T::zero(); LANES], x: [T::zero(); LANES] };
            let (mut weight_sums, mut bias_sums) = (weight_sums.iter_mut(), bias_sums.iter_mut());
            let ((gs, g_rest), (xs, x_rest), (ws, w_rest)) = (g.as_chunks(), x.as_chunks(), w.as_chunks());
            for ((g, x), w) in gs.iter().zip(xs).zip(ws) {
                along.add::<I, CENTRED, WEIGHTED>(g, x, w, weight_sums.next(), bias_sums.next());
            }
            if !g_rest.is_empty() {
                // With a gradient of zero, nothing is added for what is not there.
                let (g, x, w) = (padded(g_rest, T::zero()), padded(x_rest, mean), padded(w_rest, T::zero()));
                along.add::<I, CENTRED, WEIGHTED>(&g, &x, &w, weight_sums.next(), bias_sums.next());
            }
            let (along_one, along_x) = (total(along.one) / count, total(along.x) / count);
            for (((dx, &g), &x), &w) in dx.iter_mut().zip(g).zip(x).zip(w) {
                let h = if WEIGHTED { g * w } else { g };
                *dx = rstd * (h - I::mul_add((x - mean) * rstd, along_x, along_one));
            }
        }
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
    fn add<I: Isa, const CENTRED: bool, const WEIGHTED: bool>(
        &mut self,
        g: &Chunk<T>,
        x: &Chunk<T>,
        w: &Chunk<T>,
        weight_sum: Option<&mut Chunk<T>>,
        bias_sum: Option<&mut Chunk<T>>,
    ) {
        let x: Chunk<T> = lanes(|i| (x[i] - self.mean) * self.rstd);
        let h: Chunk<T> = if WEIGHTED { lanes(|i| g[i] * w[i]) } else { *g };
        if CENTRED {
            self.one = lanes(|i| self.one[i] + h[i]);
        }
        self.x = lanes(|i| I::mul_add(h[i], x[i], self.x[i]));
        if let Some(sum) = weight_sum {
            *sum = lanes(|i| I::mul_add(g[i], x[i], sum[i]));
        }
        if let Some(sum) = bias_sum {
            *sum = lanes(|i| sum[i] + g[i]);
        }
    }
}
