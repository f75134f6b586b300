//! Layers whose positions attend to each other and to a memory.

use super::cache::TransformerCache;
use super::options::{Attend, Rules, TransformerOptions};
use super::{check_cache, check_layers};
use crate::error::{Error, Here, Result};
use crate::layers::core::{LayerExt, Mode};
use crate::layers::{AttentionMasks, KvCache, LayerNorm, Linear, MultiHeadAttention};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// A layer of a transformer decoder: self-attention, attention to a memory (the output of an encoder), then two linear
/// maps with an activation in between, each added to its input and normalised. PyTorch's `nn.TransformerDecoderLayer` with
/// `batch_first=True`.
///
/// # Shapes
/// - input and output: `[batch, T, d_model]`
/// - memory: `[batch, S, d_model]`
///
/// ```
/// use demotic::prelude::*;
///
/// let decoder = TransformerDecoderLayer::new(&TransformerOptions::new(16, 2), &mut Rng::seed(0))?;
/// let (x, memory) = (Tensor::zeros([3, 5, 16])?, Tensor::zeros([3, 7, 16])?);
/// let (own, of_memory) = (AttentionMasks::new().causal(), AttentionMasks::new());
/// assert_eq!(decoder.decode(&x, &memory, &own, &of_memory, &mut Mode::eval())?.shape(), [3, 5, 16]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TransformerDecoderLayer {
    /// Attention among the positions.
    pub self_attn: MultiHeadAttention,
    /// Attention to the memory.
    pub multihead_attn: MultiHeadAttention,
    /// To the features in between.
    pub linear1: Linear,
    /// And back.
    pub linear2: Linear,
    /// The norm of the attention among the positions.
    pub norm1: LayerNorm,
    /// The norm of the attention to the memory.
    pub norm2: LayerNorm,
    /// The norm of the linear maps.
    pub norm3: LayerNorm,
    rules: Rules,
}

crate::module!(
    TransformerDecoderLayer { self_attn, multihead_attn, linear1, linear2, norm1, norm2, norm3 },
    plain { rules }
);

impl TransformerDecoderLayer {
    /// A layer with new weights.
    ///
    /// # Errors
    /// If an option makes no sense.
    #[track_caller]
    pub fn new(options: &TransformerOptions, rng: &mut Rng) -> Result<Self> {
        Ok(Self {
            self_attn: options.attention(rng)?,
            multihead_attn: options.attention(rng)?,
            linear1: options.linear(options.width, options.feedforward, rng)?,
            linear2: options.linear(options.feedforward, options.width, rng)?,
            norm1: options.norm()?,
            norm2: options.norm()?,
            norm3: options.norm()?,
            rules: options.rules(),
        })
    }

    /// The output for `x`, whose positions attend to each other as far as `masks` allows, and to `memory` as far as
    /// `memory_masks` does.
    ///
    /// # Errors
    /// If shapes or types do not fit.
    #[track_caller]
    pub fn decode(
        &self,
        x: &Tensor,
        memory: &Tensor,
        masks: &AttentionMasks,
        memory_masks: &AttentionMasks,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        self.run(x, mode, &mut |attn, x, mode| attn.attend(x, x, x, masks, mode), &mut |attn, x, mode| {
            attn.attend(x, memory, memory, memory_masks, mode)
        })
    }

    /// The same for positions that follow those in `cache`, and a memory that was projected before; see
    /// [`MultiHeadAttention::attend_cached`] and [`MultiHeadAttention::memory`].
    ///
    /// # Errors
    /// If shapes or types do not fit, the cache is full, or gradients are being recorded.
    #[track_caller]
    pub fn decode_cached(
        &self,
        x: &Tensor,
        cache: &mut KvCache,
        memory: &KvCache,
        masks: &AttentionMasks,
        memory_masks: &AttentionMasks,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        self.run(x, mode, &mut |attn, x, mode| attn.attend_cached(x, cache, masks, mode), &mut |attn, x, mode| {
            attn.attend_memory(x, memory, memory_masks, mode)
        })
    }

    #[track_caller]
    fn run(&self, x: &Tensor, mode: &mut Mode<'_>, attend: Attend<'_>, attend_memory: Attend<'_>) -> Result<Tensor> {
        let mut attend = |x: &Tensor, mode: &mut Mode<'_>| {
            mode.call("self_attn", &self.self_attn, |attention, mode| attend(attention, x, mode))
        };
        let x = self.rules.add(x, ("norm1", &self.norm1), &mut attend, mode)?;
        let mut attend_memory = |x: &Tensor, mode: &mut Mode<'_>| {
            mode.call("multihead_attn", &self.multihead_attn, |attention, mode| attend_memory(attention, x, mode))
        };
        let x = self.rules.add(&x, ("norm2", &self.norm2), &mut attend_memory, mode)?;
        let mut feedforward = |x: &Tensor, mode: &mut Mode<'_>| {
            let y = self.linear1.at("linear1", x, mode)?;
            self.linear2.at("linear2", &self.rules.between(&y, mode)?, mode)
        };
        self.rules.add(&x, ("norm3", &self.norm3), &mut feedforward, mode)
    }
}

