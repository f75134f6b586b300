//! Deep learning in plain Rust: train, fine-tune and run neural networks on the machine you have.

#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod autograd;
pub mod error;
pub mod layers;
// pub mod losses;
pub mod memory;
pub mod parallel;
pub mod profile;
pub mod rng;
pub mod tensor;

pub use error::{Error, ErrorKind, Result};
pub use rng::Rng;
pub use tensor::{DType, Element, Float, Tensor};
