//! A language model of whichever family.

use super::piece::{Links, Piece};
use super::{CausalLm, Gpt, KvState, Llama, MemoryNeed, TokenInputs};
use crate::error::Result;
use crate::layers::{Layer, Mode};
use crate::tensor::Tensor;

/// A language model of any of the published families, for programs that take whichever model they are given:
/// `AutoModelForCausalLM` of `transformers`. It does whatever a [`CausalLm`] does, and can be trained.
///
/// ```no_run
/// use demotic::models::{GenerateOptions, LanguageModel};
/// use demotic::prelude::*;
///
/// let model = TextPipeline::<LanguageModel>::from_pretrained("some/folder")?;
/// println!("{}", model.generate("Hello, I'm", &GenerateOptions::new(), &mut Rng::seed(0))?.text);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LanguageModel {
    /// GPT-2 and others of its architecture.
    Gpt(Gpt),
    /// Llama, and the families that are built as it is.
    Llama(Llama),
}

crate::module!(
    enum LanguageModel {
        Gpt(Gpt),
        Llama(Llama),
    }
);

impl From<Gpt> for LanguageModel {
    fn from(model: Gpt) -> Self {
        Self::Gpt(model)
    }
}

impl From<Llama> for LanguageModel {
    fn from(model: Llama) -> Self {
        Self::Llama(model)
    }
}

/// The same of whichever model it is.
macro_rules! each {
    ($self:expr, $model:ident => $value:expr) => {
        match $self {
            LanguageModel::Gpt($model) => $value,
            LanguageModel::Llama($model) => $value,
        }
    };
}

impl LanguageModel {
    /// How many blocks the whole model has, and whether its output layer is the table of tokens.
    pub(crate) fn blocks(&self) -> (usize, bool) {
        each!(self, model => (model.config().num_layers, model.config().tied))
    }

    /// A copy of a piece of it.
    #[track_caller]
    pub(crate) fn cut(&self, piece: &Piece) -> Result<Self> {
        match self {
            Self::Gpt(model) => model.cut(piece).map(Self::Gpt),
            Self::Llama(model) => model.cut(piece).map(Self::Llama),
        }
    }

    /// The vectors behind the last block that is here.
    #[track_caller]
    pub(crate) fn run(&self, ids: &Tensor, links: &dyn Links, mode: &mut Mode<'_>) -> Result<Tensor> {
        each!(self, model => model.run(ids, &TokenInputs::new(), links, mode))
    }

    /// The same for tokens that follow upon those of the state.
    #[track_caller]
    pub(crate) fn extend_hidden(&self, ids: &Tensor, state: &mut KvState, links: &dyn Links) -> Result<Tensor> {
        each!(self, model => model.extend_hidden(ids, state, links))
    }

    /// From the vectors behind the last block to logits.
    #[track_caller]
    pub(crate) fn finish(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        each!(self, model => model.finish(x, mode))
    }
}

impl CausalLm for LanguageModel {
    type State = KvState;

    fn vocab_size(&self) -> usize {
        each!(self, model => model.vocab_size())
    }

    fn context_length(&self) -> Option<usize> {
        each!(self, model => model.context_length())
    }

    #[track_caller]
    fn start(&self, padding: &[usize]) -> Result<KvState> {
        each!(self, model => model.start(padding))
    }

    #[track_caller]
    fn restart(&self, state: &mut KvState, padding: &[usize]) -> Result<()> {
        each!(self, model => model.restart(state, padding))
    }

    #[track_caller]
    fn extend(&self, ids: &Tensor, state: &mut KvState) -> Result<Tensor> {
        each!(self, model => model.extend(ids, state))
    }

    #[track_caller]
    fn extend_last(&self, ids: &Tensor, state: &mut KvState) -> Result<Tensor> {
        each!(self, model => model.extend_last(ids, state))
    }

    fn memory_needed(&self, need: &MemoryNeed) -> Option<u128> {
        each!(self, model => model.memory_needed(need))
    }
}

impl Layer for LanguageModel {
    #[track_caller]
    fn forward(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        each!(self, model => model.forward(ids, mode))
    }
}
