//! Gradients along the way from a baseline to the input.

use super::gradients::check_samples;
use super::subject::{Attribution, Explained, Scorer, baseline_of, found, rows, times};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// At which places of the way, from 0 to 1, gradients are taken, and how they are weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PathRule {
    /// The places and weights of Gauss and Legendre: of smooth models the most exact by far.
    #[default]
    GaussLegendre,
    /// The middle of each of equal steps.
    Middle,
    /// The beginning of each.
    Left,
    /// The end of each.
    Right,
    /// Beginning and end of each, by halves; at least two places.
    Trapezoid,
}

impl PathRule {
    /// `n` places with their weights, which add up to 1.
    fn places(self, n: usize) -> Vec<(f64, f64)> {
        let h = 1.0 / n as f64;
        let even = |shift: f64| (0..n).map(|i| ((i as f64 + shift) * h, h)).collect();
        match self {
            Self::GaussLegendre => gauss_legendre(n),
            Self::Middle => even(0.5),
            Self::Left => even(0.0),
            Self::Right => even(1.0),
            Self::Trapezoid => {
                let h = 1.0 / (n.max(2) - 1) as f64;
                let weight = |i: usize| if i == 0 || i + 1 == n { 0.5 * h } else { h };
                (0..n).map(|i| (i as f64 * h, weight(i))).collect()
            }
        }
    }
}

/// The roots of the Legendre polynomial of degree `n`, by Newton's method, moved to 0 … 1.
fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let mut places = Vec::with_capacity(n);
    for i in 0..n {
        let mut x = -(std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..50 {
            let (mut before, mut p) = (1.0, x);
            for k in 2..=n {
                let k = k as f64;
                (before, p) = (p, ((2.0 * k - 1.0) * x * p - (k - 1.0) * before) / k);
            }
            slope = n as f64 * (x * p - before) / (x * x - 1.0);
            let step = p / slope;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        places.push((0.5 * (1.0 + x), 1.0 / ((1.0 - x * x) * slope * slope)));
    }
    places
}

/// Integrated gradients (Sundararajan et al., *Axiomatic attribution for deep networks*, 2017): the mean of the gradients on the straight
/// way from a baseline to the input, times the difference of both. What all elements get adds up to the difference of the outputs, up to
/// the error of the integral, which [`Attribution::gaps`] tells; more steps make it smaller.
///
/// ```
/// use demotic::explain::{Explained, IntegratedGradients};
/// use demotic::prelude::*;
///
/// // x₀ · x₁ from 0 to (2, 3): each has a half of 6.
/// let f = |x: &Tensor| x.select(1, 0)?.mul(&x.select(1, 1)?);
/// let found = IntegratedGradients::new().attribute(&Explained::function(&f), &tensor![[2.0, 3.0]])?;
/// assert!(found.values.sub(&tensor![[3.0, 3.0]])?.abs().max()?.item()? < 1e-5);
/// assert!(found.gaps()[0].abs() < 1e-5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct IntegratedGradients {
    steps: usize,
    rule: PathRule,
    baseline: Option<Tensor>,
}

impl Default for IntegratedGradients {
    fn default() -> Self {
        Self::new()
    }
}

impl IntegratedGradients {
    /// 50 steps of [`PathRule::GaussLegendre`] from zeros.
    #[must_use]
    pub fn new() -> Self {
        Self { steps: 50, rule: PathRule::GaussLegendre, baseline: None }
    }

    /// How many gradients are taken: 1 to 10,000.
    #[must_use]
    pub fn steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    /// Where they are taken.
    #[must_use]
    pub fn rule(self, rule: PathRule) -> Self {
        Self { rule, ..self }
    }

    /// What stands for the absence of everything, of the shape of the inputs or of one of them: a black picture, a mean row, the vectors
    /// of padding.
    #[must_use]
    pub fn baseline(self, baseline: &Tensor) -> Self {
        Self { baseline: Some(baseline.clone()), ..self }
    }

    /// What each element adds.
    ///
    /// # Errors
    /// As for [`gradient`](super::gradient), and if the baseline has another shape or the number of steps is out of range.
    #[track_caller]
    pub fn attribute(&self, of: &Explained<'_>, x: &Tensor) -> Result<Attribution> {
        let op = "IntegratedGradients";
        let least = if self.rule == PathRule::Trapezoid { 2 } else { 1 };
        if !(least..=10_000).contains(&self.steps) {
            return Err(Error::argument(op, format!("{} steps, expected {least} to 10,000", self.steps)));
        }
        let scorer = of.scorer(op, x)?;
        let base = baseline_of(op, x, self.baseline.as_ref())?;
        let (x, n) = (x.detach(), scorer.examples);
        let all = way(&scorer, &x, &base, &self.rule.places(self.steps))?;
        let who: Vec<usize> = (0..n).collect();
        let (outputs, base_outputs) = (scorer.values(&x, &who)?, scorer.values(&base, &who)?);
        let values = times(&all, &x.sub(&base)?)?;
        Ok(Attribution { values: found(op, values)?, outputs, base: base_outputs })
    }
}

