//! Complete models.
//!
//! | | for |
//! |---|---|
//! | [`Mlp`] | tables of numbers: a few dense layers with activations and dropout |
//! | [`Gpt`] | text: a decoder-only transformer that predicts the next token |
//! | [`RecurrentLm`] | text: predicts the next token with an LSTM, GRU or plain recurrent network |
//! | [`TransformerClassifier`] | text: which class a sequence of tokens belongs to |
//! | [`Seq2SeqTransformer`], [`Seq2SeqLstm`] | from one sequence to another: translation, answers to questions |
//! | [`LinearRegression`] | a baseline for numbers, fitted exactly by least squares |
//!
//! Language models implement [`CausalLm`], and [`Generate`] continues text with any of them.

mod causal_lm;
mod generate;
pub mod gpt;
mod linear_regression;
mod mlp;
mod options;
mod recurrent_lm;
mod seq2seq;
mod sequences;
mod token_embedding;
mod transformer_classifier;

pub use causal_lm::{CausalLm, LmState};
pub use generate::{
    Beam, BeamSearch, BeamStop, Continuation, FinishReason, Generate, GenerateOptions, Generator, Likelihood,
    TextContinuation, TextGenerator, Token,
};
pub use gpt::{Gpt, GptConfig, GptInputs, GptState};
pub use linear_regression::{LinearRegression, LinearRegressionConfig};
pub use mlp::{Mlp, MlpConfig};
pub use recurrent_lm::{RecurrentCell, RecurrentLm, RecurrentLmConfig, RecurrentLmState};
pub use seq2seq::{
    Encoded, Seq2Seq, Seq2SeqLstm, Seq2SeqLstmConfig, Seq2SeqLstmState, Seq2SeqTokens, Seq2SeqTransformer,
    Seq2SeqTransformerConfig, Seq2SeqTransformerState,
};
pub use token_embedding::{PositionKind, Positions, TokenEmbedding};
pub use transformer_classifier::{Pooling, TransformerClassifier, TransformerClassifierConfig};
