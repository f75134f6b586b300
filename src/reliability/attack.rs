//! Small changes of inputs that mislead a model, and training against them.

use crate::autograd::{GradOptions, grad};
use crate::error::{Error, Here, Result};
use crate::layers::{Layer, LayerExt, Mode};
use crate::losses::{bce_with_logits, cross_entropy};
use crate::optimizers::Optimizer;
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// How the size of a change is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// By its largest number.
    Max,
    /// By its length.
    L2,
}

/// What an attacker may do: change each example by at most `size`.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::reliability::{Attack, Norm};
///
/// let mut rng = Rng::seed(0);
/// let model = Linear::new(4, 2, &mut rng)?;
/// let x = Tensor::normal([8, 4], 0.0, 1.0, &mut rng)?;
/// let y = model.predict(&x)?.argmax_dim(1, false)?;
/// let attack = Attack::new(0.5, Norm::Max)?;
/// let changed = attack.pgd(&model, &x, &y, 10, &mut rng)?;
/// assert!((&changed - &x)?.abs().max()?.item()? <= 0.5 + 1e-6);
/// assert!(metrics::accuracy(&model.predict(&changed)?, &y)? <= metrics::accuracy(&model.predict(&x)?, &y)?);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// Models give logits: `[n, classes]`, or `[n, 1]` for two classes. Their weights are not changed.
#[derive(Debug, Clone)]
pub struct Attack {
    size: f64,
    norm: Norm,
    range: Option<(f64, f64)>,
}

const OP: &str = "Attack";

impl Attack {
    /// Changes of this size.
    ///
    /// # Errors
    /// If it is negative or not finite.
    #[track_caller]
    pub fn new(size: f64, norm: Norm) -> Result<Self> {
        match size >= 0.0 && size.is_finite() {
            true => Ok(Self { size, norm, range: None }),
            false => Err(Error::argument(OP, format!("a size of {size}, expected a number that is not negative"))),
        }
    }

    /// Keeps inputs within a range, such as pixels from 0 to 1.
    ///
    /// # Errors
    /// If it is empty.
    #[track_caller]
    pub fn range(mut self, low: f64, high: f64) -> Result<Self> {
        if low.is_nan() || high.is_nan() || low >= high {
            return Err(Error::argument(OP, format!("a range from {low} to {high}")));
        }
        self.range = Some((low, high));
        Ok(self)
    }

    /// One step along the sign of the gradient, or along the gradient (fast gradient sign method; Goodfellow, Shlens and Szegedy, 2015). For a
    /// linear model, nothing is worse.
    ///
    /// # Errors
    /// Those of the model, and if targets do not fit, or inputs, logits or gradients are not finite.
    #[track_caller]
    pub fn fgsm(&self, model: &dyn Layer, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        let step = self.along(&slope(model, x, y)?)?.mul_scalar(self.size);
        self.within(&x.detach().add(&step)?)
    }

    /// Several smaller steps, from a random place, each followed by the way back to where changes are allowed (projected gradient descent; Madry et
    /// al., 2018).
    ///
    /// # Errors
    /// As for [`fgsm`](Self::fgsm), and if there are no steps.
    #[track_caller]
    pub fn pgd(&self, model: &dyn Layer, x: &Tensor, y: &Tensor, steps: usize, rng: &mut Rng) -> Result<Tensor> {
        if !(1..=100_000).contains(&steps) {
            return Err(Error::argument(OP, format!("{steps} steps, expected 1 to 100000")));
        }
        let x = x.detach();
        let start = match self.size > 0.0 {
            true => Tensor::uniform(x.shape(), -self.size, self.size, rng)?.to_dtype(x.dtype()),
            false => x.zeros_like(),
        };
        let mut at = self.within(&x.add(&self.projected(&start)?)?)?;
        // Two and a half times the way there, so that no place is out of reach.
        let length = 2.5 * self.size / steps as f64;
        for _ in 0..steps {
            let moved = at.add(&self.along(&slope(model, &at, y)?)?.mul_scalar(length))?;
            at = self.within(&x.add(&self.projected(&moved.sub(&x)?)?)?)?;
        }
        Ok(at)
    }

    /// An attack that sees nothing but outputs: in each query, some numbers of each example are set to one end of what is allowed, and stay so if the
    /// loss grew (a random search; Andriushchenko et al., *Square attack*, 2020).
    ///
    /// # Errors
    /// As for [`fgsm`](Self::fgsm), and if there are no queries.
    #[track_caller]
    pub fn black_box(
        &self,
        model: &dyn Layer,
        x: &Tensor,
        y: &Tensor,
        queries: usize,
        rng: &mut Rng,
    ) -> Result<Tensor> {
        if !(1..=1_000_000).contains(&queries) {
            return Err(Error::argument(OP, format!("{queries} queries, expected 1 to 1000000")));
        }
        let x = x.detach();
        let &[n, ..] = x.shape() else { return Err(Error::shape(OP, "an input without examples")) };
        let width = x.numel() / n.max(1);
        let _unrecorded = crate::autograd::pause_recording();
        let mut change = vec![0.0; x.numel()];
        let mut worst = of_each(model, &x, y)?;
        for query in 0..queries {
            let mut tried = change.clone();
            // Fewer and fewer numbers at once.
            let share = 0.5 * (1.0 - query as f64 / queries as f64) + 1.0 / width.max(1) as f64;
            for row in tried.chunks_mut(width.max(1)) {
                let any = rng.below(row.len());
                for (i, value) in row.iter_mut().enumerate() {
                    if i == any || rng.bernoulli(share.min(1.0)) {
                        *value = if rng.bernoulli(0.5) { self.size } else { -self.size };
                    }
                }
            }
            let step = self.projected(&Tensor::from_vec(tried, x.shape())?.to_dtype(x.dtype()))?;
            let losses = of_each(model, &self.within(&x.add(&step)?)?, y)?;
            let step = step.to_f64_vec();
            for (i, (now, before)) in losses.iter().zip(&mut worst).enumerate() {
                if now > before {
                    *before = *now;
                    change[i * width..(i + 1) * width].copy_from_slice(&step[i * width..(i + 1) * width]);
                }
            }
        }
        self.within(&x.add(&Tensor::from_vec(change, x.shape())?.to_dtype(x.dtype()))?)
    }

