//! The sizes and options of Whisper.

use std::collections::BTreeMap;
use std::panic::Location;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layers::{Activation, Count, Module, check_memory};
use crate::models::Seq2SeqTokens;
use crate::models::options::options;
use crate::models::text::sequences::{check_heads, check_sizes};

const OP: &str = "Whisper::new";

/// The sizes and options of a [`Whisper`](super::Whisper). Written to files, so that a model can be made anew from them.
///
/// ```
/// use demotic::models::WhisperConfig;
///
/// assert_eq!(WhisperConfig::tiny().num_parameters(), 37_184_640);
/// assert_eq!(WhisperConfig::large_v3().num_parameters(), 1_541_570_560);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct WhisperConfig {
    /// The vocabulary of what is written. Sources are no tokens.
    pub tokens: Seq2SeqTokens,
    /// The tokens that mean something else than text.
    #[serde(default)]
    pub special: WhisperTokens,
    /// How many bands of frequencies a frame has.
    pub num_mel_bins: usize,
    /// The size of the vector that stands for a token, or for two frames.
    pub hidden_size: usize,
    /// How many layers the encoder has.
    pub num_encoder_layers: usize,
    /// How many layers the decoder has.
    pub num_decoder_layers: usize,
    /// Into how many heads attention is split in the encoder.
    pub num_encoder_heads: usize,
    /// Into how many heads attention is split in the decoder.
    pub num_decoder_heads: usize,
    /// The inner size of the encoder's feed-forward parts.
    pub encoder_intermediate_size: usize,
    /// The inner size of the decoder's feed-forward parts.
    pub decoder_intermediate_size: usize,
    /// Half of the frames of a window: 1500 for 30 seconds.
    pub max_source_positions: usize,
    /// The most tokens of a window, those that say what to do among them.
    pub max_target_positions: usize,
    /// The function inside of the feed-forward parts.
    pub activation: Activation,
    /// The dropout probability of embeddings and behind the parts of a layer.
    #[serde(default)]
    pub dropout: f64,
    /// The dropout probability of attention weights.
    #[serde(default)]
    pub attention_dropout: f64,
    /// The dropout probability inside of feed-forward parts.
    #[serde(default)]
    pub activation_dropout: f64,
    /// Whether the output layer uses the weights of the token embedding.
    pub tied: bool,
}

/// The tokens by which a [`Whisper`](super::Whisper) is told what to do, and those that it must not write.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct WhisperTokens {
    /// The token that says that no times are to be written. Those behind it are times, each 0.02 seconds later.
    pub no_timestamps: Option<i64>,
    /// The languages by their codes (`en`).
    pub languages: BTreeMap<String, i64>,
    /// What writes what was said.
    pub transcribe: Option<i64>,
    /// What writes it in English.
    pub translate: Option<i64>,
    /// Tokens that are never written.
    pub suppressed: Vec<i64>,
    /// Tokens that are not written first.
    pub begin_suppressed: Vec<i64>,
    /// The latest time that may be written first, in steps of 0.02 seconds.
    pub max_initial_timestamp: Option<usize>,
    /// What stands behind the start token where no languages are known; nothing for a language that is to be found out.
    pub forced: Vec<Option<i64>>,
}

impl WhisperTokens {
    /// All of them.
    fn all(&self) -> impl Iterator<Item = i64> {
        let single =
            [self.no_timestamps, self.transcribe, self.translate].into_iter().chain(self.forced.iter().copied());
        let lists = self.languages.values().chain(&self.suppressed).chain(&self.begin_suppressed).copied();
        single.flatten().chain(lists)
    }
}

impl WhisperConfig {
    /// A small model: 2 layers of 4 heads each in encoder and decoder, 64 wide, 256 inside, for windows of 30 seconds with 80 bands,
    /// GELU, tied. It has no special tokens: see [`WhisperTokens`].
    #[must_use]
    pub fn new(tokens: Seq2SeqTokens) -> Self {
        Self {
            tokens: Seq2SeqTokens { source_vocab_size: 0, ..tokens },
            special: WhisperTokens::default(),
            num_mel_bins: 80,
            hidden_size: 64,
            num_encoder_layers: 2,
            num_decoder_layers: 2,
            num_encoder_heads: 4,
            num_decoder_heads: 4,
            encoder_intermediate_size: 256,
            decoder_intermediate_size: 256,
            max_source_positions: 1500,
            max_target_positions: 448,
            activation: Activation::Gelu,
            dropout: 0.0,
            attention_dropout: 0.0,
            activation_dropout: 0.0,
            tied: true,
        }
    }

    /// One of the published sizes (Radford et al., *Robust speech recognition via large-scale weak supervision*, 2022), for many
    /// languages.
    fn published(layers: usize, heads: usize) -> Self {
        let tokens = Seq2SeqTokens::new(0, 51_865).padding_id(50_257).start_id(50_258).end_id(50_257);
        Self::new(tokens).hidden_size(64 * heads).heads(heads).layers(layers)
    }

    /// Whisper tiny: 4 layers, 384 wide, 38 million parameters with the positions of the encoder, which are not trained.
    #[must_use]
    pub fn tiny() -> Self {
        Self::published(4, 6)
    }

    /// Whisper base: 6 layers, 512 wide.
    #[must_use]
    pub fn base() -> Self {
        Self::published(6, 8)
    }

