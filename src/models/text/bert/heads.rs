//! BERT with what is learnt for a task.

use super::layer::{INITIAL, dense, norm};
use super::{Bert, BertConfig, BertFamily, BertInputs};
use crate::error::{Error, Result};
use crate::layers::{Activation, Dropout, Layer, LayerExt, LayerNorm, Linear, Mode, Param, Weight};
use crate::models::options::architecture;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// A [`Bert`] that predicts hidden tokens from those around them.
///
/// # Shapes
/// - input: token ids `[batch, time]` of type `I64`
/// - output: logits `[batch, time, vocab]`
#[derive(Debug, Clone)]
pub struct BertForMaskedLm {
    /// The body.
    pub bert: Bert,
    /// From hidden vectors to logits.
    pub cls: BertPredictions,
    config: BertConfig,
}

/// The head of a [`BertForMaskedLm`].
#[derive(Debug, Clone)]
pub struct BertPredictions {
    /// What is done to a vector before it is compared with those of all tokens.
    pub transform: BertTransform,
    /// The vectors that it is compared with, unless they are those of the embedding.
    pub decoder: Option<Linear>,
    /// `[vocab]`.
    pub bias: Param,
}

/// A dense layer, an activation and a normalisation.
#[derive(Debug, Clone)]
pub struct BertTransform {
    /// `hidden → hidden`.
    pub dense: Linear,
    /// Behind the activation.
    pub layer_norm: LayerNorm,
    activation: Activation,
}

crate::module!(BertForMaskedLm { bert, cls as "cls.predictions" }, plain { config });
crate::module!(BertPredictions { transform, decoder, bias });
crate::module!(BertTransform { dense, layer_norm as "LayerNorm" }, plain { activation });
architecture!(BertForMaskedLm, BertConfig);

impl BertForMaskedLm {
    /// A model with random weights. It has no pooler.
    ///
    /// # Errors
    /// As for [`Bert::new`].
    #[track_caller]
    pub fn new(mut config: BertConfig, rng: &mut Rng) -> Result<Self> {
        config.pooler = false;
        let bert = Bert::new(config.clone(), rng)?;
        let activation = match config.family {
            // Whatever the body has.
            BertFamily::Roberta | BertFamily::XlmRoberta => Activation::Gelu,
            _ => config.activation,
        };
        let transform = BertTransform {
            dense: dense(config.hidden_size, config.hidden_size, rng)?,
            layer_norm: norm(&config)?,
            activation,
        };
        let decoder = match config.tied {
            true => None,
            false => {
                let weight = Weight::new(INITIAL.tensor(&[config.vocab_size, config.hidden_size], rng)?)?;
                Some(Linear { weight, bias: None })
            }
        };
        let bias = Param::new(Tensor::zeros([config.vocab_size])?)?;
        Ok(Self { bert, cls: BertPredictions { transform, decoder, bias }, config })
    }

    /// The logits of all tokens at each place; see [`Bert::hidden_with`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn forward_with(&self, ids: &Tensor, inputs: &BertInputs, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = mode.call("bert", &self.bert, |bert, mode| bert.hidden_with(ids, inputs, mode))?;
        mode.scope("cls.predictions", |mode| {
            let transform = &self.cls.transform;
            let x = mode.scope("transform", |mode| {
                let x = transform.dense.at("dense", &x, mode)?;
                let x = transform.activation.at("activation", &x, mode)?;
                transform.layer_norm.at("LayerNorm", &x, mode)
            })?;
            match &self.cls.decoder {
                Some(decoder) => decoder.at("decoder", &x, mode)?.add(&self.cls.bias),
                None => self.bert.embeddings.word_embeddings.weight.linear(&x, Some(&self.cls.bias), mode),
            }
        })
    }
}

