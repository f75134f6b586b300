//! Language models that say what a text is.

use serde::{Deserialize, Serialize};

use super::{Gpt, GptConfig, LanguageModel, Llama, LlamaConfig, TokenInputs};
use crate::error::{Error, Result};

use crate::layers::{Blueprint, Init, Layer, LayerExt, Linear, Mode, Module, Visitor, VisitorMut, Weight};
use crate::models::options::architecture;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The sizes of a [`LanguageModelForSequenceClassification`].
///
/// ```
/// use demotic::models::{GptConfig, LanguageModelClassifierConfig};
///
/// let config = LanguageModelClassifierConfig::gpt(GptConfig::new(100, 32)).labels(&["bad", "good"]).padding_id(0);
/// assert_eq!(config.labels.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LanguageModelClassifierConfig {
    /// What reads the text. It has no output layer of its own.
    pub body: LanguageModelConfig,
    /// The names of the classes.
    pub labels: Vec<String>,
    /// The token that short texts are padded with; without one, every text is as long as the longest.
    pub padding_id: Option<i64>,
}

/// The sizes of a language model of either family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "a program has a few of them")]
pub enum LanguageModelConfig {
    /// Of a [`Gpt`].
    Gpt(GptConfig),
    /// Of a [`Llama`].
    Llama(LlamaConfig),
}

impl LanguageModelClassifierConfig {
    /// Two classes, said by a [`Gpt`].
    #[must_use]
    pub fn gpt(mut body: GptConfig) -> Self {
        body.tied = true;
        Self::on(LanguageModelConfig::Gpt(body))
    }

    /// Two classes, said by a [`Llama`].
    #[must_use]
    pub fn llama(mut body: LlamaConfig) -> Self {
        body.tied = true;
        Self::on(LanguageModelConfig::Llama(body))
    }

    fn on(body: LanguageModelConfig) -> Self {
        Self { body, labels: vec!["LABEL_0".into(), "LABEL_1".into()], padding_id: None }
    }

    /// The names of the classes.
    #[must_use]
    pub fn labels<N: AsRef<str>>(mut self, names: &[N]) -> Self {
        self.labels = names.iter().map(|name| name.as_ref().to_string()).collect();
        self
    }

    /// The token that short texts are padded with, on the right or on the left.
    #[must_use]
    pub fn padding_id(mut self, id: i64) -> Self {
        self.padding_id = Some(id);
        self
    }

    fn hidden_size(&self) -> usize {
        match &self.body {
            LanguageModelConfig::Gpt(config) => config.hidden_size,
            LanguageModelConfig::Llama(config) => config.hidden_size,
        }
    }

    fn num_parameters(&self) -> usize {
        let body = match &self.body {
            LanguageModelConfig::Gpt(config) => config.num_parameters(),
            LanguageModelConfig::Llama(config) => config.num_parameters(),
        };
        body.saturating_add(self.labels.len().saturating_mul(self.hidden_size()))
    }
}

/// A [`LanguageModel`] that says what a text is, by the vector of its last token, which has seen all others
/// (`GPT2ForSequenceClassification`, `LlamaForSequenceClassification` and their kin).
///
/// # Shapes
/// - input: token ids `[batch, time]` of type `I64`
/// - output: logits `[batch, labels]`
///
/// ```
/// use demotic::models::{GptConfig, LanguageModelClassifierConfig, LanguageModelForSequenceClassification};
/// use demotic::prelude::*;
///
/// // Which of the two sentences has a 3 in it? 0 is padding.
/// let (sentences, classes) =
///     (Tensor::from_nested([[1i64, 2, 3, 1], [2, 1, 2, 0]])?, Tensor::from_nested([1i64, 0])?);
/// let mut rng = Rng::seed(0);
/// let gpt = GptConfig::new(4, 8).layers(1).heads(2).hidden_size(16).dropout(0.0);
/// let config = LanguageModelClassifierConfig::gpt(gpt).padding_id(0);
/// let mut model = LanguageModelForSequenceClassification::new(config, &mut rng)?;
/// let mut opt = Adam::new(0.01);
/// for _step in 0..30 {
///     let logits = model.forward(&sentences, &mut Mode::train(&mut rng))?;
///     opt.step(&mut model, &losses::cross_entropy(&logits, &classes)?.backward()?)?;
/// }
/// assert_eq!(metrics::accuracy(&model.predict(&sentences)?, &classes)?, 1.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LanguageModelForSequenceClassification {
    /// What reads the text.
    pub body: LanguageModel,
    /// From the vector of the last token to logits.
    pub score: Linear,
    config: LanguageModelClassifierConfig,
}

/// The names of the body are not below another one.
impl Module for LanguageModelForSequenceClassification {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        self.body.visit(visitor);
        visitor.field("score", &self.score);
    }

    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        self.body.visit_mut(visitor);
        visitor.field("score", &mut self.score);
    }

    fn blueprint(&self) -> Option<Result<Blueprint>> {
        Some(Blueprint::of(self))
    }
}

architecture!(LanguageModelForSequenceClassification, LanguageModelClassifierConfig);

impl LanguageModelForSequenceClassification {
    /// A model with random weights.
    ///
    /// # Errors
    /// As for [`Gpt::new`] and [`Llama::new`], and if there are no labels.
    #[track_caller]
    pub fn new(mut config: LanguageModelClassifierConfig, rng: &mut Rng) -> Result<Self> {
        let op = "LanguageModelForSequenceClassification::new";
        if config.labels.is_empty() {
            return Err(Error::argument(op, "there are no labels"));
        }
        let body = match &mut config.body {
            LanguageModelConfig::Gpt(body) => {
                body.tied = true;
                LanguageModel::Gpt(Gpt::new(body.clone(), rng)?)
            }
            LanguageModelConfig::Llama(body) => {
                body.tied = true;
                LanguageModel::Llama(Llama::new(body.clone(), rng)?)
            }
        };
        let init = Init::Normal { mean: 0.0, std: 0.02 };
        let weight = init.tensor(&[config.labels.len(), config.hidden_size()], rng)?;
        Ok(Self { body, score: Linear { weight: Weight::new(weight)?, bias: None }, config })
    }

    /// The sizes and options.
    #[must_use]
    pub fn config(&self) -> &LanguageModelClassifierConfig {
        &self.config
    }

    /// The logits of a batch of which something is not to be seen; see [`Gpt::forward_with`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn forward_with(&self, ids: &Tensor, inputs: &TokenInputs, mode: &mut Mode<'_>) -> Result<Tensor> {
        let hidden = match &self.body {
            LanguageModel::Gpt(gpt) => gpt.hidden_with(ids, inputs, mode)?,
            LanguageModel::Llama(llama) => llama.hidden_with(ids, inputs, mode)?,
        };
        let (batch, time, width) = (hidden.shape()[0], hidden.shape()[1], hidden.shape()[2]);
        let mut last = Vec::with_capacity(batch);
        for (row, ids) in ids.to_vec::<i64>()?.chunks_exact(time.max(1)).enumerate() {
            // Of a text that is nothing but padding the first, as in the original.
            let place = match self.config.padding_id {
                Some(padding) => ids.iter().rposition(|id| *id != padding).unwrap_or(0),
                None => time - 1,
            };
            last.push((row * time + place) as i64);
        }
        let rows = hidden.reshape([batch * time, width])?;
        let x = rows.index_select(0, &Tensor::from_vec(last, [batch])?)?;
        self.score.at("score", &x, mode)
    }
}

impl Layer for LanguageModelForSequenceClassification {
    #[track_caller]
    fn forward(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.forward_with(ids, &TokenInputs::new(), mode)
    }
}
