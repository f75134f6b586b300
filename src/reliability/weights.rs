//! Distributions of weights: those that training passes through, and those around its end.

use super::{classes, rows};
use crate::error::{Error, Result};
use crate::layers::{Module, ModuleExt, SlotMut, VisitorMut};
use crate::rng::Rng;
use crate::stats;
use crate::tensor::Tensor;

/// Means and spreads of the weights that training passes through, from which models are drawn (Maddox et al., *A simple baseline for Bayesian
/// uncertainty in deep learning*, 2019): a normal distribution with the variance of each weight, and the last `rank` deviations.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::reliability::{Outputs, Spread, Swag};
///
/// let mut rng = Rng::seed(0);
/// let mut model = Linear::new(2, 1, &mut rng)?;
/// let (x, y) = (tensor![[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], tensor![[1.0], [0.0], [1.0]]);
/// let (mut opt, mut swag) = (Sgd::new(0.5), Swag::new(5)?);
/// for _step in 0..40 {
///     let loss = losses::mse(&model.predict(&x)?, &y)?;
///     # let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
///     opt.step(&mut model, &loss.backward()?)?;
///     swag.collect(&model)?;
/// }
/// let mut models = Vec::new();
/// for _ in 0..10 {
///     let mut drawn = model.clone();
///     swag.sample(&mut drawn, &mut rng)?;
///     models.push(Box::new(drawn) as Box<dyn Layer>);
/// }
/// let spread = Spread::of_models(&models, &x, Outputs::Numbers)?;
/// assert_eq!(spread.deviation.shape(), [3, 1]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Swag {
    rank: usize,
    collected: usize,
    /// For each parameter its path, mean and mean square.
    moments: Vec<(String, Vec<f64>, Vec<f64>)>,
    deviations: Vec<Vec<f64>>,
}

impl Swag {
    /// That keeps so many deviations, at least 2: 20 is usual.
    ///
    /// # Errors
    /// If the rank is not from 2 to 10,000.
    #[track_caller]
    pub fn new(rank: usize) -> Result<Self> {
        match (2..=10_000).contains(&rank) {
            true => Ok(Self { rank, collected: 0, moments: Vec::new(), deviations: Vec::new() }),
            false => Err(Error::argument("Swag", format!("a rank of {rank}, expected 2 to 10000"))),
        }
    }

    /// Adds the weights as they are: once an epoch, at a learning rate that is constant and rather high.
    ///
    /// # Errors
    /// If the model has other parameters than before, or a weight is not finite. Nothing is changed then.
    #[track_caller]
    pub fn collect(&mut self, model: &dyn Module) -> Result<()> {
        let named: Vec<(String, Vec<f64>)> =
            model.named_parameters().iter().map(|(path, value)| (path.clone(), value.to_f64_vec())).collect();
        if self.collected == 0 {
            self.moments =
                named.iter().map(|(path, w)| (path.clone(), vec![0.0; w.len()], vec![0.0; w.len()])).collect();
        }
        self.check(&named.iter().map(|(path, w)| (path.as_str(), w.len())).collect::<Vec<_>>())?;
        if let Some((path, _)) = named.iter().find(|(_, w)| w.iter().any(|w| !w.is_finite())) {
            return Err(Error::numeric("Swag", format!("a weight of `{path}` is not finite")));
        }
        self.collected += 1;
        let share = 1.0 / self.collected as f64;
        let mut deviation = Vec::new();
        for ((_, mean, square), (_, w)) in self.moments.iter_mut().zip(&named) {
            for ((mean, square), w) in mean.iter_mut().zip(square).zip(w) {
                *mean += share * (w - *mean);
                *square += share * (w * w - *square);
                deviation.push(w - *mean);
            }
        }
        if self.deviations.len() == self.rank {
            self.deviations.remove(0);
        }
        self.deviations.push(deviation);
        Ok(())
    }

    #[track_caller]
    fn check(&self, named: &[(&str, usize)]) -> Result<()> {
        let known = self.moments.iter().map(|(path, mean, _)| (path.as_str(), mean.len()));
        match named.iter().copied().eq(known) {
            true => Ok(()),
            false => Err(Error::state("Swag", "the model has other parameters than those that were collected")),
        }
    }

    /// How often weights were collected.
    #[must_use]
    pub fn collected(&self) -> usize {
        self.collected
    }

