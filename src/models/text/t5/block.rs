//! One block: attention to the tokens, in the decoder attention to the encoder's output, and a feed-forward part, each behind a
//! normalisation and beside a residual path.

use super::T5Config;
use crate::autograd::AttentionOptions;
use crate::error::{Result, bug};
use crate::layers::{
    Activation, AttentionHeads, Dropout, Init, KvCache, Layer, LayerExt, Linear, Mode, Param, RmsNorm, Weight,
};
use crate::models::text::seq2seq::Seen;
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// A dense layer without bias, with weights of this deviation.
#[track_caller]
pub(super) fn dense([inputs, outputs]: [usize; 2], std: f64, rng: &mut Rng) -> Result<Linear> {
    let weight = Init::Normal { mean: 0.0, std }.tensor(&[outputs, inputs], rng)?;
    Ok(Linear { weight: Weight::new(weight)?, bias: None })
}

#[track_caller]
pub(super) fn norm(config: &T5Config) -> Result<RmsNorm> {
    Ok(RmsNorm::new(config.hidden_size)?.eps(config.layer_norm_eps))
}

/// A block of an encoder or a decoder: its parts, one after the other.
#[derive(Debug, Clone)]
pub struct T5Block {
    /// Attention, in the decoder attention to the source, and a feed-forward part.
    pub layer: Vec<T5Part>,
}

crate::module!(T5Block { layer });

/// A part of a block.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum T5Part {
    /// Tokens look at each other.
    Attention(T5SelfAttention),
    /// Tokens look at what the encoder made of the source.
    Cross(T5CrossAttention),
    /// Each token by itself.
    Feed(T5FeedForward),
}

crate::module!(
    enum T5Part {
        Attention(T5SelfAttention),
        Cross(T5CrossAttention),
        Feed(T5FeedForward),
    }
);

/// `x + attention(norm(x))`.
#[derive(Debug, Clone)]
pub struct T5SelfAttention {
    /// The heads.
    pub attention: T5Attention,
    /// Before them.
    pub layer_norm: RmsNorm,
    dropout: Dropout,
}

crate::module!(T5SelfAttention { attention as "SelfAttention", layer_norm }, plain { dropout });

/// `x + attention(norm(x), memory)`.
#[derive(Debug, Clone)]
pub struct T5CrossAttention {
    /// The heads.
    pub attention: T5Attention,
    /// Before them.
    pub layer_norm: RmsNorm,
    dropout: Dropout,
}

crate::module!(T5CrossAttention { attention as "EncDecAttention", layer_norm }, plain { dropout });

/// `x + wo(activation(wi(norm(x))))`, or with a gate, `x + wo(activation(wi_0(norm(x))) · wi_1(norm(x)))`.
#[derive(Debug, Clone)]
pub struct T5FeedForward {
    /// The dense layers.
    pub dense: T5Dense,
    /// Before them.
    pub layer_norm: RmsNorm,
    dropout: Dropout,
}

crate::module!(T5FeedForward { dense as "DenseReluDense", layer_norm }, plain { dropout });

/// The dense layers of a feed-forward part.
#[derive(Debug, Clone)]
pub struct T5Dense {
    /// `hidden → intermediate`, without a gate.
    pub wi: Option<Linear>,
    /// `hidden → intermediate`, the gate.
    pub wi_0: Option<Linear>,
    /// `hidden → intermediate`, what is gated.
    pub wi_1: Option<Linear>,
    /// `intermediate → hidden`.
    pub wo: Linear,
    activation: Activation,
    dropout: Dropout,
}

crate::module!(T5Dense { wi, wi_0, wi_1, wo }, plain { activation, dropout });

