//! Optimizers: from gradients to better parameters.
//!
//! ```
//! use demotic::layers::Param;
//! use demotic::optimizers::{Adam, Optimizer};
//! use demotic::tensor;
//!
//! // The smallest x² lies at 0.
//! let mut x = Param::new(tensor![1.0])?;
//! let mut opt = Adam::new(0.1);
//! for _ in 0..200 {
//!     let loss = x.square().sum();
//!     opt.step(&mut x, &loss.backward()?)?;
//! }
//! assert!(x.item()?.abs() < 1e-3);
//! # Ok::<(), demotic::Error>(())
//! ```
//!
//! | | for |
//! |---|---|
//! | [`Sgd`] | the plain method, with momentum and Nesterov's variant |
//! | [`Adam`] | the usual first choice: steps of about the learning rate, whatever the scale of the gradient |
//! | [`AdamW`] | Adam with a weight decay that works as intended; transformers |
//! | [`RmsProp`] | recurrent networks, reinforcement learning |
//! | [`AdaGrad`], [`Adadelta`] | sparse features; the latter needs no learning rate |
//! | [`NAdam`], [`RAdam`], [`Adamax`] | relatives of Adam: Nesterov's momentum; no need of a warm-up; gradients with rare peaks |
//! | [`Lion`] | half of Adam's memory; transformers, large batches |
//! | [`Adafactor`] | hardly any memory: the state of a matrix is a row and a column |
//! | [`Muon`] | the matrices of transformers: steps that are orthogonal |
//! | [`Lamb`], [`Lars`] | very large batches |
//! | [`Asgd`], [`Rprop`] | convex problems; the whole data at once |
//! | [`Averaged`], [`Lookahead`] | around any of these: averages of the weights, and steps that go back a part of the way |
//! | [`Lbfgs`], [`Sam`] | compute the loss more than once for each step: see [`ClosureOptimizer`]; in a `Trainer`, [`ByClosure`] |
//!
//! Formulas, option names and defaults are PyTorch's. What they have in common (parameter groups, weight decay,
//! clipping, checks, state) is part of [`Stepper`], which turns any [`UpdateRule`] into an [`Optimizer`]:
//! `docs/adding_an_optimizer.md` shows it.
//!
//! **Options are checked when they are first used**: `Adam::new(f64::NAN)` gives an optimizer whose
//! [`step`](Optimizer::step) returns an error. So constructors need no `?`.
//!
//! **Options can be read from a configuration file** with `serde`, and are checked there:
//!
//! ```
//! use demotic::optimizers::{Adam, AdamW, Averaged, Optimizer, Sgd};
//! use serde::Deserialize;
//!
//! /// What the file may choose from.
//! #[derive(Deserialize)]
//! #[serde(tag = "kind")]
//! enum Chosen {
//!     AdamW(AdamW),
//!     Sgd(Sgd),
//!     AveragedAdam(Averaged<Adam>),
//! }
//! let file = r#"{"kind": "AdamW", "learning_rate": 6e-4, "betas": [0.9, 0.95], "weight_decay": 0.1, "clip_norm": 1,
//!     "groups": [{"pattern": "*.bias", "weight_decay": 0}]}"#;
//! let opt: Box<dyn Optimizer> = match serde_json::from_str(file)? {
//!     Chosen::AdamW(opt) => Box::new(opt),
//!     Chosen::Sgd(opt) => Box::new(opt),
//!     Chosen::AveragedAdam(opt) => Box::new(opt),
//! };
//! assert_eq!(opt.learning_rate(), 6e-4);
//! let e = serde_json::from_str::<Sgd>(r#"{"learning_rate": 0.1, "momentum": 1.5}"#).unwrap_err();
//! assert_eq!(e.to_string(), "Sgd: momentum is 1.5, expected at least 0 and less than 1");
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! [`clip`] limits gradients, [`schedule`] changes the learning rate during training.

mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamax;
mod asgd;
mod averaged;
mod by_closure;
mod by_example;
pub mod clip;
mod closure;
mod divided;
mod group;
mod lamb;
mod lars;
mod lbfgs;
mod lion;
mod lookahead;
mod muon;
mod nadam;
pub(crate) mod options;
mod problem;
mod radam;
mod rmsprop;
mod rprop;
mod rule;
mod sam;
pub mod schedule;
mod sgd;

mod shared;
mod state;
mod stepper;
mod wolfe;
mod wrapped;

use crate::autograd::Gradients;
use crate::error::{Error, Here, Result};
use crate::layers::Module;

pub use adadelta::{Adadelta, AdadeltaRule};
pub use adafactor::{Adafactor, AdafactorRule};
pub use adagrad::{AdaGrad, AdaGradRule};
pub use adam::{Adam, AdamRule, AdamW};
pub use adamax::{Adamax, AdamaxRule};
pub use asgd::{Asgd, AsgdRule};
pub use averaged::{Averaged, Averages};
pub use by_closure::ByClosure;
pub use by_example::ExampleOptimizer;
pub use closure::{ClosureOptimizer, Objective};
#[doc(hidden)]
pub use divided::Divided;
pub(crate) use divided::gradient_norm;
pub use group::Group;
pub use lamb::{Lamb, LambRule};
pub use lars::{Lars, LarsRule};
pub use lbfgs::Lbfgs;
pub use lion::{Lion, LionRule};
pub use lookahead::Lookahead;
pub use muon::{AdjustLr, Muon, MuonRule};
pub use nadam::{NAdam, NAdamRule};
pub use radam::{RAdam, RAdamRule};
pub use rmsprop::{RmsProp, RmsPropRule};
pub use rprop::{Rprop, RpropRule};
pub use rule::{StepGradients, StepInfo, UpdateRule};
pub use sam::Sam;
pub use sgd::{Sgd, SgdRule};
pub use shared::Shared;
pub use state::{OptimizerState, ParameterState};
pub use stepper::Stepper;
pub(crate) use wrapped::{settings_of_inner, unwrapped, wrapped_name};

/// Changes the parameters of a model so that its loss falls.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no optimizer",
    note = "one is made with its learning rate: `Adam::new(1e-3)`, `Sgd::new(0.1).momentum(0.9)`; `demotic::optimizers` lists all",
    note = "what is written with `?` behind it in the documentation can fail and returns a `Result`"
)]
pub trait Optimizer: Send + Sync {
    /// Changes every trainable parameter of `model` in place, as its gradient suggests.
    ///
    /// State such as momentum belongs to the path of a parameter, so an optimizer serves one model, or its clones one
    /// after the other. Nothing is changed if an error is returned.
    ///
    /// # Errors
    /// If an option makes no sense, a trainable parameter has no gradient, or a gradient is NaN or infinite.
    #[track_caller]
    fn step(&mut self, model: &mut dyn Module, grads: &Gradients) -> Result<()>;

    /// The same for some of the parameters: other processes make the step of the others, and keep the state that belongs to them.
    ///
    /// # Errors
    /// As for [`step`](Self::step); and if this is none of the optimizers of the crate.
    #[doc(hidden)]
    #[track_caller]
    fn step_divided(&mut self, model: &mut dyn Module, grads: &Gradients, divided: &Divided<'_>) -> Result<()> {
        let _ = (model, grads, divided);
        Err(Error::argument("step", "the state of this optimizer cannot be divided among ranks"))
    }

    /// The learning rate, as [`set_learning_rate`](Self::set_learning_rate) left it.
    fn learning_rate(&self) -> f64;

    /// Sets the learning rate of the steps to come. It is checked by the next [`step`](Self::step).
    fn set_learning_rate(&mut self, learning_rate: f64);

    /// Sets the momentum of the steps to come, or β₁ of an optimizer with betas. It is checked by the next [`step`](Self::step),
    /// and part of the [`state`](Self::state). Groups with betas of their own keep them.
    ///
    /// # Errors
    /// If the optimizer has no momentum.
    #[track_caller]
    fn set_momentum(&mut self, momentum: f64) -> Result<()> {
        Err(Error::argument("set_momentum", format!("a momentum of {momentum} for an optimizer that has none")))
    }

