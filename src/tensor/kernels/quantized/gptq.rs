//! Rounding that makes up for itself: the error of each column goes over to those that are not rounded yet, as far as their inputs go
//! together (Frantar et al., *GPTQ: Accurate post-training quantization for generative pre-trained transformers*, 2022).

use super::Scheme;
use super::fit::{Fit, Levels, put_row};
use crate::parallel;

/// How many columns are rounded before those behind learn of it.
const COLUMNS: usize = 128;
/// How many products a task computes.
const PRODUCTS: usize = 1 << 16;

/// The upper triangular `U` with `Uᵀ · U = H⁻¹`, in the place of a symmetric `H`. `false` if that is not positive definite.
///
/// With `R · Rᵀ = H` and `R` upper triangular, `U` is `R⁻¹`: half of the work of inverting first.
pub(crate) fn factor(h: &mut [f64], n: usize) -> bool {
    assert_eq!(h.len(), n * n, "a square matrix");
    for j in (0..n).rev() {
        let (above, rest) = h.split_at_mut(j * n);
        let row = &mut rest[..n];
        let left = row[j] - dot(&row[j + 1..], &row[j + 1..]);
        if !(left > 0.0 && left.is_finite()) {
            return false;
        }
        row[j] = left.sqrt();
        let row = &*row;
        parallel::for_blocks(above, (PRODUCTS / (n - j)).max(1) * n, |_, rows| {
            for other in rows.chunks_exact_mut(n) {
                other[j] = (other[j] - dot(&other[j + 1..], &row[j + 1..])) / row[j];
            }
        });
    }
    for i in (0..n).rev() {
        let (before, below) = h.split_at_mut((i + 1) * n);
        let row = &mut before[i * n..];
        row[..i].fill(0.0);
        let factors = row[i..].to_vec();
        row[i] = 1.0 / factors[0];
        let below = &*below;
        parallel::for_blocks(&mut row[i + 1..], (PRODUCTS / (n - i)).max(64), |start, sums| {
            sums.fill(0.0);
            let (first, count) = (i + 1 + start, sums.len());
            // Rows of `U` begin at the diagonal.
            for (k, factor) in factors.iter().enumerate().skip(1).take(start + count) {
                let from = (i + k).max(first);
                let other = &below[(k - 1) * n + from..(k - 1) * n + first + count];
                let by = factor / factors[0];
                sums[from - first..].iter_mut().zip(other).for_each(|(sum, x)| *sum -= by * x);
            }
        });
    }
    true
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        for j in 0..8 {
            sums[j] += a[j] * b[j];
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

/// Rows to be rounded, all with the same inputs.
pub(crate) struct Gptq<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) len: usize,
    /// See [`factor`], of columns in the order in which they are rounded.
    pub(crate) upper: &'a [f64],
    pub(crate) order: &'a [usize],
    /// How many neighbours share a scale: a multiple of a block.
    pub(crate) group: usize,
    /// Whether scales are those with the least squared error.
    pub(crate) by_error: bool,
    /// Whether scales are those of the numbers as they were, which they have to be in another order.
    pub(crate) is_fixed: bool,
}

impl Gptq<'_> {
    /// Rounds rows. `false` if numbers grow beyond what the scheme can hold.
    pub(crate) fn round(&self, x: &[f32], out: &mut [u8]) -> bool {
        let (len, Some(levels)) = (self.len, Levels::of(self.scheme)) else { return false };
        let (rows, bytes) = (x.len() / len, self.scheme.row_bytes(len));
        assert!(
            self.upper.len() == len * len && self.order.len() == len && out.len() == rows * bytes,
            "rows, their bytes, and what connects columns"
        );
        let block = if self.scheme == Scheme::Int8 { len } else { self.scheme.block_len() };
        let fit = |x: &[f32]| if self.by_error { levels.by_error(x) } else { levels.by_largest(x) };
        let mut fits = vec![Fit { scale: 0.0, least: 0.0 }; rows * len.div_ceil(block)];
        let fits_of = |row: usize| row * len.div_ceil(block)..(row + 1) * len.div_ceil(block);
        if self.is_fixed {
            for (row, x) in x.chunks_exact(len).enumerate() {
                let places = fits[fits_of(row)].chunks_mut(self.group.div_ceil(block));
                places.zip(x.chunks(self.group)).for_each(|(places, x)| places.fill(fit(x)));
            }
        }
        let mut left: Vec<f64> =
            x.chunks_exact(len).flat_map(|x| self.order.iter().map(|i| f64::from(x[*i]))).collect();
        let mut q = vec![0.0; rows * len];
        // Groups end where such columns do.
        let columns = if self.group >= COLUMNS { self.group } else { COLUMNS / self.group * self.group };
        let mut errors = vec![0.0; columns.min(len)];
        for first in (0..len).step_by(columns) {
            let end = (first + columns).min(len);
            for row in 0..rows {
                let fits = &mut fits[fits_of(row)];
                let (left, q) = (&mut left[row * len..(row + 1) * len], &mut q[row * len..(row + 1) * len]);
                for i in first..end {
                    if !self.is_fixed && i % self.group == 0 {
                        let group: Vec<f32> = left[i..len.min(i + self.group)].iter().map(|x| *x as f32).collect();
                        let last = (i + group.len()).div_ceil(block);
                        fits[i / block..last].fill(fit(&group));
                    }
                    let (column, upper) = (self.order[i], &self.upper[i * len..(i + 1) * len]);
                    let fit = fits[column / block];
                    let nearest = levels.nearest(left[i], fit);
                    let error = (left[i] - (f64::from(fit.scale) * nearest + f64::from(fit.least))) / upper[i];
                    q[column] = nearest;
                    errors[i - first] = error;
                    left[i + 1..end].iter_mut().zip(&upper[i + 1..end]).for_each(|(x, u)| *x -= error * u);
                }
                for (i, error) in (first..end).zip(&errors) {
                    let upper = &self.upper[i * len + end..(i + 1) * len];
                    left[end..].iter_mut().zip(upper).for_each(|(x, u)| *x -= error * u);
                }
            }
        }
        for (row, (q, out)) in q.chunks_exact(len).zip(out.chunks_exact_mut(bytes)).enumerate() {
            put_row(self.scheme, &fits[fits_of(row)], q, out);
        }
        left.iter().all(|x| x.is_finite()) && fits.iter().all(|fit| fit.is_finite())
    }
}
