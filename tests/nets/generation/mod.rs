//! Sampling and generation, with small models whose every answer is known.

mod bad_input;
mod beams;
#[cfg(feature = "constraint")]
mod constraints;
mod contexts;
mod continuations;
mod gpts;
mod models;
mod real_tokenizers;
mod running;
mod scores;
mod texts;
mod transformers;
