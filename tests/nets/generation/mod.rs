//! Sampling and generation, with small models whose every answer is known.

mod bad_input;
mod beams;
mod contexts;
mod continuations;
mod gpts;
mod models;
mod real_tokenizers;
mod scores;
mod texts;
mod transformers;
