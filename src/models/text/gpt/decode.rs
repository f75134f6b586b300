//! A GPT that remembers the keys and values of earlier tokens, so that each token is computed once.

use std::panic::Location;

use super::block::Past;
use super::{Gpt, NAME};
use crate::autograd::pause_recording;
use crate::error::Result;
use crate::layers::{KvCache, LayerExt, Mode};
use crate::models::text::sequences::{check_next, check_padding, check_rows};
use crate::models::{CausalLm, LmState};
use crate::tensor::Tensor;

/// The keys and values of the tokens that a [`Gpt`] was fed, in each of its blocks.
#[derive(Debug, Clone)]
pub struct GptState {
    caches: Vec<KvCache>,
    /// How many tokens of each row are padding.
    padding: Vec<usize>,
    len: usize,
}

impl LmState for GptState {
    fn rows(&self) -> usize {
        self.padding.len()
    }

    fn len(&self) -> usize {
        self.len
    }

    #[track_caller]
    fn reorder(&mut self, rows: &[usize]) -> Result<()> {
        check_rows(rows, self.rows())?;
        for cache in &mut self.caches {
            cache.reorder(rows)?;
        }
        self.padding = rows.iter().map(|row| self.padding[*row]).collect();
        Ok(())
    }
}

impl GptState {
    /// The positions of the next `n` tokens: `[n]`, or `[rows, n]` where rows have begun at different times.
    fn positions(&self, n: usize) -> Result<Tensor> {
        let from = |padding: usize| (self.len..self.len + n).map(move |i| i.saturating_sub(padding) as i64);
        if self.padding.iter().all(|padding| *padding == 0) {
            return Tensor::from_vec(from(0).collect(), [n]);
        }
        Tensor::from_vec(self.padding.iter().flat_map(|padding| from(*padding)).collect(), [self.rows(), n])
    }

    /// Which of the tokens so far and the next `n` are no padding: `[rows, 1, 1, tokens]`; `None` if all are.
    fn mask(&self, n: usize) -> Result<Option<Tensor>> {
        if self.padding.iter().all(|padding| *padding == 0) {
            return Ok(None);
        }
        let keys = self.len + n;
        let mask = self.padding.iter().flat_map(|padding| (0..keys).map(move |i| i >= *padding)).collect();
        Ok(Some(Tensor::from_vec::<bool>(mask, [self.rows(), 1, 1, keys])?))
    }
}

impl Gpt {
    /// The vectors behind the last block for tokens that follow upon those of the state.
    #[track_caller]
    fn extend_hidden(&self, ids: &Tensor, state: &mut GptState) -> Result<Tensor> {
        let n = check_next(NAME, "token", ids, state, self.context_length())?;
        let (positions, mask) = (state.positions(n)?, state.mask(n)?);
        let mode = &mut Mode::eval().called_at(Location::caller());
        let mut x = mode.scope("transformer", |mode| self.transformer.embed(ids, &positions, mode))?;
        for (i, (block, cache)) in self.transformer.h.iter().zip(&mut state.caches).enumerate() {
            let past = Past { cache: Some(cache), mask: mask.as_ref() };
            x = mode.call(("transformer.h", i), block, |block, mode| block.run(&x, past, mode))?;
        }
        state.len += n;
        Ok(x)
    }

    /// From the vectors behind the last block to logits.
    #[track_caller]
    fn finish(&self, x: &Tensor) -> Result<Tensor> {
        let mode = &mut Mode::eval().called_at(Location::caller());
        let x = self.transformer.ln_f.at("transformer.ln_f", x, mode)?;
        self.head(&x, mode)
    }
}

impl CausalLm for Gpt {
    type State = GptState;

    fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    fn context_length(&self) -> Option<usize> {
        Some(self.config.context_length)
    }

    #[track_caller]
    fn start(&self, padding: &[usize]) -> Result<GptState> {
        check_padding(NAME, padding, self.context_length())?;
        let config = &self.config;
        let dtype = self.transformer.wte.weight.dtype();
        let mut caches = Vec::with_capacity(config.num_layers);
        for block in &self.transformer.h {
            caches.push(block.attn.cache(padding.len(), config.context_length, dtype)?);
        }
        Ok(GptState { caches, padding: padding.to_vec(), len: 0 })
    }

    #[track_caller]
    fn restart(&self, state: &mut GptState, padding: &[usize]) -> Result<()> {
        if padding.len() != state.rows() {
            *state = self.start(padding)?;
            return Ok(());
        }
        check_padding(NAME, padding, self.context_length())?;
        for cache in &mut state.caches {
            cache.truncate(0);
        }
        (state.padding, state.len) = (padding.to_vec(), 0);
        Ok(())
    }

    #[track_caller]
    fn extend(&self, ids: &Tensor, state: &mut GptState) -> Result<Tensor> {
        let _unrecorded = pause_recording();
        let x = self.extend_hidden(ids, state)?;
        self.finish(&x)
    }

    #[track_caller]
    fn extend_last(&self, ids: &Tensor, state: &mut GptState) -> Result<Tensor> {
        let _unrecorded = pause_recording();
        let x = self.extend_hidden(ids, state)?;
        self.finish(&x.narrow(1, x.shape()[1] - 1, 1)?)?.squeeze(1)
    }
}
