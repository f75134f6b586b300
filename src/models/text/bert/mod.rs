//! Encoders of text: BERT, RoBERTa, DistilBERT, MiniLM.

mod config;
mod heads;
mod inputs;
mod layer;

pub use config::{BertConfig, BertFamily};
pub use heads::{
    AnswerSpan, BertForMaskedLm, BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification,
    BertPredictions, BertTransform,
};
pub use inputs::BertInputs;
pub use layer::{BertAttention, BertIntermediate, BertLayer, BertOutput, BertSelfAttention};

use std::panic::Location;

use layer::{INITIAL, Seeing, dense, norm};

use crate::autograd::pause_recording;
use crate::error::{Error, Result};
use crate::layers::{Activation, Dropout, Embedding, Layer, LayerExt, LayerNorm, Linear, Mode, checkpointed, share};
use crate::models::Pooling;
use crate::models::options::architecture;
use crate::models::text::pooling::pool;
use crate::models::text::sequences::check_ids;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The name of the operation in messages.
const NAME: &str = "bert";

/// An encoder of texts: each token gets a vector that depends on all others (Devlin et al., *BERT*, 2019). RoBERTa, DistilBERT,
/// MiniLM and others are the same with other [options](BertConfig).
///
/// # Shapes
/// - input: token ids `[batch, time]` of type `I64`, short texts padded with the padding id
/// - output: the vectors of all tokens, `[batch, time, hidden]`
///
/// The parameters are named as in `transformers`: `embeddings.word_embeddings.weight`,
/// `encoder.layer.0.attention.self.query.weight` … Published models are read by
/// [`from_pretrained`](crate::pretrained::Pretrained::from_pretrained).
///
/// ```
/// use demotic::models::{Bert, BertConfig, BertInputs, Pooling};
/// use demotic::prelude::*;
///
/// let bert = Bert::new(BertConfig::new(100, 32).layers(2).hidden_size(32), &mut Rng::seed(0))?;
/// let ids = Tensor::from_nested([[5i64, 17, 4, 0], [5, 80, 23, 4]])?; // 0 is padding
/// assert_eq!(bert.predict(&ids)?.shape(), [2, 4, 32]);
///
/// // A vector of length 1 for each text.
/// let vectors = bert.embed(&ids, &BertInputs::new(), Pooling::Mean, true, &mut Mode::eval())?;
/// assert_eq!(vectors.shape(), [2, 32]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bert {
    /// From token ids to vectors.
    pub embeddings: BertEmbeddings,
    /// The layers.
    pub encoder: Vec<BertLayer>,
    /// Behind the vector of the first token, for what is said of a text as a whole.
    pub pooler: Option<BertPooler>,
    config: BertConfig,
}

crate::module!(Bert { embeddings, encoder as "encoder.layer", pooler }, plain { config });
architecture!(Bert, BertConfig);

/// The sum of vectors of the token, its position and its kind, normalised.
#[derive(Debug, Clone)]
pub struct BertEmbeddings {
    /// `[vocab, hidden]`.
    pub word_embeddings: Embedding,
    /// `[positions, hidden]`.
    pub position_embeddings: Embedding,
    /// `[kinds, hidden]`.
    pub token_type_embeddings: Option<Embedding>,
    /// Of the sum.
    pub layer_norm: LayerNorm,
    dropout: Dropout,
}

crate::module!(
    BertEmbeddings { word_embeddings, position_embeddings, token_type_embeddings, layer_norm as "LayerNorm" },
    plain { dropout }
);

/// A dense layer with an activation behind the vector of the first token.
#[derive(Debug, Clone)]
pub struct BertPooler {
    /// `hidden → hidden`.
    pub dense: Linear,
    activation: Activation,
    dropout: Dropout,
}

crate::module!(BertPooler { dense }, plain { activation, dropout });

impl BertPooler {
    #[track_caller]
    fn new(config: &BertConfig, rng: &mut Rng) -> Result<Self> {
        let dropout = Dropout::new(if config.pooler_dropout { config.head_dropout } else { 0.0 })?;
        let dense = dense(config.hidden_size, config.hidden_size, rng)?;
        Ok(Self { dense, activation: config.pooler_activation, dropout })
    }
}

impl Layer for BertPooler {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let first = self.dropout.at("dropout", &x.select(1, 0)?, mode)?;
        self.activation.at("activation", &self.dense.at("dense", &first, mode)?, mode)
    }
}

impl BertEmbeddings {
    #[track_caller]
    fn new(config: &BertConfig, rng: &mut Rng) -> Result<Self> {
        let mut table = |rows: usize, padding: Option<usize>| {
            let table = Embedding::from_pretrained(&INITIAL.tensor(&[rows, config.hidden_size], rng)?, false)?;
            match padding {
                Some(row) => table.padding_idx(row),
                None => Ok(table),
            }
        };
        let padding = config.padding_id.and_then(|id| usize::try_from(id).ok());
        Ok(Self {
            word_embeddings: table(config.vocab_size, padding)?,
            position_embeddings: table(config.max_positions, config.first_position.checked_sub(1))?,
            token_type_embeddings: match config.token_types {
                0 => None,
                kinds => Some(table(kinds, None)?),
            },
            layer_norm: norm(config)?,
            dropout: Dropout::new(config.dropout)?,
        })
    }