    /// Whisper small: 12 layers, 768 wide.
    #[must_use]
    pub fn small() -> Self {
        Self::published(12, 12)
    }

    /// Whisper medium: 24 layers, 1024 wide.
    #[must_use]
    pub fn medium() -> Self {
        Self::published(24, 16)
    }

    /// Whisper large, its third version: 32 layers, 1280 wide, 128 bands.
    #[must_use]
    pub fn large_v3() -> Self {
        let mut config = Self::published(32, 20);
        (config.num_mel_bins, config.tokens.target_vocab_size) = (128, 51_866);
        config
    }

    options!(dropout);

    /// Another number of layers, the same in encoder and decoder.
    #[must_use]
    pub fn layers(mut self, num_layers: usize) -> Self {
        (self.num_encoder_layers, self.num_decoder_layers) = (num_layers, num_layers);
        self
    }

    /// Another number of attention heads, the same in encoder and decoder.
    #[must_use]
    pub fn heads(mut self, num_heads: usize) -> Self {
        (self.num_encoder_heads, self.num_decoder_heads) = (num_heads, num_heads);
        self
    }

    /// Another width; the inner sizes become four times as large.
    #[must_use]
    pub fn hidden_size(mut self, hidden_size: usize) -> Self {
        let inner = hidden_size.saturating_mul(4);
        (self.hidden_size, self.encoder_intermediate_size, self.decoder_intermediate_size) =
            (hidden_size, inner, inner);
        self
    }

    /// Another number of bands of frequencies.
    #[must_use]
    pub fn mel_bins(mut self, bins: usize) -> Self {
        self.num_mel_bins = bins;
        self
    }

    /// Windows of so many frames of 0.01 seconds each (an even number), for which at most so many tokens are written.
    #[must_use]
    pub fn window(mut self, frames: usize, tokens: usize) -> Self {
        (self.max_source_positions, self.max_target_positions) = (frames / 2, tokens);
        self
    }

    /// The special tokens.
    #[must_use]
    pub fn special(mut self, tokens: WhisperTokens) -> Self {
        self.special = tokens;
        self
    }

    /// How many frames a window has.
    #[must_use]
    pub fn window_frames(&self) -> usize {
        self.max_source_positions.saturating_mul(2)
    }

    /// The first token that is a time, if there are such.
    #[must_use]
    pub fn first_timestamp(&self) -> Option<i64> {
        self.special.no_timestamps?.checked_add(1)
    }

    /// The number of parameters of such a model. The positions of the encoder are not trained and do not count.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.parameters().get()
    }

    fn parameters(&self) -> Count {
        let c = Count::new(self.hidden_size);
        let attention = c * self.hidden_size * 4 + c * 3;
        let layer =
            |inner: usize, attentions: usize| (attention + c * 2) * attentions + c * inner * 2 + c + inner + c * 2;
        let convolutions = c * self.num_mel_bins * 3 + c + c * self.hidden_size * 3 + c;
        let encoder = layer(self.encoder_intermediate_size, 1) * self.num_encoder_layers + c * 2;
        let decoder = layer(self.decoder_intermediate_size, 2) * self.num_decoder_layers + c * 2;
        let tables =
            Count::new(self.tokens.target_vocab_size) * if self.tied { 1 } else { 2 } + self.max_target_positions;
        convolutions + encoder + decoder + tables * c
    }

    /// Whether such a model can be made.
    #[track_caller]
    pub(super) fn check(&self) -> Result<()> {
        let caller = Location::caller();
        let wrong = |message: String| Err(Error::argument(OP, message).at(caller));
        let sizes = [
            ("vocab_size", self.tokens.target_vocab_size),
            ("num_mel_bins", self.num_mel_bins),
            ("hidden_size", self.hidden_size),
            ("num_encoder_layers", self.num_encoder_layers),
            ("num_decoder_layers", self.num_decoder_layers),
            ("num_encoder_heads", self.num_encoder_heads),
            ("num_decoder_heads", self.num_decoder_heads),
            ("encoder_intermediate_size", self.encoder_intermediate_size),
            ("decoder_intermediate_size", self.decoder_intermediate_size),
            ("max_source_positions", self.max_source_positions),
            ("max_target_positions", self.max_target_positions),
        ];
        check_sizes(OP, &sizes)?;
        check_heads(OP, self.hidden_size, self.num_encoder_heads)?;
        check_heads(OP, self.hidden_size, self.num_decoder_heads)?;
        if !self.hidden_size.is_multiple_of(2) || self.hidden_size < 4 {
            return wrong(format!("hidden_size is {}, expected an even number from 4 on", self.hidden_size));
        }
        let vocab = self.tokens.target_vocab_size;
        let tokens = &self.tokens;
        let ids = [tokens.padding_id, tokens.start_id, tokens.end_id].into_iter().chain(self.special.all());
        let outside = |id: &i64| usize::try_from(*id).map_or(true, |id| id >= vocab);
        if let Some(id) = ids.into_iter().find(outside) {
            return wrong(format!("a special token is {id}, which is not among {vocab} tokens"));
        }
        if let Some(what) = self.activation.shortening() {
            return wrong(format!("the activation is a {}, which {what}", self.activation.kind()));
        }
        let tensors = Count::new(self.num_encoder_layers) * 15 + Count::new(self.num_decoder_layers) * 24 + 12;
        let positions = Count::new(self.max_source_positions) * self.hidden_size;
        check_memory(OP, self.parameters() + positions, tensors)
    }
}
