//! Statistics of channels, and what brings them to mean 0 and variance 1: batch norm.
//!
//! A tensor is `[outer, channels, inner]`. With the channels last `inner` is 1, and `outer` counts the places of all images.

use crate::parallel;

use super::lanes::{lanes, total};
use super::simd::{Isa, Kernel, dispatch, dispatch_to_avx2};
use super::walk::count;
use super::{GRAIN, Real};

/// Numbers that are worked on side by side.
const LANES: usize = 16;

/// Elements that are added up before they are added to others, roughly, where the channels are last.
const PART: usize = 4096;

/// How the elements of channels lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Channels {
    pub(crate) outer: usize,
    pub(crate) channels: usize,
    pub(crate) inner: usize,
}

impl Channels {
    /// Elements of a channel.
    pub(crate) fn each(&self) -> usize {
        self.outer * self.inner
    }

    fn elements(&self) -> usize {
        count(&[self.outer, self.channels, self.inner])
    }

    /// Elements of one index along the first dimension.
    fn row(&self) -> usize {
        self.channels * self.inner
    }

    /// Indices along the first dimension that make up a part, whose sums are added up in order.
    fn rows_per_part(&self) -> usize {
        if self.inner == 1 { (PART / self.channels.max(1)).max(64) } else { 1 }
    }

    /// The length of the sums of all parts.
    pub(crate) fn sums_len(&self) -> usize {
        self.outer.div_ceil(self.rows_per_part()) * 2 * self.channels
    }

    /// The part that an element of the first dimension belongs to has so many rows.
    fn rows_of(&self, part: usize) -> usize {
        self.rows_per_part().min(self.outer - part * self.rows_per_part())
    }
}

/// The mean of each channel, and the mean square of what is left without it. `sums` has [`Channels::sums_len`] elements.
///
/// The squares of each part are added up about its own mean, so that channels far from zero lose no accuracy.
pub(crate) fn moments<T: Real>(shape: Channels, x: &[T], sums: &mut [T], mean: &mut [T], variance: &mut [T]) {
    let channels = shape.channels;
    assert!(mean.len() == channels && variance.len() == channels, "batch_norm: statistics");
    in_parts(shape, x, None, sums);
    let parts = || sums.chunks_exact(2 * channels.max(1)).enumerate();
    let n = shape.each() as f64;
    for (c, (mean, variance)) in mean.iter_mut().zip(variance).enumerate() {
        let count = |part: usize| (shape.rows_of(part) * shape.inner) as f64;
        let center = parts().map(|(i, part)| count(i) * part[c].to_f64()).sum::<f64>() / n;
        let about = |(i, part): (usize, &[T])| {
            let off = part[c].to_f64() - center;
            part[channels + c].to_f64() + count(i) * off * off
        };
        *mean = T::from_f64(center);
        *variance = T::from_f64(parts().map(about).sum::<f64>() / n);
    }
}

/// For each channel `Σ g` and `Σ g (x - mean)`. `sums` has [`Channels::sums_len`] elements.
pub(crate) fn products<T: Real>(
    shape: Channels,
    g: &[T],
    x: &[T],
    mean: &[T],
    sums: &mut [T],
    [along_one, along_x]: [&mut [T]; 2],
) {
    let channels = shape.channels;
    assert!(g.len() == x.len() && mean.len() == channels, "batch_norm: gradient and means");
    assert!(along_one.len() == channels && along_x.len() == channels, "batch_norm: sums of channels");
    in_parts(shape, x, Some((g, mean)), sums);
    for (c, (one, x)) in along_one.iter_mut().zip(along_x).enumerate() {
        let all = |at: usize| T::from_f64(sums.iter().skip(at).step_by(2 * channels).map(|x| (*x).to_f64()).sum());
        (*one, *x) = (all(c), all(channels + c));
    }
}

