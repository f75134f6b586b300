//! Whisper: speech to text.

mod block;
mod config;
mod fallback;
mod features;
mod rules;
mod transcribe;

pub use block::{WhisperAttention, WhisperLayer};
pub use config::{WhisperConfig, WhisperTokens};
pub use features::LogMel;
pub use transcribe::{SpeechSegment, SpeechTask, TranscribeOptions};

use std::panic::Location;

use block::{INITIAL, dense};

use crate::autograd::{AttentionOptions, pause_recording};
use crate::error::{Error, Result};
use crate::layers::{Buffer, Conv1d, Dropout, Embedding, Gelu, KvCache, LayerExt, LayerNorm, Linear, Mode};
use crate::models::options::architecture;
use crate::models::text::seq2seq::Seen;
use crate::models::text::sequences::{check_ids, check_next};
use crate::models::{EncoderDecoderState, Seq2Seq, Seq2SeqTokens};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// The name of the operation in messages.
const NAME: &str = "whisper";

/// The encoder-decoder transformer of Radford et al., *Robust speech recognition via large-scale weak supervision* (2022): it reads
/// the spectrum of some seconds of sound, and writes what was said, in the language that was spoken or in English, with times.
///
/// # Shapes
/// - source: frames `[batch, bands, frames]` of a float type, as [`LogMel`] makes them; as many frames as a
///   [window](WhisperConfig::window_frames) has
/// - target: token ids `[batch, time]` of type `I64`
/// - output: logits `[batch, time, vocab]`
///
/// [`Seq2Seq`] says how it is trained; [`transcribe`](Whisper::transcribe) writes tokens with the rules that the published models were
/// trained for, window by window, and [`Transcriber`](crate::pipeline::Transcriber) takes sound and gives text.
///
/// The parameters are named as in `transformers`: `model.encoder.conv1.weight`, `model.decoder.layers.0.self_attn.k_proj.weight` …
/// Published models are read by [`from_pretrained`](crate::pretrained::Pretrained::from_pretrained).
///
/// ```
/// use demotic::models::{Seq2Seq, Seq2SeqTokens, Whisper, WhisperConfig};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let config = WhisperConfig::new(Seq2SeqTokens::new(0, 20)).window(100, 16).mel_bins(12).layers(1).hidden_size(16);
/// let model = Whisper::new(config, &mut rng)?;
/// let sounds = Tensor::normal([2, 12, 100], 0.0, 1.0, &mut rng)?;
/// let (inputs, labels) = model.tokens().teacher_forcing(&[vec![5, 4], vec![3]])?;
/// let logits = model.forward(&sounds, &inputs, &mut Mode::train(&mut rng))?;
/// let grads = losses::token_cross_entropy(&logits, &labels)?.backward()?;
/// # let _ = grads;
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Whisper {
    /// Everything but the output layer.
    pub model: WhisperBody,
    /// The output layer `[vocab, hidden]`, unless it shares the weights of the token embedding.
    pub proj_out: Option<Linear>,
    config: WhisperConfig,
}

crate::module!(Whisper { model, proj_out }, plain { config });
architecture!(Whisper, WhisperConfig);

/// The body of a [`Whisper`].
#[derive(Debug, Clone)]
pub struct WhisperBody {
    /// What reads frames.
    pub encoder: WhisperEncoder,
    /// What writes tokens.
    pub decoder: WhisperDecoder,
}

crate::module!(WhisperBody { encoder, decoder });

/// From frames to vectors, one for two of them.
#[derive(Debug, Clone)]
pub struct WhisperEncoder {
    /// Over three frames.
    pub conv1: Conv1d,
    /// Over three frames, every other one.
    pub conv2: Conv1d,
    /// Waves that say where a vector stands.
    pub embed_positions: FixedPositions,
    /// The layers.
    pub layers: Vec<WhisperLayer>,
    /// After the last layer.
    pub layer_norm: LayerNorm,
    dropout: Dropout,
}

crate::module!(WhisperEncoder { conv1, conv2, embed_positions, layers, layer_norm }, plain { dropout });

/// Positions that are part of a file and are not trained.
#[derive(Debug, Clone)]
pub struct FixedPositions {
    /// `[positions, hidden]`: sines, then cosines, of ever slower waves.
    pub weight: Buffer,
}

crate::module!(FixedPositions { weight });

/// From tokens to the vectors that logits are made of.
#[derive(Debug, Clone)]
pub struct WhisperDecoder {
    /// Token vectors, `[vocab, hidden]`.
    pub embed_tokens: Embedding,
    /// Where a token stands, `[positions, hidden]`.
    pub embed_positions: Embedding,
    /// The layers.
    pub layers: Vec<WhisperLayer>,
    /// After the last layer.
    pub layer_norm: LayerNorm,
    dropout: Dropout,
}

