//! The decoder-only transformer that Llama, Mistral, Qwen, Phi-3, SmolLM and Gemma are.

mod block;
mod config;
mod decode;
mod rope;
mod span;

pub use block::{Attention, Block, FeedForward};
pub use config::{LlamaConfig, LlamaFamily};
pub use rope::{RopeConfig, RopeScaling};

use block::{INITIAL, Looking, norm};
use span::{Spans, Tokens};

use crate::error::{Result, bug};
use crate::layers::{Embedding, KvCache, Layer, LayerExt, Linear, Mode, RmsNorm, Weight, checkpointed, share};
use crate::models::TokenInputs;
use crate::models::options::architecture;
use crate::models::text::piece::{Links, OnBlock, Piece, Whole};
use crate::models::text::sequences::check_ids;
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// The name of the operation in messages.
const NAME: &str = "llama";

/// A decoder-only transformer that predicts the next token, as Llama is built (Touvron et al., 2023) and those that came after
/// it: rotary positions, RMS norms, gated feed-forward parts, keys and values that heads share; and by its
/// [configuration](LlamaConfig) what Mistral, Qwen, Phi-3, SmolLM and Gemma have besides.
///
/// # Shapes
/// - input: token ids `[batch, time]` of type `I64`, `time` at most the context length
/// - output: logits `[batch, time, vocab]`
///
/// The parameters are named as in `transformers`: `model.embed_tokens.weight`, `model.layers.0.self_attn.q_proj.weight` … Published
/// models are read by [`from_pretrained`](crate::pretrained::Pretrained::from_pretrained).
///
/// ```
/// use demotic::models::{Generate, GenerateOptions, Llama, LlamaConfig};
/// use demotic::prelude::*;
/// use demotic::text::{CharTokenizer, Sampler};
///
/// let corpus = "the cat sat on the mat, the dog sat on the cat. ";
/// let letters = CharTokenizer::fit([corpus])?;
/// let ids = letters.encode(corpus)?;
/// let text = Tensor::from_slice(&ids, [1, ids.len()])?;
/// let (inputs, targets) = (text.narrow(1, 0, ids.len() - 1)?, text.narrow(1, 1, ids.len() - 1)?);
///
/// let mut rng = Rng::seed(0);
/// let config = LlamaConfig::new(letters.vocab_size(), 64).layers(1).heads(4).kv_heads(2).hidden_size(32).tied();
/// let mut model = Llama::new(config, &mut rng)?;
/// let mut opt = AdamW::new(1e-2);
/// for _step in 0..60 {
///     let logits = model.forward(&inputs, &mut Mode::train(&mut rng))?;
///     let loss = losses::token_cross_entropy(&logits, &targets)?;
///     opt.step(&mut model, &loss.backward()?)?;
/// }
///
/// let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(7);
/// assert_eq!(model.generate_text(&letters, "the cat", &options, &mut rng)?.text, " sat on");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Llama {
    /// Everything but the output layer.
    pub model: Decoder,
    /// The output layer `[vocab, hidden]`, unless it shares the weights of the token embedding.
    pub lm_head: Option<Linear>,
    config: LlamaConfig,
    /// Of a piece of a model: the number of its first block.
    first_block: usize,
}

crate::module!(Llama { model, lm_head }, plain { config, first_block });
architecture!(Llama, LlamaConfig);

/// The body of a [`Llama`]: from token ids to hidden vectors.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// Token vectors, `[vocab, hidden]`.
    pub embed_tokens: Embedding,
    /// The blocks.
    pub layers: Vec<Block>,
    /// After the last block.
    pub norm: RmsNorm,
}

crate::module!(Decoder { embed_tokens, layers, norm });

