//! Whether probabilities are as often right as they say.

use super::classification::Classification;
use super::ranking::Scores;
use crate::error::{Error, Result};
use crate::order;
use crate::tensor::Tensor;

/// How probabilities are divided into bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bins {
    /// Of equal width, from 0 to 1.
    Uniform,
    /// Of equal numbers of examples.
    Quantile,
}

/// What was predicted in a bin, and what came.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ReliabilityBin {
    /// The mean of the probabilities in the bin.
    pub predicted: f64,
    /// How often what they were given to came true, as a share.
    pub observed: f64,
    /// How many examples are in the bin; with weights, how much they weigh.
    pub weight: f64,
}

/// Predicted probabilities and observed shares, bin by bin. Made by [`reliability_curve`] and
/// [`Classification::reliability_curve`]. Empty bins are left out.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReliabilityCurve {
    /// The bins in ascending order.
    pub bins: Vec<ReliabilityBin>,
}

impl ReliabilityCurve {
    /// The points of the curve: predicted, observed. Those of perfect probabilities lie on the diagonal.
    #[must_use]
    pub fn points(&self) -> Vec<(f64, f64)> {
        self.bins.iter().map(|bin| (bin.predicted, bin.observed)).collect()
    }

    /// The mean distance of predicted and observed, weighted by the examples of each bin.
    #[must_use]
    pub fn expected_error(&self) -> f64 {
        let (mut sum, mut weight) = (0.0, 0.0);
        for bin in &self.bins {
            sum += bin.weight * (bin.predicted - bin.observed).abs();
            weight += bin.weight;
        }
        sum / weight
    }

    /// The largest distance of predicted and observed.
    #[must_use]
    pub fn maximum_error(&self) -> f64 {
        self.bins.iter().map(|bin| (bin.predicted - bin.observed).abs()).fold(0.0, f64::max)
    }
}

impl Classification {
    /// As the function [`reliability_curve`], with these options and any bins.
    ///
    /// # Errors
    /// As for [`reliability_curve`].
    #[track_caller]
    pub fn reliability_curve(
        &self,
        probabilities: &Tensor,
        target: &Tensor,
        bins: usize,
        kind: Bins,
    ) -> Result<ReliabilityCurve> {
        self.reliability("reliability_curve", [probabilities, target], bins, kind)
    }