crate::module!(WhisperDecoder { embed_tokens, embed_positions, layers, layer_norm }, plain { dropout });

/// `[positions, features]`: sines in the first half, cosines in the second.
#[track_caller]
fn waves(positions: usize, features: usize) -> Result<Tensor> {
    let half = features / 2;
    let step = 10_000f64.ln() / (half - 1) as f64;
    let angle = |position: usize, i: usize| position as f64 * (-step * i as f64).exp();
    let row = |position| {
        let sines = (0..half).map(move |i| angle(position, i).sin() as f32);
        sines.chain((0..half).map(move |i| angle(position, i).cos() as f32))
    };
    Tensor::from_vec::<f32>((0..positions).flat_map(row).collect(), [positions, features])
}

impl WhisperEncoder {
    /// The vectors of frames.
    #[track_caller]
    fn run(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = Gelu.at("gelu", &self.conv1.at("conv1", x, mode)?, mode)?;
        let x = Gelu.at("gelu", &self.conv2.at("conv2", &x, mode)?, mode)?;
        let x = x.transpose(1, 2)?;
        let x = x.add(&self.embed_positions.weight.get().to_dtype(x.dtype()))?;
        let mut x = self.dropout.at("dropout", &x, mode)?;
        let all = AttentionOptions::new();
        for (i, layer) in self.layers.iter().enumerate() {
            x = mode.call(("layers", i), layer, |layer, mode| layer.run(&x, (None, &all), None, mode))?;
        }
        self.layer_norm.at("layer_norm", &x, mode)
    }
}

/// What the decoder looks at besides its tokens.
#[derive(Clone, Copy)]
enum Source<'a> {
    Output(&'a Tensor),
    Kept(&'a [KvCache]),
}

impl WhisperDecoder {
    /// The vectors behind the last layer of tokens at these positions.
    #[track_caller]
    fn run(
        &self,
        ids: &Tensor,
        positions: &Tensor,
        own: &AttentionOptions,
        source: Source<'_>,
        caches: Option<&mut Vec<KvCache>>,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let x = self.embed_tokens.at("embed_tokens", ids, mode)?;
        let x = x.add(&self.embed_positions.at("embed_positions", positions, mode)?)?;
        let mut x = self.dropout.at("dropout", &x, mode)?;
        let mut caches = caches.map(|caches| caches.iter_mut());
        for (i, layer) in self.layers.iter().enumerate() {
            let cache = caches.as_mut().and_then(Iterator::next);
            let seen = match source {
                Source::Output(memory) => Some(Seen::Memory(memory)),
                Source::Kept(kept) => kept.get(i).map(Seen::Kept),
            };
            x = mode.call(("layers", i), layer, |layer, mode| layer.run(&x, (cache, own), seen, mode))?;
        }
        self.layer_norm.at("layer_norm", &x, mode)
    }
}

impl Whisper {
    /// A model with random weights: normal with deviation 0.02, biases 0; the convolutions as those of [`Conv1d`].
    ///
    /// # Errors
    /// If the sizes do not fit each other, an option makes no sense, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(config: WhisperConfig, rng: &mut Rng) -> Result<Self> {
        config.check()?;
        let c = config.hidden_size;
        let mut layers = |decoder: bool, count: usize| -> Result<Vec<WhisperLayer>> {
            let mut layers = Vec::with_capacity(count.min(1024));
            for _ in 0..count {
                layers.push(WhisperLayer::new(&config, decoder, rng)?);
            }
            Ok(layers)
        };
        let (reading, writing) = (layers(false, config.num_encoder_layers)?, layers(true, config.num_decoder_layers)?);
        let dropout = Dropout::new(config.dropout)?;
        let encoder = WhisperEncoder {
            conv1: Conv1d::new(config.num_mel_bins, c, 3, rng)?.padding(1),
            conv2: Conv1d::new(c, c, 3, rng)?.stride(2).padding(1),
            embed_positions: FixedPositions { weight: Buffer::new(waves(config.max_source_positions, c)?) },
            layers: reading,
            layer_norm: LayerNorm::new(c)?,
            dropout: dropout.clone(),
        };
        let vocab = config.tokens.target_vocab_size;
        let mut table = |rows: usize| Embedding::from_pretrained(&INITIAL.tensor(&[rows, c], rng)?, false);
        let decoder = WhisperDecoder {
            embed_tokens: table(vocab)?,
            embed_positions: table(config.max_target_positions)?,
            layers: writing,
            layer_norm: LayerNorm::new(c)?,
            dropout,
        };
        let proj_out = if config.tied { None } else { Some(dense(c, vocab, false, rng)?) };
        Ok(Self { model: WhisperBody { encoder, decoder }, proj_out, config })
    }

    /// The sizes and options.
    #[must_use]
    pub fn config(&self) -> &WhisperConfig {
        &self.config
    }

    /// What the encoder makes of frames: `[batch, max_source_positions, hidden]`.
    ///
    /// # Errors
    /// If these are not `[batch, bands, frames]` of a float type, with the bands and frames that the model looks at.
    #[track_caller]
    pub fn encode_frames(&self, frames: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let (bands, length) = (self.config.num_mel_bins, self.config.window_frames());
        if !frames.dtype().is_float() {
            return Err(Error::dtype(NAME, format!("frames of type {}, expected a float type", frames.dtype())));
        }
        if frames.rank() != 3 || frames.shape()[0] == 0 || frames.shape()[1..] != [bands, length] {
            let message = format!("frames of shape {:?}, expected [batch, {bands}, {length}]", frames.shape());
            return Err(Error::shape(NAME, message).with_help("LogMel makes windows of frames from sound"));
        }
        mode.call("model.encoder", &self.model.encoder, |encoder, mode| encoder.run(frames, mode))
    }

    /// From the vectors behind the decoder to logits.
    #[track_caller]
    fn head(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        match &self.proj_out {
            Some(head) => head.at("proj_out", x, mode),
            None => self.model.decoder.embed_tokens.weight.linear(x, None, mode),
        }
    }

    /// The type in which the model computes: that of what is never quantised.
    fn dtype(&self) -> DType {
        self.model.decoder.layer_norm.weight.as_ref().map_or(DType::F32, |weight| weight.dtype())
    }
}