    #[track_caller]
    fn run(&self, ids: &Tensor, positions: &Tensor, types: Option<&Tensor>, mode: &mut Mode<'_>) -> Result<Tensor> {
        let mut x = self.word_embeddings.at("word_embeddings", ids, mode)?;
        if let (Some(table), Some(types)) = (&self.token_type_embeddings, types) {
            x = x.add(&table.at("token_type_embeddings", types, mode)?)?;
        }
        let x = x.add(&self.position_embeddings.at("position_embeddings", positions, mode)?)?;
        let x = self.layer_norm.at("LayerNorm", &x, mode)?;
        self.dropout.at("dropout", &x, mode)
    }
}

impl Bert {
    /// A model with random weights: normal with deviation 0.02, biases 0.
    ///
    /// # Errors
    /// If the sizes do not fit each other, an option makes no sense, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(config: BertConfig, rng: &mut Rng) -> Result<Self> {
        config.check()?;
        let embeddings = BertEmbeddings::new(&config, rng)?;
        let mut encoder = Vec::with_capacity(config.num_layers.min(1024));
        for _ in 0..config.num_layers {
            encoder.push(BertLayer::new(&config, rng)?);
        }
        let pooler = if config.pooler { Some(BertPooler::new(&config, rng)?) } else { None };
        Ok(Self { embeddings, encoder, pooler, config })
    }

    /// The sizes and options.
    #[must_use]
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// Makes a pooler with random weights if there is to be one and is none, or takes it away.
    #[track_caller]
    fn set_pooler(&mut self, pooler: bool, rng: &mut Rng) -> Result<()> {
        self.config.pooler = pooler;
        match (pooler, &self.pooler) {
            (true, None) => self.pooler = Some(BertPooler::new(&self.config, rng)?),
            (false, Some(_)) => self.pooler = None,
            _ => {}
        }
        Ok(())
    }

    /// The vectors of all tokens, `[batch, time, hidden]`, of texts of which something is not to be seen, or that are pairs.
    ///
    /// # Errors
    /// If the ids are not `[batch, time]` with at least one and at most [`max_length`](BertConfig::max_length) tokens, an id is not
    /// in the vocabulary, or a mask, kinds or positions have other shapes or types.
    #[track_caller]
    pub fn hidden_with(&self, ids: &Tensor, inputs: &BertInputs, mode: &mut Mode<'_>) -> Result<Tensor> {
        Ok(self.run(ids, inputs, mode)?.0)
    }

    /// The vector of the first token behind the pooler: `[batch, hidden]`.
    ///
    /// # Errors
    /// As for [`hidden_with`](Self::hidden_with), and if there is no pooler.
    #[track_caller]
    pub fn pooled_with(&self, ids: &Tensor, inputs: &BertInputs, mode: &mut Mode<'_>) -> Result<Tensor> {
        let Some(pooler) = &self.pooler else {
            let e = Error::state(NAME, "the model has no pooler");
            return Err(e.with_help("embed() makes vectors of texts without one"));
        };
        let x = self.hidden_with(ids, inputs, mode)?;
        pooler.at("pooler", &x, mode)
    }

    /// A vector for each text, `[batch, hidden]`, made of those of its tokens; with `normalized`, of length 1, so that the product of
    /// two of them is the cosine of their angle.
    ///
    /// # Errors
    /// As for [`hidden_with`](Self::hidden_with).
    #[track_caller]
    pub fn embed(
        &self,
        ids: &Tensor,
        inputs: &BertInputs,
        pooling: Pooling,
        normalized: bool,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let (x, absent) = self.run(ids, inputs, mode)?;
        let x = pool(&x, absent.as_ref(), pooling)?;
        match normalized {
            true => x.div(&x.norm_dims(2.0, &[-1], true)?.clamp_min(1e-12)),
            false => Ok(x),
        }
    }

    /// The same in evaluation, without recording.
    ///
    /// # Errors
    /// As for [`embed`](Self::embed).
    #[track_caller]
    pub fn vectors(&self, ids: &Tensor, inputs: &BertInputs, pooling: Pooling, normalized: bool) -> Result<Tensor> {
        let _unrecorded = pause_recording();
        self.embed(ids, inputs, pooling, normalized, &mut Mode::eval().called_at(Location::caller()))
    }

    /// The vectors of all tokens, and which of these are not seen.
    #[track_caller]
    fn run(&self, ids: &Tensor, inputs: &BertInputs, mode: &mut Mode<'_>) -> Result<(Tensor, Option<Tensor>)> {
        let config = &self.config;
        let (batch, time) = check_ids(NAME, "token", ids, Some(config.max_length()))?;
        let absent = inputs.absent(config, ids)?;
        let (positions, types) = (inputs.positions_of(config, ids)?, inputs.types_of(config, ids)?);
        let mask = match &absent {
            Some(absent) => Some(absent.logical_not()?.reshape([batch, 1, 1, time])?),
            None => None,
        };
        let mut x = mode.call("embeddings", &self.embeddings, |embeddings, mode| {
            embeddings.run(ids, &positions, types.as_ref(), mode)
        })?;
        for (i, layer) in self.encoder.iter().enumerate() {
            x = mode.call(("encoder.layer", i), layer, |layer, mode| {
                match config.checkpointing && mode.is_training() {
                    true => checkpointed(&Seeing { layer: share(layer), mask: mask.clone() }, &x, mode),
                    false => layer.run(&x, mask.as_ref(), mode),
                }
            })?;
        }
        Ok((x, absent))
    }
}

impl Layer for Bert {
    #[track_caller]
    fn forward(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.hidden_with(ids, &BertInputs::new(), mode)
    }
}