    /// The share of examples that are still classified right after [`pgd`](Self::pgd).
    ///
    /// # Errors
    /// As for [`pgd`](Self::pgd).
    #[track_caller]
    pub fn accuracy(&self, model: &dyn Layer, x: &Tensor, y: &Tensor, steps: usize, rng: &mut Rng) -> Result<f64> {
        let changed = self.pgd(model, x, y, steps, rng)?;
        crate::train::metrics::accuracy(&model.predict(&changed)?, y)
    }

    /// The direction of a slope: what changes most for its size.
    #[track_caller]
    fn along(&self, slope: &Tensor) -> Result<Tensor> {
        match self.norm {
            Norm::Max => Ok(slope.sign()),
            Norm::L2 => slope.div(&lengths(slope)?.add_scalar(f64::from(f32::MIN_POSITIVE))),
        }
    }

    /// The nearest change that is allowed.
    #[track_caller]
    fn projected(&self, change: &Tensor) -> Result<Tensor> {
        match self.norm {
            Norm::Max => Ok(change.clamp(Some(-self.size), Some(self.size))),
            Norm::L2 => {
                let lengths = lengths(change)?.add_scalar(f64::from(f32::MIN_POSITIVE));
                change.mul(&lengths.rdiv_scalar(self.size).clamp(None, Some(1.0)))
            }
        }
    }

    #[track_caller]
    fn within(&self, x: &Tensor) -> Result<Tensor> {
        match self.range {
            Some((low, high)) => Ok(x.clamp(Some(low), Some(high))),
            None => Ok(x.clone()),
        }
    }
}

/// The length of each example, in a shape that divides it.
#[track_caller]
fn lengths(x: &Tensor) -> Result<Tensor> {
    let dims: Vec<isize> = (1..x.rank() as isize).collect();
    if dims.is_empty() {
        return Ok(x.abs());
    }
    // Squares of what is huge or tiny would be none.
    let most = x.abs().amax(&dims, true)?.clamp_min(f64::from(f32::MIN_POSITIVE));
    x.div(&most)?.square().sum_dims(&dims, true)?.sqrt().mul(&most)
}

/// The loss of logits, as a sum or for each example.
#[track_caller]
fn loss(logits: &Tensor, y: &Tensor) -> Result<Tensor> {
    logits.expect_finite(OP, "the logits")?;
    if let [n, k] = *logits.shape() {
        super::classes(OP, y, n, k.max(2))?;
    }
    match logits.shape() {
        [n, 1] if y.numel() == *n => bce_with_logits(logits, &y.to_dtype(logits.dtype()).reshape(logits.shape())?),
        [n, _] if y.numel() == *n => cross_entropy(logits, &y.to_dtype(DType::I64).reshape([*n])?),
        shape => Err(Error::shape(OP, format!("logits {shape:?} for targets {:?}", y.shape()))),
    }
}

/// How the loss of each example changes with it.
#[track_caller]
fn slope(model: &dyn Layer, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    x.expect_finite(OP, "the input")?;
    let x = x.detach().tracked()?;
    let loss = loss(&model.forward(&x, &mut Mode::eval())?, y)?;
    let slope = grad(&[&loss], &[&x], GradOptions::default())?.remove(0);
    slope.expect_finite(OP, "the gradient")?;
    Ok(slope)
}

/// The loss of each example.
#[track_caller]
fn of_each(model: &dyn Layer, x: &Tensor, y: &Tensor) -> Result<Vec<f64>> {
    x.expect_finite(OP, "the input")?;
    let logits = model.forward(x, &mut Mode::eval())?;
    loss(&logits, y)?;
    let (z, y) = (logits.to_f64_vec(), y.to_f64_vec());
    let k = z.len() / y.len().max(1);
    let of = |(row, y): (&[f64], &f64)| {
        let row = if k == 1 { vec![0.0, row[0]] } else { row.to_vec() };
        let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        most + row.iter().map(|z| (z - most).exp()).sum::<f64>().ln() - row[*y as usize]
    };
    Ok(z.chunks(k.max(1)).zip(&y).map(of).collect())
}

/// One step of training on examples that were attacked by [`Attack::pgd`] (adversarial training; Madry et al., 2018). Returns the loss.
///
/// # Errors
/// Those of the model, the attack and the optimizer.
#[track_caller]
pub fn adversarial_step(
    attack: &Attack,
    model: &mut dyn Layer,
    optimizer: &mut dyn Optimizer,
    batch: (&Tensor, &Tensor),
    steps: usize,
    rng: &mut Rng,
) -> Result<f64> {
    let (x, y) = batch;
    let changed = attack.pgd(model, x, y, steps, rng)?;
    let loss = loss(&model.forward(&changed, &mut Mode::train(rng))?, y)?;
    optimizer.step(model.as_module_mut(), &loss.backward()?).here()?;
    loss.item()
}
