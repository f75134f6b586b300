//! A decoder-only transformer: GPT-2's architecture, at any size.

mod block;
mod config;
mod decode;

pub use block::{Attention, Block, FeedForward};
pub use config::GptConfig;

use block::{INITIAL_STD, Masked, Past};

use crate::error::Result;
use crate::layers::{Dropout, Embedding, Init, Layer, LayerExt, LayerNorm, Linear, Mode, Weight, checkpointed, share};
use crate::models::options::architecture;
use crate::models::text::piece::{Links, OnBlock, Piece, Whole};
use crate::models::text::sequences::check_ids;
use crate::models::{KvState, TokenInputs};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The name of the operation in messages.
const NAME: &str = "gpt";

/// What a [`Gpt`] is told besides the tokens.
pub type GptInputs = TokenInputs;

/// The keys and values of the tokens that a [`Gpt`] was fed.
pub type GptState = KvState;

/// A decoder-only transformer that predicts the next token: GPT-2's architecture and parameter names (Radford et al., 2019).
///
/// Token and position vectors are added, go through blocks of causal attention and feed-forward parts, and the last
/// vectors are compared with those of all tokens.
///
/// # Shapes
/// - input: token ids `[batch, time]` of type `I64`, `time` at most the context length
/// - output: logits `[batch, time, vocab]`
///
/// The parameters are named as in `transformers`: `transformer.wte.weight`, `transformer.h.0.attn.c_attn.weight` …
///
/// ```
/// use demotic::models::{Generate, GenerateOptions, Gpt, GptConfig};
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
/// let config = GptConfig::new(letters.vocab_size(), 64).layers(1).heads(2).hidden_size(32);
/// let mut model = Gpt::new(config, &mut rng)?;
/// let mut opt = AdamW::new(1e-2);
/// for _step in 0..60 {
///     let logits = model.forward(&inputs, &mut Mode::train(&mut rng))?;
///     let loss = losses::token_cross_entropy(&logits, &targets)?;
///     opt.step(&mut model, &loss.backward()?)?;
/// }
///
/// let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(7);
/// assert_eq!(model.generate_text(&letters, "the cat", &options, &mut rng)?.text, " sat on");
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("writer.safetensors");
/// model.save_with(&letters, &path)?; // with what it is made from, and its tokenizer
/// let writer = TextPipeline::<Gpt>::open(&path)?; // in any other program
/// assert_eq!(writer.generate("the dog", &options, &mut rng)?.text, " sat on");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Gpt {
    /// Everything but the output layer.
    pub transformer: Decoder,
    /// The output layer `[vocab, hidden]`, unless it shares the weights of the token embedding.
    pub lm_head: Option<Linear>,
    config: GptConfig,
    /// Of a piece of a model: the number of its first block.
    first_block: usize,
}

crate::module!(Gpt { transformer, lm_head }, plain { config, first_block });
architecture!(Gpt, GptConfig);

/// The body of a [`Gpt`]: from token ids to hidden vectors.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// Token vectors, `[vocab, hidden]`.
    pub wte: Embedding,
    /// Position vectors, `[context, hidden]`.
    pub wpe: Embedding,
    /// The blocks.
    pub h: Vec<Block>,
    /// After the last block.
    pub ln_f: LayerNorm,
    dropout: Dropout,
}

crate::module!(Decoder { wte, wpe, h, ln_f }, plain { dropout });

