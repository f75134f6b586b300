//! Complete models.
//!
//! | | for |
//! |---|---|
//! | [`Mlp`] | tables of numbers: a few dense layers with activations and dropout |
//! | [`Gpt`] | text: a decoder-only transformer that predicts the next token |
//! | [`RecurrentLm`] | text: predicts the next token with an LSTM, GRU or plain recurrent network |
//! | [`LinearRegression`] | a baseline for numbers, fitted exactly by least squares |
//!
//! Language models implement [`CausalLm`], and [`Generate`] continues text with any of them.

mod causal_lm;
mod generate;
pub mod gpt;
mod linear_regression;
mod mlp;
mod recurrent_lm;

pub use causal_lm::{CausalLm, LmState};
pub use generate::{
    Beam, BeamSearch, BeamStop, Continuation, FinishReason, Generate, GenerateOptions, Generator, Perplexity,
    TextContinuation, TextGenerator, Token,
};
pub use gpt::{Gpt, GptConfig, GptState};
pub use linear_regression::LinearRegression;
pub use mlp::Mlp;
pub use recurrent_lm::{RecurrentCell, RecurrentLm, RecurrentLmConfig, RecurrentLmState};