    #[track_caller]
    fn reliability(&self, name: &'static str, data: [&Tensor; 2], bins: usize, kind: Bins) -> Result<ReliabilityCurve> {
        if !(1..=1 << 20).contains(&bins) {
            return Err(Error::argument(name, format!("{bins} bins, expected 1 to 1048576")));
        }
        let Scores { values, columns, actual, weights } = self.probabilities(name, data[0], data[1])?;
        // A probability, whether it came true, and its weight.
        let mut points: Vec<(f64, bool, f64)> = Vec::with_capacity(actual.len());
        for (i, (row, y)) in values.chunks(columns).zip(&actual).enumerate() {
            let (p, came) = match row {
                [p] => (*p, *y == self.positive()),
                [no, yes] => (if self.positive() == 0 { *no } else { *yes }, *y == self.positive()),
                row => {
                    let best = (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
                    (row[best], *y == best as i64)
                }
            };
            points.push((p, came, weights.as_ref().map_or(1.0, |weights| weights[i])));
        }
        order::sort_by_key(&mut points, |(p, ..)| order::key(*p + 0.0));
        // The borders between bins, at the upper of which the bin ends: rounded as NumPy rounds them, since probabilities with few
        // digits lie on them.
        let border = |i: usize| match kind {
            Bins::Uniform => i as f64 * (1.0 / bins as f64),
            Bins::Quantile => quantile(&points, i as f64 * (1.0 / bins as f64) * 100.0 / 100.0),
        };
        let (mut curve, mut bin, mut sums) = (ReliabilityCurve { bins: Vec::new() }, 1, [0.0; 3]);
        let mut end = if bin < bins { border(bin) } else { f64::INFINITY };
        for (p, came, weight) in &points {
            while *p > end {
                curve.finish(&mut sums);
                bin += 1;
                end = if bin < bins { border(bin) } else { f64::INFINITY };
            }
            sums[0] += weight;
            sums[1] += weight * p;
            sums[2] += if *came { *weight } else { 0.0 };
        }
        curve.finish(&mut sums);
        Ok(curve)
    }

    /// As the function [`expected_calibration_error`], with these options and any bins.
    ///
    /// # Errors
    /// As for [`reliability_curve`].
    #[track_caller]
    pub fn expected_calibration_error(
        &self,
        probabilities: &Tensor,
        target: &Tensor,
        bins: usize,
        kind: Bins,
    ) -> Result<f64> {
        let name = "expected_calibration_error";
        Ok(self.reliability(name, [probabilities, target], bins, kind)?.expected_error())
    }

    /// As the function [`maximum_calibration_error`], with these options and any bins.
    ///
    /// # Errors
    /// As for [`reliability_curve`].
    #[track_caller]
    pub fn maximum_calibration_error(
        &self,
        probabilities: &Tensor,
        target: &Tensor,
        bins: usize,
        kind: Bins,
    ) -> Result<f64> {
        let name = "maximum_calibration_error";
        Ok(self.reliability(name, [probabilities, target], bins, kind)?.maximum_error())
    }
}

impl ReliabilityCurve {
    /// The bin of these sums, if there is anything in it.
    fn finish(&mut self, sums: &mut [f64; 3]) {
        let [weight, predicted, observed] = std::mem::take(sums);
        if weight > 0.0 {
            self.bins.push(ReliabilityBin { predicted: predicted / weight, observed: observed / weight, weight });
        }
    }
}

/// A quantile of sorted points, between two of them on a straight line.
fn quantile(points: &[(f64, bool, f64)], share: f64) -> f64 {
    let at = share * points.len().saturating_sub(1) as f64;
    let (low, rest) = (at.floor() as usize, at.fract());
    match (points.get(low), points.get(low + 1)) {
        (Some((a, ..)), Some((b, ..))) if rest < 0.5 => a + (b - a) * rest,
        (Some((a, ..)), Some((b, ..))) => b - (b - a) * (1.0 - rest),
        (Some((a, ..)), None) => *a,
        _ => 0.0,
    }
}

/// The points of a reliability diagram: what was predicted in each of `bins` bins of equal width, and how often it came.
///
/// Of single probabilities of class 1 (`[n]`, `[n, 1]`) and of two columns, it is about class 1; of more columns, about the
/// class with the largest probability, and whether it is right (Guo et al., 2017).
///
/// # Errors
/// As for [`log_loss`](super::log_loss), and if there are no bins.
///
/// ```
/// use demotic::prelude::*;
///
/// let probabilities = tensor![0.1, 0.2, 0.9, 0.8];
/// let target = Tensor::from_nested([0i64, 1, 1, 1])?;
/// let curve = metrics::reliability_curve(&probabilities, &target, 2)?;
/// assert_eq!(curve.bins.len(), 2);
/// assert_eq!((curve.bins[0].observed, curve.bins[1].observed), (0.5, 1.0));
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
#[doc(alias = "calibration_curve")]
pub fn reliability_curve(probabilities: &Tensor, target: &Tensor, bins: usize) -> Result<ReliabilityCurve> {
    Classification::new().reliability_curve(probabilities, target, bins, Bins::Uniform)
}

/// The expected calibration error (Naeini et al., 2015): how far probabilities are from the share of what comes true, on the
/// average over `bins` bins of equal width. 0 is perfect. Of what, see [`reliability_curve`].
///
/// # Errors
/// As for [`reliability_curve`].
///
/// ```
/// use demotic::prelude::*;
///
/// // Said to be sure, and right half of the time.
/// let target = Tensor::from_nested([0i64, 1])?;
/// assert_eq!(metrics::expected_calibration_error(&tensor![1.0, 1.0], &target, 10)?, 0.5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
#[doc(alias = "ece")]
pub fn expected_calibration_error(probabilities: &Tensor, target: &Tensor, bins: usize) -> Result<f64> {
    Classification::new().expected_calibration_error(probabilities, target, bins, Bins::Uniform)
}

/// The largest distance of probabilities from the share of what comes true, over `bins` bins of equal width.
///
/// # Errors
/// As for [`reliability_curve`].
#[track_caller]
#[doc(alias = "mce")]
pub fn maximum_calibration_error(probabilities: &Tensor, target: &Tensor, bins: usize) -> Result<f64> {
    Classification::new().maximum_calibration_error(probabilities, target, bins, Bins::Uniform)
}