    /// Sets a model's weights to a draw: half of the variance from each weight by itself, half from the deviations.
    ///
    /// # Errors
    /// If fewer than two were collected, or the model has other parameters.
    #[track_caller]
    pub fn sample(&self, model: &mut dyn Module, rng: &mut Rng) -> Result<()> {
        let k = self.deviations.len();
        if k < 2 {
            return Err(Error::state("Swag", format!("weights were collected {k} times, expected two at least")));
        }
        let named = model.named_parameters();
        self.check(&named.iter().map(|(path, value)| (path.as_str(), value.numel())).collect::<Vec<_>>())?;
        let factors: Vec<f64> = (0..k).map(|_| rng.normal() / (2.0 * (k - 1) as f64).sqrt()).collect();
        let mut at = 0;
        let mut drawn = Vec::with_capacity(named.len());
        for ((_, mean, square), (path, old)) in self.moments.iter().zip(&named) {
            let mut values = Vec::with_capacity(mean.len());
            for (mean, square) in mean.iter().zip(square) {
                let own = (square - mean * mean).max(0.0).sqrt() * rng.normal() / 2f64.sqrt();
                let shared: f64 = factors.iter().zip(&self.deviations).map(|(z, d)| z * d[at]).sum();
                values.push(mean + own + shared);
                at += 1;
            }
            drawn.push((path.clone(), Tensor::from_vec(values, old.shape())?.to_dtype(old.dtype())));
        }
        let (mut next, mut failed) = (drawn.into_iter(), None);
        let mut on_slot = |_: &str, slot: SlotMut<'_>| {
            if let (SlotMut::Param(param), true) = (slot, failed.is_none())
                && let Some((_, value)) = next.next()
                && let Err(e) = param.set(&value)
            {
                failed = Some(e);
            }
        };
        model.visit_mut(&mut VisitorMut::new(&mut on_slot));
        match failed {
            Some(e) => Err(e),
            None => Ok(()),
        }
    }
}

/// A normal distribution of the weights of the last layer, around where training ended: as wide as the loss is flat there (Laplace's approximation;
/// MacKay, 1992; Daxberger et al., *Laplace redux*, 2021). For squared errors it is the exact posterior of Bayesian linear regression.
///
/// It sees `features`, `[n, d]`, what the last layer takes; a bias counts as one more feature that is 1.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::reliability::Laplace;
///
/// let features = tensor![[-1.0], [0.0], [1.0]];
/// let laplace = Laplace::regression(&features, 1.0, 1e-6)?;
/// // As with a line through three points: narrow in the middle.
/// let variance = laplace.variance(&tensor![[0.0], [3.0]])?.to_vec::<f64>()?;
/// assert!((variance[0] - 1.0 / 3.0).abs() < 1e-5 && (variance[1] - (1.0 / 3.0 + 9.0 / 2.0)).abs() < 1e-4);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Laplace {
    /// The lower factor of the precision of all weights, those of one class after the other.
    factor: Vec<f64>,
    classes: usize,
    width: usize,
}

const OP: &str = "Laplace";
/// The most weights: their precision has the square of that.
const MOST: usize = 3000;

impl Laplace {
    /// For squared errors with noise of a standard deviation `noise`, and a prior precision of the weights (their decay).
    ///
    /// # Errors
    /// If features are not finite, the noise or the prior is not positive, or there are more than 3000 weights.
    #[track_caller]
    pub fn regression(features: &Tensor, noise: f64, prior: f64) -> Result<Self> {
        if !(noise > 0.0 && noise.is_finite()) {
            return Err(Error::argument(OP, format!("noise of {noise}, expected a positive number")));
        }
        let (x, _, d) = rows(OP, "the features", features)?;
        let scale = 1.0 / (noise * noise);
        Self::new(&x, d, 1, prior, &|_, _, _| scale)
    }

    /// For cross-entropy: features and logits, `[n, classes]`, or `[n, 1]` of the second of two.
    ///
    /// # Errors
    /// As for [`regression`](Self::regression), and if there are not as many logits as rows.
    #[track_caller]
    pub fn classification(features: &Tensor, logits: &Tensor, prior: f64) -> Result<Self> {
        let (x, n, d) = rows(OP, "the features", features)?;
        let (z, m, k) = rows(OP, "the logits", logits)?;
        if n != m {
            return Err(Error::shape(OP, format!("{n} rows of features, {m} of logits")));
        }
        let z = Tensor::from_vec(z, [n, k])?;
        let p = if k == 1 { z.sigmoid() } else { z.softmax(1)? }.to_f64_vec();
        // How the loss of a row bends in two of its logits.
        let curve = |row: usize, a: usize, b: usize| {
            let (pa, pb) = (p[row * k + a], p[row * k + b]);
            if a == b { pa * (1.0 - pa) } else { -pa * pb }
        };
        Self::new(&x, d, k, prior, &curve)
    }

