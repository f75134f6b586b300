//! The losses of two models that learn against each other, by the distance of Wasserstein.

use super::weighting::option;
use crate::autograd::{GradOptions, grad};
use crate::config::configurable;
use crate::error::{Error, Here, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;

configurable!(WassersteinCritic { penalty: set });

/// The loss of a critic that tells real examples from those of a generator (Arjovsky, Chintala and Bottou, *Wasserstein GAN*, 2017),
/// with a penalty on slopes other than 1 (Gulrajani et al., 2017): `mean(c(fake)) − mean(c(real)) + 10 · penalty`.
///
/// The penalty is the [`gradient_penalty`] at points between real and generated examples, one at random for each pair. The generator's
/// own loss is `−mean(c(fake))`.
///
/// ```
/// use demotic::losses::WassersteinCritic;
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let mut critic = sequential![Linear::new(2, 16, &mut rng)?, Tanh, Linear::new(16, 1, &mut rng)?];
/// let mut opt = Adam::new(1e-3);
/// let (real, fake) = (Tensor::ones([8, 2])?, Tensor::zeros([8, 2])?);
/// for _step in 0..20 {
///     let scores = |x: &Tensor| critic.forward(x, &mut Mode::eval());
///     let loss = WassersteinCritic::new().loss(&scores, &real, &fake, &mut rng)?;
///     opt.step(&mut critic, &loss.backward()?)?;
/// }
/// assert!(critic.predict(&real)?.mean().item()? > critic.predict(&fake)?.mean().item()?);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "WGAN-GP")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WassersteinCritic {
    penalty: f64,
}

impl Default for WassersteinCritic {
    fn default() -> Self {
        Self { penalty: 10.0 }
    }
}

/// What a critic makes of a batch: scores, of any shape that begins with the examples.
type Critic<'a> = &'a dyn Fn(&Tensor) -> Result<Tensor>;

impl WassersteinCritic {
    /// The loss with a penalty of 10.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How much the penalty counts. Default 10; 0 leaves it out.
    ///
    /// # Errors
    /// If it is negative or not finite.
    #[track_caller]
    pub fn penalty(mut self, strength: f64) -> Result<Self> {
        let allowed = strength >= 0.0 && strength.is_finite();
        self.penalty = option("wasserstein_critic", "the penalty", strength, allowed, "a number of at least 0")?;
        Ok(self)
    }

    /// The loss of a critic on real and generated examples of the same shape, `[n, ..]`, as a single number. The generated ones are
    /// looked at as they are: no gradient reaches the generator.
    ///
    /// # Errors
    /// If shapes or types differ, there are no examples, and those of the critic.
    #[track_caller]
    pub fn loss(&self, critic: Critic<'_>, real: &Tensor, fake: &Tensor, rng: &mut Rng) -> Result<Tensor> {
        let name = "wasserstein_critic";
        let (real, fake) = (real.detach(), fake.detach());
        super::weighting::expect_alike(name, ["the real examples", "the generated ones"], &real, &fake)?;
        let Some(&n) = real.shape().first() else {
            return Err(Error::shape(name, "the real examples are a scalar, expected [n, ..]"));
        };
        let distance = critic(&fake).outside()?.mean().sub(&critic(&real).outside()?.mean())?;
        if self.penalty == 0.0 {
            return Ok(distance);
        }
        let mut shape = vec![1; real.rank()];
        shape[0] = n;
        let share = Tensor::uniform(shape, 0.0, 1.0, rng)?.to_dtype(real.dtype());
        let between = fake.add(&real.sub(&fake)?.mul(&share)?)?;
        distance.add(&gradient_penalty(critic, &between)?.mul_scalar(self.penalty))
    }
}

/// The mean over all points of `(‖∇c‖ − 1)²`, where `∇c` is the gradient of a critic's score by the point (Gulrajani et al., *Improved
/// training of Wasserstein GANs*, 2017): differentiable, so that the critic learns slopes of 1.
///
/// Points have shape `[n, ..]`. What the critic says of one must not depend on the others, as it would with batch norm.
///
/// # Errors
/// If there are no points, the critic does not depend on them, or an operation in it cannot be differentiated twice.
///
/// ```
/// use demotic::losses::gradient_penalty;
/// use demotic::{tensor, Tensor};
///
/// // The slope of 3 x + 4 y is 5 everywhere.
/// let critic = |x: &Tensor| x.mul(&tensor![3.0, 4.0])?.sum_dims(&[1], false);
/// let penalty = gradient_penalty(&critic, &tensor![[0.5, -1.0], [2.0, 0.0]])?;
/// assert_eq!(penalty.item()?, 16.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn gradient_penalty(critic: &dyn Fn(&Tensor) -> Result<Tensor>, points: &Tensor) -> Result<Tensor> {
    let name = "gradient_penalty";
    points.expect_float(name, "the points")?;
    if points.rank() == 0 || points.is_empty() {
        return Err(Error::shape(name, format!("points of shape {:?}, expected [n, ..]", points.shape())));
    }
    let points = points.detach().tracked()?;
    let scores = critic(&points).outside()?.sum();
    let options = GradOptions::new().create_graph(true);
    let slopes = grad(&[&scores], &[&points], options)?.remove(0);
    let norms = slopes.reshape([points.shape()[0], points.numel() / points.shape()[0]])?.norm_dims(2.0, &[1], false)?;
    Ok(norms.add_scalar(-1.0).square().mean())
}
