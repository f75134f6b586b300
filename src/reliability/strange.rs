//! How unlike the training part something is. Larger scores are stranger.

use super::rows;
use super::weights::labelled;
use crate::error::{Error, Result};
use crate::order;
use crate::stats;
use crate::tensor::Tensor;

/// One minus the largest probability (Hendrycks and Gimpel, 2017), for logits `[n, classes]`.
///
/// # Errors
/// If the logits are not `[n, classes]`, or not finite.
#[track_caller]
pub fn max_softmax(logits: &Tensor) -> Result<Vec<f64>> {
    let (z, n, k) = rows("max_softmax", "the logits", logits)?;
    let p = Tensor::from_vec(z, [n, k])?;
    let p = if k == 1 { Tensor::cat(&[&p.neg().sigmoid(), &p.sigmoid()], 1)? } else { p.softmax(1)? };
    Ok(p.amax(&[1], false)?.rsub_scalar(1.0).to_f64_vec())
}

/// The energy `−T · ln Σ exp(logit / T)` (Liu et al., *Energy-based out-of-distribution detection*, 2020): unlike probabilities, it sees whether
/// all logits are low.
///
/// ```
/// use demotic::reliability::energy;
/// use demotic::tensor;
///
/// let scores = energy(&tensor![[8.0, 0.0], [1.0, 0.0]], 1.0)?;
/// assert!(scores[0] < scores[1]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If the logits are not `[n, classes]`, or not finite, or the temperature is not positive.
#[track_caller]
pub fn energy(logits: &Tensor, temperature: f64) -> Result<Vec<f64>> {
    let (z, _, k) = rows("energy", "the logits", logits)?;
    if !(temperature > 0.0 && temperature.is_finite()) {
        return Err(Error::argument("energy", format!("a temperature of {temperature}, expected a positive number")));
    }
    let of = |row: &[f64]| {
        let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        -(most + temperature * row.iter().map(|z| ((z - most) / temperature).exp()).sum::<f64>().ln())
    };
    stats::finite("energy", "the energy", z.chunks(k).map(of).collect())
}

/// The distance to the nearest mean of a class, in units of how far rows of a class are spread in each direction (Lee et al., *A simple unified
/// framework for detecting out-of-distribution samples*, 2018). Features are what a layer before the last one gives.
#[derive(Debug, Clone)]
pub struct Mahalanobis {
    means: Vec<Vec<f64>>,
    factor: Vec<f64>,
    width: usize,
}

impl Mahalanobis {
    /// From features `[n, d]` and class numbers `[n]`. Directions without any spread get a millionth of the mean one.
    ///
    /// # Errors
    /// If shapes do not fit, a number is not finite, or there are more than 3000 features.
    #[track_caller]
    pub fn fit(features: &Tensor, labels: &Tensor) -> Result<Self> {
        const OP: &str = "Mahalanobis";
        let (x, d, y, k) = labelled(OP, features, labels)?;
        if d > 3000 || k > y.len() {
            return Err(Error::argument(OP, format!("{d} features and {k} classes of {} rows", y.len())));
        }
        let (mut sums, mut counts) = (vec![vec![0.0; d]; k], vec![0.0; k]);
        for (row, y) in x.chunks(d).zip(&y) {
            sums[*y].iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            counts[*y] += 1.0;
        }
        for (sum, count) in sums.iter_mut().zip(&counts) {
            sum.iter_mut().for_each(|sum| *sum /= *count);
        }
        let mut covariance = vec![0.0; d * d];
        for (row, y) in x.chunks(d).zip(&y) {
            let off: Vec<f64> = row.iter().zip(&sums[*y]).map(|(x, mean)| x - mean).collect();
            for i in 0..d {
                (0..=i).for_each(|j| covariance[i * d + j] += off[i] * off[j] / y_len(&counts));
            }
        }
        let trace: f64 = (0..d).map(|i| covariance[i * d + i]).sum::<f64>() / d as f64;
        (0..d).for_each(|i| covariance[i * d + i] += 1e-6 * trace.max(f64::MIN_POSITIVE));
        let Some(factor) = stats::cholesky(&covariance, d) else {
            return Err(Error::numeric(
                OP,
                "the features of a class do not differ in any direction, or by more than squares can be",
            ));
        };
        let means = sums.into_iter().zip(&counts).filter(|(_, count)| **count > 0.0).map(|(mean, _)| mean).collect();
        Ok(Self { means, factor, width: d })
    }

