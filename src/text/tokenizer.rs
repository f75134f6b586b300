//! What all tokenizers can do.

use std::fmt;
use std::sync::Arc;

use super::decode_stream::{DecodeStream, TokenDecoder};
use crate::error::{Error, Here, Result};
use crate::tensor::{DType, Tensor};

/// Text into token ids and back.
///
/// The trait is object-safe: functions take `&dyn Tokenizer`, and [`text::load`](super::load) returns whatever kind a file
/// holds, as a `Box<dyn Tokenizer>`, which is a tokenizer as well (so are `&T` and `Arc<T>` of one). Ids are `i64`, the type of index tensors.
///
/// Special tokens that stand in a text, such as `<|endoftext|>`, are recognised and become one id each.
///
/// ```
/// use demotic::text::{BatchOptions, CharTokenizer, Tokenizer};
///
/// let tokenizer = CharTokenizer::fit(["hello, world"])?.with_special_tokens(&["<pad>"])?;
/// let ids = tokenizer.encode("hold")?;
/// assert_eq!(tokenizer.decode(&ids)?, "hold");
///
/// let batch = tokenizer.encode_batch(["hello", "old"], &BatchOptions::new())?;
/// assert_eq!(batch.ids.shape(), [2, 5]);
/// assert_eq!(batch.mask.to_vec::<bool>()?[5..], [true, true, true, false, false]);
/// # Ok::<(), demotic::Error>(())
/// ```
pub trait Tokenizer: fmt::Debug + Send + Sync {
    /// The ids of a text.
    ///
    /// # Errors
    /// If the text has something for which there is no token.
    #[track_caller]
    fn encode(&self, text: &str) -> Result<Vec<i64>>;

    /// The ids of a text without the special tokens that the tokenizer puts around every text, as for a part of a text or
    /// for one that has them already. Those that stand in the text are recognised.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode).
    #[track_caller]
    fn encode_without_special(&self, text: &str) -> Result<Vec<i64>> {
        self.encode(text)
    }

    /// The text of some ids. Bytes that are not UTF-8 become U+FFFD, as in [`String::from_utf8_lossy`].
    ///
    /// # Errors
    /// If an id is not in the vocabulary.
    #[track_caller]
    fn decode(&self, ids: &[i64]) -> Result<String>;

    /// The number of ids: all are below it. It is the size of an embedding and of the logits.
    fn vocab_size(&self) -> usize;

    /// The token with an id, in the form in which vocabularies list it.
    fn token(&self, id: i64) -> Option<String>;

    /// The id of a token.
    fn id(&self, token: &str) -> Option<i64>;

    /// The special tokens with their ids, in the order of the ids.
    fn special_tokens(&self) -> Vec<(String, i64)>;

    /// The tokenizer as the JSON text that [`save`](super::save) writes.
    ///
    /// # Errors
    /// If there is no JSON form, as for a tokenizer of another crate that does not implement this.
    #[track_caller]
    fn to_json(&self) -> Result<String> {
        Err(Error::state("to_json", format!("{self:?} has no JSON form")))
    }

    /// The id that pads short texts of a batch: by default the first special token of the names `[PAD]`, `<pad>`,
    /// `<|pad|>` and `<PAD>`.
    fn pad_id(&self) -> Option<i64> {
        let special = self.special_tokens();
        special.into_iter().find(|(name, _)| PAD_NAMES.contains(&name.as_str())).map(|(_, id)| id)
    }

    /// A decoder of one text, token by token, if what a token adds to a text depends on more than the token. Only
    /// [`DecodeStream`] asks for it; of a tokenizer that has neither this nor [`token_bytes`](Self::token_bytes), it decodes
    /// the latest tokens together.
    fn token_decoder(&self) -> Option<Box<dyn TokenDecoder + '_>> {
        None
    }

    /// The bytes that a token adds to a text; `first` says whether it is the first one. `None` if this depends on more
    /// than the token. Only [`DecodeStream`] asks for it.
    ///
    /// # Errors
    /// If the id is not in the vocabulary.
    #[track_caller]
    fn token_bytes(&self, id: i64, first: bool) -> Result<Option<Vec<u8>>> {
        let _ = (id, first);
        Ok(None)
    }

    /// The ids of a text, cut to at most `max_length` of them: the first, or with `keep_end` the last. Special tokens that
    /// the tokenizer puts around each text stay.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode).
    #[track_caller]
    fn encode_at_most(&self, text: &str, max_length: usize, keep_end: bool) -> Result<Vec<i64>> {
        let mut ids = self.encode(text)?;
        truncate(&mut ids, max_length, keep_end);
        Ok(ids)
    }

    /// The text without the special tokens.
    ///
    /// # Errors
    /// As for [`decode`](Self::decode).
    #[track_caller]
    fn decode_without_special(&self, ids: &[i64]) -> Result<String> {
        let special = self.special_tokens();
        let ids: Vec<i64> = ids.iter().copied().filter(|id| !special.iter().any(|(_, other)| other == id)).collect();
        self.decode(&ids)
    }

    /// Decodes one token at a time, for text that appears while it is generated.
    fn decode_stream(&self) -> DecodeStream<'_>
    where
        Self: Sized,
    {
        DecodeStream::new(self)
    }
}