/// Attention whose scores are not scaled.
#[derive(Debug, Clone)]
pub struct T5Attention {
    /// `hidden → heads · head_dim`.
    pub q: Linear,
    /// `hidden → heads · head_dim`.
    pub k: Linear,
    /// `hidden → heads · head_dim`.
    pub v: Linear,
    /// `heads · head_dim → hidden`.
    pub o: Linear,
    /// What is added to the scores of each head for each class of distances, `[buckets, heads]`: of the first block, for all.
    pub relative_attention_bias: Option<T5Distances>,
    heads: AttentionHeads,
}

crate::module!(T5Attention { q, k, v, o, relative_attention_bias }, plain { heads });

/// What is added to the scores for distances of tokens.
#[derive(Debug, Clone)]
pub struct T5Distances {
    /// `[buckets, heads]`.
    pub weight: Param,
}

crate::module!(T5Distances { weight });

/// What all blocks share in a pass.
pub(super) struct Pass<'a> {
    /// Of attention to the tokens.
    pub(super) own: AttentionOptions,
    /// Of attention to the source.
    pub(super) cross: AttentionOptions,
    /// The encoder's output.
    pub(super) memory: Option<&'a Tensor>,
    /// Its keys and values in each block.
    pub(super) kept: Option<&'a [KvCache]>,
}

impl T5Attention {
    #[track_caller]
    fn new(config: &T5Config, biased: bool, rng: &mut Rng) -> Result<Self> {
        let heads = AttentionHeads::new(config.num_heads, config.head_dim)?.scale(1.0)?.dropout(config.dropout)?;
        let (hidden, wide) = (config.hidden_size, heads.query_features());
        let std = (hidden as f64).powf(-0.5);
        let bias = Init::Normal { mean: 0.0, std };
        Ok(Self {
            q: dense([hidden, wide], std * (config.head_dim as f64).powf(-0.5), rng)?,
            k: dense([hidden, wide], std, rng)?,
            v: dense([hidden, wide], std, rng)?,
            o: dense([wide, hidden], (wide as f64).powf(-0.5), rng)?,
            relative_attention_bias: match biased {
                true => Some(T5Distances {
                    weight: Param::new(bias.tensor(&[config.num_buckets, config.num_heads], rng)?)?,
                }),
                false => None,
            },
            heads,
        })
    }

    #[track_caller]
    fn keys(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<[Tensor; 2]> {
        Ok([self.heads.split(&self.k.at("k", x, mode)?)?, self.heads.split(&self.v.at("v", x, mode)?)?])
    }

    #[track_caller]
    fn run(&self, x: &Tensor, seen: Seen<'_>, options: &AttentionOptions, mode: &mut Mode<'_>) -> Result<Tensor> {
        let q = self.heads.split(&self.q.at("q", x, mode)?)?;
        let [k, v] = seen.keys(x, &mut |x| self.keys(x, mode))?;
        let y = self.heads.join(&q.attention(&k, &v, &self.heads.options(options.clone(), mode))?)?;
        self.o.at("o", &y, mode)
    }
}

impl T5Block {
    #[track_caller]
    pub(super) fn new(config: &T5Config, decoder: bool, first: bool, rng: &mut Rng) -> Result<Self> {
        let dropout = Dropout::new(config.dropout)?;
        let mut layer = vec![T5Part::Attention(T5SelfAttention {
            attention: T5Attention::new(config, first, rng)?,
            layer_norm: norm(config)?,
            dropout: dropout.clone(),
        })];
        if decoder {
            let attention = T5Attention::new(config, false, rng)?;
            layer.push(T5Part::Cross(T5CrossAttention {
                attention,
                layer_norm: norm(config)?,
                dropout: dropout.clone(),
            }));
        }
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let mut wide = |needed: bool| match needed {
            true => dense([hidden, inner], (hidden as f64).powf(-0.5), rng).map(Some),
            false => Ok(None),
        };
        let dense = T5Dense {
            wi: wide(!config.gated)?,
            wi_0: wide(config.gated)?,
            wi_1: wide(config.gated)?,
            wo: dense([inner, hidden], (inner as f64).powf(-0.5), rng)?,
            activation: config.activation,
            dropout: dropout.clone(),
        };
        layer.push(T5Part::Feed(T5FeedForward { dense, layer_norm: norm(config)?, dropout }));
        Ok(Self { layer })
    }

