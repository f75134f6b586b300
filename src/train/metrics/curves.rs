//! What a classifier does at each threshold, as points of curves.

use super::classification::Classification;
use super::ranking::{Group, Ranked, groups};
use crate::error::{Here, Result};
use crate::tensor::Tensor;

/// The rates of right and of false alarms at each threshold. Made by [`roc_curve`] and [`Classification::roc_curve`].
///
/// The lists are of equal length and begin at (0, 0), with an infinite threshold.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RocCurve {
    /// Of the negative examples, the share that has such a score or a higher one.
    pub false_positive_rate: Vec<f64>,
    /// Of the positive examples, the share that has such a score or a higher one.
    pub true_positive_rate: Vec<f64>,
    /// Descending scores.
    pub thresholds: Vec<f64>,
}

impl RocCurve {
    /// The points of the curve: false positive rate, true positive rate.
    #[must_use]
    pub fn points(&self) -> Vec<(f64, f64)> {
        paired(&self.false_positive_rate, &self.true_positive_rate)
    }

    /// The area under the curve, by trapezoids: [`roc_auc`](super::roc_auc).
    #[must_use]
    pub fn area(&self) -> f64 {
        area(&self.false_positive_rate, &self.true_positive_rate)
    }

    /// The curve without points that lie between their neighbours on a straight line, which a picture does not show.
    #[must_use]
    pub fn simplified(&self) -> Self {
        let (x, y) = (&self.false_positive_rate, &self.true_positive_rate);
        let last = x.len().saturating_sub(1);
        let mut kept = Self { false_positive_rate: vec![], true_positive_rate: vec![], thresholds: vec![] };
        for i in 0..x.len() {
            let corner = |v: &[f64]| ((v[i + 1] - v[i]) - (v[i] - v[i - 1])).abs() > 1e-12;
            if i <= 1 || i == last || corner(x) || corner(y) {
                kept.false_positive_rate.push(x[i]);
                kept.true_positive_rate.push(y[i]);
                kept.thresholds.push(self.thresholds[i]);
            }
        }
        kept
    }
}

/// Precision and recall at each threshold. Made by [`precision_recall_curve`] and [`Classification::precision_recall_curve`].
///
/// Points go from the lowest threshold, at which every example is called positive, to the highest. A last point at recall 0 and
/// precision 1 has no threshold, so that there is one threshold less.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PrecisionRecallCurve {
    /// Of the examples with such a score or a higher one, the share that is positive.
    pub precision: Vec<f64>,
    /// Of the positive examples, the share that has such a score or a higher one.
    pub recall: Vec<f64>,
    /// Ascending scores.
    pub thresholds: Vec<f64>,
}

impl PrecisionRecallCurve {
    /// The points of the curve: recall, precision.
    #[must_use]
    pub fn points(&self) -> Vec<(f64, f64)> {
        paired(&self.recall, &self.precision)
    }

    /// The area under the curve, by trapezoids. It is more hopeful than [`average_precision`](super::average_precision), which
    /// sums steps, because precision does not fall on straight lines (Davis and Goadrich, 2006).
    #[must_use]
    #[doc(alias = "pr_auc")]
    pub fn area(&self) -> f64 {
        -area(&self.recall, &self.precision)
    }
}

/// How many of the positive examples are found among those with the highest scores. Made by [`lift_curve`] and
/// [`Classification::lift_curve`].
///
/// The lists are of equal length: there is a point for each score, from the highest down. The gain begins at (0, 0), where
/// no lift is defined, so that this point is not among them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LiftCurve {
    /// The share of all examples that have such a score or a higher one.
    pub share: Vec<f64>,
    /// The share of the positive examples among these. Whoever guesses finds as many as the share.
    pub gain: Vec<f64>,
    /// How many times as many that is as by guessing: gain / share.
    pub lift: Vec<f64>,
    /// Descending scores.
    pub thresholds: Vec<f64>,
}

fn paired(x: &[f64], y: &[f64]) -> Vec<(f64, f64)> {
    let mut points = Vec::with_capacity(x.len());
    for (x, y) in x.iter().zip(y) {
        points.push((*x, *y));
    }
    points
}

fn area(x: &[f64], y: &[f64]) -> f64 {
    let mut area = 0.0;
    for i in 1..x.len() {
        area += (x[i] - x[i - 1]) * (y[i] + y[i - 1]) / 2.0;
    }
    area
}

/// The share of positive and of negative examples up to each score, and all their weights. Examples that weigh nothing have no
/// threshold.
#[track_caller]
fn cumulated(name: &'static str, mut ranked: Vec<Ranked>) -> Result<(Vec<Group>, [f64; 2])> {
    ranked.retain(|(.., weight)| *weight > 0.0);
    let (mut groups, totals) = groups(name, ranked)?;
    let mut sums = [0.0; 2];
    for group in &mut groups {
        sums[0] += group.weights[0];
        sums[1] += group.weights[1];
        group.weights = sums;
    }
    // The sums in another order are rounded in another way.
    Ok((groups, if sums == [0.0; 2] { totals } else { sums }))
}