/// The ids of several texts as one tensor, short ones padded. Any texts will do: `["a", "b"]`, a `Vec<String>`, an iterator.
///
/// Every tokenizer of this crate has it as a method, and so has `dyn Tokenizer`.
///
/// # Errors
/// If there are no texts, as for [`encode`](Tokenizer::encode), and if texts have to be padded and there is no id for it.
#[track_caller]
pub fn encode_batch<T: AsRef<str>>(
    tokenizer: &dyn Tokenizer,
    texts: impl IntoIterator<Item = T>,
    options: &BatchOptions,
) -> Result<TokenBatch> {
    let mut rows = Vec::new();
    for text in texts {
        rows.push(match options.longest() {
            Some(max_length) => tokenizer.encode_at_most(text.as_ref(), max_length, options.keep_end).here()?,
            None => tokenizer.encode(text.as_ref()).here()?,
        });
    }
    batch("encode_batch", &rows, options, tokenizer.pad_id())
}

/// Methods that take any strings: those of a trait of which there are objects cannot.
macro_rules! batches {
    ($($(#[$cfg:meta])* $tokenizer:ty),* $(,)?) => {$(
        $(#[$cfg])*
        impl $tokenizer {
            /// The ids of several texts as one tensor, short ones padded: [`text::encode_batch`](encode_batch).
            ///
            /// # Errors
            /// As there.
            #[track_caller]
            pub fn encode_batch<T: AsRef<str>>(
                &self,
                texts: impl IntoIterator<Item = T>,
                options: &BatchOptions,
            ) -> Result<TokenBatch> {
                encode_batch(self, texts, options)
            }
        }
    )*};
}

batches!(
    dyn Tokenizer + '_,
    super::CharTokenizer,
    super::WordTokenizer,
    super::BpeTokenizer,
    super::WordPieceTokenizer,
    super::PublishedTokenizer,
    #[cfg(feature = "tokenizers")]
    super::HuggingFaceTokenizer,
);

/// What stands for a tokenizer is one: whatever takes `&dyn Tokenizer` or `impl Tokenizer` takes these too.
macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: Tokenizer + ?Sized> Tokenizer for $pointer {
            #[track_caller]
            fn encode(&self, text: &str) -> Result<Vec<i64>> {
                (**self).encode(text).here()
            }

            #[track_caller]
            fn encode_without_special(&self, text: &str) -> Result<Vec<i64>> {
                (**self).encode_without_special(text).here()
            }

            #[track_caller]
            fn decode(&self, ids: &[i64]) -> Result<String> {
                (**self).decode(ids).here()
            }

            fn vocab_size(&self) -> usize {
                (**self).vocab_size()
            }

            fn token(&self, id: i64) -> Option<String> {
                (**self).token(id)
            }

            fn id(&self, token: &str) -> Option<i64> {
                (**self).id(token)
            }

            fn special_tokens(&self) -> Vec<(String, i64)> {
                (**self).special_tokens()
            }

            #[track_caller]
            fn to_json(&self) -> Result<String> {
                (**self).to_json().here()
            }

            fn pad_id(&self) -> Option<i64> {
                (**self).pad_id()
            }

            fn token_decoder(&self) -> Option<Box<dyn TokenDecoder + '_>> {
                (**self).token_decoder()
            }

            #[track_caller]
            fn token_bytes(&self, id: i64, first: bool) -> Result<Option<Vec<u8>>> {
                (**self).token_bytes(id, first).here()
            }

            #[track_caller]
            fn encode_at_most(&self, text: &str, max_length: usize, keep_end: bool) -> Result<Vec<i64>> {
                (**self).encode_at_most(text, max_length, keep_end).here()
            }

            #[track_caller]
            fn decode_without_special(&self, ids: &[i64]) -> Result<String> {
                (**self).decode_without_special(ids).here()
            }
        }
    )*};
}

forward!(&T, Box<T>, Arc<T>);

const PAD_NAMES: [&str; 4] = ["[PAD]", "<pad>", "<|pad|>", "<PAD>"];