    #[track_caller]
    fn new(x: &[f64], d: usize, k: usize, prior: f64, curve: &dyn Fn(usize, usize, usize) -> f64) -> Result<Self> {
        let (width, size) = (d + 1, (d + 1).saturating_mul(k));
        if !(prior > 0.0 && prior.is_finite()) {
            return Err(Error::argument(OP, format!("a prior precision of {prior}, expected a positive number")));
        }
        if size > MOST {
            return Err(Error::argument(OP, format!("{size} weights of the last layer, at most {MOST}")));
        }
        let mut h = vec![0.0; size * size];
        for (row, x) in x.chunks(d).enumerate() {
            let of = |i: usize| if i < d { x[i] } else { 1.0 };
            for a in 0..k {
                for b in 0..=a {
                    let c = curve(row, a, b);
                    for i in 0..width {
                        let ci = c * of(i);
                        (0..width).for_each(|j| h[(a * width + i) * size + b * width + j] += ci * of(j));
                    }
                }
            }
        }
        (0..size).for_each(|i| h[i * size + i] += prior);
        match stats::cholesky(&h, size) {
            Some(factor) => Ok(Self { factor, classes: k, width }),
            None => Err(Error::numeric(OP, "the precision of the weights is not positive")
                .with_help("a larger prior makes it so")),
        }
    }

    /// The variance of each output of other rows that comes from the weights, `[n, classes]` in `F64`. For regression, the square of the noise
    /// comes on top of it.
    ///
    /// # Errors
    /// If the features have another width, or the variance is beyond the range of numbers.
    #[track_caller]
    pub fn variance(&self, features: &Tensor) -> Result<Tensor> {
        let (x, n, d) = rows(OP, "the features", features)?;
        if d + 1 != self.width {
            return Err(Error::shape(OP, format!("{d} features, {} when fitting", self.width - 1)));
        }
        let size = self.width * self.classes;
        let mut out = Vec::with_capacity(n * self.classes);
        for x in x.chunks(d) {
            for class in 0..self.classes {
                let mut e = vec![0.0; size];
                e[class * self.width..class * self.width + d].copy_from_slice(x);
                e[class * self.width + d] = 1.0;
                out.push(stats::solve_lower(&self.factor, size, &e).iter().map(|v| v * v).sum::<f64>());
            }
        }
        match out.iter().position(|variance| !variance.is_finite()) {
            Some(i) => {
                let row = i / self.classes;
                Err(Error::numeric(OP, format!("the variance of row {row} is beyond the range of numbers")))
            }
            None => Tensor::from_vec(out, [n, self.classes]),
        }
    }

    /// Probabilities of classes that are less sure where weights are: logits divided by `√(1 + π/8 · variance)` (MacKay's probit
    /// approximation), `[n, classes]` or `[n, 1]` in `F64`.
    ///
    /// # Errors
    /// As for [`variance`](Self::variance), and if there are not as many logits as rows and classes, or one is not finite.
    #[track_caller]
    pub fn probabilities(&self, features: &Tensor, logits: &Tensor) -> Result<Tensor> {
        let scale = self.variance(features)?.mul_scalar(std::f64::consts::PI / 8.0).add_scalar(1.0).sqrt();
        let (z, n, k) = rows(OP, "the logits", logits)?;
        if scale.shape() != [n, k] {
            let message = format!("logits of shape {:?}, expected {:?}", logits.shape(), scale.shape());
            return Err(Error::shape(OP, message));
        }
        let z = Tensor::from_vec(z, [n, k])?.div(&scale)?;
        if self.classes == 1 { Ok(z.sigmoid()) } else { z.softmax(1) }
    }
}

/// Labels of rows, for what is fitted class by class.
#[track_caller]
pub(super) fn labelled(
    op: &'static str,
    features: &Tensor,
    labels: &Tensor,
) -> Result<(Vec<f64>, usize, Vec<usize>, usize)> {
    let (x, n, d) = rows(op, "the features", features)?;
    let y = classes(op, labels, n, 1_000_000)?;
    let k = y.iter().max().map_or(0, |most| most + 1);
    Ok((x, d, y, k))
}
