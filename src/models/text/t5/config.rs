//! The sizes and options of T5.

use std::panic::Location;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layers::{Activation, Count, Module, check_memory};
use crate::models::Seq2SeqTokens;
use crate::models::options::options;
use crate::models::text::sequences::check_sizes;

/// The sizes and options of a [`T5`](super::T5) and of a [`T5Encoder`](super::T5Encoder). Written to files, so that a model can be
/// made anew from them.
///
/// ```
/// use demotic::models::T5Config;
///
/// assert_eq!(T5Config::small().num_parameters(), 60_506_624);
/// assert_eq!(T5Config::flan_small().num_parameters(), 76_961_152);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct T5Config {
    /// The vocabulary, which is that of sources and of targets.
    pub tokens: Seq2SeqTokens,
    /// The size of the vector that stands for a token.
    pub hidden_size: usize,
    /// Into how many heads attention is split.
    pub num_heads: usize,
    /// The size of a head; all together need not be `hidden_size`.
    pub head_dim: usize,
    /// The inner size of a feed-forward part.
    pub intermediate_size: usize,
    /// How many blocks the encoder has.
    pub num_encoder_layers: usize,
    /// How many blocks the decoder has.
    pub num_decoder_layers: usize,
    /// Into how many classes distances of tokens are sorted: half of them exact, the others ever wider.
    pub num_buckets: usize,
    /// From which distance on all are in one class.
    pub max_distance: usize,
    /// The dropout probability of embeddings, attention weights, and inside and behind the parts of a block.
    pub dropout: f64,
    /// Added to the mean square by normalisations.
    pub layer_norm_eps: f64,
    /// The function inside of the feed-forward parts.
    pub activation: Activation,
    /// Whether feed-forward parts are gated, as since version 1.1.
    pub gated: bool,
    /// Whether the output layer uses the weights of the token embedding.
    pub tied: bool,
    /// Whether the decoder's vectors are divided by the root of their size before the output layer, as in the first version.
    pub scaled: bool,
}

impl T5Config {
    /// A small model as T5 was first built: 2 blocks of 4 heads each in encoder and decoder, 64 wide, 256 inside, 32 classes of
    /// distances up to 128, ReLU, tied and scaled. Token 0 is padding and begins a target, 1 ends it.
    #[must_use]
    pub fn new(vocab_size: usize) -> Self {
        Self {
            tokens: Seq2SeqTokens::new(vocab_size, vocab_size).start_id(0).end_id(1),
            hidden_size: 64,
            num_heads: 4,
            head_dim: 16,
            intermediate_size: 256,
            num_encoder_layers: 2,
            num_decoder_layers: 2,
            num_buckets: 32,
            max_distance: 128,
            dropout: 0.1,
            layer_norm_eps: 1e-6,
            activation: Activation::Relu,
            gated: false,
            tied: true,
            scaled: true,
        }
    }

    /// T5 small (Raffel et al., *Exploring the limits of transfer learning with a unified text-to-text transformer*, 2020).
    #[must_use]
    pub fn small() -> Self {
        Self::new(32_128).hidden_size(512).heads(8).head_dim(64).layers(6)
    }

    /// Flan-T5 small (Chung et al., *Scaling instruction-finetuned language models*, 2022).
    #[must_use]
    pub fn flan_small() -> Self {
        Self::small().heads(6).layers(8).intermediate_size(1024).version_1_1()
    }

    options!(heads, width, intermediate_size, dropout);

    /// Heads of another size.
    #[must_use]
    pub fn head_dim(mut self, head_dim: usize) -> Self {
        self.head_dim = head_dim;
        self
    }

    /// Another number of blocks, the same in encoder and decoder.
    #[must_use]
    pub fn layers(mut self, num_layers: usize) -> Self {
        (self.num_encoder_layers, self.num_decoder_layers) = (num_layers, num_layers);
        self
    }

    /// As since version 1.1: feed-forward parts gated by GELU, an output layer with weights of its own, and no scaling before it.
    #[must_use]
    pub fn version_1_1(mut self) -> Self {
        (self.activation, self.gated, self.tied, self.scaled) = (Activation::GeluTanh, true, false, false);
        self
    }

    /// Another function inside of the feed-forward parts: a layer such as [`GeluTanh`](crate::layers::GeluTanh), or an
    /// [`Activation`].
    #[must_use]
    pub fn activation(mut self, activation: impl Into<Activation>) -> Self {
        self.activation = activation.into();
        self
    }

    /// The number of parameters of a [`T5`](super::T5).
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.parameters(true).get()
    }

    /// The same, of all of it or of the encoder.
    pub(super) fn parameters(&self, decoder: bool) -> Count {
        let size = Count::new;
        let (c, wide) = (size(self.hidden_size), size(self.num_heads) * self.head_dim);
        let feed = c * self.intermediate_size * if self.gated { 3 } else { 2 } + c;
        let attention = c * wide * 4 + c;
        let table = size(self.tokens.source_vocab_size) * c;
        let around = size(self.num_buckets) * self.num_heads + c;
        let encoder = (attention + feed) * self.num_encoder_layers + around;
        match decoder {
            false => table + encoder,
            true => {
                let tables = if self.tied { 1 } else { 2 };
                table * tables + encoder + (attention * 2 + feed) * self.num_decoder_layers + around
            }
        }
    }

    /// Whether such a model can be made.
    #[track_caller]
    pub(super) fn check(&self, op: &'static str, decoder: bool) -> Result<()> {
        let caller = Location::caller();
        let wrong = |message: String| Err(Error::argument(op, message).at(caller));
        let tokens = &self.tokens;
        let sizes = [
            ("vocab_size", tokens.source_vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_heads", self.num_heads),
            ("head_dim", self.head_dim),
            ("intermediate_size", self.intermediate_size),
            ("num_encoder_layers", self.num_encoder_layers),
            ("num_decoder_layers", if decoder { self.num_decoder_layers } else { 1 }),
        ];
        check_sizes(op, &sizes)?;
        let vocab = tokens.source_vocab_size;
        if tokens.target_vocab_size != vocab {
            return wrong(format!(
                "{vocab} source tokens and {} target tokens, expected one vocabulary",
                tokens.target_vocab_size
            ));
        }
        let ids = [("padding_id", tokens.padding_id), ("start_id", tokens.start_id), ("end_id", tokens.end_id)];
        let outside = |id: i64| usize::try_from(id).map_or(true, |id| id >= vocab);
        if let Some((name, id)) = ids.iter().find(|(_, id)| outside(*id)) {
            return wrong(format!("{name} is {id}, which is not among {vocab} tokens"));
        }
        if self.num_buckets < 4 || self.max_distance <= self.num_buckets / 2 {
            let (buckets, far) = (self.num_buckets, self.max_distance);
            let message = format!(
                "num_buckets is {buckets} and max_distance {far}, expected at least 4, and more than half of it"
            );
            return wrong(message);
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps.is_finite()) {
            return wrong(format!("layer_norm_eps is {}, expected a positive number", self.layer_norm_eps));
        }
        if let Some(what) = self.activation.shortening() {
            let e = Error::argument(op, format!("the activation is a {}, which {what}", self.activation.kind()));
            return Err(e.with_help("take one that keeps their number, such as GeluTanh: `gated` adds the gate"));
        }
        let layers = Count::new(self.num_encoder_layers) * 9
            + Count::new(if decoder { self.num_decoder_layers } else { 0 }) * 14;
        check_memory(op, self.parameters(decoder), layers + 6)
    }
}
