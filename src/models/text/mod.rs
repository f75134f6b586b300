//! Models of text: what a language model is, generation with any of them, classes, and from one sequence to another.

pub mod bert;
mod causal_lm;
mod classifier;
mod generate;
pub mod gpt;
mod inputs;
mod kv_state;
mod language_model;
pub mod llama;
pub(crate) mod piece;
mod pooling;
mod recurrent_lm;
mod seq2seq;
mod sequences;
pub mod t5;
mod tcn;
mod text_cnn;
mod token_embedding;
mod transformer_classifier;
pub mod whisper;

pub use bert::{
    AnswerSpan, Bert, BertConfig, BertFamily, BertForMaskedLm, BertForQuestionAnswering, BertForSequenceClassification,
    BertForTokenClassification, BertInputs,
};
pub use causal_lm::{CausalLm, LmState, MemoryNeed};
pub use classifier::{LanguageModelClassifierConfig, LanguageModelConfig, LanguageModelForSequenceClassification};
#[cfg(feature = "constraint")]
pub use generate::Constraint;
pub use generate::{
    BatchGenerator, Beam, BeamSearch, BeamStop, CancelHandle, Continuation, FinishReason, Generate, GenerateOptions,
    Generator, Likelihood, PrefixCached, PrefixState, PrefixStats, Speculation, TextContinuation, TextGenerator, Token,
    TokenConstraint,
};
pub use gpt::{Gpt, GptConfig, GptInputs, GptState};
pub use inputs::TokenInputs;
pub use kv_state::KvState;
pub use language_model::LanguageModel;
pub use llama::{Llama, LlamaConfig, LlamaFamily, RopeConfig, RopeScaling};
pub use recurrent_lm::{RecurrentCell, RecurrentLm, RecurrentLmConfig, RecurrentLmState};
pub use seq2seq::{
    Encoded, EncoderDecoderState, Seq2Seq, Seq2SeqLstm, Seq2SeqLstmConfig, Seq2SeqLstmState, Seq2SeqTokens,
    Seq2SeqTransformer, Seq2SeqTransformerConfig, Seq2SeqTransformerState,
};
pub(super) use sequences::check_ids;
pub use t5::{T5, T5Config, T5Encoder};
pub use tcn::{Tcn, TcnBlock, TcnConfig, TcnState};
pub use text_cnn::{TextCnn, TextCnnConfig};
pub use token_embedding::{PositionKind, Positions, TokenEmbedding};
pub use transformer_classifier::{Pooling, TransformerClassifier, TransformerClassifierConfig};
pub use whisper::{LogMel, SpeechSegment, SpeechTask, TranscribeOptions, Whisper, WhisperConfig, WhisperTokens};
