//! What a decoder is told besides the tokens.

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// Which tokens are seen, and at which positions they stand. By default all are seen, at the positions 0, 1, 2 …
///
/// See [`Gpt::forward_with`](super::Gpt::forward_with) and [`Llama::forward_with`](super::Llama::forward_with).
#[derive(Debug, Clone, Default)]
pub struct TokenInputs {
    mask: Option<Tensor>,
    positions: Option<Tensor>,
}

impl TokenInputs {
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tokens that may be looked at: `[batch, time]` of type `Bool`, `false` for padding; whole numbers do as well, 0 for padding
    /// (`attention_mask` of `transformers`). The mask of a [`TokenBatch`](crate::text::TokenBatch) fits.
    ///
    /// What comes out at tokens that are not seen is finite and means nothing. Positions stay as they are, so that texts
    /// padded on the left are read as if they began late, as in `transformers`; [`padded`](Self::padded) counts them from the
    /// first token of each text.
    #[must_use]
    #[doc(alias = "attention_mask")]
    pub fn mask(mut self, mask: &Tensor) -> Self {
        self.mask = Some(mask.clone());
        self
    }

    /// The position of each token: `[time]` or `[batch, time]` of type `I64`, from 0 to below the context length
    /// (`position_ids` of `transformers`).
    #[must_use]
    #[doc(alias = "position_ids")]
    pub fn positions(mut self, positions: &Tensor) -> Self {
        self.positions = Some(positions.clone());
        self
    }

    /// Texts of different lengths, padded on either side: [`mask`](Self::mask) with positions that count the tokens that are
    /// seen, so that each text gives the logits that it would give alone.
    ///
    /// # Errors
    /// If the mask is not `[batch, time]`.
    #[track_caller]
    pub fn padded(mask: &Tensor) -> Result<Self> {
        let &[batch, time] = mask.shape() else { return Err(wrong_mask("padded", mask.shape(), None)) };
        let seen = mask.to_f64_vec();
        let mut positions = Vec::with_capacity(seen.len());
        for row in seen.chunks_exact(time.max(1)) {
            let mut next = 0;
            for token in row {
                positions.push(next);
                next += i64::from(*token != 0.0);
            }
        }
        Ok(Self::new().mask(mask).positions(&Tensor::from_vec::<i64>(positions, [batch, time])?))
    }

    /// The mask as it was given.
    pub(super) fn given_mask(&self) -> Option<&Tensor> {
        self.mask.as_ref()
    }

    /// The mask of keys, `[batch, 1, 1, time]`; `None` if all are seen.
    #[track_caller]
    pub(super) fn key_mask(&self, op: &'static str, batch: usize, time: usize) -> Result<Option<Tensor>> {
        let Some(mask) = &self.mask else { return Ok(None) };
        if mask.shape() != [batch, time] {
            return Err(wrong_mask(op, mask.shape(), Some([batch, time])));
        }
        if mask.dtype().is_float() {
            let message = format!("the mask has elements of type {}, expected bool or whole numbers", mask.dtype());
            return Err(
                Error::dtype(op, message).with_help("this is no mask that is added to scores: 1 is seen, 0 is not")
            );
        }
        mask.to_dtype(DType::Bool).reshape([batch, 1, 1, time]).map(Some)
    }

    #[track_caller]
    pub(super) fn positions_of(&self, op: &'static str, batch: usize, time: usize, context: usize) -> Result<Tensor> {
        let Some(positions) = &self.positions else { return Tensor::arange(time) };
        positions.expect_dtype(op, "the positions", DType::I64)?;
        let shape = positions.shape();
        if shape != [time] && shape != [batch, time] && shape != [1, time] {
            let message = format!("positions of shape {shape:?}, expected [{time}] or [{batch}, {time}]");
            return Err(Error::shape(op, message));
        }
        let beyond = |position: &&i64| usize::try_from(**position).map_or(true, |position| position >= context);
        match positions.to_vec::<i64>()?.iter().find(beyond) {
            Some(position) => {
                let message = format!("position {position}, the context has {context}, counted from 0");
                Err(Error::index(op, message))
            }
            None => Ok(positions.clone()),
        }
    }
}

#[track_caller]
fn wrong_mask(op: &'static str, shape: &[usize], expected: Option<[usize; 2]>) -> Error {
    let expected = expected.map_or("[batch, time]".to_string(), |shape| format!("{shape:?}"));
    let e = Error::shape(op, format!("a mask of shape {shape:?}, expected {expected}"));
    e.with_help("true or 1 for tokens, false or 0 for padding; later tokens are hidden anyway")
}