/// Decoder layers one after the other, and perhaps a norm at the end. PyTorch's `nn.TransformerDecoder`, whose layers start
/// as copies of one; here each draws its own weights.
///
/// # Shapes
/// - input and output: `[batch, T, d_model]`
/// - memory: `[batch, S, d_model]`
///
/// ```
/// use demotic::prelude::*;
///
/// let decoder = TransformerDecoder::new(&TransformerOptions::new(16, 2), 2, &mut Rng::seed(0))?;
/// let (x, memory) = (Tensor::zeros([3, 5, 16])?, Tensor::zeros([3, 7, 16])?);
/// let (own, of_memory) = (AttentionMasks::new().causal(), AttentionMasks::new());
/// assert_eq!(decoder.decode(&x, &memory, &own, &of_memory, &mut Mode::eval())?.shape(), [3, 5, 16]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TransformerDecoder {
    /// The layers.
    pub layers: Vec<TransformerDecoderLayer>,
    /// The norm of the output.
    pub norm: Option<LayerNorm>,
}

crate::module!(TransformerDecoder { layers, norm });

impl TransformerDecoder {
    /// A stack of `num_layers` layers, without a norm at the end.
    ///
    /// # Errors
    /// If an option makes no sense, or there are no layers.
    #[track_caller]
    pub fn new(options: &TransformerOptions, num_layers: usize, rng: &mut Rng) -> Result<Self> {
        check_layers("TransformerDecoder::new", options, num_layers, 2)?;
        let layers =
            (0..num_layers).map(|_| TransformerDecoderLayer::new(options, rng)).collect::<Result<_>>().here()?;
        Ok(Self { layers, norm: None })
    }

    /// The same with a norm at the end, which layers with [`norm_first`](TransformerOptions::norm_first) need.
    #[must_use]
    pub fn with_norm(mut self, norm: LayerNorm) -> Self {
        self.norm = Some(norm);
        self
    }

    /// The output for `x`, whose positions attend to each other as far as `masks` allows, and to `memory` as far as
    /// `memory_masks` does.
    ///
    /// # Errors
    /// If shapes or types do not fit.
    #[track_caller]
    pub fn decode(
        &self,
        x: &Tensor,
        memory: &Tensor,
        masks: &AttentionMasks,
        memory_masks: &AttentionMasks,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let mut x = x.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            x = mode.call(("layers", i), layer, |layer, mode| layer.decode(&x, memory, masks, memory_masks, mode))?;
        }
        self.finish(x, mode)
    }

    /// A cache for [`decode_cached`](Self::decode_cached) with room for `capacity` positions. It holds the projections of
    /// `memory`, which are computed once.
    ///
    /// # Errors
    /// If shapes or types do not fit, it does not fit into memory, or gradients are being recorded.
    #[track_caller]
    pub fn cache(&self, memory: &Tensor, capacity: usize) -> Result<TransformerCache> {
        let batch = memory.shape().first().copied().unwrap_or(0);
        let layers = self.layers.iter().enumerate().map(|(i, layer)| {
            let projected = layer.multihead_attn.memory(memory, memory).in_layer("multihead_attn").in_layer(i)?;
            Ok((layer.self_attn.cache(batch, capacity)?, Some(projected)))
        });
        Ok(TransformerCache { layers: layers.collect::<Result<_>>().in_layer("layers")? })
    }

    /// The output for the positions `x` that follow those in `cache`, which they are added to. With a causal mask it is
    /// what [`decode`](Self::decode) gives for the whole sequence.
    ///
    /// # Errors
    /// If shapes or types do not fit, the cache is full or another stack's, or gradients are being recorded.
    #[track_caller]
    pub fn decode_cached(
        &self,
        x: &Tensor,
        cache: &mut TransformerCache,
        masks: &AttentionMasks,
        memory_masks: &AttentionMasks,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        check_cache(cache, self.layers.len())?;
        let mut x = x.clone();
        for (i, (layer, (own, memory))) in self.layers.iter().zip(&mut cache.layers).enumerate() {
            let Some(memory) = memory else {
                return Err(Error::state("TransformerDecoder", "the cache of an encoder, without a memory")
                    .with_help("TransformerDecoder::cache(&memory, capacity) makes one that fits"));
            };
            x = mode.call(("layers", i), layer, |layer, mode| {
                layer.decode_cached(&x, own, memory, masks, memory_masks, mode)
            })?;
        }
        self.finish(x, mode)
    }

    #[track_caller]
    fn finish(&self, x: Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        match &self.norm {
            Some(norm) => norm.at("norm", &x, mode),
            None => Ok(x),
        }
    }
}
