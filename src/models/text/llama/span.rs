//! What blocks of one kind share in a pass: how tokens are turned, and which keys they look at.

use super::rope::Turn;
use super::{LlamaConfig, RopeConfig};
use crate::error::Result;
use crate::tensor::{DType, Tensor};

/// What all blocks with the same view of a text share in a pass.
#[derive(Debug, Clone)]
pub(super) struct Span {
    /// By what queries and new keys are turned.
    pub(super) turn: Turn,
    /// Which of the last `keys` keys are looked at besides what is later: it broadcasts to `[rows, heads, queries, keys]`.
    pub(super) mask: Option<Tensor>,
    /// How many of the last keys are looked at by any query.
    pub(super) keys: usize,
}

/// The views that the blocks of a model have.
#[derive(Debug, Clone)]
pub(super) struct Spans {
    full: Option<Span>,
    sliding: Option<Span>,
}

/// The tokens of a pass.
pub(super) struct Tokens<'a> {
    /// Of the new tokens: `[n]` or `[rows, n]`.
    pub(super) positions: Tensor,
    /// How many there were before.
    pub(super) before: usize,
    /// How many are new.
    pub(super) new: usize,
    /// `[rows, 1, 1, before + new]`, false for padding.
    pub(super) seen: Option<&'a Tensor>,
}

impl Spans {
    #[track_caller]
    pub(super) fn new(config: &LlamaConfig, tokens: &Tokens<'_>, dtype: DType) -> Result<Self> {
        let any = |sliding: bool| (0..config.num_layers).any(|layer| config.is_sliding(layer) == sliding);
        let rope = config.local_rope.as_ref().unwrap_or(&config.rope);
        let total = tokens.before + tokens.new;
        let window = config.sliding_window.unwrap_or(total);
        let lengths = lengths(&tokens.positions)?;
        let span = |rope: &RopeConfig, window: usize| -> Result<Span> {
            let keys = total.min(window.saturating_add(tokens.new - 1));
            let turn = rope.turn(config.head_size(), &tokens.positions, &lengths, dtype)?;
            Ok(Span { turn, mask: tokens.mask(keys, window)?, keys })
        };
        let full = if any(false) { Some(span(&config.rope, total)?) } else { None };
        let sliding = if any(true) { Some(span(rope, window)?) } else { None };
        Ok(Self { full, sliding })
    }

    pub(super) fn of(&self, sliding: bool) -> Option<&Span> {
        if sliding { self.sliding.as_ref() } else { self.full.as_ref() }
    }
}

impl Tokens<'_> {
    /// The mask of the last `keys` keys.
    #[track_caller]
    fn mask(&self, keys: usize, window: usize) -> Result<Option<Tensor>> {
        let total = self.before + self.new;
        let seen = match self.seen {
            Some(seen) => Some(seen.narrow(-1, total - keys, keys)?),
            None => None,
        };
        // A single query looks at all that is left.
        if keys <= window {
            return Ok(seen);
        }
        let first = total - keys;
        let queries = self.before..total;
        let near = queries.flat_map(|query| (first..total).map(move |key| key + window > query)).collect();
        let near = Tensor::from_vec::<bool>(near, [self.new, keys])?;
        match seen {
            Some(seen) => seen.logical_and(&near).map(Some),
            None => Ok(Some(near)),
        }
    }
}

/// How long the text of each row is, as its positions tell.
#[track_caller]
fn lengths(positions: &Tensor) -> Result<Vec<usize>> {
    let time = positions.shape().last().copied().unwrap_or(1).max(1);
    let longest = |row: &[i64]| row.iter().max().map_or(0, |last| usize::try_from(*last).unwrap_or(0) + 1);
    Ok(positions.to_vec::<i64>()?.chunks(time).map(longest).collect())
}
