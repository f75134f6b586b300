//! How sure a metric is, and whether one model is better than another: by drawing the examples anew.

use std::fmt;

use crate::error::{Error, Here, Result};
use crate::order;
use crate::rng::Rng;
use crate::stats::normal;
use crate::tensor::Tensor;

/// How an interval is made of resampled values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BootstrapMethod {
    /// Their quantiles.
    Percentile,
    /// Quantiles that are corrected for bias and for a spread that depends on the value (Efron, 1987). It leaves each example out
    /// once, which takes as many evaluations as there are examples.
    Bca,
}

/// The uncertainty of a metric that comes from the choice of examples: these are drawn anew, as many as there are, with
/// replacement (Efron and Tibshirani, 1993).
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::metrics::Bootstrap;
///
/// let prediction = Tensor::arange_step(0.0, 50.0, 1.0)?;
/// let target = (&prediction + &prediction.mul_scalar(0.7).sin())?;
/// let interval = Bootstrap::new().resamples(500).interval(&prediction, &target, metrics::mae)?;
/// assert!(interval.low < interval.value && interval.value < interval.high);
/// println!("{interval:.3}"); // the metric (95 %: from where to where)
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bootstrap {
    resamples: usize,
    level: f64,
    method: BootstrapMethod,
    seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 1000, level: 0.95, method: BootstrapMethod::Percentile, seed: 0 }
    }
}

/// A value, and where it may as well have been. Prints as one line, with the digits of `{:.3}`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Interval {
    /// The metric of the examples as they are.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How many of such intervals hold the true value, as a share.
    pub level: f64,
    /// How many drawings were left out because the metric is not defined on them.
    pub undefined: usize,
}

/// The difference of two models. Prints as one line.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Difference {
    /// The metric of the second minus that of the first, with an interval.
    pub interval: Interval,
    /// How likely the drawings make a difference of no sign or the other one, on both sides.
    pub p_value: f64,
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(4);
        let Self { value, low, high, level, .. } = self;
        write!(f, "{value:.digits$} ({:.0} %: {low:.digits$} to {high:.digits$})", level * 100.0)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(4);
        write!(f, "{:.digits$}, p = {:.digits$}", self.interval, self.p_value)
    }
}

/// A metric of a list of examples, by their numbers.
type Of<'a> = &'a mut dyn FnMut(&[usize]) -> Result<f64>;

impl Bootstrap {
    /// 1000 resamples, percentiles, 95 %.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How often the examples are drawn. By default 1000.
    #[must_use]
    pub fn resamples(mut self, n: usize) -> Self {
        self.resamples = n;
        self
    }

    /// How often the interval shall hold the true value. By default 0.95.
    #[must_use]
    pub fn level(mut self, level: f64) -> Self {
        self.level = level;
        self
    }

    /// How the interval is made. By default of percentiles.
    #[must_use]
    pub fn method(mut self, method: BootstrapMethod) -> Self {
        self.method = method;
        self
    }

