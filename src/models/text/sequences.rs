//! Batches of token ids: what they must look like, and where their sequences end.

use crate::error::{Error, Result};
use crate::layers::{AttentionMasks, Count};
use crate::models::LmState;
use crate::tensor::{DType, Tensor};

/// Checks token ids `[batch, time]` of type `I64`, at least one of them and at most `limit` in a sequence; returns `batch`
/// and `time`. `what` says what they are ids of: `source token`.
#[track_caller]
pub(in crate::models) fn check_ids(
    op: &'static str,
    what: &str,
    ids: &Tensor,
    limit: Option<usize>,
) -> Result<(usize, usize)> {
    ids.expect_dtype(op, &format!("the {what} ids"), DType::I64)?;
    let &[batch, time] = ids.shape() else {
        let message = format!("{what} ids of shape {:?}, expected [batch, time]", ids.shape());
        return Err(Error::shape(op, message).with_help("a single sequence needs a batch of one: ids.unsqueeze(0)"));
    };
    if batch == 0 || time == 0 {
        let message = format!("{what} ids of shape {:?}, expected at least one sequence and one token", ids.shape());
        return Err(Error::shape(op, message));
    }
    match limit {
        Some(limit) if time > limit => {
            let message = format!("{time} {what}s, but the model looks at {limit} at the most");
            Err(Error::argument(op, message).with_help("cut the sequences, or make the model for longer ones"))
        }
        _ => Ok((batch, time)),
    }
}

/// Checks token ids `[rows, n]` that are fed to a state; returns `n`. With the tokens so far there may be `limit`.
#[track_caller]
pub(super) fn check_next(
    op: &'static str,
    what: &str,
    ids: &Tensor,
    state: &impl LmState,
    limit: Option<usize>,
) -> Result<usize> {
    let (rows, n) = check_ids(op, what, ids, None)?;
    if rows != state.rows() {
        let message = format!("{what} ids of shape {:?} for a state of {} rows", ids.shape(), state.rows());
        return Err(Error::shape(op, message));
    }
    match limit {
        Some(limit) if state.len() + n > limit => {
            let message = format!("{n} {what}s after {} are more than the model looks at ({limit})", state.len());
            Err(Error::argument(op, message).with_help("generation has an option for long texts: sliding_window"))
        }
        _ => Ok(n),
    }
}

/// Checks the numbers of absent tokens with which the rows of a state begin.
#[track_caller]
pub(super) fn check_padding(op: &'static str, padding: &[usize], limit: Option<usize>) -> Result<()> {
    match (padding.iter().max(), limit) {
        (None, _) => Err(Error::argument(op, "there are no sequences")),
        (Some(most), Some(limit)) if *most >= limit => {
            Err(Error::argument(op, format!("a padding of {most} tokens in a context of {limit}")))
        }
        _ => Ok(()),
    }
}

/// The sequences of a batch, some of which may end before its last column.
pub(super) struct Sequences {
    /// The tokens, in front of their padding.
    pub(super) ids: Tensor,
    /// The number of tokens in each sequence; `None` if all fill their rows.
    pub(super) lengths: Option<Vec<usize>>,
}

impl Sequences {
    /// The sequences of `ids`, behind or before which there may be `padding`.
    ///
    /// # Errors
    /// As for [`check_ids`], and if a sequence has no token but padding, or padding between its tokens.
    #[track_caller]
    pub(super) fn new(
        op: &'static str,
        what: &str,
        ids: &Tensor,
        padding: Option<i64>,
        limit: Option<usize>,
    ) -> Result<Self> {
        let (batch, time) = check_ids(op, &format!("{what} token"), ids, limit)?;
        let Some(padding) = padding else { return Ok(Self { ids: ids.clone(), lengths: None }) };
        let (mut rows, mut lengths, mut moved) = (ids.to_vec::<i64>()?, Vec::with_capacity(batch), false);
        for (row, ids) in rows.chunks_exact_mut(time).enumerate() {
            let Some(first) = ids.iter().position(|id| *id != padding) else {
                let message = format!("{what} {row} is nothing but padding ({padding})");
                return Err(Error::argument(op, message).with_help("a sequence needs at least one token"));
            };
            let end = ids.iter().rposition(|id| *id != padding).map_or(time, |last| last + 1);
            if let Some(place) = ids[first..end].iter().position(|id| *id == padding) {
                let message =
                    format!("{what} {row} has padding ({padding}) at place {}, between tokens", first + place);
                return Err(Error::argument(op, message).with_help("padding stands behind the tokens, or before them"));
            }
            ids.rotate_left(first);
            moved |= first > 0;
            lengths.push(end - first);
        }
        let ids = if moved { Tensor::from_vec(rows, [batch, time])? } else { ids.clone() };
        let lengths = if lengths.iter().all(|length| *length == time) { None } else { Some(lengths) };
        Ok(Self { ids, lengths })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.ids.shape()[0]
    }

    /// `[batch, time]`, `true` for padding; `None` if there is none.
    #[track_caller]
    pub(super) fn padding(&self) -> Result<Option<Tensor>> {
        let Some(lengths) = &self.lengths else { return Ok(None) };
        let time = self.ids.shape()[1];
        let mask = lengths.iter().flat_map(|length| (0..time).map(move |i| i >= *length)).collect();
        Ok(Some(Tensor::from_vec::<bool>(mask, [lengths.len(), time])?))
    }
}

/// The mask that hides padding from attention.
pub(super) fn without(padding: Option<&Tensor>) -> AttentionMasks {
    match padding {
        Some(padding) => AttentionMasks::new().key_padding(padding),
        None => AttentionMasks::new(),
    }
}

/// The rows that a state of `count` rows is to be made of, as an index.
#[track_caller]
pub(super) fn row_index(rows: &[usize], count: usize) -> Result<Tensor> {
    check_rows(rows, count)?;
    Tensor::from_vec::<i64>(rows.iter().map(|row| *row as i64).collect(), [rows.len()])
}

/// Checks that a state of so many rows has those that it is to be made of.
#[track_caller]
pub(super) fn check_rows(rows: &[usize], count: usize) -> Result<()> {
    match rows.iter().find(|row| **row >= count) {
        Some(row) => Err(Error::index("reorder", format!("there is no row {row}, the state has {count}"))),
        None => Ok(()),
    }
}

/// Checks the sizes of a model, of which none may be 0.
#[track_caller]
pub(super) fn check_sizes(op: &'static str, sizes: &[(&str, usize)]) -> Result<()> {
    match sizes.iter().find(|(_, size)| *size == 0) {
        Some((name, _)) => Err(Error::argument(op, format!("{name} is 0, expected at least 1"))),
        None => Ok(()),
    }
}

/// Checks that the vector of a token can be divided among the heads of attention.
#[track_caller]
pub(super) fn check_heads(op: &'static str, hidden_size: usize, num_heads: usize) -> Result<()> {
    if hidden_size.is_multiple_of(num_heads) {
        return Ok(());
    }
    let message = format!("hidden_size {hidden_size} is not a multiple of num_heads {num_heads}");
    Err(Error::argument(op, message).with_help("each head gets hidden_size / num_heads of the vector's elements"))
}

/// The parameters of a block with one attention, whose heads together may be wider or narrower than what is between blocks.
pub(super) fn block_parameters(hidden: usize, inner: usize, heads: usize, head_dim: usize) -> Count {
    let (c, inner, queries) = (Count::new(hidden), Count::new(inner), Count::new(heads) * head_dim);
    (c * 4 + 3) * queries + c * 3 + (c * inner * 2 + inner + c * 3)
}