fn in_parts<T: Real>(shape: Channels, x: &[T], with: Option<(&[T], &[T])>, sums: &mut [T]) {
    assert!(x.len() == shape.elements() && sums.len() == shape.sums_len(), "batch_norm: elements of channels");
    let (width, part) = (2 * shape.channels, shape.rows_per_part() * shape.row());
    let per_task = (GRAIN / 2 / part.max(1)).max(1);
    parallel::for_blocks(sums, width * per_task, |start, sums| {
        for (i, sums) in sums.chunks_mut(width).enumerate() {
            let from = (start / width + i) * part;
            let elements = from..(from + part).min(x.len());
            let with = with.map(|(g, mean)| (&g[elements.clone()], mean));
            let job = Part { shape, x: &x[elements], with, sums };
            if T::WIDE { dispatch_to_avx2(job) } else { dispatch(job) }
        }
    });
}

/// One part: means and squares of the channels, or products with a gradient.
struct Part<'a, T> {
    shape: Channels,
    x: &'a [T],
    with: Option<(&'a [T], &'a [T])>,
    sums: &'a mut [T],
}

impl<T: Real> Kernel for Part<'_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Channels { channels, inner, .. } = self.shape;
        let (first, second) = self.sums.split_at_mut(channels);
        if inner > 1 {
            for (c, x) in self.x.chunks_exact(inner).enumerate() {
                (first[c], second[c]) = match self.with {
                    None => moments_of::<I, T>(x),
                    Some((g, mean)) => products_of::<I, T>(&g[c * inner..][..inner], x, mean[c]),
                };
            }
            return;
        }
        let mut c = 0;
        while c < channels {
            if c + LANES <= channels {
                columns::<I, T, LANES>(self.x, self.with, channels, c, first, second);
                c += LANES;
            } else {
                columns::<I, T, 1>(self.x, self.with, channels, c, first, second);
                c += 1;
            }
        }
    }
}

/// The same for `N` channels side by side.
#[inline(always)]
fn columns<I: Isa, T: Real, const N: usize>(
    x: &[T],
    with: Option<(&[T], &[T])>,
    channels: usize,
    c: usize,
    first: &mut [T],
    second: &mut [T],
) {
    let rows = T::from_f64((x.len() / channels) as f64);
    let (mut one, mut two) = ([T::zero(); N], [T::zero(); N]);
    if let Some((g, mean)) = with {
        let mean = &mean[c..c + N];
        for (x, g) in x.chunks_exact(channels).zip(g.chunks_exact(channels)) {
            let (x, g) = (&x[c..c + N], &g[c..c + N]);
            one = lanes(|i| one[i] + g[i]);
            two = lanes(|i| I::mul_add(g[i], x[i] - mean[i], two[i]));
        }
    } else {
        for x in x.chunks_exact(channels) {
            let x = &x[c..c + N];
            one = lanes(|i| one[i] + x[i]);
        }
        let mean: [T; N] = lanes(|i| one[i] / rows);
        let mut off = [T::zero(); N];
        for x in x.chunks_exact(channels) {
            let x = &x[c..c + N];
            let d: [T; N] = lanes(|i| x[i] - mean[i]);
            off = lanes(|i| off[i] + d[i]);
            two = lanes(|i| I::mul_add(d[i], d[i], two[i]));
        }
        one = lanes(|i| mean[i] + off[i] / rows);
        two = lanes(|i| two[i] - off[i] * off[i] / rows);
    }
    first[c..c + N].copy_from_slice(&one);
    second[c..c + N].copy_from_slice(&two);
}

/// The mean of a row, and the sum of squares about it.
#[inline(always)]
fn moments_of<I: Isa, T: Real>(x: &[T]) -> (T, T) {
    let (n, (chunks, rest)) = (T::from_f64(x.len() as f64), x.as_chunks::<LANES>());
    let zero = [T::zero(); LANES];
    let sum = total(chunks.iter().fold(zero, |sum, x| lanes(|i| sum[i] + x[i])));
    let mean = rest.iter().fold(sum, |sum, x| sum + *x) / n;
    let (mut off, mut squares) = (zero, zero);
    for x in chunks {
        let d: [T; LANES] = lanes(|i| x[i] - mean);
        off = lanes(|i| off[i] + d[i]);
        squares = lanes(|i| I::mul_add(d[i], d[i], squares[i]));
    }
    let (mut off, mut squares) = (total(off), total(squares));
    for x in rest {
        let d = *x - mean;
        off += d;
        squares = I::mul_add(d, d, squares);
    }
    (mean + off / n, squares - off * off / n)
}

