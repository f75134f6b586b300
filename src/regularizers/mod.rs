//! What keeps parameters in order: penalties, constraints, and Lagrange multipliers.
//!
//! | | | |
//! |---|---|---|
//! | [`L1`], [`L2`], [`ElasticNet`] | a [`Penalty`] on large parameters | added to the loss |
//! | [`Orthogonality`] | a [`Penalty`] on rows that are not at right angles | added to the loss |
//! | [`ActivityPenalty`] | a penalty on what layers give | listens to a pass, added to the loss |
//! | [`MaxNorm`], [`UnitNorm`], [`NonNegative`] | a [`Constraint`] that parameters are brought back to | applied after each step |
//! | [`AugmentedLagrangian`] | equations and inequalities between any tensors | makes the loss |
//! | [`Mixup`], [`CutMix`], [`ManifoldMixup`] | a [`Mixture`] of examples, and of their targets | applied to a batch, or in a pass |
//! | [`Cutout`], [`RandomErasing`] | holes in pictures | applied to a batch |
//! | [`LabelNoise`] | labels that cannot be trusted | applied to a batch |
//!
//! Which parameters a penalty or constraint is about is said by path, with `*` for any text:
//!
//! ```
//! use demotic::layers::Param;
//! use demotic::optimizers::{Optimizer, Sgd};
//! use demotic::regularizers::{Constraint, L2, NonNegative, Penalty};
//! use demotic::{module, tensor};
//!
//! struct Line {
//!     weight: Param,
//!     bias: Param,
//! }
//! module!(Line { weight, bias });
//!
//! let mut line = Line { weight: Param::new(tensor![0.5])?, bias: Param::new(tensor![0.1])? };
//! let decay = L2::new(0.01).on("weight");
//! let mut opt = Sgd::new(0.1);
//! for _ in 0..10 {
//!     let error = (&tensor![2.0] * line.weight.value() + line.bias.value() - &tensor![-1.0])?;
//!     let loss = (error.square().sum() + decay.penalty(&line)?)?;
//!     opt.step(&mut line, &loss.backward()?)?;
//!     NonNegative::new().on("weight").apply(&mut line)?;
//! }
//! assert_eq!(line.weight.item()?, 0.0);
//! # Ok::<(), demotic::Error>(())
//! ```
//!
//! Options are checked when they are first used, or when they are read from a configuration file with `serde`:
//! `{"strength": 0.01, "on": ["*.weight"]}`. Weight decay apart from the loss is an option of the
//! [optimizers](crate::optimizers); dropout is a layer, early stopping a callback of the trainer.

mod activity;
mod constraint;
mod erase;
mod lagrangian;
mod mix;
mod orthogonality;
mod penalty;
mod selection;

pub use activity::ActivityPenalty;
pub use constraint::{Constraint, MaxNorm, NonNegative, UnitNorm};
pub use erase::{Cutout, LabelNoise, RandomErasing};
pub use lagrangian::AugmentedLagrangian;
pub use mix::{CutMix, ManifoldMixup, Mixture, Mixup};
pub use orthogonality::Orthogonality;
pub use penalty::{ElasticNet, L1, L2, Penalty};

#[cfg(test)]
mod tests;
