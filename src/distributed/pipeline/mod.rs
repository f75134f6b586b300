//! A language model whose blocks are divided among ranks.

mod balance;
mod divided;
mod generate;
mod schedule;

use std::fmt;

use self::balance::balance;
use super::Grid;
use super::data_parallel::Sharding;
use super::tensor_parallel::{TensorParallel, outline};
use crate::error::{Error, Here, Result};
use crate::io::{SaveLoad, TensorSource, fill_part, slots};
use crate::layers::{Module, ModuleExt, Visitor, VisitorMut, Weight};
use crate::models::{Gpt, GptConfig, LanguageModel, Llama, LlamaConfig, Piece};
use crate::order;
use crate::rng::Rng;
use crate::tensor::DType;

const NAME: &str = "pipeline";

/// Divides the blocks of a [`Gpt`] or [`Llama`] among the stages of a [`Grid`], and each stage among the ranks that have parts of it
/// ([`TensorParallel`]).
///
/// Stages are neighbouring blocks, so many that the dearest stage is as cheap as can be: the output layer counts as work of the last one. A batch
/// goes through them in micro-batches, forward and backward by turns (1F1B: Narayanan et al., *Memory-efficient pipeline-parallel DNN
/// training*, 2021), so that a stage keeps at most as many of them as there are stages behind it.
///
/// ```
/// use demotic::distributed::{Grid, Pipeline, ThreadGroup};
/// use demotic::models::{Gpt, GptConfig};
/// use demotic::prelude::*;
///
/// let config = GptConfig::new(20, 8).layers(2).heads(2).hidden_size(16);
/// let gpt = Gpt::new(config, &mut Rng::seed(0))?;
/// let ids = Tensor::from_nested([[3i64, 1, 4, 1], [5, 9, 2, 6]])?;
/// let targets = Tensor::from_nested([[1i64, 4, 1, 5], [9, 2, 6, 5]])?;
/// let losses = ThreadGroup::run(2, |group| {
///     let grid = Grid::new(group, [1, 2, 1])?; // two stages
///     let mut stage = Pipeline::new(&grid).split(&gpt)?;
///     let mut opt = AdamW::new(1e-2);
///     let mut losses = Vec::new();
///     for _step in 0..3 {
///         // Two micro-batches of one text each.
///         let batches = [(ids.narrow(0, 0, 1)?, targets.narrow(0, 0, 1)?), (ids.narrow(0, 1, 1)?, targets.narrow(0, 1, 1)?)];
///         let (loss, grads) = stage.gradients(&batches, None)?;
///         opt.step(&mut stage, &grads)?;
///         losses.push(loss);
///     }
///     Ok(losses)
/// })?;
/// assert_eq!(losses[0], losses[1]);
/// assert!(losses[0][2] < losses[0][0]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pipeline {
    grid: Grid,
    blocks: Option<Vec<usize>>,
    sharding: Sharding,
}

/// Of which model stages are made.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum DecoderConfig {
    /// A [`Gpt`].
    Gpt(GptConfig),
    /// A [`Llama`].
    Llama(Box<LlamaConfig>),
}

impl From<GptConfig> for DecoderConfig {
    fn from(config: GptConfig) -> Self {
        Self::Gpt(config)
    }
}

impl From<LlamaConfig> for DecoderConfig {
    fn from(config: LlamaConfig) -> Self {
        Self::Llama(Box::new(config))
    }
}

impl DecoderConfig {
    fn of(model: &LanguageModel) -> Self {
        match model {
            LanguageModel::Gpt(model) => Self::Gpt(model.config().clone()),
            LanguageModel::Llama(model) => Self::Llama(Box::new(model.config().clone())),
        }
    }

    fn blocks(&self) -> usize {
        match self {
            Self::Gpt(config) => config.num_layers,
            Self::Llama(config) => config.num_layers,
        }
    }

    /// What a block and the output layer cost for a token: as many products as they have weights.
    fn costs(&self) -> [u64; 2] {
        let (with, without, head) = match self {
            Self::Gpt(c) => (
                c.clone().layers(1).num_parameters(),
                c.clone().layers(0).num_parameters(),
                [c.vocab_size, c.hidden_size],
            ),
            Self::Llama(c) => (
                c.clone().layers(1).num_parameters(),
                c.clone().layers(0).num_parameters(),
                [c.vocab_size, c.hidden_size],
            ),
        };
        [with.saturating_sub(without) as u64, head[0].saturating_mul(head[1]) as u64]
    }

