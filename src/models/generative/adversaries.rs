//! What a pair of models that learn against each other is.

use crate::error::Result;
use crate::layers::{Mode, Module};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// Two models in one: a generator makes examples of noise, and a critic (or discriminator) says of examples whether they are real.
/// They are trained together by [`Adversarial`](crate::train::Adversarial).
///
/// [`Dcgan`](super::Dcgan) is one. Any other pair is a struct of two fields:
///
/// ```
/// use demotic::models::Adversaries;
/// use demotic::prelude::*;
///
/// #[derive(Clone)]
/// struct Pair {
///     generator: Sequential,
///     critic: Sequential,
/// }
///
/// module!(Pair { generator, critic });
///
/// impl Adversaries for Pair {
///     fn noise(&self, count: usize, rng: &mut Rng) -> Result<Tensor> {
///         Tensor::normal([count, 2], 0.0, 1.0, rng)
///     }
///     fn generate(&self, noise: &Tensor, mode: &mut Mode) -> Result<Tensor> {
///         self.generator.at("generator", noise, mode)
///     }
///     fn judge(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
///         self.critic.at("critic", x, mode)
///     }
///     fn generator_mut(&mut self) -> &mut dyn Module {
///         &mut self.generator
///     }
///     fn critic_mut(&mut self) -> &mut dyn Module {
///         &mut self.critic
///     }
/// }
///
/// let mut rng = Rng::seed(0);
/// let generator = sequential![Linear::new(2, 16, &mut rng)?, Relu, Linear::new(16, 2, &mut rng)?];
/// let critic = sequential![Linear::new(2, 16, &mut rng)?, LeakyRelu::default(), Linear::new(16, 1, &mut rng)?];
/// let pair = Pair { generator, critic };
/// let made = pair.sample(5, &mut rng)?;
/// assert_eq!(made.shape(), [5, 2]);
/// # Ok::<(), demotic::Error>(())
/// ```
pub trait Adversaries: Module {
    /// What so many examples are made of.
    ///
    /// # Errors
    /// If it does not fit into memory.
    fn noise(&self, count: usize, rng: &mut Rng) -> Result<Tensor>;

    /// The examples that are made of noise: `[count, ..]`.
    ///
    /// # Errors
    /// If the noise has another shape.
    fn generate(&self, noise: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor>;

    /// How real examples look: a logit or score for each, as `[count]`, `[count, 1]` or the like.
    ///
    /// # Errors
    /// If the examples have another shape.
    fn judge(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor>;

    /// What one optimizer changes.
    fn generator_mut(&mut self) -> &mut dyn Module;

    /// What the other optimizer changes.
    fn critic_mut(&mut self) -> &mut dyn Module;

    /// So many new examples.
    ///
    /// # Errors
    /// If they do not fit into memory.
    #[track_caller]
    fn sample(&self, count: usize, rng: &mut Rng) -> Result<Tensor> {
        let _unrecorded = crate::autograd::pause_recording();
        let noise = self.noise(count, rng)?;
        self.generate(&noise, &mut Mode::eval())
    }
}
