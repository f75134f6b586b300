//! Tokens that follow upon those whose keys and values are kept.

use std::panic::Location;

use super::span::Tokens;
use super::{Llama, NAME};
use crate::autograd::pause_recording;
use crate::error::Result;
use crate::layers::Mode;
use crate::models::text::kv_state::DecoderSizes;
use crate::models::text::piece::{Links, Whole};
use crate::models::text::sequences::{check_next, check_padding};
use crate::models::{CausalLm, KvState, MemoryNeed};
use crate::tensor::Tensor;

impl Llama {
    /// The vectors behind the last block for tokens that follow upon those of the state.
    #[track_caller]
    pub(crate) fn extend_hidden(&self, ids: &Tensor, state: &mut KvState, links: &dyn Links) -> Result<Tensor> {
        let new = check_next(NAME, "token", ids, state, self.context_length())?;
        state.check(NAME, self.model.layers.len())?;
        // A text that has become so long that all of it is read otherwise.
        let longer = self.config.rope.changes_at().is_some_and(|limit| {
            let length = |padding: &usize, len: usize| len.saturating_sub(*padding);
            state.padding.iter().any(|padding| {
                let before = length(padding, state.len);
                before > 0 && before <= limit && length(padding, state.len + new) > limit
            })
        });
        let all = match &state.ids {
            Some(before) => Tensor::cat(&[before, ids], 1)?,
            None => ids.clone(),
        };
        let x = match longer {
            true => {
                let mut again = self.start(&state.padding)?;
                let x = self.feed(&all, &mut again, links)?;
                *state = again;
                x.narrow(1, x.shape()[1] - new, new)?
            }
            false => self.feed(ids, state, links)?,
        };
        state.ids = self.config.rope.changes_at().map(|_| all);
        Ok(x)
    }

    #[track_caller]
    fn feed(&self, ids: &Tensor, state: &mut KvState, links: &dyn Links) -> Result<Tensor> {
        let (before, new) = (state.len, ids.shape()[1]);
        let seen = state.mask(new)?;
        let tokens = Tokens { positions: state.positions(new)?, before, new, seen: seen.as_ref() };
        let mode = &mut Mode::eval().called_at(Location::caller());
        let y = self.run_blocks(ids, &tokens, Some(&mut state.caches), links, mode);
        match y {
            Ok(_) => state.len += new,
            // What some blocks have taken already.
            Err(_) => state.caches.iter_mut().for_each(|cache| cache.truncate(before)),
        }
        y
    }
}

impl CausalLm for Llama {
    type State = KvState;

    fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    fn context_length(&self) -> Option<usize> {
        Some(self.config.context_length)
    }

    #[track_caller]
    fn start(&self, padding: &[usize]) -> Result<KvState> {
        check_padding(NAME, padding, self.context_length())?;
        let mut caches = Vec::with_capacity(self.model.layers.len());
        for block in &self.model.layers {
            caches.push(block.self_attn.cache(padding.len(), self.config.context_length, self.dtype())?);
        }
        Ok(KvState::new(caches, padding))
    }

    #[track_caller]
    fn restart(&self, state: &mut KvState, padding: &[usize]) -> Result<()> {
        check_padding(NAME, padding, self.context_length())?;
        if !state.restart(padding) {
            *state = self.start(padding)?;
        }
        Ok(())
    }

    #[track_caller]
    fn extend(&self, ids: &Tensor, state: &mut KvState) -> Result<Tensor> {
        let _unrecorded = pause_recording();
        let x = self.extend_hidden(ids, state, &Whole)?;
        self.finish(&x, &mut Mode::eval().called_at(Location::caller()))
    }

    #[track_caller]
    fn extend_last(&self, ids: &Tensor, state: &mut KvState) -> Result<Tensor> {
        let _unrecorded = pause_recording();
        let x = self.extend_hidden(ids, state, &Whole)?;
        let last = x.narrow(1, x.shape()[1] - 1, 1)?;
        self.finish(&last, &mut Mode::eval().called_at(Location::caller()))?.squeeze(1)
    }

    fn memory_needed(&self, need: &MemoryNeed) -> Option<u128> {
        let config = &self.config;
        let sizes = DecoderSizes {
            blocks: self.model.layers.len(),
            heads: config.num_heads,
            kv_heads: config.key_heads(),
            head_dim: config.head_size(),
            hidden: config.hidden_size,
            intermediate: config.intermediate_size,
            vocab: config.vocab_size,
            context: config.context_length,
            at_once: false,
            number: self.dtype().size().max(4),
        };
        Some(sizes.memory_needed(need))
    }
}
