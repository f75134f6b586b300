//! A GPT that remembers the keys and values of earlier tokens, so that each token is computed once.

use std::panic::Location;

use super::block::Past;
use super::{Gpt, GptState, NAME};
use crate::autograd::pause_recording;
use crate::error::Result;
use crate::layers::Mode;
use crate::models::text::kv_state::DecoderSizes;
use crate::models::text::piece::{Links, Whole};
use crate::models::text::sequences::{check_next, check_padding};
use crate::models::{CausalLm, MemoryNeed};
use crate::tensor::Tensor;

impl Gpt {
    /// The vectors behind the last block for tokens that follow upon those of the state.
    #[track_caller]
    pub(crate) fn extend_hidden(&self, ids: &Tensor, state: &mut GptState, links: &dyn Links) -> Result<Tensor> {
        let n = check_next(NAME, "token", ids, state, self.context_length())?;
        state.check(NAME, self.transformer.h.len())?;
        let (positions, mask) = (state.positions(n)?, state.mask(n)?);
        let mode = &mut Mode::eval().called_at(Location::caller());
        let mut x = self.enter(ids, &positions, links, mode)?;
        for (i, (block, cache)) in (self.first_block..).zip(self.transformer.h.iter().zip(&mut state.caches)) {
            let past = Past { cache: Some(cache), mask: mask.as_ref() };
            let whole = block.shard.as_ref().map(|shard| shard.filled(block)).transpose()?;
            x = mode
                .call(("transformer.h", i), whole.as_ref().unwrap_or(block), |block, mode| block.run(&x, past, mode))?;
        }
        links.after(&x)?;
        state.len += n;
        Ok(x)
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
        let mut caches = Vec::with_capacity(self.transformer.h.len());
        for block in &self.transformer.h {
            caches.push(block.attn.cache(padding.len(), config.context_length, dtype)?);
        }
        Ok(GptState::new(caches, padding))
    }

    #[track_caller]
    fn restart(&self, state: &mut GptState, padding: &[usize]) -> Result<()> {
        check_padding(NAME, padding, self.context_length())?;
        if !state.restart(padding) {
            *state = self.start(padding)?;
        }
        Ok(())
    }

    #[track_caller]
    fn extend(&self, ids: &Tensor, state: &mut GptState) -> Result<Tensor> {
        let _unrecorded = pause_recording();
        let x = self.extend_hidden(ids, state, &Whole)?;
        self.finish(&x, &mut Mode::eval().called_at(Location::caller()))
    }

    #[track_caller]
    fn extend_last(&self, ids: &Tensor, state: &mut GptState) -> Result<Tensor> {
        let _unrecorded = pause_recording();
        let x = self.extend_hidden(ids, state, &Whole)?;
        let last = x.narrow(1, x.shape()[1] - 1, 1)?;
        self.finish(&last, &mut Mode::eval().called_at(Location::caller()))?.squeeze(1)
    }

    fn memory_needed(&self, need: &MemoryNeed) -> Option<u128> {
        let config = &self.config;
        let sizes = DecoderSizes {
            blocks: config.num_layers,
            heads: config.num_heads,
            kv_heads: config.num_heads,
            head_dim: config.head_size(),
            hidden: config.hidden_size,
            intermediate: config.intermediate_size,
            vocab: config.vocab_size,
            context: config.context_length,
            at_once: true,
            number: self.transformer.wte.weight.dtype().size().max(4),
        };
        Some(sizes.memory_needed(need))
    }
}
