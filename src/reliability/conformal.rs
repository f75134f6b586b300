//! Sets and intervals that hold the truth as often as they say, whatever the model is (Vovk, Gammerman and Shafer, 2005).

use super::{classes, level, rows};
use crate::error::{Error, Result};
use crate::fairness::Groups;
use crate::stats;
use crate::tensor::Tensor;
use crate::train::metrics::Interval;

/// The score that `⌈(1 − α)(n + 1)⌉` of `n` are at most; infinite if there are too few.
fn threshold(scores: Vec<f64>, alpha: f64) -> f64 {
    let n = scores.len();
    // Rounding must not ask for one score more.
    let rank = ((1.0 - alpha) * (n + 1) as f64 - 1e-9).ceil().max(1.0) as usize;
    stats::sorted(scores).get(rank - 1).copied().unwrap_or(f64::INFINITY)
}

/// As many numbers as there are rows.
#[track_caller]
fn numbers(op: &'static str, what: &str, x: &Tensor, n: Option<usize>) -> Result<Vec<f64>> {
    let (values, rows, width) = rows(op, what, x)?;
    match width == 1 && n.is_none_or(|n| n == rows) {
        true => Ok(values),
        false => {
            let expected = n.map_or("[n]".into(), |n| format!("[{n}]"));
            Err(Error::shape(op, format!("{what} of shape {:?}, expected {expected}", x.shape())))
        }
    }
}

/// Two bounds for each row, `[n, 2]` in `F64`.
#[track_caller]
fn bounds(pairs: impl Iterator<Item = [f64; 2]>, n: usize) -> Result<Tensor> {
    Tensor::from_vec(pairs.flatten().collect::<Vec<f64>>(), [n, 2])
}

/// Intervals of one width around predicted numbers: as far as the calibration part was off (split conformal; Lei et al., 2018).
///
/// A new row lies in its interval with a probability of at least `1 − alpha`, if it is drawn like those of the calibration part. That holds for
/// all rows together, not for each group of them: see [`coverage`].
///
/// ```
/// use demotic::prelude::*;
/// use demotic::reliability::SplitConformal;
///
/// let predicted = Tensor::zeros([9])?;
/// let actual = tensor![-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 5.0];
/// let fitted = SplitConformal::fit(&predicted, &actual, 0.2)?;
/// assert_eq!(fitted.width(), 4.0);
/// assert_eq!(fitted.intervals(&tensor![10.0])?.to_vec::<f64>()?, [6.0, 14.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SplitConformal {
    width: f64,
}

impl SplitConformal {
    /// From predictions and targets `[n]` of rows that the model did not learn from; `alpha` is how often the truth may lie outside.
    ///
    /// # Errors
    /// If shapes do not fit, a number is not finite, or `alpha` is not between 0 and 1.
    #[track_caller]
    pub fn fit(prediction: &Tensor, target: &Tensor, alpha: f64) -> Result<Self> {
        const OP: &str = "SplitConformal";
        level(OP, alpha)?;
        let p = numbers(OP, "the predictions", prediction, None)?;
        let y = numbers(OP, "the targets", target, Some(p.len()))?;
        Ok(Self { width: threshold(p.iter().zip(&y).map(|(p, y)| (p - y).abs()).collect(), alpha) })
    }

    /// Half of the width; infinite if there were fewer rows than `1 / alpha − 1`.
    #[must_use]
    pub fn width(&self) -> f64 {
        self.width
    }

    /// The bounds for other predictions, `[n, 2]` in `F64`.
    ///
    /// # Errors
    /// If the shape does not fit, or a number is not finite.
    #[track_caller]
    pub fn intervals(&self, prediction: &Tensor) -> Result<Tensor> {
        let p = numbers("SplitConformal", "the predictions", prediction, None)?;
        bounds(p.iter().map(|p| [p - self.width, p + self.width]), p.len())
    }
}

/// Intervals from predicted quantiles, moved outwards or inwards by one number, so wide where the quantiles are far apart (conformalized quantile
/// regression; Romano, Patterson and Candès, 2019).
#[derive(Debug, Clone, PartialEq)]
pub struct QuantileConformal {
    shift: f64,
}

impl QuantileConformal {
    /// From predicted quantiles `[n, 2]`, such as those at 0.05 and 0.95 (trained by the
    /// [pinball loss](crate::losses::Quantile)), and targets `[n]` of rows that the model did not learn from.
    ///
    /// # Errors
    /// As for [`SplitConformal::fit`].
    #[track_caller]
    pub fn fit(quantiles: &Tensor, target: &Tensor, alpha: f64) -> Result<Self> {
        const OP: &str = "QuantileConformal";
        level(OP, alpha)?;
        let (q, n) = Self::pairs(quantiles)?;
        let y = numbers(OP, "the targets", target, Some(n))?;
        Ok(Self { shift: threshold(q.chunks(2).zip(&y).map(|(q, y)| (q[0] - y).max(y - q[1])).collect(), alpha) })
    }

