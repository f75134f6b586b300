//! One block of a GPT: attention, then a feed-forward part, each behind a normalisation and beside a residual path.

use super::config::GptConfig;
use super::projection::Projection;
use crate::autograd::AttentionOptions;
use crate::error::{Error, Result};
use crate::layers::{Activation, Dropout, KvCache, Layer, LayerExt, LayerNorm, Mode};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The standard deviation of initial weights.
pub(super) const INITIAL_STD: f64 = 0.02;

/// What a block sees besides its input: what came before, and what of that must not be seen.
#[derive(Default)]
pub(super) struct Past<'a> {
    pub(super) cache: Option<&'a mut KvCache>,
    /// `[batch, 1, 1, keys]`, false for padding.
    pub(super) mask: Option<&'a Tensor>,
}

/// `x + attention(norm(x))`, then the same with the feed-forward part.
#[derive(Debug, Clone)]
pub struct Block {
    /// Before attention.
    pub ln_1: LayerNorm,
    /// Each position looks at itself and those before it.
    pub attn: Attention,
    /// Before the feed-forward part.
    pub ln_2: LayerNorm,
    /// Two dense layers with an activation in between.
    pub mlp: FeedForward,
}

crate::module!(Block { ln_1, attn, ln_2, mlp });

impl Block {
    #[track_caller]
    pub(super) fn new(config: &GptConfig, index: usize, rng: &mut Rng) -> Result<Self> {
        let norm = LayerNorm::new([config.hidden_size])?.eps(config.layer_norm_eps);
        Ok(Self {
            ln_1: norm.clone(),
            attn: Attention::new(config, index, rng)?,
            ln_2: norm,
            mlp: FeedForward::new(config, rng)?,
        })
    }

    /// `[batch, time, hidden]` to the same shape.
    #[track_caller]
    pub(super) fn run(&self, x: &Tensor, past: Past<'_>, mode: &mut Mode<'_>) -> Result<Tensor> {
        let normed = self.ln_1.at("ln_1", x, mode)?;
        let x = x.add(&mode.call("attn", &self.attn, |attn, mode| attn.run(&normed, past, mode))?)?;
        let normed = self.ln_2.at("ln_2", &x, mode)?;
        x.add(&self.mlp.at("mlp", &normed, mode)?)
    }
}

impl Layer for Block {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.run(x, Past::default(), mode)
    }
}

/// The outputs of residual parts add up over the layers; smaller weights keep their sum in bounds.
fn residual_std(config: &GptConfig) -> f64 {
    INITIAL_STD / (2.0 * config.num_layers as f64).sqrt()
}

/// Causal self-attention with several heads.
#[derive(Debug, Clone)]
pub struct Attention {
    /// Queries, keys and values, one behind the other: `hidden → 3 · hidden`.
    pub c_attn: Projection,
    /// From all heads back to one vector.
    pub c_proj: Projection,
    num_heads: usize,
    /// The factor of the scores, if it is not the usual one.
    scale: Option<f64>,
    /// Of attention weights.
    weight_dropout: Dropout,
    dropout: Dropout,
}

crate::module!(Attention { c_attn, c_proj }, plain { num_heads, scale, weight_dropout, dropout });

impl Attention {
    #[track_caller]
    fn new(config: &GptConfig, index: usize, rng: &mut Rng) -> Result<Self> {
        let width = config.hidden_size;
        let usual = config.attention_scaling && !config.inverse_layer_scaling;
        let root = if config.attention_scaling { ((width / config.num_heads) as f64).sqrt() } else { 1.0 };
        let block = if config.inverse_layer_scaling { index as f64 + 1.0 } else { 1.0 };
        Ok(Self {
            scale: (!usual).then_some(1.0 / (root * block)),
            weight_dropout: Dropout::new(config.attention_dropout.unwrap_or(config.dropout))?,
            c_attn: Projection::new(width, 3 * width, INITIAL_STD, rng)?,
            c_proj: Projection::new(width, width, residual_std(config), rng)?,
            num_heads: config.num_heads,
            dropout: Dropout::new(config.dropout)?,
        })
    }

    #[track_caller]
    fn run(&self, x: &Tensor, past: Past<'_>, mode: &mut Mode<'_>) -> Result<Tensor> {
        let &[batch, time, width] = x.shape() else {
            let message = format!("the input has shape {:?}, expected [batch, time, hidden]", x.shape());
            return Err(Error::shape("attention", message).with_help("unsqueeze(0) makes a batch of one sequence"));
        };
        let qkv = self.c_attn.at("c_attn", x, mode)?; // [batch, time, 3 · hidden]
        let heads = |i: usize| {
            let part = qkv.narrow(2, i * width, width)?;
            part.reshape([batch, time, self.num_heads, width / self.num_heads])?.transpose(1, 2)
        };
        let (q, mut k, mut v) = (heads(0)?, heads(1)?, heads(2)?); // [batch, heads, time, head_dim]
        if let Some(cache) = past.cache {
            cache.append(&k, &v)?;
            (k, v) = (cache.keys(), cache.values());
        }
        let mut options = AttentionOptions::new().causal();
        if let Some(scale) = self.scale {
            options = options.scale(scale);
        }
        if let Some(mask) = past.mask {
            options = options.mask(mask);
        }
        if let (Some(rng), true) = (mode.rng(), self.weight_dropout.p() > 0.0) {
            options = options.dropout(self.weight_dropout.p(), rng);
        }
        let y = q.attention(&k, &v, &options)?.transpose(1, 2)?.reshape([batch, time, width])?;
        let y = self.c_proj.at("c_proj", &y, mode)?;
        self.dropout.at("dropout", &y, mode)
    }
}

/// Two dense layers with an activation in between.
#[derive(Debug, Clone)]
pub struct FeedForward {
    /// `hidden → intermediate`.
    pub c_fc: Projection,
    /// `intermediate → hidden`.
    pub c_proj: Projection,
    activation: Activation,
    dropout: Dropout,
}

crate::module!(FeedForward { c_fc, c_proj }, plain { activation, dropout });

impl FeedForward {
    #[track_caller]
    fn new(config: &GptConfig, rng: &mut Rng) -> Result<Self> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        Ok(Self {
            c_fc: Projection::new(width, inner, INITIAL_STD, rng)?,
            c_proj: Projection::new(inner, width, residual_std(config), rng)?,
            activation: config.activation,
            dropout: Dropout::new(config.dropout)?,
        })
    }
}

impl Layer for FeedForward {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let inner = self.c_fc.at("c_fc", x, mode)?;
        let inner = self.activation.at("activation", &inner, mode)?;
        let y = self.c_proj.at("c_proj", &inner, mode)?;
        self.dropout.at("dropout", &y, mode)
    }
}

/// A block some of whose keys are hidden.
#[derive(Debug, Clone)]
pub(super) struct Masked {
    pub(super) block: Block,
    /// `[batch, 1, 1, time]`, false for what is hidden.
    pub(super) mask: Tensor,
}

crate::module!(Masked { block }, plain { mask });

impl Layer for Masked {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.block.run(x, Past { cache: None, mask: Some(&self.mask) }, mode)
    }
}
