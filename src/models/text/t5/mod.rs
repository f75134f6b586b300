//! T5: an encoder-decoder transformer whose tokens know how far they are apart.

mod block;
mod config;
mod decode;

pub use block::{T5Attention, T5Block, T5CrossAttention, T5Dense, T5Distances, T5FeedForward, T5Part, T5SelfAttention};
pub use config::T5Config;

use std::panic::Location;

use block::{Pass, dense, norm};

use crate::autograd::{AttentionOptions, pause_recording};
use crate::error::{Error, Result, bug};
use crate::layers::{Dropout, Embedding, Init, KvCache, Layer, LayerExt, Linear, Mode, RmsNorm};
use crate::models::options::architecture;
use crate::models::text::pooling::pool;
use crate::models::text::sequences::check_ids;
use crate::models::{Pooling, TokenInputs};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// The name of the operation in messages.
const NAME: &str = "t5";

/// The encoder-decoder transformer of Raffel et al., *Exploring the limits of transfer learning with a unified text-to-text
/// transformer* (2020), with what version 1.1 and Flan-T5 have otherwise by its [configuration](T5Config). Everything that it does is
/// to write one text for another: see [`Seq2Seq`](super::Seq2Seq) for how it is trained and used.
///
/// Where tokens stand is told by what is added to the scores of attention, by classes of distances; so there is no limit to the length
/// of a text.
///
/// The parameters are named as in `transformers`: `shared.weight`, `encoder.block.0.layer.0.SelfAttention.q.weight` … Published
/// models are read by [`from_pretrained`](crate::pretrained::Pretrained::from_pretrained).
///
/// ```
/// use demotic::models::{GenerateOptions, Seq2Seq, T5, T5Config};
/// use demotic::prelude::*;
/// use demotic::text::Sampler;
///
/// // Read backwards. 0 is padding and begins a target, 1 ends it.
/// let mut rng = Rng::seed(0);
/// let config = T5Config::new(6).layers(1).hidden_size(32).heads(2).dropout(0.0);
/// let tokens = config.tokens.clone();
/// let sources = tokens.sources(&[vec![3, 4, 5], vec![5, 3]])?;
/// let (inputs, labels) = tokens.teacher_forcing(&[vec![5, 4, 3], vec![3, 5]])?;
///
/// let mut model = T5::new(config, &mut rng)?;
/// let mut opt = Adam::new(0.01);
/// for _step in 0..40 {
///     let logits = model.forward(&sources, &inputs, &mut Mode::train(&mut rng))?;
///     opt.step(&mut model, &losses::token_cross_entropy(&logits, &labels)?.backward()?)?;
/// }
/// let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(10);
/// let found = model.translate(&sources, &options, &mut rng)?;
/// assert_eq!(found[0].tokens, [5, 4, 3]);
/// assert_eq!(found[1].tokens, [3, 5]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct T5 {
    /// Token vectors of sources and targets, `[vocab, hidden]`.
    pub shared: Embedding,
    /// What reads a source.
    pub encoder: T5Stack,
    /// What writes a target.
    pub decoder: T5Stack,
    /// The output layer `[vocab, hidden]`, unless it shares the weights of the token vectors.
    pub lm_head: Option<Linear>,
    config: T5Config,
}

crate::module!(T5 { shared, encoder, decoder, lm_head }, plain { config });
architecture!(T5, T5Config);

/// The encoder of a [`T5`] by itself, for vectors of texts.
///
/// # Shapes
/// - input: token ids `[batch, time]` of type `I64`; padding is not seen
/// - output: `[batch, time, hidden]`
///
/// ```
/// use demotic::models::{Pooling, T5Config, T5Encoder, TokenInputs};
/// use demotic::prelude::*;
///
/// let encoder = T5Encoder::new(T5Config::new(100), &mut Rng::seed(0))?;
/// let ids = Tensor::from_nested([[17i64, 4, 9], [5, 0, 0]])?;
/// let vectors = encoder.vectors(&ids, &TokenInputs::new(), Pooling::Mean, true)?;
/// assert_eq!(vectors.shape(), [2, 64]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct T5Encoder {
    /// Token vectors, `[vocab, hidden]`.
    pub shared: Embedding,
    /// The blocks.
    pub encoder: T5Stack,
    config: T5Config,
}