    #[track_caller]
    fn make(
        &self,
        piece: &Piece,
        rng: &mut Rng,
        on_block: &mut dyn FnMut(&mut dyn Module) -> Result<()>,
    ) -> Result<LanguageModel> {
        match self {
            Self::Gpt(config) => Gpt::piece(config.clone(), piece, rng, on_block).map(LanguageModel::Gpt),
            Self::Llama(config) => {
                Llama::piece(config.as_ref().clone(), piece, rng, on_block).map(LanguageModel::Llama)
            }
        }
    }
}

impl Pipeline {
    /// Stages of this grid.
    #[must_use]
    pub fn new(grid: &Grid) -> Self {
        Self { grid: grid.clone(), blocks: None, sharding: Sharding::None }
    }

    /// So many blocks for each stage, instead of as many as their cost suggests.
    #[must_use]
    pub fn blocks(mut self, blocks: &[usize]) -> Self {
        self.blocks = Some(blocks.to_vec());
        self
    }

    /// What of the training of each stage is divided among the copies of the model, which are alike otherwise. Default [`Sharding::None`]. The bits are the same with and
    /// without; [`Sharding::Parameters`] has those of a model that [recomputes its blocks](GptConfig::with_checkpointing). Steps are made by [`Stage::step`].
    ///
    /// ```
    /// use demotic::distributed::{Grid, Pipeline, Sharding, ThreadGroup};
    /// use demotic::models::{Gpt, GptConfig};
    /// use demotic::prelude::*;
    ///
    /// let gpt = Gpt::new(GptConfig::new(20, 8).layers(2).heads(2).hidden_size(16), &mut Rng::seed(0))?;
    /// let ids = Tensor::from_nested([[3i64, 1, 4, 1]])?;
    /// let train = |sharding| {
    ///     ThreadGroup::run(4, |group| {
    ///         let grid = Grid::new(group, [2, 2, 1])?; // two copies of two stages
    ///         let mut stage = Pipeline::new(&grid).sharding(sharding).split(&gpt)?;
    ///         let mut opt = AdamW::new(1e-2);
    ///         for _step in 0..3 {
    ///             let (_, mut grads) = stage.gradients(&[(ids.clone(), ids.clone())], None)?;
    ///             stage.clip_grad_norm(&mut grads, 1.0)?;
    ///             stage.step(&mut opt, &grads)?;
    ///         }
    ///         let numbers = |state: &demotic::optimizers::ParameterState| state.tensors.values().map(Tensor::numel).sum::<usize>();
    ///         let state: usize = opt.state().parameters.values().map(numbers).sum();
    ///         Ok((state, stage.join()?.predict(&ids)?.to_vec::<f32>()?))
    ///     })
    /// };
    /// let (whole, divided) = (train(Sharding::None)?, train(Sharding::Gradients)?);
    /// assert_eq!(whole[3].1, divided[3].1);
    /// assert!(divided[3].0 < whole[3].0 * 2 / 3);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "zero")]
    pub fn sharding(mut self, sharding: Sharding) -> Self {
        self.sharding = sharding;
        self
    }

    /// How many blocks each stage has.
    ///
    /// # Errors
    /// If there are fewer blocks than stages, or [other numbers](Self::blocks) do not fit.
    #[track_caller]
    pub fn counts(&self, config: impl Into<DecoderConfig>) -> Result<Vec<usize>> {
        self.counts_of(&config.into())
    }

    #[track_caller]
    fn counts_of(&self, config: &DecoderConfig) -> Result<Vec<usize>> {
        let (all, stages) = (config.blocks(), self.grid.pipeline().size());
        if all < stages {
            let message = format!("{all} blocks for {stages} stages, expected at least one for each");
            return Err(Error::argument(NAME, message));
        }
        let Some(counts) = &self.blocks else {
            return Ok(balance(all, stages, config.costs()));
        };
        if counts.len() != stages
            || counts.contains(&0)
            || counts.iter().fold(0usize, |sum, n| sum.saturating_add(*n)) != all
        {
            let message = format!("{counts:?} blocks for {stages} stages of a model of {all}");
            return Err(
                Error::argument(NAME, message).with_help("every stage has at least one, and all together have all")
            );
        }
        Ok(counts.clone())
    }

