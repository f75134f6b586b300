//! One block: attention, then a gated feed-forward part, each behind a normalisation and beside a residual path.

use super::config::LlamaConfig;
use super::span::Span;
use crate::autograd::AttentionOptions;
use crate::error::{Error, Result};
use crate::layers::{
    Activation, AttentionHeads, Dropout, Init, KvCache, Layer, LayerExt, Linear, Mode, Param, RmsNorm, Shard, Weight,
    same_paths,
};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// How weights begin, as in `transformers`.
pub(super) const INITIAL: Init = Init::Normal { mean: 0.0, std: 0.02 };

/// `x + attention(norm(x))`, then the same with the feed-forward part.
#[derive(Debug, Clone)]
pub struct Block {
    /// Before attention.
    pub input_layernorm: RmsNorm,
    /// Each position looks at itself and those before it.
    pub self_attn: Attention,
    /// Before the feed-forward part; with norms on both sides, behind attention.
    pub post_attention_layernorm: RmsNorm,
    /// With norms on both sides: before the feed-forward part.
    pub pre_feedforward_layernorm: Option<RmsNorm>,
    /// With norms on both sides: behind the feed-forward part.
    pub post_feedforward_layernorm: Option<RmsNorm>,
    /// A gated feed-forward part.
    pub mlp: FeedForward,
    dropout: Dropout,
    /// Where it may be divided among ranks.
    pub(crate) shard: Option<Shard>,
}

crate::module!(
    Block {
        input_layernorm,
        self_attn,
        post_attention_layernorm,
        pre_feedforward_layernorm,
        post_feedforward_layernorm,
        mlp
    },
    plain { dropout, shard }
);

/// A normalisation of so many features.
#[track_caller]
pub(super) fn norm(config: &LlamaConfig, features: usize) -> Result<RmsNorm> {
    let norm = RmsNorm::new(features)?.eps(config.rms_norm_eps);
    if config.unit_offset { norm.unit_offset() } else { Ok(norm) }
}

#[track_caller]
fn projection([inputs, outputs]: [usize; 2], bias: bool, rng: &mut Rng) -> Result<Linear> {
    let weight = Weight::new(INITIAL.tensor(&[outputs, inputs], rng)?)?;
    let bias = if bias { Some(Param::new(Tensor::zeros([outputs])?)?) } else { None };
    Ok(Linear { weight, bias })
}

impl Block {
    #[track_caller]
    pub(super) fn new(config: &LlamaConfig, layer: usize, rng: &mut Rng) -> Result<Self> {
        let here = || norm(config, config.hidden_size);
        let outer = || if config.post_norms { here().map(Some) } else { Ok(None) };
        Ok(Self {
            input_layernorm: here()?,
            self_attn: Attention::new(config, layer, rng)?,
            post_attention_layernorm: here()?,
            pre_feedforward_layernorm: outer()?,
            post_feedforward_layernorm: outer()?,
            mlp: FeedForward::new(config, rng)?,
            dropout: Dropout::new(config.dropout)?,
            shard: None,
        })
    }

    /// `[batch, time, hidden]` to the same shape.
    #[track_caller]
    pub(super) fn run(
        &self,
        x: &Tensor,
        cache: Option<&mut KvCache>,
        span: &Span,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let normed = self.input_layernorm.at("input_layernorm", x, mode)?;
        let mut y = mode.call("self_attn", &self.self_attn, |attn, mode| attn.run(&normed, cache, span, mode))?;
        // Between the two parts stands one norm, or one that ends the first and one that begins the second.
        let before = match &self.pre_feedforward_layernorm {
            Some(before) => {
                y = self.post_attention_layernorm.at("post_attention_layernorm", &y, mode)?;
                ("pre_feedforward_layernorm", before)
            }
            None => ("post_attention_layernorm", &self.post_attention_layernorm),
        };
        let x = x.add(&self.dropout.at("dropout", &y, mode)?)?;
        let normed = before.1.at(before.0, &x, mode)?;
        let mut y = self.mlp.at("mlp", &normed, mode)?;
        if let Some(behind) = &self.post_feedforward_layernorm {
            y = behind.at("post_feedforward_layernorm", &y, mode)?;
        }
        x.add(&self.dropout.at("dropout", &y, mode)?)
    }
}

/// Causal self-attention with rotary positions, whose heads may share keys and values.
#[derive(Debug, Clone)]
pub struct Attention {
    /// `hidden → heads · head_dim`.
    pub q_proj: Linear,
    /// `hidden → kv_heads · head_dim`.
    pub k_proj: Linear,
    /// `hidden → kv_heads · head_dim`.
    pub v_proj: Linear,
    /// `heads · head_dim → hidden`.
    pub o_proj: Linear,
    /// Of each head of the queries.
    pub q_norm: Option<RmsNorm>,
    /// Of each head of the keys.
    pub k_norm: Option<RmsNorm>,
    heads: AttentionHeads,
    softcap: Option<f64>,
    sliding: bool,
    turned: bool,
}

crate::module!(Attention { q_proj, k_proj, v_proj, o_proj, q_norm, k_norm }, plain { heads, softcap, sliding, turned });

