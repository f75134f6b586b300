//! Fair classification as a sequence of weighted ones.

use std::fmt;

use super::constraint::Cells;
use super::{Groups, Parity};
use crate::error::{Error, Here, Result};
use crate::layers::{Layer, LayerExt, Linear, Param, Weight};
use crate::stats;
use crate::tensor::{DType, Tensor};

/// Fits a classifier with one logit as its output to features `[n, features]`, targets `[n]` and weights `[n]`, both in `F32`.
pub type Learner<'a> = &'a mut dyn FnMut(&Tensor, &Tensor, &Tensor) -> Result<Box<dyn Layer>>;

/// A [`Learner`] of logistic regressions: scikit-learn's `LogisticRegression(C=1/l2)`, solved to the end by Newton's method.
///
/// # Errors
/// If shapes do not fit, a value is not finite, a target not from 0 to 1, the penalty is negative, or there are more than 2000 features.
#[track_caller]
pub fn logistic_learner(x: &Tensor, y: &Tensor, weights: &Tensor, l2: f64) -> Result<Box<dyn Layer>> {
    const OP: &str = "logistic_learner";
    let (&[n, width], true) = (x.shape(), y.numel() == weights.numel()) else {
        let message = format!("features {:?}, targets {:?}, weights {:?}", x.shape(), y.shape(), weights.shape());
        return Err(Error::shape(OP, message).with_help("expected [n, features], [n] and [n]"));
    };
    let (values, targets, weights) = (x.to_f64_vec(), y.to_f64_vec(), weights.to_f64_vec());
    x.expect_finite(OP, "the features")?;
    y.expect_finite(OP, "the targets")?;
    if let Some(i) = targets.iter().position(|y| !(0.0..=1.0).contains(y)) {
        return Err(Error::argument(OP, format!("the target of row {i} is {}, expected 0 to 1", targets[i])));
    }
    if targets.len() != n || !(l2 >= 0.0 && l2.is_finite()) || weights.iter().any(|v| !v.is_finite()) {
        let message = format!("{n} rows, {} targets, a penalty of {l2}", targets.len());
        return Err(Error::argument(OP, message).with_help("weights are finite, the penalty is not negative"));
    }
    let fitted = stats::logistic(OP, &values, width, &targets, Some(&weights), l2)?;
    linear(fitted.coefficients, fitted.intercept, x.dtype())
}

/// A layer with these weights.
#[track_caller]
fn linear(coefficients: Vec<f64>, intercept: f64, dtype: DType) -> Result<Box<dyn Layer>> {
    let dtype = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let width = coefficients.len();
    let weight = Tensor::from_vec(coefficients, [1, width])?.to_dtype(dtype);
    let bias = Tensor::from_vec(vec![intercept], [1])?.to_dtype(dtype);
    Ok(Box::new(Linear { weight: Weight::new(weight)?, bias: Some(Param::new(bias)?) }))
}

/// Trains several classifiers, each on other weights and labels, and mixes them so that a [`Parity`] is met (Agarwal et al., *A reductions
/// approach to fair classification*, 2018; Fairlearn's `ExponentiatedGradient` without its step of linear programming).
///
/// Any model can be the classifier; what it minimises is an error of decisions, so the parity is one of decisions too. What
/// comes out decides by chance: a classifier is drawn for each row. Where several classifiers answer the multipliers of a round equally well, to
/// 1e-8, it is the first that was found; Fairlearn leaves it to rounding, so on few rows, where that is common, it may mix others.
///
/// ```
/// use demotic::fairness::{ExponentiatedGradient, Fairness, Groups, Parity, logistic_learner};
/// use demotic::prelude::*;
///
/// let groups = Groups::named((0..200).map(|i| if i % 2 == 0 { "f" } else { "m" }))?;
/// let mut rng = Rng::seed(0);
/// let skill: Vec<f64> = (0..200).map(|_| rng.normal()).collect();
/// let y: Vec<i64> = (0..200).map(|i| i64::from(skill[i] + (i % 2) as f64 > 0.5)).collect();
/// let x: Vec<f64> = (0..200).flat_map(|i| [skill[i], (i % 2) as f64]).collect();
/// let (x, y) = (Tensor::from_vec(x, [200, 2])?, Tensor::from_vec(y, [200])?);
///
/// let mut learner = |x: &Tensor, y: &Tensor, w: &Tensor| logistic_learner(x, y, w, 1.0);
/// let plain = learner(&x, &y, &y.ones_like())?.predict(&x)?.sigmoid();
/// let fair = ExponentiatedGradient::new(Parity::Demographic).fit(&x, &y, &groups, &mut learner)?;
/// let chosen = fair.probabilities(&x)?;
/// // How likely each row is chosen: 0, 1, or between, so the selection rate of a group is their mean.
/// let rate = |p: &Tensor, of: usize| (of..200).step_by(2).map(|i| p.to_f64_vec()[i]).sum::<f64>() / 100.0;
/// assert!((rate(&chosen, 0) - rate(&chosen, 1)).abs() < 0.05);
/// # assert!((rate(&plain, 0) - rate(&plain, 1)).abs() > 0.2);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ExponentiatedGradient {
    parity: Parity,
    slack: f64,
    eps: f64,
    rounds: usize,
    rate: f64,
}

