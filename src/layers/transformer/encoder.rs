//! Layers whose positions attend to each other.

use super::cache::TransformerCache;
use super::options::{Attend, Rules, TransformerOptions};
use super::{check_cache, check_layers};
use crate::error::{Here, Result};
use crate::layers::core::{Architecture, Count, Layer, LayerConfig, LayerExt, Mode};
use crate::layers::registry::part;
use crate::layers::{AttentionMasks, KvCache, LayerNorm, Linear, MultiHeadAttention};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// A layer of a transformer encoder: self-attention, then two linear maps with an activation in between, each added to
/// its input and normalised. PyTorch's `nn.TransformerEncoderLayer` with `batch_first=True`. With a causal mask, it is
/// the layer of a language model.
///
/// # Shapes
/// - input and output: `[batch, T, d_model]`
///
/// ```
/// use demotic::prelude::*;
///
/// let layer = TransformerEncoderLayer::new(&TransformerOptions::new(16, 2).feedforward(32), &mut Rng::seed(0))?;
/// assert_eq!(layer.predict(&Tensor::zeros([3, 5, 16])?)?.shape(), [3, 5, 16]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TransformerEncoderLayer {
    /// Attention among the positions.
    pub self_attn: MultiHeadAttention,
    /// To the features in between.
    pub linear1: Linear,
    /// And back.
    pub linear2: Linear,
    /// The norm of the attention.
    pub norm1: LayerNorm,
    /// The norm of the linear maps.
    pub norm2: LayerNorm,
    rules: Rules,
}

crate::module!(TransformerEncoderLayer { self_attn, linear1, linear2, norm1, norm2 }, plain { rules });

impl TransformerEncoderLayer {
    /// A layer with new weights.
    ///
    /// # Errors
    /// If an option makes no sense.
    #[track_caller]
    pub fn new(options: &TransformerOptions, rng: &mut Rng) -> Result<Self> {
        Ok(Self {
            self_attn: options.attention(rng)?,
            linear1: options.linear(options.width, options.feedforward, rng)?,
            linear2: options.linear(options.feedforward, options.width, rng)?,
            norm1: options.norm()?,
            norm2: options.norm()?,
            rules: options.rules(),
        })
    }

    /// The output for `x`, whose positions attend to each other as far as the masks allow.
    ///
    /// # Errors
    /// If shapes or types do not fit.
    #[track_caller]
    pub fn encode(&self, x: &Tensor, masks: &AttentionMasks, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.run(x, mode, &mut |attn, x, mode| attn.attend(x, x, x, masks, mode))
    }

    /// The same for positions that follow those in `cache`; see [`MultiHeadAttention::attend_cached`].
    ///
    /// # Errors
    /// If shapes or types do not fit, the cache is full, or gradients are being recorded.
    #[track_caller]
    pub fn encode_cached(
        &self,
        x: &Tensor,
        cache: &mut KvCache,
        masks: &AttentionMasks,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        self.run(x, mode, &mut |attn, x, mode| attn.attend_cached(x, cache, masks, mode))
    }

    #[track_caller]
    fn run(&self, x: &Tensor, mode: &mut Mode<'_>, attend: Attend<'_>) -> Result<Tensor> {
        let mut attend = |x: &Tensor, mode: &mut Mode<'_>| {
            mode.call("self_attn", &self.self_attn, |attention, mode| attend(attention, x, mode))
        };
        let x = self.rules.add(x, ("norm1", &self.norm1), &mut attend, mode)?;
        let mut feedforward = |x: &Tensor, mode: &mut Mode<'_>| {
            let y = self.linear1.at("linear1", x, mode)?;
            self.linear2.at("linear2", &self.rules.between(&y, mode)?, mode)
        };
        self.rules.add(&x, ("norm2", &self.norm2), &mut feedforward, mode)
    }
}

impl Architecture for TransformerEncoderLayer {
    const KIND: &'static str = "TransformerEncoderLayer";
    type Config = LayerConfig;

    #[track_caller]
    fn config(&self) -> Result<LayerConfig> {
        let parts = [&self.self_attn.out_proj, &self.linear1, &self.linear2];
        for part in parts {
            part.weight.expect_plain("config")?;
        }
        let config = self.rules.described().with("d_model", self.self_attn.embed_dim());
        let config = config.with("num_heads", self.self_attn.num_heads()).with("bias", self.linear1.bias.is_some());
        Ok(config.with("feedforward", self.linear1.out_features()).with("eps", self.norm1.epsilon()))
    }

    #[track_caller]
    fn from_config(config: LayerConfig, rng: &mut Rng) -> Result<Self> {
        Self::new(&TransformerOptions::from_described(config)?, rng)
    }

    fn min_parameters(config: &LayerConfig) -> usize {
        let (width, inner) = (config.size("d_model").get(), config.size("feedforward").get());
        (Count::new(width) * width * 4 + Count::new(width) * inner * 2).get()
    }
}

impl Layer for TransformerEncoderLayer {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = self.encode(x, &AttentionMasks::new(), mode);
        mode.here(y)
    }
}

