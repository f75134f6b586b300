//! Deep learning in plain Rust: train, fine-tune and run neural networks on the machine you have.

#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod autograd;
pub mod data;
pub mod error;
mod files;
pub mod io;
pub mod layers;
pub mod losses;
pub mod models;
pub mod optimizers;
pub mod prelude;
pub mod regularizers;
pub mod train;
pub mod memory;
pub mod parallel;
pub mod profile;
pub mod rng;
pub mod tensor;

pub use error::{Error, ErrorKind, Result};
pub use rng::Rng;
pub use tensor::{DType, Element, Float, Tensor};