/// A head that is one dense layer behind the body.
macro_rules! head {
    (
        $(#[$doc:meta])*
        $Head:ident, $(#[$field_doc:meta])* $field:ident, |$config:ident| $outputs:expr, pooler $pooler:literal
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $Head {
            /// The body.
            pub bert: Bert,
            $(#[$field_doc])*
            pub $field: Linear,
            dropout: Dropout,
            config: BertConfig,
        }

        crate::module!($Head { bert, $field }, plain { dropout, config });
        architecture!($Head, BertConfig);

        impl $Head {
            /// A model with random weights.
            ///
            /// # Errors
            /// As for [`Bert::new`].
            #[track_caller]
            pub fn new(mut config: BertConfig, rng: &mut Rng) -> Result<Self> {
                config.pooler = $pooler;
                Self::on(Bert::new(config.clone(), rng)?, config, rng)
            }

            /// A body that was trained before, with a new head for these labels.
            ///
            /// # Errors
            /// If there are no labels, or there is not enough memory.
            #[track_caller]
            pub fn with_body<N: AsRef<str>>(mut bert: Bert, labels: &[N], rng: &mut Rng) -> Result<Self> {
                let mut config = bert.config().clone().labels(labels);
                config.pooler = $pooler;
                config.check()?;
                bert.set_pooler($pooler, rng)?;
                Self::on(bert, config, rng)
            }

            #[track_caller]
            fn on(bert: Bert, config: BertConfig, rng: &mut Rng) -> Result<Self> {
                let $config = &config;
                let $field = dense(config.hidden_size, $outputs, rng)?;
                Ok(Self { bert, $field, dropout: Dropout::new(config.head_dropout)?, config })
            }
        }
    };
}

head! {
    /// A [`Bert`] that says what a text, or a pair of texts, is.
    ///
    /// # Shapes
    /// - input: token ids `[batch, time]` of type `I64`
    /// - output: logits `[batch, labels]`
    ///
    /// ```
    /// use demotic::models::{BertConfig, BertForSequenceClassification};
    /// use demotic::prelude::*;
    ///
    /// // Which of the two sentences has a 3 in it? 0 is padding.
    /// let (sentences, classes) =
    ///     (Tensor::from_nested([[1i64, 2, 3, 1], [2, 1, 2, 0]])?, Tensor::from_nested([1i64, 0])?);
    /// let mut rng = Rng::seed(0);
    /// let config = BertConfig::new(4, 8).layers(1).heads(2).hidden_size(16).dropout(0.0);
    /// let mut model = BertForSequenceClassification::new(config, &mut rng)?;
    /// let mut opt = Adam::new(0.01);
    /// for _step in 0..30 {
    ///     let logits = model.forward(&sentences, &mut Mode::train(&mut rng))?;
    ///     opt.step(&mut model, &losses::cross_entropy(&logits, &classes)?.backward()?)?;
    /// }
    /// assert_eq!(metrics::accuracy(&model.predict(&sentences)?, &classes)?, 1.0);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    BertForSequenceClassification,
    /// From the pooled vector to logits.
    classifier, |config| config.labels.len(), pooler true
}

head! {
    /// A [`Bert`] that says of every token what it is: a name, a place, a verb.
    ///
    /// # Shapes
    /// - input: token ids `[batch, time]` of type `I64`
    /// - output: logits `[batch, time, labels]`
    BertForTokenClassification,
    /// From the vector of a token to logits.
    classifier, |config| config.labels.len(), pooler false
}

head! {
    /// A [`Bert`] that finds the answer to a question in a text: where it begins, and where it ends.
    ///
    /// # Shapes
    /// - input: token ids `[batch, time]` of type `I64`, of a pair of texts
    /// - output: logits `[batch, time, 2]`, of the first token of an answer and of its last
    BertForQuestionAnswering,
    /// From the vector of a token to two logits.
    qa_outputs, |_config| 2, pooler false
}

impl BertForSequenceClassification {
    /// The logits of a batch; see [`Bert::hidden_with`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn forward_with(&self, ids: &Tensor, inputs: &BertInputs, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = mode.call("bert", &self.bert, |bert, mode| bert.pooled_with(ids, inputs, mode))?;
        self.classifier.at("classifier", &self.dropout.at("dropout", &x, mode)?, mode)
    }
}

impl BertForTokenClassification {
    /// The logits of each token; see [`Bert::hidden_with`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn forward_with(&self, ids: &Tensor, inputs: &BertInputs, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = mode.call("bert", &self.bert, |bert, mode| bert.hidden_with(ids, inputs, mode))?;
        self.classifier.at("classifier", &self.dropout.at("dropout", &x, mode)?, mode)
    }
}

/// Where in a text an answer stands.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct AnswerSpan {
    /// The first token.
    pub start: usize,
    /// The last token.
    pub end: usize,
    /// The sum of their logits.
    pub score: f64,
}

impl BertForQuestionAnswering {
    /// The logits of both ends; see [`Bert::hidden_with`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn forward_with(&self, ids: &Tensor, inputs: &BertInputs, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = mode.call("bert", &self.bert, |bert, mode| bert.hidden_with(ids, inputs, mode))?;
        self.qa_outputs.at("qa_outputs", &self.dropout.at("dropout", &x, mode)?, mode)
    }

    /// The most likely answer of at most `max_tokens` tokens within `text`, the places of the tokens of the text in the pair, by the
    /// logits `[time, 2]` of one row; `None` if there are no such places.
    ///
    /// # Errors
    /// If the logits have another shape, or the text has places that they do not have.
    #[track_caller]
    pub fn best_span(logits: &Tensor, text: std::ops::Range<usize>, max_tokens: usize) -> Result<Option<AnswerSpan>> {
        let &[time, 2] = logits.shape() else {
            let message = format!("logits of shape {:?}, expected [time, 2]", logits.shape());
            return Err(Error::shape("best_span", message).with_help("select(0, row) takes one row out of a batch"));
        };
        if text.end > time {
            return Err(Error::index("best_span", format!("places up to {} of {time}", text.end)));
        }
        let logits = logits.to_f64_vec();
        let mut best: Option<AnswerSpan> = None;
        for start in text.clone() {
            for end in start..text.end.min(start.saturating_add(max_tokens)) {
                let score = logits[2 * start] + logits[2 * end + 1];
                if best.is_none_or(|best| score > best.score) {
                    best = Some(AnswerSpan { start, end, score });
                }
            }
        }
        Ok(best)
    }
}

macro_rules! as_layers {
    ($($Head:ident),*) => {$(
        impl $Head {
            /// The sizes and options.
            #[must_use]
            pub fn config(&self) -> &BertConfig {
                &self.config
            }
        }

        impl Layer for $Head {
            #[track_caller]
            fn forward(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
                self.forward_with(ids, &BertInputs::new(), mode)
            }
        }
    )*};
}

as_layers!(BertForMaskedLm, BertForSequenceClassification, BertForTokenClassification, BertForQuestionAnswering);