crate::module!(T5Encoder { shared, encoder }, plain { config });

impl crate::layers::Architecture for T5Encoder {
    const KIND: &'static str = "T5Encoder";
    type Config = T5Config;

    fn config(&self) -> Result<T5Config> {
        Ok(self.config.clone())
    }

    #[track_caller]
    fn from_config(config: T5Config, rng: &mut Rng) -> Result<Self> {
        Self::new(config, rng)
    }

    fn min_parameters(config: &T5Config) -> usize {
        config.parameters(false).get()
    }
}

/// Blocks, and the normalisation behind them.
#[derive(Debug, Clone)]
pub struct T5Stack {
    /// The blocks, the first of which has the table of distances for all.
    pub block: Vec<T5Block>,
    /// After the last block.
    pub final_layer_norm: RmsNorm,
    dropout: Dropout,
    decoder: bool,
    buckets: usize,
    max_distance: usize,
}

crate::module!(T5Stack { block, final_layer_norm }, plain { dropout, decoder, buckets, max_distance });

/// The class of a key that stands so many places behind a query.
fn bucket(distance: i64, both: bool, buckets: usize, max_distance: usize) -> usize {
    let (buckets, first, distance) = match both {
        true => (buckets / 2, if distance > 0 { buckets / 2 } else { 0 }, distance.unsigned_abs()),
        false => (buckets, 0, distance.min(0).unsigned_abs()),
    };
    let exact = buckets / 2;
    if distance < exact as u64 {
        return first + distance as usize;
    }
    // In single precision, as the models were trained.
    let range = (max_distance as f64 / exact as f64).ln() as f32;
    let far = (distance as f32 / exact as f32).ln() / range * (buckets - exact) as f32;
    first + (exact + far as usize).min(buckets - 1)
}

impl T5Stack {
    #[track_caller]
    fn new(config: &T5Config, decoder: bool, rng: &mut Rng) -> Result<Self> {
        let layers = if decoder { config.num_decoder_layers } else { config.num_encoder_layers };
        let mut block = Vec::with_capacity(layers.min(1024));
        for layer in 0..layers {
            block.push(T5Block::new(config, decoder, layer == 0, rng)?);
        }
        let (buckets, max_distance, dropout) = (config.num_buckets, config.max_distance, Dropout::new(config.dropout)?);
        Ok(Self { block, final_layer_norm: norm(config)?, dropout, decoder, buckets, max_distance })
    }

    /// What is added to the scores of the last `new` of `total` tokens: `[heads, new, total]`.
    #[track_caller]
    fn bias(&self, new: usize, total: usize) -> Result<Tensor> {
        let table = self.block.first().and_then(|block| block.attention(false)?.relative_attention_bias.as_ref());
        let Some(table) = table else { return Err(bug!(NAME, "a first block without a table of distances")) };
        // Each distance is looked up once.
        let first = 1 - total as i64;
        let class = |distance| bucket(distance, !self.decoder, self.buckets, self.max_distance) as i64;
        let classes: Vec<i64> = (first..new as i64).map(class).collect();
        let count = classes.len();
        let classes = Tensor::from_vec(classes, [count])?;
        let by_distance = table.weight.index_select(0, &classes)?.t();
        let before = total - new;
        let places = (0..new).flat_map(|query| (0..total).map(move |key| (key + total - 1 - before - query) as i64));
        let places = Tensor::from_vec(places.collect(), [new * total])?;
        by_distance.index_select(1, &places)?.unflatten(1, [new, total])
    }

    /// The vectors behind the last block for `[batch, new, hidden]`. There is a cache for each block, or none. `seen` says which
    /// tokens are no padding: `[rows, 1, 1, total]`.
    #[track_caller]
    fn run(
        &self,
        x: &Tensor,
        seen: Option<&Tensor>,
        mut pass: Pass<'_>,
        caches: Option<&mut Vec<KvCache>>,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let new = x.shape()[1];
        let before = caches.as_ref().and_then(|caches| caches.first()).map_or(0, KvCache::len);
        let mut bias = self.bias(new, before + new)?;
        if let Some(seen) = seen {
            bias = bias.masked_fill(&seen.logical_not()?, f64::NEG_INFINITY)?;
        }
        pass.own = AttentionOptions::new().mask(&bias);
        if self.decoder {
            pass.own = pass.own.causal();
        }
        let mut caches = caches.map(|caches| caches.iter_mut());
        let mut x = self.dropout.at("dropout", x, mode)?;
        for (i, block) in self.block.iter().enumerate() {
            let cache = caches.as_mut().and_then(Iterator::next);
            x = mode.call(("block", i), block, |block, mode| block.run(i, &x, &pass, cache, mode))?;
        }
        let x = self.final_layer_norm.at("final_layer_norm", &x, mode)?;
        self.dropout.at("dropout", &x, mode)
    }
}

