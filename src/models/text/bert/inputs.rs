//! What a BERT is told besides the tokens.

use super::{BertConfig, NAME};
use crate::error::{Error, Result};
use crate::models::TokenInputs;
use crate::tensor::{DType, Tensor};

/// Which tokens are seen, of which kind they are, and at which positions they stand. By default all are seen that are no padding,
/// are of kind 0, and stand where they are.
///
/// See [`Bert::hidden_with`](super::Bert::hidden_with).
#[derive(Debug, Clone, Default)]
pub struct BertInputs {
    tokens: TokenInputs,
    masked: bool,
    placed: bool,
    types: Option<Tensor>,
}

impl BertInputs {
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tokens that are looked at: `[batch, time]` of type `Bool`, `false` for padding; whole numbers do as well
    /// (`attention_mask` of `transformers`). The mask of a [`TokenBatch`](crate::text::TokenBatch) fits.
    #[must_use]
    #[doc(alias = "attention_mask")]
    pub fn mask(mut self, mask: &Tensor) -> Self {
        (self.tokens, self.masked) = (self.tokens.mask(mask), true);
        self
    }

    /// The position of each token: `[time]` or `[batch, time]` of type `I64` (`position_ids` of `transformers`).
    #[must_use]
    #[doc(alias = "position_ids")]
    pub fn positions(mut self, positions: &Tensor) -> Self {
        (self.tokens, self.placed) = (self.tokens.positions(positions), true);
        self
    }

    /// The kind of each token, `[batch, time]` of type `I64`: 0 for the first text of a pair, 1 for the second
    /// (`token_type_ids` of `transformers`).
    #[must_use]
    #[doc(alias = "token_type_ids")]
    pub fn token_types(mut self, types: &Tensor) -> Self {
        self.types = Some(types.clone());
        self
    }

    /// The tokens that are not seen: `[batch, time]`, `true` for them; `None` if all are.
    #[track_caller]
    pub(super) fn absent(&self, config: &BertConfig, ids: &Tensor) -> Result<Option<Tensor>> {
        let (batch, time) = (ids.shape()[0], ids.shape()[1]);
        if self.masked {
            return match self.tokens.key_mask(NAME, batch, time)? {
                Some(seen) => seen.reshape([batch, time])?.logical_not().map(Some),
                None => Ok(None),
            };
        }
        let Some(padding) = config.padding_id else { return Ok(None) };
        let absent: Vec<bool> = ids.to_vec::<i64>()?.into_iter().map(|id| id == padding).collect();
        match absent.contains(&true) {
            true => Ok(Some(Tensor::from_vec(absent, [batch, time])?)),
            false => Ok(None),
        }
    }

    #[track_caller]
    pub(super) fn positions_of(&self, config: &BertConfig, ids: &Tensor) -> Result<Tensor> {
        let (batch, time) = (ids.shape()[0], ids.shape()[1]);
        if self.placed || config.first_position == 0 {
            return self.tokens.positions_of(NAME, batch, time, config.max_positions);
        }
        let first = config.first_position as i64;
        let mut positions = ids.to_vec::<i64>()?;
        for row in positions.chunks_mut(time) {
            let mut next = first;
            for id in row {
                let absent = Some(*id) == config.padding_id;
                *id = if absent { first - 1 } else { next };
                next += i64::from(!absent);
            }
        }
        Tensor::from_vec(positions, [batch, time])
    }

    #[track_caller]
    pub(super) fn types_of(&self, config: &BertConfig, ids: &Tensor) -> Result<Option<Tensor>> {
        match &self.types {
            Some(_) if config.token_types == 0 => {
                Err(Error::argument(NAME, "kinds of tokens, of which the model knows none"))
            }
            Some(types) if types.shape() != ids.shape() => {
                let message = format!("kinds of shape {:?} for tokens {:?}", types.shape(), ids.shape());
                Err(Error::shape(NAME, message))
            }
            Some(types) => {
                types.expect_dtype(NAME, "the kinds of tokens", DType::I64)?;
                Ok(Some(types.clone()))
            }
            // One for all, which is broadcast.
            None if config.token_types > 0 => Ok(Some(Tensor::full_dtype([1, 1], 0.0, DType::I64)?)),
            None => Ok(None),
        }
    }
}