impl Seq2Seq for Whisper {
    type State = EncoderDecoderState;

    fn tokens(&self) -> &Seq2SeqTokens {
        &self.config.tokens
    }

    fn target_limit(&self) -> Option<usize> {
        Some(self.config.max_target_positions)
    }

    #[track_caller]
    fn forward(&self, source: &Tensor, target: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let (batch, time) = check_ids(NAME, "target token", target, self.target_limit())?;
        let memory = self.encode_frames(source, mode)?;
        if memory.shape()[0] != batch {
            return Err(Error::shape(NAME, format!("{batch} targets for {} sources", memory.shape()[0])));
        }
        // Padding behind a target is later than all of its tokens, so the causal mask hides it too.
        let own = AttentionOptions::new().causal();
        let positions = Tensor::arange(time)?;
        let hidden = mode.call("model.decoder", &self.model.decoder, |decoder, mode| {
            decoder.run(target, &positions, &own, Source::Output(&memory), None, mode)
        })?;
        self.head(&hidden, mode)
    }

    #[track_caller]
    fn read(&self, source: &Tensor) -> Result<Self::State> {
        let _unrecorded = pause_recording();
        let mode = &mut Mode::eval().called_at(Location::caller());
        let memory = self.encode_frames(source, mode)?;
        let (batch, limit) = (memory.shape()[0], self.config.max_target_positions);
        let (mut own, mut kept) = (Vec::new(), Vec::new());
        for (i, layer) in self.model.decoder.layers.iter().enumerate() {
            own.push(layer.cache(batch, limit, self.dtype())?);
            let read = mode.call(("model.decoder.layers", i), layer, |layer, mode| {
                layer.memory(&memory, mode).map(|cache| (memory.clone(), cache))
            });
            kept.push(read?.1);
        }
        Ok(EncoderDecoderState::new(own, kept, None, batch))
    }

    #[track_caller]
    fn rewind(&self, state: &mut Self::State, padding: &[usize]) -> Result<()> {
        state.rewind(padding, self.target_limit())
    }

    #[track_caller]
    fn extend(&self, ids: &Tensor, state: &mut Self::State) -> Result<Tensor> {
        let _unrecorded = pause_recording();
        let new = check_next(NAME, "target token", ids, state, self.target_limit())?;
        let layers = self.model.decoder.layers.len();
        state.check(NAME, layers)?;
        let mode = &mut Mode::eval().called_at(Location::caller());
        let mut own = AttentionOptions::new().causal();
        if let Some(mask) = state.own.mask(new)? {
            own = own.mask(&mask);
        }
        let positions = state.own.positions(new)?;
        let (source, caches) = (Source::Kept(&state.memory), &mut state.own.caches);
        let hidden = mode.call("model.decoder", &self.model.decoder, |decoder, mode| {
            decoder.run(ids, &positions, &own, source, Some(caches), mode)
        });
        let hidden = state.fed(new, hidden)?;
        self.head(&hidden, mode)
    }
}
