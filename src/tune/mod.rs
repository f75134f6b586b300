//! Searching hyper-parameters, and judging models by cross-validation.
//!
//! A [`SearchSpace`] names parameters and what they may be; a [`Tuner`] tries values of them with a closure, which trains a model and
//! returns how good it is; a [`Study`] holds what was found.
//!
//! ```
//! use demotic::data::KFold;
//! use demotic::models::Mlp;
//! use demotic::prelude::*;
//! use demotic::tune::{SearchSpace, Tuner};
//!
//! // A curve with noise, by a small network.
//! let mut rng = Rng::seed(0);
//! let x = Tensor::uniform([60, 1], -2.0, 2.0, &mut rng)?;
//! let y = (&x.sin() + &Tensor::normal([60, 1], 0.0, 0.1, &mut rng)?)?;
//! let folds: Vec<_> = KFold::new(3).shuffle(&mut rng).split(60)?.collect();
//!
//! let space = SearchSpace::new().log_float("rate", 1e-3, 1e-1).log_int("width", 2, 32);
//! let study = Tuner::new(space).trials(12).run_folds(&folds, |trial, fold| {
//!     let rows = |rows: &[usize]| Tensor::from_vec(rows.iter().map(|i| *i as i64).collect(), [rows.len()]);
//!     let (train, test) = (rows(&fold.train)?, rows(&fold.test)?);
//!     let mut rng = trial.rng();
//!     let mut model = Mlp::new(&[1, trial.size("width")?, 1], &mut rng)?;
//!     let data = TensorDataset::new(x.index_select(0, &train)?, y.index_select(0, &train)?)?;
//!     Trainer::new(losses::mse, Adam::new(trial.float("rate")?)).epochs(15).fit(&mut model, &data, &mut rng)?;
//!     metrics::rmse(&model.predict(&x.index_select(0, &test)?)?, &y.index_select(0, &test)?)
//! })?;
//! println!("{study}");
//! assert!(study.best().value().unwrap() < 0.6);
//! # Ok::<(), demotic::Error>(())
//! ```
//!
//! | | |
//! |---|---|
//! | what is tried | [`Sampler`]: a grid, at random, a Latin hypercube, a [tree-structured Parzen estimator](Tpe) |
//! | how much each trial may use | [`Tuner::successive_halving`], [`Tuner::hyperband`] |
//! | which trials are given up | [`Pruner`]: by the median, by asynchronous successive halving |
//! | how good a way of training is | [`cross_validate`], [`nested_cross_validate`] |
//! | what more data, or another value, would do | [`learning_curve`], [`validation_curve`] |

mod cross_validation;
mod curves;
mod file;
mod plan;
#[cfg(feature = "plot")]
mod plot;
mod pruner;
mod sampler;
mod space;
mod study;
mod tpe;
mod trial;
mod tuner;

pub use cross_validation::{
    CrossValidation, FoldScores, NestedCrossValidation, Scores, check_classes, cross_validate, nested_cross_validate,
};
pub use curves::{ScoreCurve, learning_curve, validation_curve};
pub use pruner::Pruner;
pub use sampler::Sampler;
pub use space::{SearchSpace, Value};
pub use study::Study;
pub use tpe::Tpe;
pub use trial::{Outcome, Trial, TrialRecord};
pub use tuner::Tuner;