    /// The attention of one of the parts.
    pub(super) fn attention(&self, cross: bool) -> Option<&T5Attention> {
        self.layer.iter().find_map(|part| match part {
            T5Part::Attention(part) if !cross => Some(&part.attention),
            T5Part::Cross(part) if cross => Some(&part.attention),
            _ => None,
        })
    }

    /// `[batch, time, hidden]` to the same shape.
    #[track_caller]
    pub(super) fn run(
        &self,
        number: usize,
        x: &Tensor,
        pass: &Pass<'_>,
        mut cache: Option<&mut KvCache>,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let mut x = x.clone();
        for (i, part) in self.layer.iter().enumerate() {
            x = mode.call(("layer", i), part, |part, mode| match part {
                T5Part::Attention(part) => {
                    let y = part.layer_norm.at("layer_norm", &x, mode)?;
                    let seen = Seen::Own(cache.take());
                    let y = mode.call("SelfAttention", &part.attention, |attention, mode| {
                        attention.run(&y, seen, &pass.own, mode)
                    })?;
                    x.add(&part.dropout.at("dropout", &y, mode)?)
                }
                T5Part::Cross(part) => {
                    let y = part.layer_norm.at("layer_norm", &x, mode)?;
                    let kept = pass.kept.and_then(|kept| kept.get(number)).map(Seen::Kept);
                    let Some(seen) = kept.or(pass.memory.map(Seen::Memory)) else {
                        return Err(bug!("T5", "a decoder without a source"));
                    };
                    let y = mode.call("EncDecAttention", &part.attention, |attention, mode| {
                        attention.run(&y, seen, &pass.cross, mode)
                    })?;
                    x.add(&part.dropout.at("dropout", &y, mode)?)
                }
                T5Part::Feed(part) => {
                    let y = part.layer_norm.at("layer_norm", &x, mode)?;
                    let y = part.dense.at("DenseReluDense", &y, mode)?;
                    x.add(&part.dropout.at("dropout", &y, mode)?)
                }
            })?;
        }
        Ok(x)
    }

    /// An empty cache for the tokens of so many texts.
    #[track_caller]
    pub(super) fn cache(&self, batch: usize, dtype: DType) -> Result<KvCache> {
        let Some(attention) = self.attention(false) else { return Err(bug!("T5", "a block without attention")) };
        // The positions are relative, so there is no limit.
        KvCache::growing(batch, attention.heads.num_heads(), usize::MAX, attention.heads.head_dim(), dtype)
    }

    /// The keys and values of the encoder's output.
    #[track_caller]
    pub(super) fn memory(&self, memory: &Tensor, mode: &mut Mode<'_>) -> Result<KvCache> {
        let Some(attention) = self.attention(true) else { return Err(bug!("T5", "a block without a source")) };
        let (keys, values) = mode.call("layer.1.EncDecAttention", attention, |attention, mode| {
            let [keys, values] = attention.keys(memory, mode)?;
            Ok((keys, values))
        })?;
        KvCache::full(&keys, &values)
    }
}

impl Layer for T5Dense {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let inner = match (&self.wi, &self.wi_0, &self.wi_1) {
            (Some(wi), ..) => self.activation.at("activation", &wi.at("wi", x, mode)?, mode)?,
            (None, Some(gate), Some(wi)) => {
                let gate = self.activation.at("activation", &gate.at("wi_0", x, mode)?, mode)?;
                gate.mul(&wi.at("wi_1", x, mode)?)?
            }
            _ => return Err(bug!("T5", "a feed-forward part without its first layer")),
        };
        self.wo.at("wo", &self.dropout.at("dropout", &inner, mode)?, mode)
    }
}
