//! Text into numbers, and numbers into text.

mod corpus;
mod sampling;

pub use corpus::{TokenStream, TokenWriter};
pub use sampling::{History, Sampler};
pub(crate) use sampling::{Scratch, check_logits, kth_largest};
