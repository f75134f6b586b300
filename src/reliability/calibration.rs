//! Probabilities that are as often right as they say.

use super::{classes, rows};
use crate::error::{Error, Result};
use crate::order;
use crate::stats;
use crate::tensor::{DType, Tensor};
use crate::train::metrics::ReliabilityCurve;

/// How logits become better probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Calibration {
    /// Logits are divided by one number (Guo et al., *On calibration of modern neural networks*, 2017). For any number of classes; what is
    /// most probable stays so.
    Temperature,
    /// `σ(a · logit + b)`, with targets that are a little less sure than 0 and 1 (Platt, 1999; scikit-learn's `sigmoid`).
    Platt,
    /// The monotone steps that fit best (Zadrozny and Elkan, 2002; scikit-learn's `isotonic`). It needs a thousand rows.
    Isotonic,
    /// `σ(a · ln p − b · ln(1 − p) + c)` with `a, b ≥ 0` (Kull, Silva Filho and Flach, 2017).
    Beta,
}

/// A calibration that was fitted. It serialises to nothing but a few numbers, which [`parameters`](Self::parameters) shows.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::reliability::{Calibration, Calibrator};
///
/// // Three of four are right, and the model is sure of all.
/// let logits = tensor![[4.0, -4.0], [4.0, -4.0], [-4.0, 4.0], [-4.0, 4.0]];
/// let y = Tensor::from_nested([0i64, 0, 1, 0])?;
/// let calibrated = Calibrator::fit(Calibration::Temperature, &logits, &y)?;
/// let p = calibrated.probabilities(&logits)?;
/// assert!((p.max()?.item()? - 0.75).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrator {
    kind: Calibration,
    parameters: Vec<f64>,
    /// The borders of steps and what stands there.
    steps: Vec<(f64, f64)>,
}

const OP: &str = "Calibrator";

impl Calibrator {
    /// Fits logits `[n, classes]`, or `[n]` or `[n, 1]` of the second of two classes, to class numbers `[n]`. Only
    /// [`Calibration::Temperature`] takes more than two classes; two columns are their difference to the others.
    ///
    /// # Errors
    /// If shapes do not fit, a logit is not finite, a target is no class, or only one class occurs.
    #[track_caller]
    pub fn fit(kind: Calibration, logits: &Tensor, y: &Tensor) -> Result<Self> {
        let (values, n, width) = rows(OP, "the logits", logits)?;
        let y = classes(OP, y, n, width.max(2))?;
        if y.iter().all(|class| *class == y[0]) {
            return Err(Error::argument(OP, "only one class occurs, so there is nothing to calibrate"));
        }
        let mut found = Self { kind, parameters: Vec::new(), steps: Vec::new() };
        if kind == Calibration::Temperature {
            found.parameters.push(temperature(&values, width, &y));
            return Ok(found);
        }
        let logits = single(&values, width)?;
        let y: Vec<f64> = y.iter().map(|class| *class as f64).collect();
        match kind {
            Calibration::Platt => {
                let positives = y.iter().sum::<f64>();
                let (high, low) = ((positives + 1.0) / (positives + 2.0), 1.0 / (n as f64 - positives + 2.0));
                let softened: Vec<f64> = y.iter().map(|y| if *y > 0.5 { high } else { low }).collect();
                let fit = stats::logistic(OP, &logits, 1, &softened, None, 0.0)?;
                found.parameters = vec![fit.coefficients[0], fit.intercept];
            }
            Calibration::Beta => found.parameters = beta(&logits, &y)?,
            _ => found.steps = isotonic(&logits, &y),
        }
        Ok(found)
    }

    /// The numbers that were fitted: the temperature; `a` and `b` of Platt; `a`, `b` and `c` of beta; nothing for steps.
    #[must_use]
    pub fn parameters(&self) -> &[f64] {
        &self.parameters
    }

    /// Probabilities of other logits, of the same shape, in `F64`.
    ///
    /// # Errors
    /// If the shape does not fit, or a logit is not finite.
    #[track_caller]
    pub fn probabilities(&self, logits: &Tensor) -> Result<Tensor> {
        let (values, n, width) = rows(OP, "the logits", logits)?;
        if self.kind == Calibration::Temperature {
            let scaled = logits.to_dtype(DType::F64).div_scalar(self.parameters[0]);
            return if width == 1 { Ok(scaled.sigmoid()) } else { scaled.softmax(-1) };
        }
        let p: Vec<f64> = single(&values, width)?.into_iter().map(|z| self.probability(z)).collect();
        match width {
            1 => Tensor::from_vec(p, logits.shape()),
            _ => Tensor::from_vec(p.into_iter().flat_map(|p| [1.0 - p, p]).collect::<Vec<f64>>(), [n, 2]),
        }
    }