    #[track_caller]
    fn pairs(quantiles: &Tensor) -> Result<(Vec<f64>, usize)> {
        const OP: &str = "QuantileConformal";
        let (q, n, width) = rows(OP, "the quantiles", quantiles)?;
        match width {
            2 => Ok((q, n)),
            _ => Err(Error::shape(OP, format!("quantiles of shape {:?}, expected [n, 2]", quantiles.shape()))),
        }
    }

    /// By how much the bounds are moved outwards.
    #[must_use]
    pub fn shift(&self) -> f64 {
        self.shift
    }

    /// The bounds for other quantiles, `[n, 2]` in `F64`.
    ///
    /// # Errors
    /// If the shape does not fit, or a number is not finite.
    #[track_caller]
    pub fn intervals(&self, quantiles: &Tensor) -> Result<Tensor> {
        let (q, n) = Self::pairs(quantiles)?;
        bounds(q.chunks(2).map(|q| [q[0] - self.shift, q[1] + self.shift]), n)
    }
}

/// Intervals from models that each left out one row, or one fold of them (jackknife+ and CV+; Barber et al., 2021): the truth lies inside with a
/// probability of at least `1 − 2 · alpha`, usually `1 − alpha`, and no row has to be kept back.
///
/// `residuals`, `[n]`, is how far each row was from what the model without it predicted; `predictions`, `[m, n]`, what that model predicts for
/// each of `m` new rows. Bounds `[m, 2]` in `F64`.
///
/// # Errors
/// If shapes do not fit, a number is not finite, or `alpha` is not between 0 and 1.
#[track_caller]
pub fn jackknife_plus(predictions: &Tensor, residuals: &Tensor, alpha: f64) -> Result<Tensor> {
    const OP: &str = "jackknife_plus";
    level(OP, alpha)?;
    let r = numbers(OP, "the residuals", residuals, None)?;
    let (p, m, width) = rows(OP, "the predictions", predictions)?;
    if width != r.len() {
        let message =
            format!("predictions of shape {:?} for {} residuals, expected [m, {1}]", predictions.shape(), r.len());
        return Err(Error::shape(OP, message));
    }
    let of = |row: &[f64]| {
        let ends = |sign: f64| row.iter().zip(&r).map(|(p, r)| sign * p + r.abs()).collect::<Vec<f64>>();
        // The lower end is the upper one of what is turned over.
        [-threshold(ends(-1.0), alpha), threshold(ends(1.0), alpha)]
    };
    bounds(p.chunks(width).map(of), m)
}

/// Sets of classes that hold the right one as often as they say.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::reliability::ConformalSets;
///
/// let p = tensor![[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8], [0.45, 0.55], [0.1, 0.9]];
/// let y = Tensor::from_nested([0i64, 0, 0, 1, 1, 0, 1])?;
/// let sets = ConformalSets::least_ambiguous(&p, &y, 0.25)?;
/// // Sure of the first row, and of the second one not.
/// let found = sets.sets(&tensor![[0.95, 0.05], [0.5, 0.5]])?;
/// assert_eq!(found, [vec![0], vec![]]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ConformalSets {
    threshold: f64,
    score: Score,
}

/// What is compared with the threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Score {
    /// One minus the probability.
    Probability,
    /// The sum of the probabilities down to that of a class, and `lambda` for each rank behind `k_reg`.
    Sum { lambda: f64, k_reg: usize },
}

impl ConformalSets {
    /// Every class that is probable enough: the smallest sets on average (Sadinle, Lei and Wasserman, 2019). A set may be empty, where no class
    /// is. From probabilities `[n, classes]` and class numbers `[n]` of rows that the model did not learn from.
    ///
    /// # Errors
    /// If shapes do not fit, rows are no probabilities, a target is no class, or `alpha` is not between 0 and 1.
    #[track_caller]
    pub fn least_ambiguous(probabilities: &Tensor, target: &Tensor, alpha: f64) -> Result<Self> {
        let (p, k, y) = read(probabilities, target, alpha)?;
        let scores = p.chunks(k).zip(&y).map(|(row, y)| 1.0 - row[*y]).collect();
        Ok(Self { threshold: threshold(scores, alpha), score: Score::Probability })
    }

