//! Training of two models that learn against each other.

use std::cell::RefCell;

use super::task::{Objective, Task};
use crate::autograd::{GradOptions, grad, pause_recording};
use crate::count::IntoCount;
use crate::error::{Error, Result};
use crate::io::Checkpoint;
use crate::layers::Mode;
use crate::losses::{WassersteinCritic, bce_with_logits};
use crate::models::Adversaries;
use crate::optimizers::Optimizer;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// How the two are compared.
#[derive(Debug, Clone, Copy)]
enum Game {
    Logistic,
    Wasserstein(WassersteinCritic),
}

/// A task for [`Adversaries`](crate::models::Adversaries), such as a [`Dcgan`](crate::models::Dcgan): with each batch the critic makes a
/// step by an optimizer of its own, and with every so many of them the generator makes one by that of the
/// [`Trainer`](super::Trainer). Batches are real examples and something that is not looked at, such as their classes.
///
/// [`wgan_gp`](Self::wgan_gp) is the usual choice for small data: its critic estimates how far the generator's examples are from the
/// real ones, and does not stop to teach when it has become good. [`gan`](Self::gan) is the game of the first papers.
///
/// What is averaged and shown is the loss of the critic. A schedule of the Trainer sets the rate of the generator; with
/// [`critic_rate`](Self::critic_rate) the other follows it.
///
/// ```
/// use demotic::data::TensorDataset;
/// use demotic::models::{Adversaries, Dcgan, DcganConfig};
/// use demotic::prelude::*;
/// use demotic::train::Adversarial;
///
/// let mut rng = Rng::seed(0);
/// let mut model = Dcgan::new(DcganConfig::new(1, 8).latent(4).width(4).critic(), &mut rng)?;
/// // Real pictures: bright ones.
/// let x = Tensor::uniform([32, 1, 8, 8], 0.8, 1.0, &mut rng)?;
/// let data = TensorDataset::new(x.clone(), x)?;
/// let adam = || Adam::new(2e-3).betas(0.0, 0.9);
/// let before = model.sample(16, &mut rng)?.mean().item()?;
/// Trainer::with_task(Adversarial::wgan_gp(adam()).critic_steps(2), adam())
///     .epochs(20)
///     .batch_size(16)
///     .fit(&mut model, &data, &mut rng)?;
/// assert!(model.sample(16, &mut rng)?.mean().item()? > before);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "GAN")]
#[doc(alias = "WGAN-GP")]
pub struct Adversarial {
    game: Game,
    critic: Box<dyn Optimizer>,
    critic_steps: u64,
    critic_rate: Option<f64>,
    /// Steps of the critic since the generator's last one.
    since: u64,
}

impl std::fmt::Debug for Adversarial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { game, critic_steps, critic_rate, .. } = self;
        write!(f, "Adversarial({game:?}, {critic_steps} steps of the critic to one, rate {critic_rate:?})")
    }
}

impl Adversarial {
    fn new(game: Game, critic: impl Optimizer + 'static, critic_steps: u64) -> Self {
        Self { game, critic: Box::new(critic), critic_steps, critic_rate: None, since: 0 }
    }

    /// The game of Goodfellow et al. (*Generative adversarial nets*, 2014): the discriminator tells real examples from others by binary
    /// cross-entropy, and the generator minimises that of its examples being taken for real ones. One step each in turn.
    #[must_use]
    pub fn gan(critic: impl Optimizer + 'static) -> Self {
        Self::new(Game::Logistic, critic, 1)
    }

    /// Wasserstein's distance with a penalty on slopes (Gulrajani et al., *Improved training of Wasserstein GANs*, 2017):
    /// [`WassersteinCritic`], five steps of which come before each of the generator, which minimises the negative score of its
    /// examples. `Adam::new(1e-4).betas(0.0, 0.9)` are the paper's optimizers.
    #[must_use]
    pub fn wgan_gp(critic: impl Optimizer + 'static) -> Self {
        Self::new(Game::Wasserstein(WassersteinCritic::new()), critic, 5)
    }

    /// The same game with another penalty on slopes than 10; none, if the game has no penalty.
    ///
    /// # Errors
    /// If it is negative or not finite, or the game is [`gan`](Self::gan).
    #[track_caller]
    pub fn penalty(mut self, strength: f64) -> Result<Self> {
        match &mut self.game {
            Game::Wasserstein(critic) => *critic = critic.penalty(strength)?,
            Game::Logistic => {
                let e = Error::argument("Adversarial", "a penalty on slopes for a game without one");
                return Err(e.with_help("Adversarial::wgan_gp has it"));
            }
        }
        Ok(self)
    }

    /// How many steps the critic makes for each of the generator, at least 1.
    #[must_use]
    pub fn critic_steps(mut self, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        self.critic_steps = steps;
        self
    }

    /// Before each of its steps, the critic's rate becomes so many times that of the generator.
    #[must_use]
    pub fn critic_rate(mut self, scale: f64) -> Self {
        self.critic_rate = Some(scale);
        self
    }