/// Several classifiers with the share of rows that each decides on.
pub struct RandomizedClassifier {
    /// The classifiers with their shares, which add up to 1.
    pub models: Vec<(f64, Box<dyn Layer>)>,
    /// How far the mixture is from the best one, at the most, in error plus violation times `1 / eps`.
    pub gap: f64,
}

impl fmt::Debug for RandomizedClassifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shares: Vec<f64> = self.models.iter().map(|(share, _)| *share).collect();
        write!(f, "RandomizedClassifier(shares {shares:.4?}, gap {:.4})", self.gap)
    }
}

const OP: &str = "ExponentiatedGradient";
/// Values that are nearer to each other than this are the same, as in Fairlearn.
const PRECISION: f64 = 1e-8;

/// What the search has found so far.
struct Search<'a> {
    cells: &'a Cells,
    x: &'a Tensor,
    y: Vec<f64>,
    bound: f64,
    slack: f64,
    learner: Learner<'a>,
    models: Vec<Box<dyn Layer>>,
    decisions: Vec<Vec<f64>>,
    errors: Vec<f64>,
    deviations: Vec<Vec<f64>>,
}

impl ExponentiatedGradient {
    /// For a parity that is met within 0.01, in at most 50 rounds.
    #[must_use]
    pub fn new(parity: Parity) -> Self {
        Self { parity, slack: 0.01, eps: 0.01, rounds: 50, rate: 2.0 }
    }

    /// How far the rate of a group may lie from that of all: 0.01, if nothing is said.
    #[must_use]
    pub fn slack(mut self, slack: f64) -> Self {
        self.slack = slack;
        self
    }

    /// The most rounds: 50, if nothing is said.
    #[must_use]
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// Trains a mixture.
    ///
    /// # Errors
    /// Those of the learner; if the target is not 0 or 1 for each row, fewer than two groups have rows that count, a classifier's
    /// output is not one number for each row, or an option makes no sense.
    #[track_caller]
    pub fn fit(&self, x: &Tensor, y: &Tensor, groups: &Groups, learner: Learner<'_>) -> Result<RandomizedClassifier> {
        let Self { parity, slack, eps, rounds, rate } = *self;
        if !((1..=10_000).contains(&rounds) && slack >= 0.0 && slack.is_finite()) {
            let message = format!(
                "{rounds} rounds and a slack of {slack}, expected 1 to 10000 and a number that is not negative"
            );
            return Err(Error::argument(OP, message));
        }
        let actual = groups.expect(OP, y)?;
        if x.shape().first() != Some(&actual.len()) {
            return Err(Error::shape(OP, format!("features {:?} for {} rows", x.shape(), actual.len())));
        }
        let n = actual.len() as f64;
        let cells = Cells::new(OP, parity, &actual, groups)?;
        let y = actual.iter().map(|y| f64::from(u8::from(*y))).collect();
        let none = || (Vec::new(), Vec::new());
        let ((models, decisions), (errors, deviations)) = (none(), (Vec::new(), Vec::new()));
        let bound = 1.0 / eps;
        let mut search = Search { cells: &cells, x, y, bound, slack, learner, models, decisions, errors, deviations };

        let conditions = 2 * cells.sizes.len();
        let (mut theta, mut sum) = (vec![0.0_f64; conditions], vec![0.0; conditions]);
        let (mut eta, mut nu, mut counts) = (rate / bound, 0.0, Vec::<f64>::new());
        let (mut gaps, mut shares): (Vec<f64>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
        let (mut checked, mut last) = (5, f64::INFINITY);
        for t in 0..rounds {
            let most = theta.iter().copied().fold(0.0, f64::max);
            let total: f64 = (-most).exp() + theta.iter().map(|theta| (theta - most).exp()).sum::<f64>();
            let lambda: Vec<f64> = theta.iter().map(|theta| bound * (theta - most).exp() / total).collect();
            sum.iter_mut().zip(&lambda).for_each(|(sum, lambda)| *sum += lambda);
            let mean: Vec<f64> = sum.iter().map(|sum| sum / (t + 1) as f64).collect();
            let found = search.best(&lambda)?;
            if t == 0 {
                let wrong = search.y.iter().zip(&search.decisions[found]).map(|(y, h)| (y - h).abs());
                let (_, deviation) = stats::moments(wrong);
                nu = 0.5 * deviation * (n / (n - 1.0).max(1.0)).sqrt() / n.sqrt();
            }
            counts.resize(counts.len().max(found + 1), 0.0);
            counts[found] += 1.0;
            let share: Vec<f64> = counts.iter().map(|count| count / (t + 1) as f64).collect();
            let gap = search.gap(&share, &mean, nu)?;
            gaps.push(gap);
            shares.push(share);
            if gap < nu && t >= 5 {
                break;
            }
            if t as f64 >= f64::from(checked) * 1.6 {
                let best = gaps.iter().copied().fold(f64::INFINITY, f64::min);
                if best > last * 0.8 {
                    eta *= 0.8;
                }
                (checked, last) = (t as i32, best);
            }
            let gamma = search.signed(found);
            theta.iter_mut().zip(gamma).for_each(|(theta, gamma)| *theta += eta * (gamma - slack));
        }
        let least = gaps.iter().copied().fold(f64::INFINITY, f64::min);
        let best = gaps.iter().rposition(|gap| *gap <= least + PRECISION).unwrap_or(0);
        let share = |i: usize| shares[best].get(i).copied().unwrap_or(0.0);
        let models = search.models.into_iter().enumerate().map(|(i, model)| (share(i), model));
        Ok(RandomizedClassifier { models: models.filter(|(share, _)| *share > 0.0).collect(), gap: gaps[best] })
    }
}

impl Search<'_> {
    /// The conditions of a classifier: the deviation of each cell with both signs.
    fn signed(&self, of: usize) -> Vec<f64> {
        let d = &self.deviations[of];
        d.iter().copied().chain(d.iter().map(|d| -d)).collect()
    }