    /// What each stage has.
    #[track_caller]
    fn pieces(&self, config: &DecoderConfig) -> Result<Vec<Piece>> {
        let counts = self.counts_of(config)?;
        let mut end = 0;
        let piece = |(stage, n): (usize, &usize)| {
            end += n;
            Piece { blocks: end - n..end, embeds: stage == 0, finishes: stage + 1 == counts.len() }
        };
        Ok(counts.iter().enumerate().map(piece).collect())
    }

    /// This rank's part of a model that every rank has.
    ///
    /// # Errors
    /// If the model cannot be divided so: see [`counts`](Self::counts) and [`TensorParallel::split`].
    #[track_caller]
    pub fn split<M: Clone + Into<LanguageModel>>(&self, model: &M) -> Result<Stage> {
        self.split_model(&model.clone().into())
    }

    /// Not generic.
    #[track_caller]
    fn split_model(&self, model: &LanguageModel) -> Result<Stage> {
        let config = DecoderConfig::of(model);
        self.agree(&config, outline(model))?;
        let pieces = self.pieces(&config)?;
        let piece = &pieces[self.grid.pipeline().rank()];
        let mut stage = self.stage(model.cut(piece)?, pieces);
        stage.divide()?;
        stage.divide_among_copies()?;
        Ok(stage)
    }

    /// This rank's part of a model with random weights: those that `Gpt::new` or `Llama::new` would give the whole with the same generator. A rank
    /// never has more in memory than its part, a block and a table.
    ///
    /// # Errors
    /// As for [`split`](Self::split); and if there is no such model, or the part does not fit into memory.
    #[track_caller]
    pub fn begin(&self, config: impl Into<DecoderConfig>, rng: &mut Rng) -> Result<Stage> {
        let config = config.into();
        self.agree(&config, vec![("a generator".into(), format!("{rng:?}"))])?;
        let mut stage = self.make(&config, rng)?;
        stage.divide_among_copies()?;
        Ok(stage)
    }

    /// Makes sure that all ranks are about the same model.
    #[track_caller]
    fn agree(&self, config: &DecoderConfig, mut lines: Vec<(String, String)>) -> Result<()> {
        let stages = format!("stages of {:?}, Sharding::{:?}", self.blocks, self.sharding);
        lines.insert(0, ("a model of".into(), format!("{config:?}")));
        lines.insert(1, ("a division into".into(), stages));
        self.grid.all().agree(NAME, &lines).here()
    }

    #[track_caller]
    fn make(&self, config: &DecoderConfig, rng: &mut Rng) -> Result<Stage> {
        let pieces = self.pieces(config)?;
        let piece = pieces[self.grid.pipeline().rank()].clone();
        let parallel = TensorParallel::new(self.grid.tensor());
        let divides = self.grid.tensor().size() > 1;
        let model = config.make(&piece, rng, &mut |block| {
            if divides {
                parallel.divide(block, &[])?;
            }
            Ok(())
        })?;
        let mut stage = self.stage(model, pieces);
        stage.divide()?;
        Ok(stage)
    }

    /// This rank's part of a model whose weights a source has. Only what belongs to the stage is read, one tensor after the other, and of each the
    /// part of this rank is kept.
    ///
    /// # Errors
    /// As for [`begin`](Self::begin); and if tensors are missing, do not fit or cannot be read.
    #[track_caller]
    pub fn open(&self, config: impl Into<DecoderConfig>, source: &dyn TensorSource) -> Result<Stage> {
        let config = config.into();
        self.agree(&config, Vec::new())?;
        let mut stage = self.make(&config, &mut Rng::blank())?;
        let parallel = TensorParallel::new(self.grid.tensor());
        let source = parallel.source(&stage, source);
        if source.infos().iter().any(|info| info.dtype == Some(DType::F64)) {
            stage.model.to_dtype(DType::F64)?;
        }
        fill_part(NAME, &mut stage, &source)?;
        stage.divide_among_copies()?;
        Ok(stage)
    }

    fn stage(&self, model: LanguageModel, pieces: Vec<Piece>) -> Stage {
        let piece = pieces[self.grid.pipeline().rank()].clone();
        let (grid, sharding) = (self.grid.clone(), self.sharding);
        Stage { parallel: TensorParallel::new(grid.tensor()), grid, model, piece, pieces, sharding }
    }
}

