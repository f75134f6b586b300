//! Text into numbers, and numbers into text.

mod corpus;

pub use corpus::{TokenStream, TokenWriter};