impl Gpt {
    /// A model with random weights, initialised as GPT-2 was: normal with deviation 0.02, the outputs of residual parts
    /// smaller by the root of their number.
    ///
    /// # Errors
    /// If the sizes do not fit each other, the dropout is no probability, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(config: GptConfig, rng: &mut Rng) -> Result<Self> {
        let all = Piece { blocks: 0..config.num_layers, embeds: true, finishes: true };
        Self::piece(config, &all, rng, &mut |_| Ok(()))
    }

    /// A piece of such a model, with the weights that it has there. What the piece lacks has one row.
    ///
    /// # Errors
    /// As for [`new`](Self::new) and a model with as many blocks, and those of `on_block`.
    #[track_caller]
    pub(crate) fn piece(config: GptConfig, piece: &Piece, rng: &mut Rng, on_block: OnBlock<'_>) -> Result<Self> {
        config.clone().layers(piece.blocks.len()).check()?;
        let width = config.hidden_size;
        let dropout = Dropout::new(config.embedding_dropout.unwrap_or(config.dropout))?;
        let init = Init::Normal { mean: 0.0, std: INITIAL_STD };
        // Random numbers of what others have are drawn as well.
        let table = |rows: usize, own: bool, rng: &mut Rng| {
            let rows = if own || !rng.is_blank() { rows } else { 1 };
            let table = init.tensor(&[rows, width], rng)?;
            if own { Ok(table) } else { Tensor::cat(&[&table.narrow(0, 0, 1)?], 0) }
        };
        let wte = Embedding::from_pretrained(&table(config.vocab_size, piece.has_table(config.tied), rng)?, false)?;
        let wpe = Embedding::from_pretrained(&table(config.context_length, piece.embeds, rng)?, false)?;
        let mut h = Vec::with_capacity(piece.blocks.len().min(1024));
        for index in 0..config.num_layers {
            let own = piece.blocks.contains(&index);
            if own || !rng.is_blank() {
                let mut block = Block::new(&config, index, rng)?;
                if own {
                    on_block(&mut block)?;
                    h.push(block);
                }
            }
        }
        let ln_f = LayerNorm::new([width])?.eps(config.layer_norm_eps);
        let lm_head = match config.tied || !piece.finishes {
            true => None,
            false => Some(Linear { weight: Weight::new(table(config.vocab_size, true, rng)?)?, bias: None }),
        };
        let transformer = Decoder { wte, wpe, h, ln_f, dropout };
        Ok(Self { transformer, lm_head, config, first_block: piece.blocks.start })
    }

    /// A copy of a piece.
    #[track_caller]
    pub(crate) fn cut(&self, piece: &Piece) -> Result<Self> {
        let mut part = self.clone();
        part.transformer.h = part.transformer.h.drain(piece.blocks.clone()).collect();
        let lack = |table: &mut Embedding| -> Result<()> {
            let row = Tensor::cat(&[&table.weight.value()?.detach().narrow(0, 0, 1)?], 0)?;
            *table = Embedding::from_pretrained(&row, false)?;
            Ok(())
        };
        if !piece.has_table(self.config.tied) {
            lack(&mut part.transformer.wte)?;
        }
        if !piece.embeds {
            lack(&mut part.transformer.wpe)?;
        }
        part.lm_head = part.lm_head.filter(|_| piece.finishes);
        part.first_block = piece.blocks.start;
        Ok(part)
    }

    /// The sizes and options.
    #[must_use]
    pub fn config(&self) -> &GptConfig {
        &self.config
    }

    /// The vectors behind the last block, from which the output layer makes logits: `[batch, time, hidden]`.
    ///
    /// # Errors
    /// As for [`forward`](Layer::forward).
    #[track_caller]
    pub fn hidden(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.hidden_with(ids, &GptInputs::new(), mode)
    }

    /// The logits for texts of which something is not to be seen, or that stand elsewhere than at the positions 0, 1, 2 …
    ///
    /// For texts of different lengths, padded on either side, [`GptInputs::padded`] gives each the logits that it would have
    /// alone:
    ///
    /// ```
    /// use demotic::models::{Gpt, GptConfig, GptInputs};
    /// use demotic::prelude::*;
    ///
    /// let gpt = Gpt::new(GptConfig::new(10, 8).layers(2).hidden_size(16), &mut Rng::seed(0))?;
    /// let ids = Tensor::from_nested([[3i64, 1, 4], [0, 0, 5]])?;
    /// let mask = Tensor::from_nested([[true, true, true], [false, false, true]])?;
    /// let logits = no_grad(|| gpt.forward_with(&ids, &GptInputs::padded(&mask)?, &mut Mode::eval()))?;
    ///
    /// let alone = gpt.predict(&Tensor::from_nested([[5i64]])?)?.select(1, 0)?;
    /// let padded = logits.narrow(0, 1, 1)?.select(1, 2)?;
    /// assert!(padded.sub(&alone)?.abs().max()?.item()? < 1e-5);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`forward`](Layer::forward), and if mask or positions have other shapes or types, or a position is beyond the
    /// context.
    #[track_caller]
    pub fn forward_with(&self, ids: &Tensor, inputs: &GptInputs, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = self.hidden_with(ids, inputs, mode)?;
        self.head(&x, mode)
    }

    /// The vectors behind the last block for the same; see [`hidden`](Self::hidden).
    ///
    /// # Errors
    /// As for [`forward_with`](Self::forward_with).
    #[track_caller]
    pub fn hidden_with(&self, ids: &Tensor, inputs: &GptInputs, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = self.run(ids, inputs, &Whole, mode)?;
        self.transformer.ln_f.at("transformer.ln_f", &x, mode)
    }

    /// The vectors behind the last block, which are not normalised yet.
    #[track_caller]
    pub(crate) fn run(
        &self,
        ids: &Tensor,
        inputs: &GptInputs,
        links: &dyn Links,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let (batch, time) = check_ids(NAME, "token", ids, Some(self.config.context_length))?;
        let mask = inputs.key_mask(NAME, batch, time)?;
        let positions = inputs.positions_of(NAME, batch, time, self.config.context_length)?;
        let mut x = self.enter(ids, &positions, links, mode)?;
        for (i, block) in (self.first_block..).zip(&self.transformer.h) {
            x = mode.call(("transformer.h", i), block, |block, mode| {
                let apart = || Masked { block: share(block), mask: mask.clone() };
                match &block.shard {
                    Some(shard) if shard.is_needed(mode) => shard.run(Box::new(apart()), &x, mode),
                    _ if self.config.checkpointing && mode.is_training() => checkpointed(&apart(), &x, mode),
                    _ => block.run(&x, Past { cache: None, mask: mask.as_ref() }, mode),
                }
            })?;
        }
        links.after(&x)?;
        Ok(x)
    }

    /// What the first block takes.
    #[track_caller]
    fn enter(&self, ids: &Tensor, positions: &Tensor, links: &dyn Links, mode: &mut Mode<'_>) -> Result<Tensor> {
        match links.before()? {
            Some(x) => Ok(x),
            None => mode.scope("transformer", |mode| self.transformer.embed(ids, positions, mode)),
        }
    }

    /// From the vectors behind the last block to logits.
    #[track_caller]
    pub(crate) fn finish(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = self.transformer.ln_f.at("transformer.ln_f", x, mode)?;
        self.head(&x, mode)
    }

    /// From hidden vectors to logits.
    #[track_caller]
    fn head(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        match &self.lm_head {
            Some(head) => head.at("lm_head", x, mode),
            None => self.transformer.wte.weight.linear(x, None, mode),
        }
    }
}

impl Decoder {
    /// The sum of token and position vectors.
    #[track_caller]
    fn embed(&self, ids: &Tensor, positions: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let tokens = self.wte.at("wte", ids, mode)?;
        let places = self.wpe.at("wpe", positions, mode)?;
        self.dropout.at("dropout", &tokens.add(&places)?, mode)
    }
}

impl Layer for Gpt {
    #[track_caller]
    fn forward(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = self.hidden(ids, mode)?;
        self.head(&x, mode)
    }
}