    /// The square of the distance of each row to the nearest class.
    ///
    /// # Errors
    /// If the features have another width, or are not finite.
    #[track_caller]
    pub fn scores(&self, features: &Tensor) -> Result<Vec<f64>> {
        let (x, _, d) = rows("Mahalanobis", "the features", features)?;
        expect_width("Mahalanobis", d, self.width)?;
        let to = |row: &[f64], mean: &[f64]| -> f64 {
            let off: Vec<f64> = row.iter().zip(mean).map(|(x, mean)| x - mean).collect();
            stats::solve_lower(&self.factor, d, &off).iter().map(|v| v * v).sum()
        };
        // Of NaN, the smallest would be another one.
        let nearest = |row: &[f64]| {
            self.means
                .iter()
                .map(|mean| to(row, mean))
                .fold(f64::INFINITY, |a, b| if b.is_nan() { b } else { a.min(b) })
        };
        stats::finite("Mahalanobis", "the score", x.chunks(d).map(nearest).collect())
    }
}

fn y_len(counts: &[f64]) -> f64 {
    counts.iter().sum()
}

#[track_caller]
fn expect_width(op: &'static str, d: usize, width: usize) -> Result<()> {
    match d == width {
        true => Ok(()),
        false => Err(Error::shape(op, format!("{d} features, {width} when fitting"))),
    }
}

/// The distance to the `k`-th nearest row of the training part (Sun et al., *Out-of-distribution detection with deep nearest neighbors*, 2022), after
/// all rows were brought to length 1, or as they are.
#[derive(Debug, Clone)]
pub struct NearestNeighbours {
    rows: Vec<f64>,
    width: usize,
    k: usize,
    normalized: bool,
}

impl NearestNeighbours {
    /// From features `[n, d]`.
    ///
    /// # Errors
    /// If `k` is not from 1 to the number of rows, or a number is not finite.
    #[track_caller]
    pub fn fit(features: &Tensor, k: usize, normalized: bool) -> Result<Self> {
        const OP: &str = "NearestNeighbours";
        let (x, n, width) = rows(OP, "the features", features)?;
        if k == 0 || k > n {
            return Err(Error::argument(OP, format!("k is {k} for {n} rows, expected 1 to {n}")));
        }
        Ok(Self { rows: unit(x, width, normalized), width, k, normalized })
    }

    /// The distance of each row.
    ///
    /// # Errors
    /// If the features have another width, or are not finite.
    #[track_caller]
    pub fn scores(&self, features: &Tensor) -> Result<Vec<f64>> {
        let (x, _, d) = rows("NearestNeighbours", "the features", features)?;
        expect_width("NearestNeighbours", d, self.width)?;
        let of = |row: &[f64]| {
            let to = |other: &[f64]| stats::length(row.iter().zip(other).map(|(a, b)| a - b));
            let mut distances: Vec<f64> = self.rows.chunks(d).map(to).collect();
            order::sort_by_key(&mut distances, |distance| order::key(*distance));
            distances[self.k - 1]
        };
        stats::finite("NearestNeighbours", "the distance", unit(x, d, self.normalized).chunks(d).map(of).collect())
    }
}

fn unit(mut x: Vec<f64>, width: usize, normalized: bool) -> Vec<f64> {
    for row in x.chunks_mut(width).filter(|_| normalized) {
        let length = stats::length(row.iter().copied()).max(1e-12);
        row.iter_mut().for_each(|x| *x /= length);
    }
    x
}