impl Classification {
    /// As the function [`roc_curve`], with these options.
    ///
    /// # Errors
    /// As for [`roc_curve`].
    #[track_caller]
    pub fn roc_curve(&self, scores: &Tensor, target: &Tensor) -> Result<RocCurve> {
        let name = "roc_curve";
        let (groups, [positive, negative]) = cumulated(name, self.ranking(name, scores, target)?).here()?;
        let mut curve =
            RocCurve { false_positive_rate: vec![0.0], true_positive_rate: vec![0.0], thresholds: vec![f64::INFINITY] };
        for Group { score, weights: [yes, no] } in groups {
            curve.false_positive_rate.push(no / negative);
            curve.true_positive_rate.push(yes / positive);
            curve.thresholds.push(score);
        }
        Ok(curve)
    }

    /// As the function [`precision_recall_curve`], with these options.
    ///
    /// # Errors
    /// As for [`precision_recall_curve`].
    #[track_caller]
    pub fn precision_recall_curve(&self, scores: &Tensor, target: &Tensor) -> Result<PrecisionRecallCurve> {
        let name = "precision_recall_curve";
        let (groups, [positive, _]) = cumulated(name, self.ranking(name, scores, target)?).here()?;
        let mut curve = PrecisionRecallCurve { precision: vec![], recall: vec![], thresholds: vec![] };
        for Group { score, weights: [yes, no] } in groups.iter().rev() {
            curve.precision.push(yes / (yes + no));
            curve.recall.push(yes / positive);
            curve.thresholds.push(*score);
        }
        curve.precision.push(1.0);
        curve.recall.push(0.0);
        Ok(curve)
    }

    /// As the function [`lift_curve`], with these options.
    ///
    /// # Errors
    /// As for [`lift_curve`].
    #[track_caller]
    pub fn lift_curve(&self, scores: &Tensor, target: &Tensor) -> Result<LiftCurve> {
        let name = "lift_curve";
        let (groups, [positive, negative]) = cumulated(name, self.ranking(name, scores, target)?).here()?;
        let mut curve = LiftCurve { share: vec![], gain: vec![], lift: vec![], thresholds: vec![] };
        for Group { score, weights: [yes, no] } in groups {
            let (share, gain) = ((yes + no) / (positive + negative), yes / positive);
            curve.share.push(share);
            curve.gain.push(gain);
            curve.lift.push(gain / share);
            curve.thresholds.push(score);
        }
        Ok(curve)
    }
}

/// The points of the ROC curve: at each threshold, which share of the negative examples is taken for positive ones, and which
/// share of the positive ones is found. Scores are as for [`roc_auc`](super::roc_auc), which is the area below.
///
/// # Errors
/// As for [`roc_auc`](super::roc_auc).
///
/// ```
/// use demotic::prelude::*;
///
/// let scores = tensor![0.1, 0.4, 0.35, 0.8];
/// let target = Tensor::from_nested([0i64, 0, 1, 1])?;
/// let curve = metrics::roc_curve(&scores, &target)?;
/// assert_eq!(curve.false_positive_rate, [0.0, 0.0, 0.5, 0.5, 1.0]);
/// assert_eq!(curve.true_positive_rate, [0.0, 0.5, 0.5, 1.0, 1.0]);
/// assert_eq!(curve.area(), metrics::roc_auc(&scores, &target)?);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn roc_curve(scores: &Tensor, target: &Tensor) -> Result<RocCurve> {
    Classification::new().roc_curve(scores, target)
}

/// Precision and recall at each threshold. Scores are as for [`roc_auc`](super::roc_auc).
///
/// # Errors
/// As for [`average_precision`](super::average_precision).
///
/// ```
/// use demotic::prelude::*;
///
/// let scores = tensor![0.125, 0.5, 0.25, 0.75];
/// let target = Tensor::from_nested([0i64, 0, 1, 1])?;
/// let curve = metrics::precision_recall_curve(&scores, &target)?;
/// assert_eq!(curve.precision, [0.5, 2.0 / 3.0, 0.5, 1.0, 1.0]);
/// assert_eq!(curve.recall, [1.0, 1.0, 0.5, 0.5, 0.0]);
/// assert_eq!(curve.thresholds, [0.125, 0.25, 0.5, 0.75]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn precision_recall_curve(scores: &Tensor, target: &Tensor) -> Result<PrecisionRecallCurve> {
    Classification::new().precision_recall_curve(scores, target)
}

/// The gain and lift of looking first at the examples with the highest scores: `gain` is the share of all positive examples
/// that are found among them, `lift` how many times as many that is as among as many examples at random. Scores are as for
/// [`roc_auc`](super::roc_auc).
///
/// # Errors
/// As for [`average_precision`](super::average_precision).
///
/// ```
/// use demotic::prelude::*;
///
/// let scores = tensor![0.9, 0.7, 0.4, 0.1];
/// let target = Tensor::from_nested([1i64, 0, 1, 0])?;
/// let curve = metrics::lift_curve(&scores, &target)?;
/// assert_eq!(curve.share, [0.25, 0.5, 0.75, 1.0]);
/// assert_eq!(curve.gain, [0.5, 0.5, 1.0, 1.0]);
/// assert_eq!(curve.lift[0], 2.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
#[doc(alias = "gain")]
pub fn lift_curve(scores: &Tensor, target: &Tensor) -> Result<LiftCurve> {
    Classification::new().lift_curve(scores, target)
}
