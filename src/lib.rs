//! Deep learning in plain Rust: train, fine-tune and run neural networks on the machine you already have. No Python, no C
//! library, no GPU required.
//!
//! ```
//! use demotic::prelude::*;
//!
//! # fn main() -> Result<()> {
//! let mut rng = Rng::seed(0);
//! let x = Tensor::uniform([256, 1], -1.0, 1.0, &mut rng)?;
//! let y = (&x * 3.0).sin();
//!
//! let mut model = sequential![Linear::new(1, 32, &mut rng)?, Tanh, Linear::new(32, 1, &mut rng)?];
//! let mut opt = Adam::new(0.01);
//! for _step in 0..300 {
//!     let loss = losses::mse(&model.forward(&x, &mut Mode::Train(&mut rng))?, &y)?;
//!     opt.step(&mut model, &loss.backward()?)?;
//! }
//! assert!(metrics::rmse(&model.predict(&x)?, &y)? < 0.1);
//! # Ok(())
//! # }
//! ```
//!
//! # Where to begin
//!
//! - **To learn**, read the [tutorials] in their order: from the first tensor to a model of house prices, and on to a GPT.
//! - **To use it**, write `use demotic::prelude::*;` and look around in [`layers`], [`losses`], [`optimizers`] and
//!   [`train`].
//! - **Coming from PyTorch**, see `docs/pytorch_users.md` in the repository: names and meanings are mostly the same.
//!
//! # The layers of the house
//!
//! Each module uses only those below it.
//!
//! | module | what |
//! |---|---|
//! | [`train`] | the training loop, metrics, early stopping, history, plots |
//! | [`pipeline`] | models with their preprocessing or tokenizer, in one file |
//! | [`models`] | complete models |
//! | [`regularizers`] | penalties and constraints |
//! | [`optimizers`] | from gradients to better parameters; schedules, clipping |
//! | [`losses`] | how far predictions are off |
//! | [`layers`] | parameters, modules, and the layers themselves |
//! | [`autograd`] | gradients of everything |
//! | [`tensor`](mod@tensor) | arrays of numbers |
//!
//! Beside them are [`data`] (tables, preprocessing, batches), [`text`] (tokenizers, streams of tokens) and [`io`] (files of
//! tensors and models); below all of them [`error`](mod@error), [`rng`], [`parallel`], [`memory`] and [`profile`].
//!
//! # Conventions
//!
//! - An operation that can fail returns a [`Result`]; one that cannot returns a [`Tensor`]. No input panics.
//! - Dimensions are counted from 0, and from −1 backwards.
//! - Literals make `f32` tensors with [`tensor!`](crate::tensor!). Types are never converted silently.
//! - Randomness comes from an [`Rng`] that is passed in. The same seed gives the same bits, whatever the number of
//!   threads.

#![deny(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub, clippy::print_stdout)]

pub mod autograd;
pub mod data;
pub mod error;
mod files;
pub mod io;
pub mod layers;
pub mod losses;
pub mod memory;
pub mod models;
pub mod optimizers;
pub mod parallel;
pub mod pipeline;
pub mod prelude;
pub mod profile;
pub mod regularizers;
pub mod rng;
pub mod tensor;
pub mod text;
pub mod train;
pub mod tutorials;

pub use autograd::AttentionOptions;
pub use error::{Error, ErrorKind, Result};
pub use rng::Rng;
pub use tensor::{DType, Element, Float, Tensor};