    /// The best answer to multipliers: a new classifier, or one of those before it, by its number.
    #[track_caller]
    fn best(&mut self, lambda: &[f64]) -> Result<usize> {
        let (k, n) = (self.cells.sizes.len(), self.y.len() as f64);
        // What it would cost to choose a row: by its cell, and for those that do not count nothing.
        let cost =
            |cell: usize| -> f64 { (0..k).map(|i| (lambda[i] - lambda[k + i]) * self.cells.factor(i, cell)).sum() };
        let costs: Vec<f64> = (0..=k).map(|cell| if cell < k { n * cost(cell) } else { 0.0 }).collect();
        let signed: Vec<f64> =
            self.y.iter().zip(&self.cells.of).map(|(y, cell)| 2.0 * y - 1.0 - costs[*cell]).collect();
        let total: f64 = signed.iter().map(|w| w.abs()).sum();
        let labels: Vec<f64> = signed.iter().map(|w| f64::from(u8::from(*w > 0.0))).collect();
        let weights: Vec<f64> = signed.iter().map(|w| n * w.abs() / total).collect();
        let first = labels.first().copied().unwrap_or(0.0);
        let model = match labels.iter().all(|label| *label == first) {
            // With one class there is nothing to learn.
            true => linear(vec![0.0; self.x.shape().get(1).copied().unwrap_or(0)], 2.0 * first - 1.0, self.x.dtype())?,
            false => {
                let (labels, weights) = (super::column(labels)?, super::column(weights)?);
                let dtype = if self.x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
                (self.learner)(self.x, &labels.to_dtype(dtype), &weights.to_dtype(dtype)).outside()?
            }
        };
        let h = decisions(&*model, self.x)?;
        let error = self.y.iter().zip(&h).map(|(y, h)| (y - h).abs()).sum::<f64>() / n;
        let mut sums = vec![0.0; k + 1];
        h.iter().zip(&self.cells.of).for_each(|(h, cell)| sums[*cell] += h);
        let deviation = (0..k).map(|i| (0..k).map(|j| self.cells.factor(i, j) * sums[j]).sum()).collect();
        let value = |error: f64, d: &Vec<f64>| -> f64 {
            error + d.iter().enumerate().map(|(i, d)| d * (lambda[i] - lambda[k + i])).sum::<f64>()
        };
        let mut best = (0, f64::INFINITY);
        for (i, (error, d)) in self.errors.iter().zip(&self.deviations).enumerate() {
            let value = value(*error, d);
            // Of equally good ones the first, and not the one that rounding prefers.
            if value < best.1 - PRECISION {
                best = (i, value);
            }
        }
        if value(error, &deviation) < best.1 - PRECISION {
            best.0 = self.models.len();
            self.models.push(model);
            self.decisions.push(h);
            self.errors.push(error);
            self.deviations.push(deviation);
        }
        Ok(best.0)
    }