    /// Sets the scale of the learning rate of the [`Group`] with this pattern. It is checked by the next [`step`](Self::step), and
    /// part of the [`state`](Self::state).
    ///
    /// # Errors
    /// If there is no such group.
    #[track_caller]
    fn set_learning_rate_scale(&mut self, pattern: &str, scale: f64) -> Result<()> {
        let message = format!("a scale of {scale} for the group `{pattern}`, which the optimizer does not have");
        Err(Error::argument("set_learning_rate_scale", message)
            .with_help("add it to the optimizer: .group(optimizers::Group::new(pattern))"))
    }

    /// Everything that further steps depend on besides the options, for saving it.
    fn state(&self) -> OptimizerState;

    /// Goes on from a saved state: with the same options, further steps are those of the run that was saved.
    ///
    /// # Errors
    /// If the state is that of another kind of optimizer, or of one with other options. Nothing is changed then.
    #[track_caller]
    fn load_state(&mut self, state: OptimizerState) -> Result<()>;

    /// The averages that it keeps of the parameters, if it does.
    fn averages(&mut self) -> Option<&mut dyn Averages> {
        None
    }

    /// What computes the loss itself, if this is an optimizer around that: see [`ByClosure`].
    fn closure(&mut self) -> Option<&mut dyn ClosureOptimizer> {
        None
    }

    /// What an optimizer that [takes the loss of each example](Self::by_example) counts on: how many there are, and how likely each of them is
    /// in a batch, whatever the others do.
    fn sampled(&self) -> Option<(usize, f64)> {
        None
    }

    /// What takes the loss of each example, if this is an optimizer around that, as
    /// [`DpOptimizer`](crate::privacy::DpOptimizer) is.
    fn by_example(&mut self) -> Option<&mut dyn ExampleOptimizer> {
        None
    }

    /// Numbers of its own for the record of an epoch, with their names: what a private one has spent.
    fn reports(&self) -> Vec<(String, f64)> {
        Vec::new()
    }
}

impl<O: Optimizer + ?Sized> Optimizer for Box<O> {
    #[track_caller]
    fn step(&mut self, model: &mut dyn Module, grads: &Gradients) -> Result<()> {
        (**self).step(model, grads).here()
    }
    #[track_caller]
    fn step_divided(&mut self, model: &mut dyn Module, grads: &Gradients, divided: &Divided<'_>) -> Result<()> {
        (**self).step_divided(model, grads, divided).here()
    }
    fn learning_rate(&self) -> f64 {
        (**self).learning_rate()
    }
    fn set_learning_rate(&mut self, learning_rate: f64) {
        (**self).set_learning_rate(learning_rate);
    }
    #[track_caller]
    fn set_momentum(&mut self, momentum: f64) -> Result<()> {
        (**self).set_momentum(momentum).here()
    }
    #[track_caller]
    fn set_learning_rate_scale(&mut self, pattern: &str, scale: f64) -> Result<()> {
        (**self).set_learning_rate_scale(pattern, scale).here()
    }
    fn state(&self) -> OptimizerState {
        (**self).state()
    }
    #[track_caller]
    fn load_state(&mut self, state: OptimizerState) -> Result<()> {
        (**self).load_state(state).here()
    }
    fn averages(&mut self) -> Option<&mut dyn Averages> {
        (**self).averages()
    }
    fn closure(&mut self) -> Option<&mut dyn ClosureOptimizer> {
        (**self).closure()
    }
    fn sampled(&self) -> Option<(usize, f64)> {
        (**self).sampled()
    }
    fn by_example(&mut self) -> Option<&mut dyn ExampleOptimizer> {
        (**self).by_example()
    }
    fn reports(&self) -> Vec<(String, f64)> {
        (**self).reports()
    }
}

#[cfg(test)]
mod tests;