/// `Σ g` and `Σ g (x - mean)` of a row.
#[inline(always)]
fn products_of<I: Isa, T: Real>(g: &[T], x: &[T], mean: T) -> (T, T) {
    let ((gs, g_rest), (xs, x_rest)) = (g.as_chunks::<LANES>(), x.as_chunks::<LANES>());
    let (mut one, mut two) = ([T::zero(); LANES], [T::zero(); LANES]);
    for (g, x) in gs.iter().zip(xs) {
        one = lanes(|i| one[i] + g[i]);
        two = lanes(|i| I::mul_add(g[i], x[i] - mean, two[i]));
    }
    let (mut one, mut two) = (total(one), total(two));
    for (g, x) in g_rest.iter().zip(x_rest) {
        one += *g;
        two = I::mul_add(*g, *x - mean, two);
    }
    (one, two)
}

/// What becomes of each element of a channel: `(x - mean) · scale + shift`, and with a gradient `g · slope` more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Affine<'a, T> {
    pub(crate) mean: &'a [T],
    pub(crate) scale: &'a [T],
    pub(crate) shift: &'a [T],
    pub(crate) with: Option<(&'a [T], &'a [T])>,
}

/// Applies it to all elements.
pub(crate) fn affine<T: Real>(shape: Channels, affine: Affine<'_, T>, x: &[T], out: &mut [T]) {
    assert!(x.len() == out.len() && x.len() == shape.elements(), "batch_norm: elements of channels");
    let each = [affine.mean, affine.scale, affine.shift, affine.with.map_or(affine.mean, |(_, slope)| slope)];
    let g_fits = affine.with.is_none_or(|(g, _)| g.len() == x.len());
    assert!(g_fits && each.iter().all(|x| x.len() == shape.channels), "batch_norm: numbers of channels");
    let row = shape.row();
    parallel::for_blocks(out, row * (GRAIN / 2).div_ceil(row.max(1)), |start, out| {
        let part = start..start + out.len();
        let with = affine.with.map(|(g, slope)| (&g[part.clone()], slope));
        let job = Apply { shape, affine: Affine { with, ..affine }, x: &x[part], out };
        if T::WIDE { dispatch_to_avx2(job) } else { dispatch(job) }
    });
}

struct Apply<'a, T> {
    shape: Channels,
    affine: Affine<'a, T>,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> Kernel for Apply<'_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Affine { mean, scale, shift, with } = self.affine;
        let Channels { channels, inner, .. } = self.shape;
        if inner == 1 {
            for (i, (out, x)) in self.out.chunks_exact_mut(channels).zip(self.x.chunks_exact(channels)).enumerate() {
                let numbers = out.iter_mut().zip(x).zip(mean).zip(scale).zip(shift);
                match with {
                    None => numbers.for_each(|((((out, x), m), s), b)| *out = I::mul_add(*x - *m, *s, *b)),
                    Some((g, slope)) => {
                        let g = &g[i * channels..][..channels];
                        let numbers = numbers.zip(g).zip(slope);
                        numbers.for_each(|((((((out, x), m), s), b), g), a)| {
                            *out = I::mul_add(*g, *a, I::mul_add(*x - *m, *s, *b));
                        });
                    }
                }
            }
            return;
        }
        for (i, (out, x)) in self.out.chunks_exact_mut(inner).zip(self.x.chunks_exact(inner)).enumerate() {
            let c = i % channels;
            let (m, s, b) = (mean[c], scale[c], shift[c]);
            match with {
                None => out.iter_mut().zip(x).for_each(|(out, x)| *out = I::mul_add(*x - m, s, b)),
                Some((g, slope)) => {
                    let (g, a) = (&g[i * inner..][..inner], slope[c]);
                    out.iter_mut().zip(x).zip(g).for_each(|((out, x), g)| {
                        *out = I::mul_add(*g, a, I::mul_add(*x - m, s, b));
                    });
                }
            }
        }
    }
}