    /// Multipliers that say the same with less: of both signs of a condition, one is enough, and within an event a shift along the sizes of
    /// its groups changes nothing. The weighted median makes their sum the smallest.
    fn projected(&self, lambda: &[f64]) -> Vec<f64> {
        let k = self.cells.sizes.len();
        let mut signed: Vec<f64> = (0..k).map(|i| lambda[i] - lambda[k + i]).collect();
        for event in 0..2 {
            let of: Vec<usize> = (0..k).filter(|i| self.cells.events[*i] == event).collect();
            let share = |i: usize| self.cells.sizes[i] / self.cells.event_size(i);
            let mut order = of.clone();
            crate::order::sort_by(&mut order, |a, b| (signed[*a] / share(*a)).total_cmp(&(signed[*b] / share(*b))));
            let half = of.iter().map(|i| share(*i)).sum::<f64>() / 2.0;
            let mut sum = 0.0;
            let median = order.iter().find(|i| {
                sum += share(**i);
                sum >= half
            });
            if let Some(median) = median {
                let shift = signed[*median] / share(*median);
                of.iter().for_each(|i| signed[*i] -= share(*i) * shift);
            }
        }
        signed.iter().map(|s| s.max(0.0)).chain(signed.iter().map(|s| (-s).max(0.0))).collect()
    }

    /// The Lagrangian of a mixture, and what it is under the worst multipliers.
    fn value(&self, shares: &[f64], lambda: &[f64]) -> (f64, f64) {
        let lambda = self.projected(lambda);
        let error: f64 = shares.iter().zip(&self.errors).map(|(share, error)| share * error).sum();
        let mut gamma = vec![0.0; lambda.len()];
        for (i, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            gamma.iter_mut().zip(self.signed(i)).for_each(|(sum, d)| *sum += share * d);
        }
        let l = error + lambda.iter().zip(&gamma).map(|(lambda, gamma)| lambda * (gamma - self.slack)).sum::<f64>();
        let worst = gamma.iter().map(|gamma| gamma - self.slack).fold(f64::NEG_INFINITY, f64::max);
        (l, error + self.bound * worst.max(0.0))
    }

    /// How far both players are from their best answers.
    #[track_caller]
    fn gap(&mut self, shares: &[f64], lambda: &[f64], nu: f64) -> Result<f64> {
        let (l, high) = self.value(shares, lambda);
        let mut low = l;
        for times in [1.0, 2.0, 5.0, 10.0] {
            let scaled: Vec<f64> = lambda.iter().map(|lambda| times * lambda).collect();
            let answer = self.best(&scaled)?;
            let mut alone = vec![0.0; answer + 1];
            alone[answer] = 1.0;
            low = low.min(self.value(&alone, lambda).0);
            if (l - low).max(high - l) > nu + PRECISION {
                break;
            }
        }
        Ok((l - low).max(high - l))
    }
}

/// Whom a classifier chooses: those whose logit is above 0.
#[track_caller]
fn decisions(model: &dyn Layer, x: &Tensor) -> Result<Vec<f64>> {
    let (logits, n) = (model.predict(x)?, x.shape().first().copied().unwrap_or(0));
    if logits.numel() != n {
        let message = format!("the classifier gives {:?} for {n} rows, expected one logit for each", logits.shape());
        return Err(Error::shape(OP, message));
    }
    logits.expect_finite(OP, "the classifier's logits")?;
    Ok(logits.to_f64_vec().into_iter().map(|z| f64::from(u8::from(z > 0.0))).collect())
}

impl RandomizedClassifier {
    /// How likely each row is chosen, `[n]` in `F64`.
    ///
    /// # Errors
    /// Those of the models.
    #[track_caller]
    pub fn probabilities(&self, x: &Tensor) -> Result<Tensor> {
        let mut sums = vec![0.0; x.shape().first().copied().unwrap_or(0)];
        for (share, model) in &self.models {
            sums.iter_mut().zip(decisions(&**model, x)?).for_each(|(sum, h)| *sum += share * h);
        }
        // Shares that add up to 1 within rounding.
        sums.iter_mut().for_each(|sum| *sum = sum.clamp(0.0, 1.0));
        super::column(sums)
    }
}