/// A rank's part of a language model: some of its blocks, of which it may have a part itself. Its parameters have the names that they have in the
/// whole model. See [`Pipeline`].
///
/// It is trained by [`gradients`](Self::gradients) and any optimizer, and [generates](crate::models::Generate) as the whole model does: all ranks call
/// it, with the same prompts, options and generators of the same state, and all get the continuation.
#[derive(Clone)]
pub struct Stage {
    grid: Grid,
    parallel: TensorParallel,
    model: LanguageModel,
    piece: Piece,
    /// What all stages have.
    pieces: Vec<Piece>,
    /// What is divided among the copies.
    sharding: Sharding,
}

/// The parts of a stage, with their names.
macro_rules! parts {
    ($stage:ident, $visitor:ident $(, $mut:tt)?) => {{
        let (piece, tied) = (&$stage.piece, $stage.model.blocks().1);
        match &$($mut)? $stage.model {
            LanguageModel::Gpt(model) => {
                if piece.has_table(tied) {
                    $visitor.field("transformer.wte", &$($mut)? model.transformer.wte);
                }
                if piece.embeds {
                    $visitor.field("transformer.wpe", &$($mut)? model.transformer.wpe);
                }
                for (i, block) in piece.blocks.clone().zip(&$($mut)? model.transformer.h) {
                    $visitor.field(format_args!("transformer.h.{i}"), block);
                }
                if piece.finishes {
                    $visitor.field("transformer.ln_f", &$($mut)? model.transformer.ln_f);
                    $visitor.field("lm_head", &$($mut)? model.lm_head);
                }
            }
            LanguageModel::Llama(model) => {
                if piece.has_table(tied) {
                    $visitor.field("model.embed_tokens", &$($mut)? model.model.embed_tokens);
                }
                for (i, block) in piece.blocks.clone().zip(&$($mut)? model.model.layers) {
                    $visitor.field(format_args!("model.layers.{i}"), block);
                }
                if piece.finishes {
                    $visitor.field("model.norm", &$($mut)? model.model.norm);
                    $visitor.field("lm_head", &$($mut)? model.lm_head);
                }
            }
        }
    }};
}

impl Module for Stage {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        parts!(self, visitor);
    }

    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        parts!(self, visitor, mut);
    }
}

impl Stage {
    /// The grid that it is a part of.
    #[must_use]
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Which blocks of the model it has.
    #[must_use]
    pub fn blocks(&self) -> std::ops::Range<usize> {
        self.piece.blocks.clone()
    }

    /// Divides among the ranks of the stage what is not divided yet.
    #[track_caller]
    fn divide(&mut self) -> Result<()> {
        if self.grid.tensor().size() > 1 {
            let parallel = self.parallel.clone();
            parallel.divide(self, &["transformer.wte", "model.embed_tokens", "lm_head"])?;
        }
        Ok(())
    }

    /// The table of tokens, if the first and the last of several stages both have it.
    fn shared_table(&self) -> Option<(&'static str, &Weight)> {
        let (both_ends, tied) = (self.piece.embeds != self.piece.finishes, self.model.blocks().1);
        (both_ends && tied).then_some(match &self.model {
            LanguageModel::Gpt(model) => ("transformer.wte.weight", &model.transformer.wte.weight),
            LanguageModel::Llama(model) => ("model.embed_tokens.weight", &model.model.embed_tokens.weight),
        })
    }

    /// The whole model, on every rank.
    ///
    /// # Errors
    /// If it does not fit into memory, or a rank has failed.
    #[track_caller]
    pub fn join(&self) -> Result<LanguageModel> {
        let mut own = self.clone();
        own.unite()?;
        own.parallel.clone().unite(&mut own).here()?;
        let own = own.state_dict();
        let all = Piece { blocks: 0..self.model.blocks().0, embeds: true, finishes: true };
        let mut whole = DecoderConfig::of(&self.model).make(&all, &mut Rng::blank(), &mut |_| Ok(()))?;
        if let Some(wide) = own.values().map(|value| value.dtype()).find(|dtype| *dtype != DType::F32) {
            whole.to_dtype(wide)?;
        }
        let mut tensors = Vec::new();
        for (stage, piece) in self.pieces.iter().enumerate() {
            let there = Stage { model: whole.cut(piece)?, piece: piece.clone(), ..self.clone() };
            for (name, blank) in slots(&there) {
                let value = own.get(&name).filter(|_| stage == self.grid.pipeline().rank());
                tensors.push((name, self.grid.pipeline().broadcast(value.unwrap_or(&blank), stage)?));
            }
        }
        whole.load_state_dict(&order::map(tensors))?;
        Ok(whole)
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stage(blocks {:?} of {}, {:?})", self.piece.blocks, self.model.blocks().0, self.grid)
    }
}
