//! Training that reveals little about any one example, how much it reveals, and how to find out.
//!
//! | | |
//! |---|---|
//! | training | [`DpOptimizer`] around any optimizer, on batches of a [`PoissonSampler`] |
//! | how much is spent | [`Accountant`], by Rényi divergences or by the distribution of the loss; [`noise_for`] an ε |
//! | one addition of noise | [`gaussian_epsilon`], [`gaussian_delta`], [`gaussian_noise`] |
//! | what an attacker finds | [`MembershipAudit`], [`Lira`] with shadow models, [`exposure`] of canaries |
//! | data that stay where they are | [`Federated`] averaging, in one process or on the ranks of a [group](crate::distributed::Group), [`Proximal`] terms, [`SecureSum`] |
//!
//! Differential privacy is about what comes out of a training, whatever an attacker knows besides: with (ε, δ), any model comes out of
//! the data with a probability that differs by a factor of at most `e^ε`, but for δ, from that without one of the examples. It costs
//! accuracy. It does not say that a model is harmless, nor that a group of people cannot be told by it.
//!
//! ```
//! use demotic::losses::{CrossEntropy, Loss, Reduction};
//! use demotic::prelude::*;
//! use demotic::privacy::{Accounting, DpOptimizer, PoissonSampler, noise_for};
//!
//! let mut rng = Rng::seed(0);
//! let x = Tensor::normal([200, 2], 0.0, 1.0, &mut rng)?;
//! let y = x.select(1, 0)?.gt_scalar(0.0).to_dtype(DType::I64);
//! let mut model = sequential![Linear::new(2, 8, &mut rng)?, Tanh, Linear::new(8, 2, &mut rng)?];
//!
//! let (steps, delta) = (40, 1e-3);
//! let sampler = PoissonSampler::new(200, 0.2, rng.split())?;
//! let noise = noise_for(Accounting::Rdp, 3.0, delta, 0.2, steps)?;
//! let mut opt = DpOptimizer::new(Adam::new(0.02), noise, 1.0, &sampler, rng.split())?;
//! for step in 0..steps {
//!     // In parts that fit into memory.
//!     for rows in sampler.batch(step)?.split(32, 0)? {
//!         let logits = model.forward(&x.index_select(0, &rows)?, &mut Mode::train(&mut rng))?;
//!         let losses = CrossEntropy::new().reduction(Reduction::None).loss(&logits, &y.index_select(0, &rows)?)?;
//!         opt.accumulate(&losses)?;
//!     }
//!     opt.step_private(&mut model)?;
//! }
//! assert!(opt.spent(delta)?.epsilon <= 3.0);
//! assert!(metrics::accuracy(&model.predict(&x)?, &y)? > 0.9);
//! # Ok::<(), demotic::Error>(())
//! ```
//!
//! The noise is drawn from a [`Rng`](crate::Rng), whose seed is to be kept secret: who knows it takes the noise away again. That generator
//! is made for simulation, and not against somebody who sees many of its numbers.

mod accountant;
mod canary;
mod federated;
mod gaussian;
mod membership;
mod optimizer;
mod prv;
mod rdp;
mod sampler;
mod secure;

pub use accountant::{Accountant, Accounting, Spending, Spent, noise_for};
pub use canary::{estimated_exposure, exposure};
pub use federated::{Federated, FederatedRound, Proximal};
pub use gaussian::{gaussian_delta, gaussian_epsilon, gaussian_noise};
pub use membership::{Lira, MembershipAudit, scaled_confidence};
pub use optimizer::{Clipping, DpOptimizer};
pub use sampler::PoissonSampler;
pub use secure::SecureSum;

use crate::error::{Error, Result};
use crate::optimizers::options;

#[track_caller]
fn check_epsilon(op: &'static str, epsilon: f64) -> Result<()> {
    options::positive(op, "epsilon", epsilon)
        .map_err(|e| e.with_help("1 is a strong promise, 10 a weak one; 0 would mean that nothing is learnt"))
}

#[track_caller]
fn check_delta(op: &'static str, delta: f64) -> Result<()> {
    if delta > 0.0 && delta < 1.0 {
        return Ok(());
    }
    Err(Error::argument(op, format!("delta is {delta}, expected a number between 0 and 1"))
        .with_help("it is a probability, and should lie well below 1 / the number of examples"))
}

#[track_caller]
fn check_rate(op: &'static str, rate: f64) -> Result<()> {
    options::fraction(op, "the sampling rate", rate).map_err(|e| {
        e.with_help(
            "it is the probability of each example to be in a batch: the expected batch size / the number of examples",
        )
    })
}

#[track_caller]
fn check_noise(op: &'static str, noise: f64) -> Result<()> {
    options::not_negative(op, "the noise", noise)
}
