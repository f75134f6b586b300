//! Text into numbers, and numbers into text.
//!
//! A [`Tokenizer`] cuts a text into tokens and numbers them. Which one to take:
//!
//! | tokenizer | tokens | for |
//! |---|---|---|
//! | [`CharTokenizer`] | characters | small models; the simplest one |
//! | [`WordTokenizer`] | words, as in Keras | classification; loses case and punctuation |
//! | [`BpeTokenizer`] | frequent sequences of bytes, as in GPT-2 | language models; loses nothing, knows every text |
//! | [`WordPieceTokenizer`] | words and parts of them, as in BERT | BERT and its relatives |
//! | [`PublishedTokenizer`] | what a `tokenizer.json` says | published models |
#![cfg_attr(
    feature = "tokenizers",
    doc = "| [`HuggingFaceTokenizer`] | whatever a `tokenizer.json` says, through its own library | the rest of them |"
)]
//!
//! ```
//! use demotic::text::{self, BpeOptions, BpeTokenizer, TokenStream, Tokenizer};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("tokenizer.json");
//! let text = "one fish, two fish, red fish, blue fish";
//! let tokenizer = BpeTokenizer::train([text], &BpeOptions::new().vocab_size(300))?;
//! let ids = tokenizer.encode(text)?;
//! assert!(ids.len() < text.len());
//! assert_eq!(tokenizer.decode(&ids)?, text);
//!
//! text::save(&tokenizer, &path)?;
//! assert_eq!(text::load(&path)?.encode(text)?, ids);
//!
//! // What language models are trained on: one long stream of tokens.
//! let (train, validation) = TokenStream::from_ids(ids)?.split(0.9)?;
//! assert!(train.len() > validation.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`encode_batch`] makes tensors of several texts, [`DecodeStream`] shows text while it is generated, and a
//! [`TokenStream`] holds the ids of a whole corpus, in memory or in a file. A [`Sampler`] draws the next token from a
//! model's logits.

mod bpe;
mod char;
#[cfg(feature = "chat")]
mod chat;
mod corpus;
mod decode_stream;
#[cfg(feature = "tokenizers")]
mod hugging_face;
mod published;
mod sampling;
mod saved;
mod tokenizer;
mod unicode;
mod vocabulary;
mod word;
mod wordpiece;

pub use bpe::{BpeOptions, BpeTokenizer};
pub use char::CharTokenizer;
#[cfg(feature = "chat")]
pub use chat::{ChatTemplate, Message};
pub use corpus::{TokenStream, TokenWriter};
pub use decode_stream::{DecodeStream, TokenDecoder};
#[cfg(feature = "tokenizers")]
pub use hugging_face::HuggingFaceTokenizer;
pub(crate) use published::GgufVocabulary;
pub use published::PublishedTokenizer;
pub use sampling::{Sampler, TokenHistory};
pub(crate) use sampling::{Scratch, check_logits, drawn, kth_largest};
pub(crate) use saved::parse_any as parse;
pub use saved::{from_json, load, save};
pub use tokenizer::{BatchOptions, TokenBatch, Tokenizer, encode_batch};
pub use word::{WordCount, WordTokenizer};
pub use wordpiece::{PairEncoding, WordPieceTokenizer};
