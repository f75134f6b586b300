//! Transformer layers and stacks (Vaswani et al., *Attention is all you need*, 2017), with PyTorch's names and options.

mod cache;
mod decoder;
mod encoder;
mod options;

pub use cache::TransformerCache;
pub use decoder::{TransformerDecoder, TransformerDecoderLayer};
pub use encoder::{TransformerEncoder, TransformerEncoderLayer};
pub use options::{TransformerActivation, TransformerOptions};
pub(crate) use options::{layer_parameters, layer_tensors};

use crate::error::{Error, Result};
use crate::layers::AttentionMasks;
use crate::layers::core::{Init, Mode, SlotMut, VisitorMut, check_memory};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// An encoder and a decoder that attends to its output, both with a norm at the end. PyTorch's `nn.Transformer` with
/// `batch_first=True`: all weight matrices start as [`Init::xavier_uniform`].
///
/// # Shapes
/// - source: `[batch, S, d_model]`
/// - target and output: `[batch, T, d_model]`
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = Transformer::new(&TransformerOptions::new(16, 2).feedforward(32), 2, 2, &mut rng)?;
/// let (source, target) = (Tensor::zeros([3, 7, 16])?, Tensor::zeros([3, 5, 16])?);
/// let masks = TransformerMasks::new().target(AttentionMasks::new().causal());
/// assert_eq!(model.forward(&source, &target, &masks, &mut Mode::eval())?.shape(), [3, 5, 16]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Transformer {
    /// Reads the source.
    pub encoder: TransformerEncoder,
    /// Reads the target, and what the encoder made of the source.
    pub decoder: TransformerDecoder,
}

crate::module!(Transformer { encoder, decoder });

impl Transformer {
    /// A model with these numbers of encoder and decoder layers.
    ///
    /// # Errors
    /// If an option makes no sense, or there are no layers.
    #[track_caller]
    pub fn new(
        options: &TransformerOptions,
        num_encoder_layers: usize,
        num_decoder_layers: usize,
        rng: &mut Rng,
    ) -> Result<Self> {
        let encoder = TransformerEncoder::new(options, num_encoder_layers, rng)?.with_norm(options.norm()?);
        let decoder = TransformerDecoder::new(options, num_decoder_layers, rng)?.with_norm(options.norm()?);
        let mut model = Self { encoder, decoder };
        let mut result = Ok(());
        let mut on_slot = |_: &str, slot: SlotMut<'_>| {
            if let SlotMut::Param(param) = slot
                && param.rank() > 1
            {
                let drawn = Init::xavier_uniform().tensor(param.shape(), rng).and_then(|value| param.set(&value));
                if drawn.is_err() && result.is_ok() {
                    result = drawn;
                }
            }
        };
        VisitorMut::new(&mut on_slot).module(&mut model);
        result?;
        Ok(model)
    }

    /// The output for `target`, given `source`.
    ///
    /// # Errors
    /// If shapes or types do not fit.
    #[track_caller]
    pub fn forward(
        &self,
        source: &Tensor,
        target: &Tensor,
        masks: &TransformerMasks,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let memory =
            mode.call("encoder", &self.encoder, |encoder, mode| encoder.encode(source, &masks.source, mode))?;
        mode.call("decoder", &self.decoder, |decoder, mode| {
            decoder.decode(target, &memory, &masks.target, &masks.memory, mode)
        })
    }
}

/// The masks of the three attentions of a [`Transformer`].
#[derive(Debug, Clone, Default)]
pub struct TransformerMasks {
    source: AttentionMasks,
    target: AttentionMasks,
    memory: AttentionMasks,
}

impl TransformerMasks {
    /// Everything may be attended to.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Among the positions of the source.
    #[must_use]
    pub fn source(mut self, masks: AttentionMasks) -> Self {
        self.source = masks;
        self
    }

    /// Among the positions of the target.
    #[must_use]
    pub fn target(mut self, masks: AttentionMasks) -> Self {
        self.target = masks;
        self
    }

    /// From the target to the source.
    #[must_use]
    pub fn memory(mut self, masks: AttentionMasks) -> Self {
        self.memory = masks;
        self
    }
}

/// Checks that there are layers, not more than memory holds. Each has so many attentions.
#[track_caller]
fn check_layers(name: &'static str, options: &TransformerOptions, layers: usize, attentions: usize) -> Result<()> {
    if layers == 0 {
        return Err(Error::argument(name, "0 layers, expected at least 1"));
    }
    let parameters = layer_parameters(options.width, options.feedforward, attentions) * layers;
    check_memory(name, parameters, layer_tensors(attentions) * layers)
}

#[track_caller]
fn check_cache(cache: &TransformerCache, layers: usize) -> Result<()> {
    if cache.layers.len() != layers {
        let message = format!("the cache of {} layers for a stack of {layers}", cache.layers.len());
        return Err(Error::state("TransformerCache", message));
    }
    Ok(())
}
