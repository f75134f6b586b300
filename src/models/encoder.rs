//! The layers of transformers that look at pictures, and at texts beside them.

use std::panic::Location;

use serde::{Deserialize, Serialize};

use crate::autograd::AttentionOptions;
use crate::error::{Error, Result};
use crate::layers::{
    Activation, AttentionHeads, Count, Dropout, Init, Layer, LayerExt, LayerNorm, Linear, Mode, Module, Param, Visitor,
    VisitorMut, Weight,
};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The sizes and options of the layers of a [`Vit`](super::Vit) or of a tower of a [`Clip`](super::Clip).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EncoderConfig {
    /// The size of the vectors.
    pub hidden_size: usize,
    /// How many layers there are.
    pub num_layers: usize,
    /// Into how many heads attention is split; `hidden_size` is a multiple of it.
    pub num_heads: usize,
    /// The inner size of a layer's feed-forward part.
    pub intermediate_size: usize,
    /// The function inside of the feed-forward parts.
    pub activation: Activation,
    /// Added to the variance by layer normalisation.
    pub layer_norm_eps: f64,
    /// Whether queries, keys and values have biases.
    pub qkv_bias: bool,
    /// The dropout probability of the outputs of both parts of a layer.
    pub dropout: f64,
    /// The dropout probability of attention weights.
    pub attention_dropout: f64,
}

/// How weights begin.
pub(super) const INITIAL: Init = Init::Normal { mean: 0.0, std: 0.02 };

/// More layers than any model has.
const MAX_LAYERS: usize = 10_000;

#[track_caller]
pub(super) fn dense(inputs: usize, outputs: usize, bias: bool, rng: &mut Rng) -> Result<Linear> {
    let weight = Weight::new(INITIAL.tensor(&[outputs, inputs], rng)?)?;
    Ok(Linear { weight, bias: if bias { Some(Param::new(Tensor::zeros([outputs])?)?) } else { None } })
}

impl EncoderConfig {
    /// So many layers of vectors of this size, with heads of 64 features, or one, and four times the size inside; GELU.
    #[must_use]
    pub fn new(hidden_size: usize, num_layers: usize) -> Self {
        Self {
            hidden_size,
            num_layers,
            num_heads: (hidden_size / 64).max(1),
            intermediate_size: hidden_size.saturating_mul(4),
            activation: Activation::Gelu,
            layer_norm_eps: 1e-12,
            qkv_bias: true,
            dropout: 0.0,
            attention_dropout: 0.0,
        }
    }

    /// The parameters of all layers.
    pub(super) fn parameters(&self) -> Count {
        let (c, inner) = (Count::new(self.hidden_size), self.intermediate_size);
        let biases = if self.qkv_bias { 4 } else { 1 };
        (c * self.hidden_size * 4 + c * biases + c * inner * 2 + c + inner + c * 4) * self.num_layers
    }

    /// How many tensors they are.
    pub(super) fn tensors(&self) -> Count {
        Count::new(16) * self.num_layers
    }

    #[track_caller]
    pub(super) fn check(&self, op: &'static str) -> Result<()> {
        let caller = Location::caller();
        let wrong = |message: String| Err(Error::argument(op, message).at(caller));
        let (hidden, heads) = (self.hidden_size, self.num_heads);
        if [hidden, heads, self.intermediate_size].contains(&0) || !hidden.is_multiple_of(heads) {
            return wrong(format!("{heads} heads of {hidden} features, and {} inside", self.intermediate_size));
        }
        if self.num_layers == 0 || self.num_layers > MAX_LAYERS {
            return wrong(format!("{} layers, expected 1 to {MAX_LAYERS}", self.num_layers));
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps.is_finite()) {
            return wrong(format!("layer_norm_eps is {}, expected a positive number", self.layer_norm_eps));
        }
        match self.activation.shortening() {
            Some(what) => wrong(format!("the activation is a {}, which {what}", self.activation.kind())),
            None => Ok(()),
        }
    }

    #[track_caller]
    pub(super) fn norm(&self) -> Result<LayerNorm> {
        Ok(LayerNorm::new(self.hidden_size)?.eps(self.layer_norm_eps))
    }

