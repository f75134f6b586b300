//! Token ids for language models: every position's target is the token that follows it.
//!
//! | | a sample is |
//! |---|---|
//! | [`NextTokens`] | a window of one long stream; documents may follow each other in it |
//! | [`Sentences`] | a sentence of its own, padded to the longest of the batch |
//!
//! Inputs and targets are shifted against each other here and nowhere else: models and losses see position `t` of the
//! one beside position `t` of the other.

mod documents;
mod next_tokens;
mod padding;
mod sentences;

pub use documents::document_mask;
pub use next_tokens::NextTokens;
pub use padding::{PaddedSequences, Padding};
pub use sentences::{PaddedBatch, Sentences};

/// The target at padding: the class number that [`CrossEntropy`](crate::losses::CrossEntropy) passes over.
pub const IGNORE_INDEX: i64 = -100;
