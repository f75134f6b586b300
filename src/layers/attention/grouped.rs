//! Self-attention whose heads may share keys and values.

use std::fmt;

use super::{AttentionHeads, AttentionMasks};
use crate::error::{Error, Result};
use crate::layers::{Architecture, KvCache, Layer, LayerConfig, LayerExt, Linear, Mode};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// Self-attention as in Llama, Mistral and Qwen: projections of their own for queries, keys, values and the joined heads,
/// around [`AttentionHeads`] with whatever these have: keys and values that several heads share, rotary positions, a scale.
///
/// As a [`Layer`], every position attends to all positions of the same sequence; or, if the layer is
/// [`causal`](Self::causal), to itself and those before it.
///
/// # Shapes
/// - input and output: `[.., T, embed_dim]`
/// - `q_proj.weight`: `[heads · head_dim, embed_dim]`, `k_proj.weight` and `v_proj.weight`: `[kv_heads · head_dim, embed_dim]`,
///   `o_proj.weight`: `[embed_dim, heads · head_dim]`
///
/// Names and layout are those of `transformers`.
///
/// ```
/// use demotic::layers::{AttentionHeads, AttentionMasks, RotaryPositions, SelfAttention};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let heads = AttentionHeads::new(4, 8)?.kv_heads(2)?.rotary(RotaryPositions::new(64, 8)?)?;
/// let layer = SelfAttention::new(32, heads, &mut rng)?.without_bias().causal();
/// let x = Tensor::normal([2, 10, 32], 0.0, 1.0, &mut rng)?;
/// let y = layer.predict(&x)?;
///
/// // The same, position by position.
/// let mut cache = layer.cache(2, 10)?;
/// for i in 0..10 {
///     let x = x.narrow(1, i, 1)?;
///     let one = no_grad(|| layer.attend_cached(&x, &mut cache, &AttentionMasks::new(), &mut Mode::eval()))?;
///     assert!(one.sub(&y.narrow(1, i, 1)?)?.abs().max()?.item()? < 1e-5);
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct SelfAttention {
    /// The projection of the queries.
    pub q_proj: Linear,
    /// The projection of the keys.
    pub k_proj: Linear,
    /// The projection of the values.
    pub v_proj: Linear,
    /// The projection of the joined heads.
    pub o_proj: Linear,
    heads: AttentionHeads,
    causal: bool,
}

crate::module!(SelfAttention { q_proj, k_proj, v_proj, o_proj }, plain { heads, causal });

impl SelfAttention {
    /// A layer for `embed_dim` features, with biases in all projections.
    ///
    /// # Errors
    /// If `embed_dim` is zero, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(embed_dim: usize, heads: AttentionHeads, rng: &mut Rng) -> Result<Self> {
        if embed_dim == 0 {
            return Err(Error::argument("SelfAttention::new", "embed_dim is 0, expected at least 1"));
        }
        let (wide, narrow) = (heads.query_features(), heads.key_features());
        Ok(Self {
            q_proj: Linear::new(embed_dim, wide, rng)?,
            k_proj: Linear::new(embed_dim, narrow, rng)?,
            v_proj: Linear::new(embed_dim, narrow, rng)?,
            o_proj: Linear::new(wide, embed_dim, rng)?,
            heads,
            causal: false,
        })
    }

    /// No biases in the four projections.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        for projection in [&mut self.q_proj, &mut self.k_proj, &mut self.v_proj, &mut self.o_proj] {
            projection.bias = None;
        }
        self
    }

    /// No position attends to a later one.
    #[must_use]
    pub fn causal(mut self) -> Self {
        self.causal = true;
        self
    }

    /// The heads.
    #[must_use]
    pub fn heads(&self) -> &AttentionHeads {
        &self.heads
    }

    /// Lets positions attend to each other, as far as the masks allow.
    ///
    /// # Errors
    /// If shapes or types do not fit.
    #[track_caller]
    pub fn attend(&self, x: &Tensor, masks: &AttentionMasks, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.run(x, None, masks, mode)
    }

    /// Attention of the positions `x`, `[batch, T, embed_dim]`, which follow those in `cache`: they are added to it, and
    /// attend to all that it then holds.
    ///
    /// # Errors
    /// If shapes or types do not fit, the cache is full, or gradients are being recorded.
    #[track_caller]
    pub fn attend_cached(
        &self,
        x: &Tensor,
        cache: &mut KvCache,
        masks: &AttentionMasks,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        self.run(x, Some(cache), masks, mode)
    }

    /// An empty cache for [`attend_cached`](Self::attend_cached).
    ///
    /// # Errors
    /// If it does not fit into memory.
    #[track_caller]
    pub fn cache(&self, batch: usize, capacity: usize) -> Result<KvCache> {
        self.heads.cache(batch, capacity, self.o_proj.weight.dtype())
    }

    #[track_caller]
    fn run(
        &self,
        x: &Tensor,
        cache: Option<&mut KvCache>,
        masks: &AttentionMasks,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let q = self.q_proj.at("q_proj", x, mode)?;
        let k = self.k_proj.at("k_proj", x, mode)?;
        let v = self.v_proj.at("v_proj", x, mode)?;
        let keys = x.shape().iter().rev().nth(1).copied().unwrap_or(0) + cache.as_ref().map_or(0, |cache| cache.len());
        let options = masks.options("SelfAttention", &self.heads.split(&q)?, keys, 0)?;
        let options = if self.causal { options.causal() } else { options };
        let y = self.heads.attend([&q, &k, &v], cache, options, mode)?;
        self.o_proj.at("o_proj", &y, mode)
    }
}

impl Architecture for SelfAttention {
    const KIND: &'static str = "SelfAttention";
    type Config = LayerConfig;

    #[track_caller]
    fn config(&self) -> Result<LayerConfig> {
        let projections = [&self.q_proj, &self.k_proj, &self.v_proj, &self.o_proj];
        for projection in projections {
            projection.weight.expect_plain("config")?;
        }
        let config =
            LayerConfig::new().with("embed_dim", self.q_proj.in_features()).with("heads", self.heads.described()?);
        let biases = projections.map(|projection| projection.bias.is_some());
        Ok(config.with("biases", &biases[..]).with("causal", self.causal))
    }

    #[track_caller]
    fn from_config(mut config: LayerConfig, rng: &mut Rng) -> Result<Self> {
        let heads = AttentionHeads::from_described(config.take("heads")?, rng)?;
        let mut layer = Self::new(config.take("embed_dim")?, heads, rng)?;
        let biases: [bool; 4] = config.take("biases")?;
        let projections = [&mut layer.q_proj, &mut layer.k_proj, &mut layer.v_proj, &mut layer.o_proj];
        for (projection, bias) in projections.into_iter().zip(biases) {
            projection.bias = projection.bias.take().filter(|_| bias);
        }
        layer.causal = config.take("causal")?;
        config.done()?;
        Ok(layer)
    }

    fn min_parameters(config: &LayerConfig) -> usize {
        config.size("embed_dim").get()
    }
}

impl Layer for SelfAttention {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = self.attend(x, &AttentionMasks::new(), mode);
        mode.here(y)
    }
}

impl fmt::Debug for SelfAttention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let causal = if self.causal { ", causal" } else { "" };
        write!(f, "SelfAttention({}, {:?}{causal})", self.q_proj.in_features(), self.heads)
    }
}
