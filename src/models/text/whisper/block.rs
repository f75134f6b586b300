//! One layer: attention to the frames or tokens, in the decoder attention to the encoder's output, and a feed-forward part, each
//! behind a normalisation and beside a residual path.

use super::WhisperConfig;
use crate::autograd::AttentionOptions;
use crate::error::{Result, bug};
use crate::layers::{
    Activation, AttentionHeads, Dropout, Init, KvCache, LayerExt, LayerNorm, Linear, Mode, Param, Weight,
};
use crate::models::text::seq2seq::Seen;
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// How weights begin.
pub(super) const INITIAL: Init = Init::Normal { mean: 0.0, std: 0.02 };

#[track_caller]
pub(super) fn dense(inputs: usize, outputs: usize, bias: bool, rng: &mut Rng) -> Result<Linear> {
    let weight = Weight::new(INITIAL.tensor(&[outputs, inputs], rng)?)?;
    let bias = if bias { Some(Param::new(Tensor::zeros([outputs])?)?) } else { None };
    Ok(Linear { weight, bias })
}

/// A layer of an encoder or a decoder.
#[derive(Debug, Clone)]
pub struct WhisperLayer {
    /// Frames or tokens look at each other.
    pub self_attn: WhisperAttention,
    /// Before it.
    pub self_attn_layer_norm: LayerNorm,
    /// In the decoder: tokens look at what the encoder made of the frames.
    pub encoder_attn: Option<WhisperAttention>,
    /// Before it.
    pub encoder_attn_layer_norm: Option<LayerNorm>,
    /// `hidden → intermediate`.
    pub fc1: Linear,
    /// `intermediate → hidden`.
    pub fc2: Linear,
    /// Before the feed-forward part.
    pub final_layer_norm: LayerNorm,
    activation: Activation,
    dropout: Dropout,
    activation_dropout: Dropout,
}

crate::module!(
    WhisperLayer { self_attn, self_attn_layer_norm, encoder_attn, encoder_attn_layer_norm, fc1, fc2, final_layer_norm },
    plain { activation, dropout, activation_dropout }
);

/// Attention, the keys of which have no bias.
#[derive(Debug, Clone)]
pub struct WhisperAttention {
    /// `hidden → hidden`.
    pub k_proj: Linear,
    /// `hidden → hidden`.
    pub v_proj: Linear,
    /// `hidden → hidden`.
    pub q_proj: Linear,
    /// `hidden → hidden`.
    pub out_proj: Linear,
    heads: AttentionHeads,
}

crate::module!(WhisperAttention { k_proj, v_proj, q_proj, out_proj }, plain { heads });

impl WhisperAttention {
    #[track_caller]
    fn new(config: &WhisperConfig, heads: usize, rng: &mut Rng) -> Result<Self> {
        let c = config.hidden_size;
        Ok(Self {
            k_proj: dense(c, c, false, rng)?,
            v_proj: dense(c, c, true, rng)?,
            q_proj: dense(c, c, true, rng)?,
            out_proj: dense(c, c, true, rng)?,
            heads: AttentionHeads::new(heads, c / heads)?.dropout(config.attention_dropout)?,
        })
    }

    #[track_caller]
    fn keys(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<[Tensor; 2]> {
        let (k, v) = (self.k_proj.at("k_proj", x, mode)?, self.v_proj.at("v_proj", x, mode)?);
        Ok([self.heads.split(&k)?, self.heads.split(&v)?])
    }

    #[track_caller]
    fn run(&self, x: &Tensor, seen: Seen<'_>, options: &AttentionOptions, mode: &mut Mode<'_>) -> Result<Tensor> {
        let q = self.heads.split(&self.q_proj.at("q_proj", x, mode)?)?;
        let [k, v] = seen.keys(x, &mut |x| self.keys(x, mode))?;
        let y = self.heads.join(&q.attention(&k, &v, &self.heads.options(options.clone(), mode))?)?;
        self.out_proj.at("out_proj", &y, mode)
    }
}

impl WhisperLayer {
    #[track_caller]
    pub(super) fn new(config: &WhisperConfig, decoder: bool, rng: &mut Rng) -> Result<Self> {
        let (heads, inner) = match decoder {
            true => (config.num_decoder_heads, config.decoder_intermediate_size),
            false => (config.num_encoder_heads, config.encoder_intermediate_size),
        };
        let c = config.hidden_size;
        Ok(Self {
            self_attn: WhisperAttention::new(config, heads, rng)?,
            self_attn_layer_norm: LayerNorm::new(c)?,
            encoder_attn: if decoder { Some(WhisperAttention::new(config, heads, rng)?) } else { None },
            encoder_attn_layer_norm: if decoder { Some(LayerNorm::new(c)?) } else { None },
            fc1: dense(c, inner, true, rng)?,
            fc2: dense(inner, c, true, rng)?,
            final_layer_norm: LayerNorm::new(c)?,
            activation: config.activation,
            dropout: Dropout::new(config.dropout)?,
            activation_dropout: Dropout::new(config.activation_dropout)?,
        })
    }

    /// `[batch, time, hidden]` to the same shape. What is looked at besides is there in decoders.
    #[track_caller]
    pub(super) fn run(
        &self,
        x: &Tensor,
        own: (Option<&mut KvCache>, &AttentionOptions),
        memory: Option<Seen<'_>>,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let y = self.self_attn_layer_norm.at("self_attn_layer_norm", x, mode)?;
        let y = mode.call("self_attn", &self.self_attn, |part, mode| part.run(&y, Seen::Own(own.0), own.1, mode))?;
        let mut x = x.add(&self.dropout.at("dropout", &y, mode)?)?;
        if let (Some(part), Some(norm)) = (&self.encoder_attn, &self.encoder_attn_layer_norm) {
            let Some(seen) = memory else { return Err(bug!("Whisper", "a decoder without a source")) };
            let y = norm.at("encoder_attn_layer_norm", &x, mode)?;
            let all = AttentionOptions::new();
            let y = mode.call("encoder_attn", part, |part, mode| part.run(&y, seen, &all, mode))?;
            x = x.add(&self.dropout.at("dropout", &y, mode)?)?;
        }
        let y = self.final_layer_norm.at("final_layer_norm", &x, mode)?;
        let y = self.activation.at("activation", &self.fc1.at("fc1", &y, mode)?, mode)?;
        let y = self.fc2.at("fc2", &self.activation_dropout.at("activation_dropout", &y, mode)?, mode)?;
        x.add(&self.dropout.at("dropout", &y, mode)?)
    }

    /// An empty cache for the tokens of so many texts.
    #[track_caller]
    pub(super) fn cache(&self, batch: usize, limit: usize, dtype: DType) -> Result<KvCache> {
        let heads = &self.self_attn.heads;
        KvCache::growing(batch, heads.num_heads(), limit, heads.head_dim(), dtype)
    }

    /// The keys and values of the encoder's output.
    #[track_caller]
    pub(super) fn memory(&self, memory: &Tensor, mode: &mut Mode<'_>) -> Result<KvCache> {
        let Some(part) = &self.encoder_attn else { return Err(bug!("Whisper", "a decoder without a source")) };
        let (keys, values) = mode.call("encoder_attn", part, |part, mode| {
            let [keys, values] = part.keys(memory, mode)?;
            Ok((keys, values))
        })?;
        KvCache::full(&keys, &values)
    }
}