/// Token vectors with random weights.
#[track_caller]
fn table(config: &T5Config, rng: &mut Rng) -> Result<Embedding> {
    let shape = [config.tokens.source_vocab_size, config.hidden_size];
    Embedding::from_pretrained(&Init::STANDARD_NORMAL.tensor(&shape, rng)?, false)
}

/// Which tokens of a source are seen, `[batch, 1, 1, time]`: those of the mask or, without one, all but padding; `None` if all are.
#[track_caller]
fn seen_of(config: &T5Config, ids: &Tensor, mask: Option<&Tensor>) -> Result<Option<Tensor>> {
    let (batch, time) = check_ids(NAME, "source token", ids, None)?;
    if let Some(mask) = mask {
        return TokenInputs::new().mask(mask).key_mask(NAME, batch, time);
    }
    let padding = config.tokens.padding_id;
    let all = ids.to_vec::<i64>()?;
    if !all.contains(&padding) {
        return Ok(None);
    }
    if let Some(row) = all.chunks(time).position(|row| row.iter().all(|id| *id == padding)) {
        let message = format!("source {row} is nothing but padding ({padding})");
        return Err(Error::argument(NAME, message).with_help("a sequence needs at least one token"));
    }
    let seen = all.into_iter().map(|id| id != padding).collect();
    Tensor::from_vec::<bool>(seen, [batch, 1, 1, time]).map(Some)
}

/// A mask for attention to the source.
fn looking_at(seen: Option<&Tensor>) -> AttentionOptions {
    match seen {
        Some(seen) => AttentionOptions::new().mask(seen),
        None => AttentionOptions::new(),
    }
}

/// The vectors of the tokens of a source.
#[track_caller]
fn encode(
    shared: &Embedding,
    encoder: &T5Stack,
    ids: &Tensor,
    seen: Option<&Tensor>,
    mode: &mut Mode<'_>,
) -> Result<Tensor> {
    let x = shared.at("shared", ids, mode)?;
    let pass = Pass { own: AttentionOptions::new(), cross: AttentionOptions::new(), memory: None, kept: None };
    mode.call("encoder", encoder, |encoder, mode| encoder.run(&x, seen, pass, None, mode))
}