    /// The most probable classes, until their sum is large enough: larger sets where the model is less sure (adaptive prediction sets; Romano,
    /// Sesia and Candès, 2020). `draws`, `[n]` numbers from 0 to 1, decide how much of the last class counts; without them all of it does, and
    /// the sets are somewhat larger than they need to be. Of equally probable classes the later ones come first, and those behind the end are left
    /// out (MAPIE takes them in).
    ///
    /// # Errors
    /// As for [`least_ambiguous`](Self::least_ambiguous), and if a draw is not from 0 to 1.
    #[track_caller]
    pub fn adaptive(probabilities: &Tensor, target: &Tensor, alpha: f64, draws: Option<&Tensor>) -> Result<Self> {
        Self::regularized(probabilities, target, alpha, 0.0, 0, draws)
    }

    /// The same with a penalty of `lambda` for each rank behind the first `k_reg`: where there are many classes, the long tail of small
    /// probabilities makes adaptive sets large, and this keeps it out (regularized adaptive prediction sets; Angelopoulos et al.,
    /// *Uncertainty sets for image classifiers using conformal prediction*, 2021). They hold the truth as often as the others do. The
    /// authors take a `lambda` of 0.001 to 0.5 and, for `k_reg`, the rank that the right class has at most in `1 − alpha` of some
    /// further rows; with `lambda` 0 these are the [adaptive](Self::adaptive) ones.
    ///
    /// ```
    /// use demotic::prelude::*;
    /// use demotic::reliability::ConformalSets;
    ///
    /// let p = tensor![[0.5, 0.2, 0.2, 0.1], [0.2, 0.6, 0.1, 0.1], [0.3, 0.4, 0.2, 0.1], [0.1, 0.2, 0.6, 0.1]];
    /// let y = Tensor::from_nested([0i64, 1, 1, 2])?;
    /// let unsure = tensor![[0.3, 0.27, 0.23, 0.2]];
    /// assert_eq!(ConformalSets::adaptive(&p, &y, 0.25, None)?.sets(&unsure)?, [vec![0, 1, 2]]);
    /// assert_eq!(ConformalSets::regularized(&p, &y, 0.25, 0.2, 1, None)?.sets(&unsure)?, [vec![0, 1]]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`adaptive`](Self::adaptive), and if `lambda` is negative or not finite.
    #[track_caller]
    pub fn regularized(
        probabilities: &Tensor,
        target: &Tensor,
        alpha: f64,
        lambda: f64,
        k_reg: usize,
        draws: Option<&Tensor>,
    ) -> Result<Self> {
        let (p, k, y) = read(probabilities, target, alpha)?;
        if !(lambda >= 0.0 && lambda.is_finite()) {
            return Err(Error::argument(OP, format!("lambda is {lambda}, expected a number from 0 on")));
        }
        let draws = drawn(draws, y.len())?.unwrap_or_else(|| vec![0.0; y.len()]);
        let score = |((row, y), u): ((&[f64], &usize), &f64)| {
            let ranked = ranked(row);
            let rank = ranked.iter().take_while(|class| *class != y).count();
            let before: f64 = ranked[..rank].iter().map(|class| row[*class]).sum();
            before + row[*y] * (1.0 - u) + penalty(lambda, k_reg, rank)
        };
        let scores = p.chunks(k).zip(&y).zip(&draws).map(score).collect();
        Ok(Self { threshold: threshold(scores, alpha), score: Score::Sum { lambda, k_reg } })
    }

    /// What probabilities are compared with.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// The classes of each row, in order. With adaptive sets, the class that passes the threshold belongs to them.
    ///
    /// # Errors
    /// If rows are no probabilities.
    #[track_caller]
    pub fn sets(&self, probabilities: &Tensor) -> Result<Vec<Vec<usize>>> {
        self.of(probabilities, None)
    }

    /// The same with a number from 0 to 1 for each row, `[n]`, which decides whether the class that passes the threshold belongs to the set:
    /// of adaptive sets that were fitted with draws too, these are the ones that hold the truth neither less nor more often than they
    /// say. A set may be empty. For those of [`least_ambiguous`](Self::least_ambiguous), the draws change nothing.
    ///
    /// # Errors
    /// As for [`sets`](Self::sets), and if there are not as many draws as rows, or one is not from 0 to 1.
    #[track_caller]
    pub fn randomized_sets(&self, probabilities: &Tensor, draws: &Tensor) -> Result<Vec<Vec<usize>>> {
        self.of(probabilities, Some(draws))
    }