/// Encoder layers one after the other, and perhaps a norm at the end. PyTorch's `nn.TransformerEncoder`, whose layers
/// start as copies of one; here each draws its own weights.
///
/// # Shapes
/// - input and output: `[batch, T, d_model]`
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let encoder = TransformerEncoder::new(&TransformerOptions::new(16, 2).feedforward(32), 2, &mut rng)?;
/// let x = Tensor::normal([2, 5, 16], 0.0, 1.0, &mut rng)?;
/// assert_eq!(encoder.predict(&x)?.shape(), [2, 5, 16]);
///
/// // Causal, all positions at once or one after the other.
/// let masks = AttentionMasks::new().causal();
/// let whole = no_grad(|| encoder.encode(&x, &masks, &mut Mode::eval()))?;
/// let mut cache = encoder.cache(2, 5)?;
/// for t in 0..5 {
///     let y = no_grad(|| encoder.encode_cached(&x.narrow(1, t, 1)?, &mut cache, &masks, &mut Mode::eval()))?;
///     assert!(y.sub(&whole.narrow(1, t, 1)?)?.abs().max()?.item()? < 1e-5);
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TransformerEncoder {
    /// The layers.
    pub layers: Vec<TransformerEncoderLayer>,
    /// The norm of the output.
    pub norm: Option<LayerNorm>,
}

crate::module!(TransformerEncoder { layers, norm });

impl TransformerEncoder {
    /// A stack of `num_layers` layers, without a norm at the end.
    ///
    /// # Errors
    /// If an option makes no sense, or there are no layers.
    #[track_caller]
    pub fn new(options: &TransformerOptions, num_layers: usize, rng: &mut Rng) -> Result<Self> {
        check_layers("TransformerEncoder::new", options, num_layers, 1)?;
        let layers =
            (0..num_layers).map(|_| TransformerEncoderLayer::new(options, rng)).collect::<Result<_>>().here()?;
        Ok(Self { layers, norm: None })
    }

    /// The same with a norm at the end, which layers with [`norm_first`](TransformerOptions::norm_first) need.
    #[must_use]
    pub fn with_norm(mut self, norm: LayerNorm) -> Self {
        self.norm = Some(norm);
        self
    }

    /// The output for `x`, whose positions attend to each other as far as the masks allow.
    ///
    /// # Errors
    /// If shapes or types do not fit.
    #[track_caller]
    pub fn encode(&self, x: &Tensor, masks: &AttentionMasks, mode: &mut Mode<'_>) -> Result<Tensor> {
        let mut x = x.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            x = mode.call(("layers", i), layer, |layer, mode| layer.encode(&x, masks, mode))?;
        }
        self.finish(x, mode)
    }

    /// An empty cache for [`encode_cached`](Self::encode_cached).
    ///
    /// # Errors
    /// If it does not fit into memory.
    #[track_caller]
    pub fn cache(&self, batch: usize, capacity: usize) -> Result<TransformerCache> {
        let layers = self.layers.iter().map(|layer| Ok((layer.self_attn.cache(batch, capacity)?, None)));
        Ok(TransformerCache { layers: layers.collect::<Result<_>>().here()? })
    }

    /// The output for the positions `x` that follow those in `cache`, which they are added to. With a causal mask it is
    /// what [`encode`](Self::encode) gives for the whole sequence.
    ///
    /// # Errors
    /// If shapes or types do not fit, the cache is full or another stack's, or gradients are being recorded.
    #[track_caller]
    pub fn encode_cached(
        &self,
        x: &Tensor,
        cache: &mut TransformerCache,
        masks: &AttentionMasks,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        check_cache(cache, self.layers.len())?;
        let mut x = x.clone();
        for (i, (layer, (own, _))) in self.layers.iter().zip(&mut cache.layers).enumerate() {
            x = mode.call(("layers", i), layer, |layer, mode| layer.encode_cached(&x, own, masks, mode))?;
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

impl Architecture for TransformerEncoder {
    const KIND: &'static str = "TransformerEncoder";
    type Config = LayerConfig;

    #[track_caller]
    fn config(&self) -> Result<LayerConfig> {
        let layers = self.layers.iter().map(|layer| part(Some(layer))).collect::<Result<Vec<_>>>().here()?;
        Ok(LayerConfig::new().with("layers", layers).with("norm", part(self.norm.as_ref())?))
    }

    #[track_caller]
    fn from_config(mut config: LayerConfig, rng: &mut Rng) -> Result<Self> {
        let layers: Vec<LayerConfig> = config.take("layers")?;
        let layers = layers
            .into_iter()
            .map(|layer| TransformerEncoderLayer::from_config(layer, rng))
            .collect::<Result<_>>()
            .here()?;
        let norm: Option<LayerConfig> = config.take("norm")?;
        let norm = norm.map(|norm| LayerNorm::from_config(norm, rng)).transpose()?;
        config.done()?;
        Ok(Self { layers, norm })
    }

    fn min_parameters(config: &LayerConfig) -> usize {
        let layers = config.clone().take::<Vec<LayerConfig>>("layers").unwrap_or_default();
        layers.iter().map(|layer| Count::new(TransformerEncoderLayer::min_parameters(layer))).sum::<Count>().get()
    }
}

impl Layer for TransformerEncoder {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = self.encode(x, &AttentionMasks::new(), mode);
        mode.here(y)
    }
}
