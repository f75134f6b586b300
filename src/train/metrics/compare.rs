//! Whether two models differ by more than chance.

use super::class_pairs;
use super::intervals::{examples, picked};
use crate::error::{Error, Here, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// How [`mcnemar`] computes its probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum McNemarTest {
    /// By the binomial distribution. The choice below some 25 examples that only one model has right, and never wrong.
    Exact,
    /// By χ² with the correction for continuity (Edwards, 1948).
    Corrected,
    /// By χ² without it.
    Uncorrected,
}

/// What [`mcnemar`] found.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct McNemar {
    /// How many examples only the first model has right.
    pub only_first: usize,
    /// How many examples only the second model has right.
    pub only_second: usize,
    /// χ², or for the exact test the smaller of the two numbers.
    pub statistic: f64,
    /// How likely chance alone makes numbers so far apart, if both models are equally good.
    pub p_value: f64,
}

/// McNemar's test (1947): whether two classifiers have different shares of right answers on the same examples. Only those count
/// that one has right and the other wrong. Predictions and targets are as for [`accuracy`](super::accuracy).
///
/// # Errors
/// As for [`accuracy`](super::accuracy), if the models were given different numbers of examples, or, for χ², if they have the same
/// ones right.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::metrics::McNemarTest;
///
/// let target = Tensor::from_nested([1i64, 1, 1, 1, 1, 1, 1, 0])?;
/// let first = Tensor::from_nested([0i64, 0, 0, 0, 0, 0, 1, 0])?;
/// let test = metrics::mcnemar(&first, &target, &target, McNemarTest::Exact)?;
/// assert_eq!((test.only_first, test.only_second), (0, 6));
/// assert!((test.p_value - 2.0 / 64.0).abs() < 1e-12);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn mcnemar(first: &Tensor, second: &Tensor, target: &Tensor, test: McNemarTest) -> Result<McNemar> {
    let name = "mcnemar";
    let (a, y) = class_pairs(name, first, target)?;
    let (b, _) = class_pairs(name, second, target)?;
    let (mut only_first, mut only_second) = (0usize, 0usize);
    for i in 0..y.len() {
        only_first += usize::from(a[i] == y[i] && b[i] != y[i]);
        only_second += usize::from(a[i] != y[i] && b[i] == y[i]);
    }
    let apart = only_first.abs_diff(only_second) as f64;
    let all = only_first + only_second;
    let statistic = match test {
        McNemarTest::Exact => only_first.min(only_second) as f64,
        _ if all == 0 => {
            let message = "both models have the same examples right, so that it is not defined";
            return Err(Error::argument(name, message).with_help("McNemarTest::Exact gives 1 then"));
        }
        McNemarTest::Corrected => (apart - 1.0).max(0.0).powi(2) / all as f64,
        McNemarTest::Uncorrected => apart * apart / all as f64,
    };
    let p_value = match test {
        McNemarTest::Exact => (2.0 * binomial_tail(only_first.min(only_second), all)).min(1.0),
        // χ² with one degree of freedom is the square of a normal number.
        _ => libm::erfc((statistic / 2.0).sqrt()),
    };
    Ok(McNemar { only_first, only_second, statistic, p_value })
}

/// How likely at most `k` of `n` coins show heads.
fn binomial_tail(k: usize, n: usize) -> f64 {
    let factorial = |x: usize| libm::lgamma(x as f64 + 1.0);
    let mut sum = 0.0;
    for i in 0..=k {
        sum += (factorial(n) - factorial(i) - factorial(n - i) - n as f64 * std::f64::consts::LN_2).exp();
    }
    sum
}

/// What [`permutation_test`] found.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct PermutationTest {
    /// The metric of the second model minus that of the first.
    pub difference: f64,
    /// How likely a difference as large arises if it is chance which model gave which prediction, on both sides.
    pub p_value: f64,
    /// How many exchanges were tried.
    pub permutations: usize,
}

/// Whether two models differ in a metric by more than chance: each example's predictions are exchanged, or not, at random (a paired
/// permutation test, also called approximate randomisation; Noreen, 1989). If there are no more than `permutations` ways to do that,
/// each is tried once, and the probability is exact.
///
/// # Errors
/// If the metric fails, or numbers of examples or shapes differ.
///
/// ```
/// use demotic::prelude::*;
///
/// let target = Tensor::arange_step(0.0, 40.0, 1.0)?;
/// let (first, second) = (target.add_scalar(2.0), target.add_scalar(0.5));
/// let test = metrics::permutation_test(&first, &second, &target, metrics::rmse, 500, &mut Rng::seed(0))?;
/// assert_eq!(test.difference, -1.5);
/// assert!(test.p_value < 0.01);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn permutation_test(
    first: &Tensor,
    second: &Tensor,
    target: &Tensor,
    metric: impl Fn(&Tensor, &Tensor) -> Result<f64>,
    permutations: usize,
    rng: &mut Rng,
) -> Result<PermutationTest> {
    exchanged([first, second, target], &metric, permutations, rng)
}

#[track_caller]
fn exchanged(
    [first, second, target]: [&Tensor; 3],
    metric: &dyn Fn(&Tensor, &Tensor) -> Result<f64>,
    permutations: usize,
    rng: &mut Rng,
) -> Result<PermutationTest> {
    let name = "permutation_test";
    if !(1..=1 << 24).contains(&permutations) {
        return Err(Error::argument(name, format!("{permutations} permutations, expected 1 to 16777216")));
    }
    let n = examples(name, &[first, second, target])?;
    if first.shape() != second.shape() {
        let message = format!("predictions of shapes {:?} and {:?}", first.shape(), second.shape());
        return Err(Error::shape(name, message));
    }
    let both = Tensor::cat(&[&first.detach(), &second.detach()], 0)?;
    let difference = metric(second, target).outside()? - metric(first, target).outside()?;
    let ways = if n < 25 { 1usize << n } else { usize::MAX };
    let exact = ways <= permutations;
    let tried = if exact { ways } else { permutations };
    // A difference that is another one by rounding alone is the same.
    let least = difference.abs() * (1.0 - 1e-12);
    let (mut rows, mut others, mut as_large) = (vec![0; n], vec![0; n], 0usize);
    for way in 0..tried {
        for i in 0..n {
            let exchange = if exact { way >> i & 1 == 1 } else { rng.below(2) == 1 };
            (rows[i], others[i]) = if exchange { (i + n, i) } else { (i, i + n) };
        }
        let other =
            metric(&picked(&both, &others)?, target).outside()? - metric(&picked(&both, &rows)?, target).outside()?;
        as_large += usize::from(other.abs() >= least);
    }
    // The predictions as they are belong to what may come by chance.
    let extra = usize::from(!exact);
    let p_value = (as_large + extra) as f64 / (tried + extra) as f64;
    Ok(PermutationTest { difference, p_value, permutations: tried })
}
