//! A decoder that remembers the keys and values of earlier tokens and of the source.

use std::panic::Location;

use super::block::Pass;
use super::{NAME, T5, encode, looking_at, seen_of};
use crate::autograd::{AttentionOptions, pause_recording};
use crate::error::Result;
use crate::layers::{LayerExt, Mode};
use crate::models::text::sequences::check_next;
use crate::models::{EncoderDecoderState, Seq2Seq, Seq2SeqTokens};
use crate::tensor::Tensor;

impl Seq2Seq for T5 {
    type State = EncoderDecoderState;

    fn tokens(&self) -> &Seq2SeqTokens {
        &self.config.tokens
    }

    fn target_limit(&self) -> Option<usize> {
        None
    }

    #[track_caller]
    fn forward(&self, source: &Tensor, target: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.forward_with(source, None, target, None, mode)
    }

    #[track_caller]
    fn read(&self, source: &Tensor) -> Result<Self::State> {
        let _unrecorded = pause_recording();
        let mode = &mut Mode::eval().called_at(Location::caller());
        let seen = seen_of(&self.config, source, None)?;
        let memory = encode(&self.shared, &self.encoder, source, seen.as_ref(), mode)?;
        let batch = source.shape()[0];
        let (mut own, mut kept) = (Vec::new(), Vec::new());
        for (i, block) in self.decoder.block.iter().enumerate() {
            own.push(block.cache(batch, self.dtype())?);
            let read = mode.call(("decoder.block", i), block, |block, mode| {
                block.memory(&memory, mode).map(|cache| (memory.clone(), cache))
            });
            kept.push(read?.1);
        }
        Ok(EncoderDecoderState::new(own, kept, seen, batch))
    }

    #[track_caller]
    fn rewind(&self, state: &mut Self::State, padding: &[usize]) -> Result<()> {
        state.rewind(padding, None)
    }

    #[track_caller]
    fn extend(&self, ids: &Tensor, state: &mut Self::State) -> Result<Tensor> {
        let _unrecorded = pause_recording();
        let new = check_next(NAME, "target token", ids, state, None)?;
        state.check(NAME, self.decoder.block.len())?;
        let mode = &mut Mode::eval().called_at(Location::caller());
        let y = self.shared.at("shared", ids, mode)?;
        let own = state.own.mask(new)?;
        let cross = looking_at(state.seen.as_ref());
        let pass = Pass { own: AttentionOptions::new(), cross, memory: None, kept: Some(&state.memory) };
        let caches = &mut state.own.caches;
        let hidden = mode
            .call("decoder", &self.decoder, |decoder, mode| decoder.run(&y, own.as_ref(), pass, Some(caches), mode));
        let hidden = state.fed(new, hidden)?;
        self.head(&hidden, mode)
    }
}
