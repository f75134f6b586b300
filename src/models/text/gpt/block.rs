//! One block of a GPT: attention, then a feed-forward part, each behind a normalisation and beside a residual path.

use super::config::GptConfig;
use crate::autograd::AttentionOptions;
use crate::error::{Error, Result};
use crate::layers::{
    Activation, AttentionHeads, Dropout, Init, KvCache, Layer, LayerExt, LayerNorm, Linear, Mode, Param, Shard, Weight,
    same_paths,
};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

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
    /// Where it may be divided among ranks.
    pub(crate) shard: Option<Shard>,
}

crate::module!(Block { ln_1, attn, ln_2, mlp }, plain { shard });

impl Block {
    #[track_caller]
    pub(super) fn new(config: &GptConfig, index: usize, rng: &mut Rng) -> Result<Self> {
        let norm = LayerNorm::new([config.hidden_size])?.eps(config.layer_norm_eps);
        Ok(Self {
            ln_1: norm.clone(),
            attn: Attention::new(config, index, rng)?,
            ln_2: norm,
            mlp: FeedForward::new(config, rng)?,
            shard: None,
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

/// A dense layer in the layout of GPT-2's files, with weights of this standard deviation and a bias of zeros.
#[track_caller]
fn projection(inputs: usize, outputs: usize, std: f64, rng: &mut Rng) -> Result<Linear> {
    let weight = Init::Normal { mean: 0.0, std }.tensor(&[inputs, outputs], rng)?;
    let bias = Param::new(Tensor::zeros([outputs])?)?;
    Ok(Linear { weight: Weight::InputsFirst(Param::new(weight)?), bias: Some(bias) })
}

/// Causal self-attention with several heads.
#[derive(Debug, Clone)]
pub struct Attention {
    /// Queries, keys and values of all heads, one behind the other: `hidden → 3 · hidden`, unless heads were taken out.
    pub c_attn: Linear,
    /// From all heads back to one vector.
    pub c_proj: Linear,
    heads: AttentionHeads,
    dropout: Dropout,
}

crate::module!(Attention { c_attn, c_proj }, plain { heads, dropout });

impl Attention {
    #[track_caller]
    fn new(config: &GptConfig, index: usize, rng: &mut Rng) -> Result<Self> {
        let (width, head_dim) = (config.hidden_size, config.head_size());
        let weight_dropout = Dropout::new(config.attention_dropout.unwrap_or(config.dropout))?;
        let mut heads = AttentionHeads::new(config.num_heads, head_dim)?.dropout(weight_dropout.p())?;
        if !config.attention_scaling || config.inverse_layer_scaling {
            let root = if config.attention_scaling { (head_dim as f64).sqrt() } else { 1.0 };
            let block = if config.inverse_layer_scaling { index as f64 + 1.0 } else { 1.0 };
            heads = heads.scale(1.0 / (root * block))?;
        }
        Ok(Self {
            c_attn: projection(width, 3 * heads.query_features(), INITIAL_STD, rng)?,
            c_proj: projection(heads.query_features(), width, residual_std(config), rng)?,
            heads,
            dropout: Dropout::new(config.dropout)?,
        })
    }

    /// The heads, to be divided among ranks.
    pub(crate) fn heads_mut(&mut self) -> &mut AttentionHeads {
        &mut self.heads
    }

    /// An empty cache.
    #[track_caller]
    pub(super) fn cache(&self, batch: usize, capacity: usize, dtype: DType) -> Result<KvCache> {
        self.heads.cache(batch, capacity, dtype)
    }

    #[track_caller]
    fn run(&self, x: &Tensor, past: Past<'_>, mode: &mut Mode<'_>) -> Result<Tensor> {
        if x.rank() != 3 {
            let message = format!("the input has shape {:?}, expected [batch, time, hidden]", x.shape());
            return Err(Error::shape("attention", message).with_help("unsqueeze(0) makes a batch of one sequence"));
        }
        let qkv = self.c_attn.at("c_attn", x, mode)?; // [batch, time, 3 · heads · head_dim]
        let width = self.heads.query_features();
        let part = |i: usize| qkv.narrow(2, i * width, width);
        let mut options = AttentionOptions::new().causal();
        if let Some(mask) = past.mask {
            options = options.mask(mask);
        }
        let y = self.heads.attend([&part(0)?, &part(1)?, &part(2)?], past.cache, options, mode)?;
        let y = self.c_proj.at("c_proj", &y, mode)?;
        self.dropout.at("dropout", &y, mode)
    }
}

/// Two dense layers with an activation in between.
#[derive(Debug, Clone)]
pub struct FeedForward {
    /// `hidden → intermediate`.
    pub c_fc: Linear,
    /// `intermediate → hidden`.
    pub c_proj: Linear,
    activation: Activation,
    dropout: Dropout,
}

crate::module!(FeedForward { c_fc, c_proj }, plain { activation, dropout });

impl FeedForward {
    #[track_caller]
    fn new(config: &GptConfig, rng: &mut Rng) -> Result<Self> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        Ok(Self {
            c_fc: projection(width, inner, INITIAL_STD, rng)?,
            c_proj: projection(inner, width, residual_std(config), rng)?,
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

/// A block some of whose keys may be hidden.
#[derive(Debug, Clone)]
pub(super) struct Masked {
    pub(super) block: Block,
    /// `[batch, 1, 1, time]`, false for what is hidden.
    pub(super) mask: Option<Tensor>,
}

same_paths!(Masked { block });

impl Layer for Masked {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.block.run(x, Past { cache: None, mask: self.mask.as_ref() }, mode)
    }
}
