//! Sampling and generation, with small models whose every answer is known.

#[path = "../common/golden.rs"]
mod golden;
#[path = "../common/gpt.rs"]
mod gpt;

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
