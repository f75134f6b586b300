//! One layer of BERT: attention, then a feed-forward part, each normalised behind its residual path.

use super::BertConfig;
use crate::autograd::AttentionOptions;
use crate::error::Result;
use crate::layers::{
    Activation, AttentionHeads, Dropout, Init, Layer, LayerExt, LayerNorm, Linear, Mode, Param, Weight,
};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// How weights begin.
pub(super) const INITIAL: Init = Init::Normal { mean: 0.0, std: 0.02 };

#[track_caller]
pub(super) fn dense(inputs: usize, outputs: usize, rng: &mut Rng) -> Result<Linear> {
    let weight = Weight::new(INITIAL.tensor(&[outputs, inputs], rng)?)?;
    Ok(Linear { weight, bias: Some(Param::new(Tensor::zeros([outputs])?)?) })
}

#[track_caller]
pub(super) fn norm(config: &BertConfig) -> Result<LayerNorm> {
    Ok(LayerNorm::new(config.hidden_size)?.eps(config.layer_norm_eps))
}

/// A layer of a [`Bert`](super::Bert).
#[derive(Debug, Clone)]
pub struct BertLayer {
    /// Every token looks at all.
    pub attention: BertAttention,
    /// `hidden → intermediate`.
    pub intermediate: BertIntermediate,
    /// `intermediate → hidden`.
    pub output: BertOutput,
}

crate::module!(BertLayer { attention, intermediate, output });

/// Attention with its way out.
#[derive(Debug, Clone)]
pub struct BertAttention {
    /// The heads.
    pub heads: BertSelfAttention,
    /// What is made of all heads.
    pub output: BertOutput,
}

crate::module!(BertAttention { heads as "self", output });

/// The projections of queries, keys and values.
#[derive(Debug, Clone)]
pub struct BertSelfAttention {
    /// `hidden → hidden`.
    pub query: Linear,
    /// `hidden → hidden`.
    pub key: Linear,
    /// `hidden → hidden`.
    pub value: Linear,
    heads: AttentionHeads,
}

crate::module!(BertSelfAttention { query, key, value }, plain { heads });

/// A dense layer with an activation.
#[derive(Debug, Clone)]
pub struct BertIntermediate {
    /// `hidden → intermediate`.
    pub dense: Linear,
    activation: Activation,
}

crate::module!(BertIntermediate { dense }, plain { activation });

/// A dense layer whose output is added to what came before, and normalised.
#[derive(Debug, Clone)]
pub struct BertOutput {
    /// The dense layer.
    pub dense: Linear,
    /// Of the sum.
    pub layer_norm: LayerNorm,
    dropout: Dropout,
}

crate::module!(BertOutput { dense, layer_norm as "LayerNorm" }, plain { dropout });

impl BertOutput {
    #[track_caller]
    fn new(config: &BertConfig, inputs: usize, rng: &mut Rng) -> Result<Self> {
        let dense = dense(inputs, config.hidden_size, rng)?;
        Ok(Self { dense, layer_norm: norm(config)?, dropout: Dropout::new(config.dropout)? })
    }

    #[track_caller]
    fn run(&self, x: &Tensor, before: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = self.dense.at("dense", x, mode)?;
        let y = self.dropout.at("dropout", &y, mode)?;
        self.layer_norm.at("LayerNorm", &y.add(before)?, mode)
    }
}

impl BertSelfAttention {
    #[track_caller]
    fn run(&self, x: &Tensor, mask: Option<&Tensor>, mode: &mut Mode<'_>) -> Result<Tensor> {
        let q = self.query.at("query", x, mode)?;
        let k = self.key.at("key", x, mode)?;
        let v = self.value.at("value", x, mode)?;
        let mut options = AttentionOptions::new();
        if let Some(mask) = mask {
            options = options.mask(mask);
        }
        self.heads.attend([&q, &k, &v], None, options, mode)
    }
}

impl Layer for BertIntermediate {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = self.dense.at("dense", x, mode)?;
        self.activation.at("activation", &y, mode)
    }
}

impl BertLayer {
    #[track_caller]
    pub(super) fn new(config: &BertConfig, rng: &mut Rng) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let heads = AttentionHeads::new(config.num_heads, config.head_size())?.dropout(config.attention_dropout)?;
        let wide = heads.query_features();
        let mut part = || dense(hidden, wide, rng);
        let heads = BertSelfAttention { query: part()?, key: part()?, value: part()?, heads };
        Ok(Self {
            attention: BertAttention { heads, output: BertOutput::new(config, wide, rng)? },
            intermediate: BertIntermediate { dense: dense(hidden, inner, rng)?, activation: config.activation },
            output: BertOutput::new(config, inner, rng)?,
        })
    }

    /// `mask` is `[batch, 1, 1, time]`, false for tokens that are not seen.
    #[track_caller]
    pub(super) fn run(&self, x: &Tensor, mask: Option<&Tensor>, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = mode.call("attention", &self.attention, |attention, mode| {
            let y = mode.call("self", &attention.heads, |heads, mode| heads.run(x, mask, mode))?;
            mode.call("output", &attention.output, |output, mode| output.run(&y, x, mode))
        })?;
        let inner = self.intermediate.at("intermediate", &x, mode)?;
        mode.call("output", &self.output, |output, mode| output.run(&inner, &x, mode))
    }
}

/// A layer with what it may look at.
#[derive(Debug, Clone)]
pub(super) struct Seeing {
    pub(super) layer: BertLayer,
    pub(super) mask: Option<Tensor>,
}

crate::module!(Seeing { layer }, plain { mask });

impl Layer for Seeing {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.layer.run(x, self.mask.as_ref(), mode)
    }
}
