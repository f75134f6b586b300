//! The two vocabularies of a sequence-to-sequence model.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::losses::IGNORE_INDEX;
use crate::models::text::sequences::check_sizes;
use crate::tensor::Tensor;

/// How many tokens sources and targets are made of, and which of them have a meaning of their own.
///
/// Sequences of different lengths are padded on the right. The decoder is fed a start token and then the
/// target; it predicts the target and then an end token.
///
/// ```
/// use demotic::models::Seq2SeqTokens;
///
/// let tokens = Seq2SeqTokens::new(100, 80);
/// let sources = tokens.sources(&[vec![17, 4, 9], vec![5]])?;
/// assert_eq!(sources.to_vec::<i64>()?, [17, 4, 9, 5, 0, 0]);
///
/// let (inputs, labels) = tokens.teacher_forcing(&[vec![30, 31], vec![40]])?;
/// assert_eq!(inputs.to_vec::<i64>()?, [1, 30, 31, 1, 40, 0]);
/// assert_eq!(labels.to_vec::<i64>()?, [30, 31, 2, 40, 2, -100]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Seq2SeqTokens {
    /// How many different tokens there are in sources; 0 where these are no tokens.
    pub source_vocab_size: usize,
    /// How many different tokens there are in targets.
    pub target_vocab_size: usize,
    /// The id that pads short sequences, in both vocabularies.
    pub padding_id: i64,
    /// The target token with which the decoder begins.
    pub start_id: i64,
    /// The target token that ends a target.
    pub end_id: i64,
}

impl Seq2SeqTokens {
    /// Vocabularies of these sizes, in which 0 is padding, 1 the start of a target and 2 its end.
    #[must_use]
    pub fn new(source_vocab_size: usize, target_vocab_size: usize) -> Self {
        Self { source_vocab_size, target_vocab_size, padding_id: 0, start_id: 1, end_id: 2 }
    }

    /// Another id of padding.
    #[must_use]
    pub fn padding_id(mut self, id: i64) -> Self {
        self.padding_id = id;
        self
    }

    /// Another id of the start of a target.
    #[must_use]
    pub fn start_id(mut self, id: i64) -> Self {
        self.start_id = id;
        self
    }

    /// Another id of the end of a target.
    #[must_use]
    pub fn end_id(mut self, id: i64) -> Self {
        self.end_id = id;
        self
    }

    /// Sources as one tensor `[sources, longest]`, padded on the right.
    ///
    /// # Errors
    /// If there are none, or one is empty.
    #[track_caller]
    pub fn sources<S: AsRef<[i64]>>(&self, sources: &[S]) -> Result<Tensor> {
        if let Some(empty) = sources.iter().position(|source| source.as_ref().is_empty()) {
            return Err(Error::argument("seq2seq", format!("source {empty} is empty, expected at least one token")));
        }
        padded("sources", sources.iter().map(|source| source.as_ref().iter().copied()), self.padding_id)
    }

    /// What the decoder is fed and what it shall predict, for targets without start and end: `[start, y₁ … yₙ]` and
    /// `[y₁ … yₙ, end]`, both `[targets, longest + 1]`. Behind them the inputs are padding, and the labels −100, which losses
    /// such as [`token_cross_entropy`](crate::losses::token_cross_entropy) leave out.
    ///
    /// # Errors
    /// If there are no targets.
    #[track_caller]
    pub fn teacher_forcing<T: AsRef<[i64]>>(&self, targets: &[T]) -> Result<(Tensor, Tensor)> {
        let tokens = || targets.iter().map(|target| target.as_ref().iter().copied());
        let inputs = tokens().map(|target| std::iter::once(self.start_id).chain(target));
        let labels = tokens().map(|target| target.chain(std::iter::once(self.end_id)));
        Ok((padded("targets", inputs, self.padding_id)?, padded("targets", labels, IGNORE_INDEX)?))
    }

    /// Whether a model with these vocabularies can be made.
    #[track_caller]
    pub(super) fn check(&self, op: &'static str) -> Result<()> {
        let vocab = self.target_vocab_size;
        check_sizes(op, &[("source_vocab_size", self.source_vocab_size), ("target_vocab_size", vocab)])?;
        let in_targets = [("padding_id", self.padding_id), ("start_id", self.start_id), ("end_id", self.end_id)];
        let inside = |id: i64, size: usize| usize::try_from(id).is_ok_and(|id| id < size);
        if let Some((name, id)) = in_targets.iter().find(|(_, id)| !inside(*id, vocab)) {
            return Err(Error::argument(op, format!("{name} is {id}, which is not among {vocab} target tokens")));
        }
        if !inside(self.padding_id, self.source_vocab_size) {
            let (id, size) = (self.padding_id, self.source_vocab_size);
            return Err(Error::argument(op, format!("padding_id is {id}, which is not among {size} source tokens")));
        }
        if self.end_id == self.padding_id || self.start_id == self.padding_id {
            let message = format!("padding_id is {}, and so is the start or the end of a target", self.padding_id);
            return Err(Error::argument(op, message).with_help("the three must not be confused: give each its own id"));
        }
        Ok(())
    }
}

/// Rows of different lengths as one tensor, padded on the right.
#[track_caller]
fn padded(what: &str, rows: impl Iterator<Item = impl Iterator<Item = i64>>, fill: i64) -> Result<Tensor> {
    let rows: Vec<Vec<i64>> = rows.map(Iterator::collect).collect();
    let Some(longest) = rows.iter().map(Vec::len).max() else {
        return Err(Error::argument("seq2seq", format!("there are no {what}")));
    };
    let ids = rows.iter().flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(fill, longest - row.len())));
    Tensor::from_vec::<i64>(ids.collect(), [rows.len(), longest])
}