/// How [`encode_batch`] cuts long texts and pads short ones. By default nothing is cut, and
/// every text is padded on the right to the length of the longest one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchOptions {
    max_length: Option<usize>,
    length: Option<usize>,
    keep_end: bool,
    pad_left: bool,
    pad_id: Option<i64>,
}

impl BatchOptions {
    /// The default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts texts to this number of tokens.
    #[must_use]
    #[doc(alias = "truncation")]
    pub fn max_length(mut self, tokens: usize) -> Self {
        self.max_length = Some(tokens);
        self
    }

    /// Makes every text exactly this long.
    #[must_use]
    pub fn length(mut self, tokens: usize) -> Self {
        self.length = Some(tokens);
        self
    }

    /// Cuts texts at their beginning and keeps the end, as a language model needs it of a prompt.
    #[must_use]
    pub fn keep_end(mut self) -> Self {
        self.keep_end = true;
        self
    }

    /// Pads on the left, so that all texts end in the last column.
    #[must_use]
    #[doc(alias = "padding_side")]
    pub fn pad_left(mut self) -> Self {
        self.pad_left = true;
        self
    }

    /// The id to pad with, instead of the tokenizer's own ([`Tokenizer::pad_id`]).
    #[must_use]
    pub fn pad_id(mut self, id: i64) -> Self {
        self.pad_id = Some(id);
        self
    }
}

impl BatchOptions {
    /// The length beyond which texts are cut.
    pub(super) fn longest(&self) -> Option<usize> {
        self.max_length.into_iter().chain(self.length).min()
    }
}

/// Texts as tensors.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TokenBatch {
    /// `[texts, length]`, `I64`.
    pub ids: Tensor,
    /// `[texts, length]`, `Bool`: `true` for tokens, `false` where a text was padded.
    pub mask: Tensor,
}

/// Keeps the first `max_length` elements, or the last.
pub(super) fn truncate(ids: &mut Vec<i64>, max_length: usize, keep_end: bool) {
    if keep_end {
        ids.drain(..ids.len().saturating_sub(max_length));
    } else {
        ids.truncate(max_length);
    }
}

/// What is left of `max_length` beside special tokens.
#[track_caller]
pub(super) fn room(op: &'static str, max_length: usize, special: usize) -> Result<usize> {
    max_length
        .checked_sub(special)
        .ok_or_else(|| {
            Error::argument(
                op,
                format!("{max_length} tokens leave no room for the {special} special tokens around the text"),
            )
        })
        .here()
}

/// Takes tokens from the end of the longer of two texts until both fit: as much of it as fits, or half of the room for each.
pub(super) fn fit_pair(first: &mut Vec<i64>, second: &mut Vec<i64>, room: usize) {
    let shorter = first.len().min(second.len());
    let (short, long) = if 2 * shorter <= room { (shorter, room - shorter) } else { (room / 2, room - room / 2) };
    let lengths = if first.len() > second.len() { (long, short) } else { (short, long) };
    first.truncate(lengths.0);
    second.truncate(lengths.1);
}

/// Puts rows of different lengths into one tensor.
#[track_caller]
pub(super) fn batch(
    op: &'static str,
    rows: &[Vec<i64>],
    options: &BatchOptions,
    pad_id: Option<i64>,
) -> Result<TokenBatch> {
    if rows.is_empty() {
        return Err(Error::argument(op, "there are no texts"));
    }
    let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
    let length = options.length.unwrap_or(longest);
    let pad = match options.pad_id.or(pad_id) {
        Some(id) => id,
        // Nothing has to be padded, so the value does not matter.
        None if rows.iter().all(|row| row.len() == length) => 0,
        None => {
            let message = "the texts have different lengths, and the tokenizer has no token to pad with";
            return Err(Error::argument(op, message).with_help(
                "add a special token `<pad>` to the tokenizer, or choose an id with text::BatchOptions::pad_id",
            ));
        }
    };
    let shape = [rows.len(), length];
    let mut ids = Tensor::full_dtype(shape, 0.0, DType::I64)?;
    let mut mask = Tensor::full_dtype(shape, 0.0, DType::Bool)?;
    ids.as_mut_slice::<i64>()?.fill(pad);
    if length > 0 {
        let masks = mask.as_mut_slice::<bool>()?.chunks_mut(length);
        for (row, (ids, mask)) in rows.iter().zip(ids.as_mut_slice::<i64>()?.chunks_mut(length).zip(masks)) {
            let start = if options.pad_left { length - row.len() } else { 0 };
            ids[start..start + row.len()].copy_from_slice(row);
            mask[start..start + row.len()].fill(true);
        }
    }
    Ok(TokenBatch { ids, mask })
}