    /// The seed of the drawings. By default 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        if !(2..=1 << 24).contains(&self.resamples) {
            let message = format!("{} resamples, expected 2 to 16777216", self.resamples);
            return Err(Error::argument("Bootstrap", message));
        }
        if !(self.level > 0.0 && self.level < 1.0) {
            let message = format!("the level is {}, expected a number between 0 and 1", self.level);
            return Err(Error::argument("Bootstrap", message).with_help("0.95 is an interval of 95 %"));
        }
        Ok(())
    }

    /// A metric with its interval. The metric is any function of predictions and targets; examples are along the first dimension.
    ///
    /// # Errors
    /// If the metric fails on the examples as they are, on more than half of the drawings, or, for
    /// [`BootstrapMethod::Bca`], without one of the examples; if there are no examples, or predictions and targets differ in
    /// number.
    #[track_caller]
    pub fn interval(
        &self,
        prediction: &Tensor,
        target: &Tensor,
        metric: impl Fn(&Tensor, &Tensor) -> Result<f64>,
    ) -> Result<Interval> {
        let n = examples("Bootstrap", &[prediction, target])?;
        let mut of = |rows: &[usize]| metric(&picked(prediction, rows)?, &picked(target, rows)?);
        Ok(self.drawn(n, metric(prediction, target).outside()?, &mut of).outside()?.0)
    }

    /// How much better or worse the second of two models is, by the same drawings for both (a paired bootstrap). If 0 lies outside of
    /// the interval, the difference is more than chance at this level.
    ///
    /// # Errors
    /// As for [`interval`](Self::interval).
    ///
    /// ```
    /// use demotic::prelude::*;
    /// use demotic::train::metrics::Bootstrap;
    ///
    /// let target = Tensor::arange_step(0.0, 40.0, 1.0)?;
    /// let (first, second) = (target.add_scalar(2.0), target.add_scalar(0.5));
    /// let difference = Bootstrap::new().paired(&first, &second, &target, metrics::mae)?;
    /// assert_eq!(difference.interval.value, -1.5);
    /// assert!(difference.p_value < 0.01);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn paired(
        &self,
        first: &Tensor,
        second: &Tensor,
        target: &Tensor,
        metric: impl Fn(&Tensor, &Tensor) -> Result<f64>,
    ) -> Result<Difference> {
        let n = examples("Bootstrap", &[first, second, target])?;
        let mut of = |rows: &[usize]| {
            let target = picked(target, rows)?;
            Ok(metric(&picked(second, rows)?, &target)? - metric(&picked(first, rows)?, &target)?)
        };
        let (interval, values) =
            self.drawn(n, metric(second, target).outside()? - metric(first, target).outside()?, &mut of).outside()?;
        // One more of each, so that no number of drawings makes a difference impossible.
        let below = values.iter().filter(|value| **value <= 0.0).count() + 1;
        let above = values.iter().filter(|value| **value >= 0.0).count() + 1;
        let p_value = (2.0 * below.min(above) as f64 / (values.len() + 1) as f64).min(1.0);
        Ok(Difference { interval, p_value })
    }

    /// The interval, and the values of the drawings.
    #[track_caller]
    fn drawn(&self, n: usize, value: f64, of: Of<'_>) -> Result<(Interval, Vec<f64>)> {
        self.check()?;
        let rng = Rng::seed(self.seed);
        let (mut values, mut undefined, mut first) = (Vec::new(), 0, None);
        let mut rows = vec![0; n];
        for i in 0..self.resamples {
            let mut rng = rng.fork(i as u64);
            rows.fill_with(|| rng.below(n));
            match of(&rows) {
                Ok(value) => values.push(value),
                Err(e) => {
                    undefined += 1;
                    first.get_or_insert(e);
                }
            }
        }
        if undefined * 2 > self.resamples {
            let message = format!("the metric is not defined on {undefined} of {} drawings", self.resamples);
            let error = Error::argument("Bootstrap", message);
            return Err(match first {
                Some(e) => error.with_help(e.message()),
                None => error,
            });
        }
        let mut without = Vec::new();
        if self.method == BootstrapMethod::Bca {
            if n < 2 {
                return Err(Error::argument("Bootstrap", "one example, which cannot be left out for BCa"));
            }
            for left in 0..n {
                let rows: Vec<usize> = (0..n).filter(|row| *row != left).collect();
                match of(&rows) {
                    Ok(value) => without.push(value),
                    Err(e) => {
                        let message = format!("without example {left}: {}", e.message());
                        return Err(Error::argument("Bootstrap", message)
                            .with_help("BootstrapMethod::Percentile leaves no example out"));
                    }
                }
            }
        }
        let jackknife = (self.method == BootstrapMethod::Bca).then_some(&without[..]);
        let (low, high) = bootstrap_interval(value, &values, jackknife, self.level)?;
        Ok((Interval { value, low, high, level: self.level, undefined }, values))
    }
}