impl Llama {
    /// A model with random weights: normal with deviation 0.02, biases 0.
    ///
    /// # Errors
    /// If the sizes do not fit each other, an option makes no sense, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(config: LlamaConfig, rng: &mut Rng) -> Result<Self> {
        let all = Piece { blocks: 0..config.num_layers, embeds: true, finishes: true };
        Self::piece(config, &all, rng, &mut |_| Ok(()))
    }

    /// A piece of such a model, with the weights that it has there. What the piece lacks has one row.
    ///
    /// # Errors
    /// As for [`new`](Self::new) and a model with as many blocks, and those of `on_block`.
    #[track_caller]
    pub(crate) fn piece(config: LlamaConfig, piece: &Piece, rng: &mut Rng, on_block: OnBlock<'_>) -> Result<Self> {
        config.check(piece.blocks.len())?;
        // Random numbers of what others have are drawn as well.
        let table = |own: bool, rng: &mut Rng| {
            let rows = if own || !rng.is_blank() { config.vocab_size } else { 1 };
            let table = INITIAL.tensor(&[rows, config.hidden_size], rng)?;
            if own { Ok(table) } else { Tensor::cat(&[&table.narrow(0, 0, 1)?], 0) }
        };
        let embed_tokens = Embedding::from_pretrained(&table(piece.has_table(config.tied), rng)?, false)?;
        let mut layers = Vec::with_capacity(piece.blocks.len().min(1024));
        for layer in 0..config.num_layers {
            let own = piece.blocks.contains(&layer);
            if own || !rng.is_blank() {
                let mut block = Block::new(&config, layer, rng)?;
                if own {
                    on_block(&mut block)?;
                    layers.push(block);
                }
            }
        }
        let lm_head = match config.tied || !piece.finishes {
            true => None,
            false => Some(Linear { weight: Weight::new(table(true, rng)?)?, bias: None }),
        };
        let norm = norm(&config, config.hidden_size)?;
        Ok(Self { model: Decoder { embed_tokens, layers, norm }, lm_head, config, first_block: piece.blocks.start })
    }

    /// A copy of a piece.
    #[track_caller]
    pub(crate) fn cut(&self, piece: &Piece) -> Result<Self> {
        let mut part = self.clone();
        part.model.layers = part.model.layers.drain(piece.blocks.clone()).collect();
        if !piece.has_table(self.config.tied) {
            let row = Tensor::cat(&[&self.model.embed_tokens.weight.value()?.detach().narrow(0, 0, 1)?], 0)?;
            part.model.embed_tokens = Embedding::from_pretrained(&row, false)?;
        }
        part.lm_head = part.lm_head.filter(|_| piece.finishes);
        part.first_block = piece.blocks.start;
        Ok(part)
    }

    /// The sizes and options.
    #[must_use]
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// The same model with another limit of tokens that it looks at, prompt and continuation together: fewer for less memory, or
    /// more than it was trained for.
    #[must_use]
    pub fn with_context_length(mut self, tokens: usize) -> Self {
        self.config.context_length = tokens.max(1);
        self
    }

    /// The vectors behind the last block, from which the output layer makes logits: `[batch, time, hidden]`.
    ///
    /// # Errors
    /// As for [`forward`](Layer::forward).
    #[track_caller]
    pub fn hidden(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.hidden_with(ids, &TokenInputs::new(), mode)
    }

    /// The logits for texts of which something is not to be seen, or that stand elsewhere than at the positions 0, 1, 2 … For
    /// texts of different lengths, padded on either side, [`TokenInputs::padded`] gives each the logits that it would have alone.
    ///
    /// # Errors
    /// As for [`forward`](Layer::forward), and if mask or positions have other shapes or types, or a position is beyond the
    /// context.
    #[track_caller]
    pub fn forward_with(&self, ids: &Tensor, inputs: &TokenInputs, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = self.hidden_with(ids, inputs, mode)?;
        self.head(&x, mode)
    }

    /// The vectors behind the last block for the same; see [`hidden`](Self::hidden).
    ///
    /// # Errors
    /// As for [`forward_with`](Self::forward_with).
    #[track_caller]
    pub fn hidden_with(&self, ids: &Tensor, inputs: &TokenInputs, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = self.run(ids, inputs, &Whole, mode)?;
        self.model.norm.at("model.norm", &x, mode)
    }

    /// The vectors behind the last block, which are not normalised yet.
    #[track_caller]
    pub(crate) fn run(
        &self,
        ids: &Tensor,
        inputs: &TokenInputs,
        links: &dyn Links,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let context = self.config.context_length;
        let (batch, time) = check_ids(NAME, "token", ids, Some(context))?;
        let seen = inputs.key_mask(NAME, batch, time)?;
        let positions = inputs.positions_of(NAME, batch, time, context)?;
        let tokens = Tokens { positions, before: 0, new: time, seen: seen.as_ref() };
        self.run_blocks(ids, &tokens, None, links, mode)
    }

    /// The same with a cache for each block, or none.
    #[track_caller]
    fn run_blocks(
        &self,
        ids: &Tensor,
        tokens: &Tokens<'_>,
        caches: Option<&mut Vec<KvCache>>,
        links: &dyn Links,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let spans = Spans::new(&self.config, tokens, self.dtype())?;
        let mut x = match links.before()? {
            Some(x) => x,
            None => {
                let x = self.model.embed_tokens.at("model.embed_tokens", ids, mode)?;
                self.config.embedding_scale.map_or(x.clone(), |scale| x.mul_scalar(scale))
            }
        };
        let mut caches = caches.map(|caches| caches.iter_mut());
        for (i, block) in (self.first_block..).zip(&self.model.layers) {
            let Some(span) = spans.of(block.self_attn.is_sliding()) else {
                return Err(bug!(NAME, "block {i} has no view"));
            };
            let cache = caches.as_mut().and_then(Iterator::next);
            x = mode.call(("model.layers", i), block, |block, mode| {
                let apart = || Looking { block: share(block), span: span.clone() };
                match &block.shard {
                    Some(shard) if cache.is_some() => shard.filled(block)?.run(&x, cache, span, mode),
                    Some(shard) if shard.is_needed(mode) => shard.run(Box::new(apart()), &x, mode),
                    _ if self.config.checkpointing && mode.is_training() => checkpointed(&apart(), &x, mode),
                    _ => block.run(&x, cache, span, mode),
                }
            })?;
        }
        links.after(&x)?;
        Ok(x)
    }

    /// From the vectors behind the last block to logits.
    #[track_caller]
    pub(crate) fn finish(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = self.model.norm.at("model.norm", x, mode)?;
        self.head(&x, mode)
    }

    /// From hidden vectors to logits.
    #[track_caller]
    fn head(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let logits = match &self.lm_head {
            Some(head) => head.at("lm_head", x, mode)?,
            None => self.model.embed_tokens.weight.linear(x, None, mode)?,
        };
        Ok(match self.config.logit_softcap {
            Some(cap) => logits.mul_scalar(1.0 / cap).tanh().mul_scalar(cap),
            None => logits,
        })
    }

    /// The type in which the model computes: that of what is never quantised.
    fn dtype(&self) -> DType {
        self.model.norm.weight.as_ref().map_or(DType::F32, |weight| weight.dtype())
    }
}

impl Layer for Llama {
    #[track_caller]
    fn forward(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = self.hidden(ids, mode)?;
        self.head(&x, mode)
    }
}