    fn probability(&self, z: f64) -> f64 {
        match (self.kind, self.parameters.as_slice()) {
            (Calibration::Platt, [a, b]) => stats::sigmoid(a * z + b),
            (Calibration::Beta, [a, b, c]) => {
                let [x1, x2] = logs(z);
                stats::sigmoid(a * x1 + b * x2 + c)
            }
            // Between steps on a straight line, outside of them as at the ends.
            _ => {
                let at = self.steps.partition_point(|(x, _)| *x <= z);
                match (at.checked_sub(1).map(|i| self.steps[i]), self.steps.get(at)) {
                    (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (z - x0) / (x1 - x0),
                    (Some((_, y)), None) | (None, Some(&(_, y))) => y,
                    (None, None) => f64::NAN,
                }
            }
        }
    }
}

/// The logit of the second of two classes. Beyond a bound that is far out, one is as sure as another, and has a square that is finite.
#[track_caller]
fn single(values: &[f64], width: usize) -> Result<Vec<f64>> {
    const FAR: f64 = 1e100;
    match width {
        1 => Ok(values.iter().map(|z| z.clamp(-FAR, FAR)).collect()),
        2 => Ok(values.chunks(2).map(|row| (row[1] - row[0]).clamp(-FAR, FAR)).collect()),
        _ => {
            let e = Error::shape(OP, format!("logits of {width} classes for a calibration of two"));
            Err(e.with_help("Calibration::Temperature takes any number of classes"))
        }
    }
}

/// The temperature with the smallest log loss. In its inverse, the loss is convex: Newton's steps, kept in a range that is halved.
fn temperature(values: &[f64], width: usize, y: &[usize]) -> f64 {
    let pair = |row: &[f64]| if width == 1 { vec![0.0, row[0]] } else { row.to_vec() };
    let rows: Vec<Vec<f64>> = values.chunks(width).map(pair).collect();
    let slope = |inverse: f64| -> f64 {
        let of = |(row, y): (&Vec<f64>, &usize)| {
            let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = row.iter().map(|z| (inverse * (z - most)).exp()).collect();
            let total: f64 = weights.iter().sum();
            row.iter().zip(&weights).map(|(z, w)| z * w / total).sum::<f64>() - row[*y]
        };
        rows.iter().zip(y).map(of).sum()
    };
    // Of logits that are always right, no temperature is low enough, and of those that say nothing, none is high enough.
    let (mut low, mut high) = (1e-4_f64, 1e4_f64);
    for _ in 0..200 {
        let middle = (low * high).sqrt();
        if slope(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    1.0 / (low * high).sqrt()
}

/// `ln p` and `−ln(1 − p)` of a logit.
fn logs(z: f64) -> [f64; 2] {
    let softplus = |z: f64| z.max(0.0) + (-z.abs()).exp().ln_1p();
    [-softplus(-z), softplus(z)]
}

#[track_caller]
fn beta(logits: &[f64], y: &[f64]) -> Result<Vec<f64>> {
    let both: Vec<f64> = logits.iter().flat_map(|z| logs(*z)).collect();
    let fit = stats::logistic(OP, &both, 2, y, None, 0.0)?;
    let [a, b] = [fit.coefficients[0], fit.coefficients[1]];
    // A curve that falls is none of probabilities: of those without one of the two, or both, the likeliest that rises.
    if a >= 0.0 && b >= 0.0 {
        return Ok(vec![a, b, fit.intercept]);
    }
    let positives = y.iter().sum::<f64>();
    let mut best = vec![0.0, 0.0, (positives / (y.len() as f64 - positives)).ln()];
    let loss = |of: &[f64]| -> f64 {
        let one = |(x, y): (&[f64], &f64)| {
            let z = of[0] * x[0] + of[1] * x[1] + of[2];
            z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z
        };
        both.chunks(2).zip(y).map(one).sum()
    };
    for kept in 0..2 {
        let one: Vec<f64> = both.chunks(2).map(|row| row[kept]).collect();
        let fit = stats::logistic(OP, &one, 1, y, None, 0.0)?;
        let mut found = vec![0.0, 0.0, fit.intercept];
        found[kept] = fit.coefficients[0];
        if found[kept] >= 0.0 && loss(&found) < loss(&best) {
            best = found;
        }
    }
    Ok(best)
}

/// Means of neighbours that are pooled until they rise (pool adjacent violators), at the borders of the pools.
fn isotonic(x: &[f64], y: &[f64]) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = x.iter().copied().zip(y.iter().copied()).collect();
    order::sort_by(&mut points, |a, b| a.0.total_cmp(&b.0));
    // Mean, weight, first and last place; equal places are one to begin with.
    let mut pools: Vec<[f64; 4]> = Vec::new();
    for (x, y) in points {
        match pools.last_mut() {
            Some(last) if last[3] == x && last[2] == x => {
                last[0] = (last[0] * last[1] + y) / (last[1] + 1.0);
                last[1] += 1.0;
            }
            _ => pools.push([y, 1.0, x, x]),
        }
    }
    let mut kept: Vec<[f64; 4]> = Vec::new();
    for mut pool in pools {
        while let Some(last) = kept.last().filter(|last| last[0] >= pool[0]) {
            let weight = last[1] + pool[1];
            pool = [(last[0] * last[1] + pool[0] * pool[1]) / weight, weight, last[2], pool[3]];
            kept.pop();
        }
        kept.push(pool);
    }
    kept.iter()
        .flat_map(|pool| {
            if pool[2] == pool[3] { vec![(pool[2], pool[0])] } else { vec![(pool[2], pool[0]), (pool[3], pool[0])] }
        })
        .collect()
}

/// For each bin of a curve, where the share that came would lie if its examples were drawn anew (Wilson, 1927). A bin whose predicted mean
/// lies outside of it is not calibrated at this level.
///
/// # Errors
/// If the level is not between 0 and 1.
#[track_caller]
pub fn reliability_intervals(curve: &ReliabilityCurve, level: f64) -> Result<Vec<[f64; 2]>> {
    super::level("reliability_intervals", 1.0 - level)?;
    Ok(curve.bins.iter().map(|bin| stats::wilson(bin.observed * bin.weight, bin.weight, level)).collect())
}