/// An interval of values that were resampled otherwise: of percentiles, or, with the values without each of the examples
/// (`jackknife`), with the bias and acceleration of [`BootstrapMethod::Bca`].
///
/// # Errors
/// If there are no values, one is NaN, the level is not between 0 and 1, or all resampled values lie on one side of `value`,
/// so that its bias is not defined.
///
/// ```
/// use demotic::train::metrics::bootstrap_interval;
///
/// let resampled: Vec<f64> = (0..=100).map(f64::from).collect();
/// let (low, high) = bootstrap_interval(50.0, &resampled, None, 0.5)?;
/// assert_eq!((low, high), (25.0, 75.0));
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn bootstrap_interval(value: f64, resampled: &[f64], jackknife: Option<&[f64]>, level: f64) -> Result<(f64, f64)> {
    let name = "bootstrap_interval";
    if !(level > 0.0 && level < 1.0) {
        return Err(Error::argument(name, format!("the level is {level}, expected a number between 0 and 1")));
    }
    let mut sorted = resampled.to_vec();
    let all = [&[value], resampled, jackknife.unwrap_or_default()];
    if all.iter().any(|values| values.iter().any(|x| x.is_nan())) {
        return Err(Error::numeric(name, "a value is NaN"));
    }
    if sorted.is_empty() || jackknife.is_some_and(<[f64]>::is_empty) {
        return Err(Error::argument(name, "there are no resampled values"));
    }
    order::sort_by_key(&mut sorted, |x| order::key(*x));
    let alpha = (1.0 - level) / 2.0;
    let (mut ends, n) = ([alpha, 1.0 - alpha], sorted.len() as f64);
    if let Some(jackknife) = jackknife.filter(|_| sorted.first() != sorted.last()) {
        let below = sorted.iter().filter(|x| **x < value).count() as f64;
        let equal = sorted.iter().filter(|x| **x == value).count() as f64;
        let bias = normal::quantile((below + equal / 2.0) / n);
        if bias.is_infinite() {
            let message = format!("all resampled values lie on one side of {value}, so that its bias is not defined");
            return Err(Error::argument(name, message).with_help("take percentiles"));
        }
        let center = jackknife.iter().sum::<f64>() / jackknife.len() as f64;
        let (mut cubes, mut squares) = (0.0, 0.0);
        for x in jackknife {
            squares += (center - x).powi(2);
            cubes += (center - x).powi(3);
        }
        let acceleration = if squares == 0.0 { 0.0 } else { cubes / (6.0 * squares.powf(1.5)) };
        for end in &mut ends {
            let z = bias + normal::quantile(*end);
            *end = normal::cdf(bias + z / (1.0 - acceleration * z));
        }
    }
    let at = |share: f64| {
        let place = share * (n - 1.0);
        let low = place.floor() as usize;
        let high = (low + 1).min(sorted.len() - 1);
        sorted[low] + (sorted[high] - sorted[low]) * place.fract()
    };
    Ok((at(ends[0]), at(ends[1])))
}

/// How many examples there are, the same in all.
#[track_caller]
pub(super) fn examples(name: &'static str, tensors: &[&Tensor]) -> Result<usize> {
    let counts: Vec<usize> = tensors.iter().map(|x| x.shape().first().copied().unwrap_or(0)).collect();
    match counts[..] {
        [] | [0, ..] => Err(Error::shape(name, "there are no examples")),
        [n, ..] if counts.iter().any(|count| *count != n) => {
            Err(Error::shape(name, format!("different numbers of examples: {counts:?}")))
        }
        [n, ..] => Ok(n),
    }
}

/// The examples with these numbers.
#[track_caller]
pub(super) fn picked(x: &Tensor, rows: &[usize]) -> Result<Tensor> {
    let rows: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
    let n = rows.len();
    x.detach().index_select(0, &Tensor::from_vec(rows, [n])?)
}
