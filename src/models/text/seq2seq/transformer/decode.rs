//! A decoder that remembers the keys and values of earlier tokens and of the source.

use std::panic::Location;

use super::super::{check_absent, check_sources, check_targets};
use super::Seq2SeqTransformer;
use crate::autograd::pause_recording;
use crate::error::{Here, Result};
use crate::layers::{AttentionMasks, LayerExt, Mode, TransformerCache};
use crate::models::LmState;
use crate::models::text::sequences::{row_index, without};
use crate::tensor::Tensor;

/// What the decoder of a [`Seq2SeqTransformer`] knows: keys and values of the source and of the target tokens so far, in each
/// of its layers.
#[derive(Debug, Clone)]
pub struct Seq2SeqTransformerState {
    cache: TransformerCache,
    /// `[rows, source time]`, `true` for padding of the source.
    source_padding: Option<Tensor>,
    /// How many target tokens of each row are absent.
    padding: Vec<usize>,
}

impl LmState for Seq2SeqTransformerState {
    fn rows(&self) -> usize {
        self.padding.len()
    }

    fn len(&self) -> usize {
        self.cache.len()
    }

    #[track_caller]
    fn reorder(&mut self, rows: &[usize]) -> Result<()> {
        let index = row_index(rows, self.rows())?;
        let source_padding = self.source_padding.as_ref().map(|padding| padding.index_select(0, &index)).transpose()?;
        self.cache.reorder(rows)?;
        self.source_padding = source_padding;
        self.padding = rows.iter().map(|row| self.padding[*row]).collect();
        Ok(())
    }
}

impl Seq2SeqTransformerState {
    #[track_caller]
    pub(super) fn rewind(&mut self, padding: &[usize], limit: usize) -> Result<()> {
        check_absent(padding, self.rows(), Some(limit))?;
        self.cache.truncate(0);
        self.padding = padding.to_vec();
        Ok(())
    }

    /// Which target tokens the next `n` see: those before them that are not absent.
    #[track_caller]
    fn target_masks(&self, n: usize) -> Result<AttentionMasks> {
        let masks = AttentionMasks::new().causal();
        if self.padding.iter().all(|padding| *padding == 0) {
            return Ok(masks);
        }
        let keys = self.len() + n;
        let absent = self.padding.iter().flat_map(|padding| (0..keys).map(move |i| i < *padding)).collect();
        Ok(masks.key_padding(&Tensor::from_vec::<bool>(absent, [self.rows(), keys])?))
    }
}

impl Seq2SeqTransformer {
    #[track_caller]
    pub(super) fn read_source(&self, source: &Tensor) -> Result<Seq2SeqTransformerState> {
        let _unrecorded = pause_recording();
        let limit = self.config.max_length;
        let sources = check_sources(&self.config.tokens, source, Some(limit))?;
        let source_padding = sources.padding()?;
        let mode = &mut Mode::eval().called_at(Location::caller());
        let x = self.source_embedding.at("source_embedding", &sources.ids, mode)?;
        let masks = without(source_padding.as_ref());
        let transformer = &self.transformer;
        let memory =
            mode.call("transformer.encoder", &transformer.encoder, |encoder, mode| encoder.encode(&x, &masks, mode))?;
        let cache = transformer.decoder.cache(&memory, limit).in_layer("transformer.decoder")?;
        Ok(Seq2SeqTransformerState { cache, source_padding, padding: vec![0; sources.count()] })
    }

    #[track_caller]
    pub(super) fn extend_state(&self, ids: &Tensor, state: &mut Seq2SeqTransformerState) -> Result<Tensor> {
        let _unrecorded = pause_recording();
        let n = check_targets(ids, state, Some(self.config.max_length))?;
        let mode = &mut Mode::eval().called_at(Location::caller());
        let (len, masks) = (state.len(), state.target_masks(n)?);
        let y = mode.call("target_embedding", &self.target_embedding, |embedding, mode| {
            embedding.embed_at(ids, len, &state.padding, mode)
        })?;
        let sources = without(state.source_padding.as_ref());
        let hidden = mode.call("transformer.decoder", &self.transformer.decoder, |decoder, mode| {
            decoder.decode_cached(&y, &mut state.cache, &masks, &sources, mode)
        });
        let logits = hidden.and_then(|x| self.logits(&x, mode));
        if logits.is_err() {
            state.cache.truncate(len);
        }
        logits
    }
}