/// The weighed sum of gradients at places between two tensors.
#[track_caller]
fn way(scorer: &Scorer<'_>, x: &Tensor, base: &Tensor, places: &[(f64, f64)]) -> Result<Tensor> {
    let n = scorer.examples;
    let at_once = (scorer.limit(x) / n).max(1);
    let difference = x.sub(base)?.unsqueeze(0)?;
    let mut sum: Option<Tensor> = None;
    for places in places.chunks(at_once) {
        let (k, mut shape) = (places.len(), vec![1; x.rank() + 1]);
        shape[0] = k;
        let column = |f: fn(&(f64, f64)) -> f64, like: &Tensor| {
            Ok::<_, Error>(Tensor::from_vec(places.iter().map(f).collect(), shape.as_slice())?.to_dtype(like.dtype()))
        };
        let points = difference.mul(&column(|place| place.0, x)?)?.add(&base.unsqueeze(0)?)?.flatten(0, 1)?;
        let who: Vec<usize> = (0..k * n).map(|i| i % n).collect();
        let (grads, _) = scorer.gradients(&points, &who)?;
        let grads = grads.unflatten(0, [k, n])?;
        let part = grads.mul(&column(|place| place.1, &grads)?)?.sum_dims(&[0], false)?;
        sum = Some(match sum {
            Some(sum) => sum.add(&part)?,
            None => part,
        });
    }
    sum.ok_or_else(|| crate::error::bug!(scorer.op, "no places"))
}

/// Gradient SHAP, or expected gradients (Lundberg and Lee, 2017; Erion et al., *Learning explainable models using attribution priors*,
/// 2019): integrated gradients from baselines that are drawn from a background, each at one place that is drawn too. On average, what the
/// elements get adds up to the output less the mean output of the background.
///
/// ```
/// use demotic::explain::{Explained, gradient_shap};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = Linear::new(2, 1, &mut rng)?;
/// let background = tensor![[0.0, 0.0], [2.0, 0.0]];
/// let found = gradient_shap(&Explained::layer(&model), &tensor![[1.0, 1.0]], &background, 2000, &mut rng)?;
/// let weights = model.weight.value()?.to_vec::<f32>()?;
/// let values = found.values.to_vec::<f32>()?;
/// assert!(values[0].abs() < 0.1 && (values[1] - weights[1]).abs() < 1e-5);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// As for [`gradient`](super::gradient), and if the background is no `[m, ..]` of examples like the inputs, or there are no samples.
#[track_caller]
pub fn gradient_shap(
    of: &Explained<'_>,
    x: &Tensor,
    background: &Tensor,
    samples: usize,
    rng: &mut Rng,
) -> Result<Attribution> {
    let op = "gradient_shap";
    check_samples(op, samples)?;
    let scorer = of.scorer(op, x)?;
    check_background(op, x, background)?;
    let (x, n, m) = (x.detach(), scorer.examples, background.shape()[0]);
    let mut sum: Option<Tensor> = None;
    let at_once = (scorer.limit(&x) / n).max(1);
    let mut left = samples;
    while left > 0 {
        let k = at_once.min(left);
        left -= k;
        let drawn: Vec<usize> = (0..k * n).map(|_| rng.below(m)).collect();
        let places: Vec<f64> = (0..k * n).map(|_| rng.uniform()).collect();
        let who: Vec<usize> = (0..k * n).map(|i| i % n).collect();
        let (base, own) = (rows(&background.detach(), &drawn)?, rows(&x, &who)?);
        let mut shape = vec![1; x.rank()];
        shape[0] = k * n;
        let difference = own.sub(&base)?;
        let places = Tensor::from_vec(places, shape)?.to_dtype(x.dtype());
        let (grads, _) = scorer.gradients(&base.add(&difference.mul(&places)?)?, &who)?;
        let part = times(&grads, &difference)?.unflatten(0, [k, n])?.sum_dims(&[0], false)?;
        sum = Some(match sum {
            Some(sum) => sum.add(&part)?,
            None => part,
        });
    }
    let Some(sum) = sum else { return Err(crate::error::bug!(op, "no samples")) };
    let outputs = scorer.values(&x, &(0..n).collect::<Vec<_>>())?;
    let base = mean_of_background(&scorer, background)?;
    Ok(Attribution { values: found(op, sum.div_scalar(samples as f64))?, outputs, base })
}

/// Examples that inputs are compared with.
#[track_caller]
pub(super) fn check_background(op: &'static str, x: &Tensor, background: &Tensor) -> Result<()> {
    let fits = background.rank() == x.rank() && background.shape()[1..] == x.shape()[1..];
    if !fits || background.shape()[0] == 0 || background.dtype() != x.dtype() {
        let (shape, dtype) = (background.shape(), background.dtype());
        let message = format!("a background of {shape:?} ({dtype}) for inputs of {:?} ({})", x.shape(), x.dtype());
        return Err(Error::shape(op, message).with_help("a background is some examples like the inputs: [m, ..]"));
    }
    background.expect_finite(op, "the background")
}

/// The mean output of the background, for the target of each example.
#[track_caller]
pub(super) fn mean_of_background(scorer: &Scorer<'_>, background: &Tensor) -> Result<Vec<f64>> {
    let m = background.shape()[0];
    let mut means = Vec::with_capacity(scorer.examples);
    for i in 0..scorer.examples {
        let same = i > 0 && scorer.classes.as_ref().is_none_or(|classes| classes[i] == classes[i - 1]);
        let mean = match means.last() {
            Some(last) if same && !scorer.depends_on_example() => *last,
            _ => scorer.values(background, &vec![i; m])?.iter().map(|y| y / m as f64).sum(),
        };
        means.push(mean);
    }
    Ok(means)
}
