//! The gradient by the input, and what is made of it.

use std::panic::Location;

use super::subject::{Explained, Scorer, found, times};
use crate::autograd;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;

fn each(scorer: &Scorer<'_>) -> Vec<usize> {
    (0..scorer.examples).collect()
}

/// The gradient of the target by each element of the inputs, `[n, ..]`: how much it rises when the element does.
///
/// # Errors
/// If the model has no gradient by its inputs, the inputs are not finite or not of a floating type, or the target does not exist.
#[track_caller]
pub fn gradient(of: &Explained<'_>, x: &Tensor) -> Result<Tensor> {
    let scorer = of.scorer("gradient", x)?;
    Ok(scorer.gradients(x, &each(&scorer))?.0)
}

/// The magnitude of the [`gradient`]: which elements matter, whatever the direction (Simonyan et al., *Deep inside convolutional
/// networks*, 2013).
///
/// # Errors
/// As for [`gradient`].
#[track_caller]
pub fn saliency(of: &Explained<'_>, x: &Tensor) -> Result<Tensor> {
    let scorer = of.scorer("saliency", x)?;
    Ok(scorer.gradients(x, &each(&scorer))?.0.abs())
}

/// The gradient times the input (Shrikumar et al., *Not just a black box*, 2016): of a linear model without a bias, what each element
/// adds to the output.
///
/// # Errors
/// As for [`gradient`].
#[track_caller]
pub fn gradient_x_input(of: &Explained<'_>, x: &Tensor) -> Result<Tensor> {
    let op = "gradient_x_input";
    let scorer = of.scorer(op, x)?;
    found(op, times(&scorer.gradients(x, &each(&scorer))?.0, x)?)
}

/// The gradient that goes back through each ReLU only where it is positive (Springenberg et al., *Striving for simplicity: the all
/// convolutional net*, 2014). It makes sharp pictures, which show edges more than what the model has learnt: see
/// [`randomization`](super::randomization).
///
/// All rectified units of the recorded computation take part, those that are layers as well as calls of [`Tensor::relu`].
///
/// ```
/// use demotic::explain::{Explained, gradient, guided_backprop};
/// use demotic::prelude::*;
///
/// // relu(x) − relu(2 x): the second path has a negative gradient, and is left out.
/// let f = |x: &Tensor| x.relu().sub(&x.mul_scalar(2.0).relu())?.sum_dims(&[1], false);
/// let of = Explained::function(&f);
/// assert_eq!(gradient(&of, &tensor![[3.0]])?.item()?, -1.0);
/// assert_eq!(guided_backprop(&of, &tensor![[3.0]])?.item()?, 1.0);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// As for [`gradient`], and if the model has no ReLU.
#[track_caller]
pub fn guided_backprop(of: &Explained<'_>, x: &Tensor) -> Result<Tensor> {
    let op = "guided_backprop";
    let scorer = of.scorer(op, x)?;
    let caller = Location::caller();
    let guided = |score: &Tensor, x: &Tensor| {
        let (found, count) = autograd::grad_filtered(&score.sum(), x, |name, grad| match name {
            "relu" => Some(grad.clamp_min(0.0)),
            _ => None,
        })?;
        if count == 0 {
            let e = Error::state(op, "the model has no ReLU, whose gradients would be guided").at(caller);
            return Err(e.with_help("saliency() and IntegratedGradients are for any activations"));
        }
        Ok(found)
    };
    Ok(scorer.gradients_by(x, &each(&scorer), &guided)?.0)
}

/// Gradients at places around the input, on average (Smilkov et al., *SmoothGrad: removing noise by adding noise*, 2017).
///
/// ```
/// use demotic::explain::{Explained, SmoothGrad};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![Linear::new(4, 8, &mut rng)?, Relu, Linear::new(8, 1, &mut rng)?];
/// let x = Tensor::normal([2, 4], 0.0, 1.0, &mut rng)?;
/// let found = SmoothGrad::new(20, 0.15).attribute(&Explained::layer(&model), &x, &mut rng)?;
/// assert_eq!(found.shape(), [2, 4]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SmoothGrad {
    samples: usize,
    noise: f64,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Mean,
    Squares,
    Variance,
}

impl SmoothGrad {
    /// So many places for each input (the paper: 50), with normal noise whose deviation is `noise` times the range from the smallest to
    /// the largest element of the example (the paper: 0.1 to 0.2).
    #[must_use]
    pub fn new(samples: usize, noise: f64) -> Self {
        Self { samples, noise, kind: Kind::Mean }
    }

    /// The mean of the squares (SmoothGrad², Hooker et al., 2019).
    #[must_use]
    pub fn squared(self) -> Self {
        Self { kind: Kind::Squares, ..self }
    }

    /// The variance of the gradients (VarGrad, Adebayo et al., 2018).
    #[must_use]
    pub fn variance(self) -> Self {
        Self { kind: Kind::Variance, ..self }
    }

    /// What was said of the gradients of each element, `[n, ..]`.
    ///
    /// # Errors
    /// As for [`gradient`], and if there are no samples or the noise is negative or not finite.
    #[track_caller]
    pub fn attribute(&self, of: &Explained<'_>, x: &Tensor, rng: &mut Rng) -> Result<Tensor> {
        let op = "SmoothGrad";
        check_samples(op, self.samples)?;
        if !(self.noise >= 0.0 && self.noise.is_finite()) {
            return Err(Error::argument(op, format!("the noise is {}, expected a number from 0 on", self.noise)));
        }
        let scorer = of.scorer(op, x)?;
        let n = scorer.examples;
        let flat = x.detach().reshape([n, x.numel() / n])?;
        let reach = flat.max_dim(1, true)?.0.sub(&flat.min_dim(1, true)?.0)?.mul_scalar(self.noise);
        let mut shape = vec![1; x.rank()];
        shape[0] = n;
        let reach = reach.reshape(shape)?;
        let who = each(&scorer);
        let mut sums: Option<[Tensor; 2]> = None;
        for _ in 0..self.samples {
            let noise = x.detach().randn_like(rng)?.mul(&reach)?;
            let (slope, _) = scorer.gradients(&x.detach().add(&noise)?, &who)?;
            let square = slope.square();
            sums = Some(match sums {
                None => [slope, square],
                Some([sum, squares]) => [sum.add(&slope)?, squares.add(&square)?],
            });
        }
        let Some([sum, squares]) = sums else { return Err(crate::error::bug!(op, "no samples")) };
        let [mean, squares] = [sum, squares].map(|sum| sum.div_scalar(self.samples as f64));
        match self.kind {
            Kind::Mean => found(op, mean),
            Kind::Squares => found(op, squares),
            Kind::Variance => found(op, squares.sub(&mean.square())?.clamp_min(0.0)),
        }
    }
}

/// The most samples of anything.
const SAMPLES: usize = 10_000_000;

#[track_caller]
pub(super) fn check_samples(op: &'static str, samples: usize) -> Result<()> {
    match samples {
        1..=SAMPLES => Ok(()),
        _ => Err(Error::argument(op, format!("{samples} samples, expected 1 to {SAMPLES}"))),
    }
}