impl T5 {
    /// A model with random weights.
    ///
    /// # Errors
    /// If the sizes do not fit each other, an option makes no sense, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(config: T5Config, rng: &mut Rng) -> Result<Self> {
        config.check("T5::new", true)?;
        let shared = table(&config, rng)?;
        let (encoder, decoder) = (T5Stack::new(&config, false, rng)?, T5Stack::new(&config, true, rng)?);
        let lm_head = match config.tied {
            true => None,
            false => Some(dense([config.hidden_size, config.tokens.target_vocab_size], 1.0, rng)?),
        };
        Ok(Self { shared, encoder, decoder, lm_head, config })
    }

    /// The sizes and options.
    #[must_use]
    pub fn config(&self) -> &T5Config {
        &self.config
    }

    /// The encoder by itself, which shares nothing with the model.
    #[must_use]
    pub fn into_encoder(self) -> T5Encoder {
        T5Encoder { shared: self.shared, encoder: self.encoder, config: self.config }
    }

    /// Logits for what follows upon each token of a target, as [`forward`](super::Seq2Seq::forward) gives them, with masks of what is
    /// seen of both: `[batch, time]` of type `Bool`, or whole numbers (`attention_mask` and `decoder_attention_mask` of `transformers`).
    /// Without them, padding of the source is not seen, and all of the target.
    ///
    /// # Errors
    /// As for [`forward`](super::Seq2Seq::forward), and if a mask has another shape or type.
    #[track_caller]
    pub fn forward_with(
        &self,
        source: &Tensor,
        source_mask: Option<&Tensor>,
        target: &Tensor,
        target_mask: Option<&Tensor>,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let seen = seen_of(&self.config, source, source_mask)?;
        let (batch, time) = check_ids(NAME, "target token", target, None)?;
        if batch != source.shape()[0] {
            let message = format!("{batch} targets for {} sources", source.shape()[0]);
            return Err(Error::shape(NAME, message));
        }
        let own = match target_mask {
            Some(mask) => TokenInputs::new().mask(mask).key_mask(NAME, batch, time)?,
            None => None,
        };
        let memory = encode(&self.shared, &self.encoder, source, seen.as_ref(), mode)?;
        let y = self.shared.at("shared", target, mode)?;
        let cross = looking_at(seen.as_ref());
        let pass = Pass { own: AttentionOptions::new(), cross, memory: Some(&memory), kept: None };
        let hidden =
            mode.call("decoder", &self.decoder, |decoder, mode| decoder.run(&y, own.as_ref(), pass, None, mode))?;
        self.head(&hidden, mode)
    }

    /// From the vectors behind the decoder to logits.
    #[track_caller]
    fn head(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let scaled = if self.config.scaled { x * (self.config.hidden_size as f64).powf(-0.5) } else { x.clone() };
        match &self.lm_head {
            Some(head) => head.at("lm_head", &scaled, mode),
            None => self.shared.weight.linear(&scaled, None, mode),
        }
    }

    /// The type in which the model computes: that of what is never quantised.
    fn dtype(&self) -> DType {
        self.decoder.final_layer_norm.weight.as_ref().map_or(DType::F32, |weight| weight.dtype())
    }
}

impl T5Encoder {
    /// An encoder with random weights.
    ///
    /// # Errors
    /// As for [`T5::new`].
    #[track_caller]
    pub fn new(config: T5Config, rng: &mut Rng) -> Result<Self> {
        config.check("T5Encoder::new", false)?;
        Ok(Self { shared: table(&config, rng)?, encoder: T5Stack::new(&config, false, rng)?, config })
    }

    /// The sizes and options.
    #[must_use]
    pub fn config(&self) -> &T5Config {
        &self.config
    }

    /// The vectors of all tokens, `[batch, time, hidden]`, of texts of which something is not to be seen. Of `inputs` the mask counts;
    /// without one, padding is not seen.
    ///
    /// # Errors
    /// If the ids are not `[batch, time]` with at least one token each, an id is not in the vocabulary, a text is nothing but padding, or
    /// a mask has another shape or type.
    #[track_caller]
    pub fn hidden_with(&self, ids: &Tensor, inputs: &TokenInputs, mode: &mut Mode<'_>) -> Result<Tensor> {
        Ok(self.run(ids, inputs, mode)?.0)
    }

    /// A vector for each text, `[batch, hidden]`, made of those of its tokens, in evaluation and without recording; with `normalized`, of
    /// length 1.
    ///
    /// # Errors
    /// As for [`hidden_with`](Self::hidden_with).
    #[track_caller]
    pub fn vectors(&self, ids: &Tensor, inputs: &TokenInputs, pooling: Pooling, normalized: bool) -> Result<Tensor> {
        let _unrecorded = pause_recording();
        let (x, seen) = self.run(ids, inputs, &mut Mode::eval().called_at(Location::caller()))?;
        let absent = match seen {
            Some(seen) => Some(seen.logical_not()?.reshape(ids.shape())?),
            None => None,
        };
        let x = pool(&x, absent.as_ref(), pooling)?;
        match normalized {
            true => x.div(&x.norm_dims(2.0, &[-1], true)?.clamp_min(1e-12)),
            false => Ok(x),
        }
    }

    #[track_caller]
    fn run(&self, ids: &Tensor, inputs: &TokenInputs, mode: &mut Mode<'_>) -> Result<(Tensor, Option<Tensor>)> {
        let seen = seen_of(&self.config, ids, inputs.given_mask())?;
        Ok((encode(&self.shared, &self.encoder, ids, seen.as_ref(), mode)?, seen))
    }
}

impl Layer for T5Encoder {
    #[track_caller]
    fn forward(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.hidden_with(ids, &TokenInputs::new(), mode)
    }
}

#[cfg(test)]
mod tests;