    #[track_caller]
    fn teach_critic(&mut self, model: &mut dyn Adversaries, real: &Tensor, rng: &mut Rng) -> Result<Objective> {
        let n = real.shape().first().copied().unwrap_or(0);
        let made = {
            let _unrecorded = pause_recording();
            let noise = model.noise(n, rng)?.to_dtype(real.dtype());
            model.generate(&noise, &mut Mode::train(rng))?
        };
        let loss = self.critic_loss(model, real, &made, rng)?;
        self.critic.step(model.critic_mut(), &loss.backward()?)?;
        Ok(Objective::new(loss.detach(), n as f64))
    }

    #[track_caller]
    fn critic_loss(&self, model: &dyn Adversaries, real: &Tensor, made: &Tensor, rng: &mut Rng) -> Result<Tensor> {
        match self.game {
            Game::Wasserstein(game) => {
                // Both would draw from the generator in turns.
                let own = RefCell::new(rng.split());
                let scores = |x: &Tensor| model.judge(x, &mut Mode::train(&mut own.borrow_mut()));
                game.loss(&scores, real, made, rng)
            }
            Game::Logistic => {
                let judged = |x: &Tensor, real: bool, rng: &mut Rng| {
                    let logits = model.judge(&x.detach(), &mut Mode::train(rng))?;
                    bce_with_logits(&logits, &logits.full_like(f64::from(u8::from(real))).detach())
                };
                judged(real, true, rng)?.add(&judged(made, false, rng)?)
            }
        }
    }

    /// What the generator minimises, from what the critic says of its examples.
    #[track_caller]
    fn of_generator(&self, judged: &Tensor) -> Result<Tensor> {
        match self.game {
            Game::Wasserstein(_) => Ok(judged.mean().neg()),
            Game::Logistic => bce_with_logits(judged, &judged.ones_like().detach()),
        }
    }

    #[track_caller]
    fn teach_generator(
        &self,
        model: &mut dyn Adversaries,
        real: &Tensor,
        optimizer: &mut dyn Optimizer,
        rng: &mut Rng,
    ) -> Result<()> {
        let n = real.shape().first().copied().unwrap_or(0);
        let noise = model.noise(n, rng)?.to_dtype(real.dtype());
        let made = model.generate(&noise, &mut Mode::train(rng))?;
        // In two parts, so that no gradients of the critic's parameters are computed.
        let seen = made.detach().tracked()?;
        let loss = self.of_generator(&model.judge(&seen, &mut Mode::train(rng))?)?;
        let slope = grad(&[&loss], &[&seen], GradOptions::default())?.remove(0);
        optimizer.step(model.generator_mut(), &made.mul(&slope)?.sum().backward()?)
    }
}

impl<M: Adversaries> Task<M, (Tensor, Tensor)> for Adversarial {
    /// That of the critic without the penalty, on examples that are made of the same noise each time.
    fn objective(&self, model: &M, (real, _): &(Tensor, Tensor), _: &mut Mode<'_>) -> Result<Objective> {
        let _unrecorded = pause_recording();
        let n = real.shape().first().copied().unwrap_or(0);
        let noise = model.noise(n, &mut Rng::seed(0))?.to_dtype(real.dtype());
        let made = model.generate(&noise, &mut Mode::eval())?;
        let (real, made) = (model.judge(real, &mut Mode::eval())?, model.judge(&made, &mut Mode::eval())?);
        let loss = match self.game {
            Game::Wasserstein(_) => made.mean().sub(&real.mean())?,
            Game::Logistic => {
                bce_with_logits(&real, &real.ones_like())?.add(&bce_with_logits(&made, &made.zeros_like())?)?
            }
        };
        Ok(Objective::new(loss, n as f64))
    }

    fn step(
        &mut self,
        model: &mut M,
        (real, _): &(Tensor, Tensor),
        optimizer: &mut dyn Optimizer,
        rng: &mut Rng,
    ) -> Result<Option<Objective>> {
        if self.critic_steps == 0 {
            return Err(Error::argument("Adversarial", "the critic makes 0 steps, expected at least 1"));
        }
        if let Some(scale) = self.critic_rate {
            self.critic.set_learning_rate(scale * optimizer.learning_rate());
        }
        let objective = self.teach_critic(model, real, rng)?;
        self.since += 1;
        if self.since >= self.critic_steps {
            self.teach_generator(model, real, optimizer, rng)?;
            self.since = 0;
        }
        Ok(Some(objective))
    }

    fn save(&self, checkpoint: Checkpoint) -> Result<Checkpoint> {
        checkpoint.counter(SINCE, self.since).named_optimizer(CRITIC, &self.critic)
    }

    fn load(&mut self, saved: &Checkpoint) -> Result<()> {
        let since = saved.get_counter(SINCE)?;
        saved.restore_named_optimizer(CRITIC, &mut self.critic)?;
        self.since = since;
        Ok(())
    }
}

/// Where a checkpoint has what the task remembers.
const CRITIC: &str = "critic";
const SINCE: &str = "adversarial.since";