impl Attention {
    #[track_caller]
    fn new(config: &LlamaConfig, layer: usize, rng: &mut Rng) -> Result<Self> {
        let mut heads = AttentionHeads::new(config.num_heads, config.head_size())?
            .kv_heads(config.key_heads())?
            .dropout(config.attention_dropout)?;
        if let Some(scale) = config.attention_scale {
            heads = heads.scale(scale)?;
        }
        let (hidden, wide, narrow) = (config.hidden_size, heads.query_features(), heads.key_features());
        let normed = || if config.qk_norm { norm(config, config.head_size()).map(Some) } else { Ok(None) };
        Ok(Self {
            q_proj: projection([hidden, wide], config.qkv_bias, rng)?,
            k_proj: projection([hidden, narrow], config.qkv_bias, rng)?,
            v_proj: projection([hidden, narrow], config.qkv_bias, rng)?,
            o_proj: projection([wide, hidden], config.output_bias, rng)?,
            q_norm: normed()?,
            k_norm: normed()?,
            heads,
            softcap: config.attention_softcap,
            sliding: config.is_sliding(layer),
            turned: !config.layers_without_rope.contains(&layer),
        })
    }

    /// The heads, to be divided among ranks.
    pub(crate) fn heads_mut(&mut self) -> &mut AttentionHeads {
        &mut self.heads
    }

    /// Whether it looks at a window only.
    #[must_use]
    pub fn is_sliding(&self) -> bool {
        self.sliding
    }

    /// An empty cache for up to so many tokens.
    #[track_caller]
    pub(super) fn cache(&self, batch: usize, limit: usize, dtype: DType) -> Result<KvCache> {
        KvCache::growing(batch, self.heads.num_kv_heads(), limit, self.heads.head_dim(), dtype)
    }

    /// `[batch, time, n · head_dim]` as `[batch, n, time, head_dim]`, each head normalised by itself.
    #[track_caller]
    fn split(&self, x: &Tensor, norm: Option<(&'static str, &RmsNorm)>, mode: &mut Mode<'_>) -> Result<Tensor> {
        let Some((name, norm)) = norm else { return self.heads.split(x) };
        let (features, head_dim) = (x.shape().last().copied().unwrap_or(0), self.heads.head_dim());
        let x = x.unflatten(-1, [features / head_dim, head_dim])?;
        let weight = norm.weight.as_deref().map(|weight| self.heads.shared(weight)).transpose()?;
        mode.call(name, norm, |norm, _| norm.scaled(&x, weight.as_ref()))?.transpose(-3, -2)
    }

    #[track_caller]
    fn run(&self, x: &Tensor, cache: Option<&mut KvCache>, span: &Span, mode: &mut Mode<'_>) -> Result<Tensor> {
        if x.rank() != 3 {
            let message = format!("the input has shape {:?}, expected [batch, time, hidden]", x.shape());
            return Err(Error::shape("attention", message).with_help("unsqueeze(0) makes a batch of one sequence"));
        }
        let q = self.q_proj.at("q_proj", x, mode)?;
        let k = self.k_proj.at("k_proj", x, mode)?;
        let v = self.v_proj.at("v_proj", x, mode)?;
        let mut q = self.split(&q, self.q_norm.as_ref().map(|norm| ("q_norm", norm)), mode)?;
        let mut k = self.split(&k, self.k_norm.as_ref().map(|norm| ("k_norm", norm)), mode)?;
        let mut v = self.heads.split(&v)?;
        if self.turned {
            (q, k) = (span.turn.apply(&q)?, span.turn.apply(&k)?);
        }
        if let Some(cache) = cache {
            cache.append(&k, &v)?;
            (k, v) = (cache.keys(), cache.values());
        }
        let older = k.shape()[2].saturating_sub(span.keys);
        if older > 0 {
            (k, v) = (k.narrow(2, older, span.keys)?, v.narrow(2, older, span.keys)?);
        }
        let mut options = AttentionOptions::new().causal();
        if let Some(mask) = &span.mask {
            options = options.mask(mask);
        }
        if let Some(cap) = self.softcap {
            options = options.softcap(cap);
        }
        let options = self.heads.options(options, mode);
        let y = self.heads.join(&mode.attention([&q, &k, &v], &options)?)?;
        self.o_proj.at("o_proj", &y, mode)
    }
}

/// A gated feed-forward part: `down(activation(gate(x)) · up(x))` (Shazeer, *GLU variants improve transformer*, 2020).
#[derive(Debug, Clone)]
pub struct FeedForward {
    /// `hidden → intermediate`.
    pub gate_proj: Linear,
    /// `hidden → intermediate`.
    pub up_proj: Linear,
    /// `intermediate → hidden`.
    pub down_proj: Linear,
    activation: Activation,
}

crate::module!(FeedForward { gate_proj, up_proj, down_proj }, plain { activation });

impl FeedForward {
    #[track_caller]
    fn new(config: &LlamaConfig, rng: &mut Rng) -> Result<Self> {
        let (hidden, inner, bias) = (config.hidden_size, config.intermediate_size, config.mlp_bias);
        Ok(Self {
            gate_proj: projection([hidden, inner], bias, rng)?,
            up_proj: projection([hidden, inner], bias, rng)?,
            down_proj: projection([inner, hidden], bias, rng)?,
            activation: config.activation,
        })
    }
}

impl Layer for FeedForward {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let gate = self.gate_proj.at("gate_proj", x, mode)?;
        let gate = self.activation.at("activation", &gate, mode)?;
        let inner = gate.mul(&self.up_proj.at("up_proj", x, mode)?)?;
        self.down_proj.at("down_proj", &inner, mode)
    }
}

/// A block with its view of a text.
#[derive(Debug, Clone)]
pub(super) struct Looking {
    pub(super) block: Block,
    pub(super) span: Span,
}

same_paths!(Looking { block });

impl Layer for Looking {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.block.run(x, None, &self.span, mode)
    }
}