    #[track_caller]
    fn of(&self, probabilities: &Tensor, draws: Option<&Tensor>) -> Result<Vec<Vec<usize>>> {
        let (p, k) = shares(probabilities)?;
        let draws = drawn(draws, p.len() / k)?;
        // Sums of probabilities are rounded.
        const ROUNDING: f64 = 1e-12;
        let of = |(i, row): (usize, &[f64])| {
            let mut set = Vec::new();
            match self.score {
                Score::Probability => {
                    set.extend((0..k).filter(|class| 1.0 - row[*class] <= self.threshold + ROUNDING));
                }
                Score::Sum { lambda, k_reg } => {
                    let mut sum = 0.0;
                    for (rank, class) in ranked(row).into_iter().enumerate() {
                        sum += row[class];
                        let score = sum + penalty(lambda, k_reg, rank);
                        match &draws {
                            Some(draws) if score - row[class] * draws[i] > self.threshold + ROUNDING => break,
                            Some(_) => set.push(class),
                            None => {
                                set.push(class);
                                if score >= self.threshold - ROUNDING {
                                    break;
                                }
                            }
                        }
                    }
                }
            }
            crate::order::sort_by_key(&mut set, |class| *class as u64);
            set
        };
        Ok(p.chunks(k).enumerate().map(of).collect())
    }
}

const OP: &str = "ConformalSets";

/// What a class of this rank, counted from 0, has to bear.
fn penalty(lambda: f64, k_reg: usize, rank: usize) -> f64 {
    lambda * (rank + 1).saturating_sub(k_reg) as f64
}

/// A number from 0 to 1 for each row.
#[track_caller]
fn drawn(draws: Option<&Tensor>, n: usize) -> Result<Option<Vec<f64>>> {
    let Some(draws) = draws else { return Ok(None) };
    let draws = numbers(OP, "the draws", draws, Some(n))?;
    match draws.iter().position(|u| !(0.0..=1.0).contains(u)) {
        Some(i) => {
            Err(Error::argument(OP, format!("the draw of row {i} is {}, expected a number from 0 to 1", draws[i])))
        }
        None => Ok(Some(draws)),
    }
}

/// Classes from the most to the least probable one.
fn ranked(row: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..row.len()).collect();
    crate::order::sort_by(&mut order, |a, b| row[*b].total_cmp(&row[*a]).then(b.cmp(a)));
    order
}

#[track_caller]
fn read(probabilities: &Tensor, target: &Tensor, alpha: f64) -> Result<(Vec<f64>, usize, Vec<usize>)> {
    level(OP, alpha)?;
    let (p, k) = shares(probabilities)?;
    let y = classes(OP, target, p.len() / k, k)?;
    Ok((p, k, y))
}

/// Rows of probabilities, and how many classes they have.
#[track_caller]
fn shares(probabilities: &Tensor) -> Result<(Vec<f64>, usize)> {
    let (p, _, k) = rows(OP, "the probabilities", probabilities)?;
    for (i, row) in p.chunks(k).enumerate() {
        let sum: f64 = row.iter().sum();
        if k < 2 || row.iter().any(|p| *p < 0.0) || (sum - 1.0).abs() > 1e-3 {
            let e = Error::numeric(OP, format!("row {i} of the probabilities adds up to {sum:.4} in {k} classes"));
            return Err(e.with_help("logits become probabilities with softmax(-1)"));
        }
    }
    Ok((p, k))
}

/// How often the truth was inside.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Coverage {
    /// Of all rows, with an interval (Wilson, 1927).
    pub all: Interval,
    /// Of each group.
    pub groups: Vec<(String, Interval)>,
}

/// How often the truth was inside, for all rows and for each group: conformal sets promise it of all together alone, and may leave out of one group
/// more than of another. `inside` says for each row whether it was.
///
/// # Errors
/// If there are not as many groups as rows, or no rows.
#[track_caller]
pub fn coverage(inside: &[bool], groups: &Groups) -> Result<Coverage> {
    if inside.len() != groups.len() {
        return Err(Error::shape("coverage", format!("{} rows, {} groups of rows", inside.len(), groups.len())));
    }
    let of = |rows: &dyn Fn(usize) -> bool| -> Option<Interval> {
        let of: Vec<bool> = (0..inside.len()).filter(|row| rows(*row)).map(|row| inside[row]).collect();
        let (k, n) = (of.iter().filter(|inside| **inside).count() as f64, of.len() as f64);
        let [low, high] = stats::wilson(k, n, 0.95);
        (n > 0.0).then_some(Interval { value: k / n, low, high, level: 0.95, undefined: 0 })
    };
    let Some(all) = of(&|_| true) else { return Err(Error::argument("coverage", "there are no rows")) };
    let named = groups.names().iter().enumerate();
    let groups =
        named.filter_map(|(code, name)| Some((name.clone(), of(&|row| groups.codes()[row] == code)?))).collect();
    Ok(Coverage { all, groups })
}