    #[track_caller]
    pub(super) fn layers(&self, names: &'static EncoderNames, rng: &mut Rng) -> Result<Vec<EncoderLayer>> {
        let mut layers = Vec::with_capacity(self.num_layers.min(1024));
        for _ in 0..self.num_layers {
            layers.push(EncoderLayer::new(self, names, rng)?);
        }
        Ok(layers)
    }
}

/// How files name the parts of a layer.
#[derive(Debug)]
pub(super) struct EncoderNames {
    norms: [&'static str; 2],
    /// Queries, keys, values, and what is made of all heads.
    attention: [&'static str; 4],
    inner: [&'static str; 2],
}

pub(super) const VIT: EncoderNames = EncoderNames {
    norms: ["layernorm_before", "layernorm_after"],
    attention: [
        "attention.attention.query",
        "attention.attention.key",
        "attention.attention.value",
        "attention.output.dense",
    ],
    inner: ["intermediate.dense", "output.dense"],
};

pub(super) const CLIP: EncoderNames = EncoderNames {
    norms: ["layer_norm1", "layer_norm2"],
    attention: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"],
    inner: ["mlp.fc1", "mlp.fc2"],
};

/// A layer of a [`Vit`](super::Vit) or of a tower of a [`Clip`](super::Clip): attention, then a feed-forward part, each behind a
/// normalisation and beside a path that skips it.
///
/// # Shapes
/// - input and output: `[batch, time, hidden]`
#[derive(Debug, Clone)]
pub struct EncoderLayer {
    names: &'static EncoderNames,
    norms: [LayerNorm; 2],
    attention: [Linear; 4],
    inner: [Linear; 2],
    heads: AttentionHeads,
    activation: Activation,
    dropout: Dropout,
}

impl Module for EncoderLayer {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        let names = self.names;
        visitor.field(names.norms[0], &self.norms[0]);
        self.attention.iter().zip(names.attention).for_each(|(part, name)| visitor.field(name, part));
        visitor.field(names.norms[1], &self.norms[1]);
        self.inner.iter().zip(names.inner).for_each(|(part, name)| visitor.field(name, part));
    }
    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        let names = self.names;
        let [before, after] = &mut self.norms;
        visitor.field(names.norms[0], before);
        self.attention.iter_mut().zip(names.attention).for_each(|(part, name)| visitor.field(name, part));
        visitor.field(names.norms[1], after);
        self.inner.iter_mut().zip(names.inner).for_each(|(part, name)| visitor.field(name, part));
    }
}

impl EncoderLayer {
    #[track_caller]
    fn new(config: &EncoderConfig, names: &'static EncoderNames, rng: &mut Rng) -> Result<Self> {
        let (hidden, inner, bias) = (config.hidden_size, config.intermediate_size, config.qkv_bias);
        let mut square = |bias| dense(hidden, hidden, bias, rng);
        let attention = [square(bias)?, square(bias)?, square(bias)?, square(true)?];
        let heads = AttentionHeads::new(config.num_heads, hidden / config.num_heads)?;
        Ok(Self {
            names,
            norms: [config.norm()?, config.norm()?],
            attention,
            inner: [dense(hidden, inner, true, rng)?, dense(inner, hidden, true, rng)?],
            heads: heads.dropout(config.attention_dropout)?,
            activation: config.activation,
            dropout: Dropout::new(config.dropout)?,
        })
    }

    #[track_caller]
    pub(super) fn run(&self, x: &Tensor, options: AttentionOptions, mode: &mut Mode<'_>) -> Result<Tensor> {
        let names = self.names;
        let y = self.norms[0].at(names.norms[0], x, mode)?;
        let [q, k, v] = [0, 1, 2].map(|i| self.attention[i].at(names.attention[i], &y, mode));
        let y = self.heads.attend([&q?, &k?, &v?], None, options, mode)?;
        let y = self.attention[3].at(names.attention[3], &y, mode)?;
        let x = self.dropout.forward(&y, mode)?.add(x)?;
        let y = self.norms[1].at(names.norms[1], &x, mode)?;
        let y = self.inner[0].at(names.inner[0], &y, mode)?;
        let y = self.inner[1].at(names.inner[1], &self.activation.apply(&y)?, mode)?;
        self.dropout.forward(&y, mode)?.add(&x)
    }
}
