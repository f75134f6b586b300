//! Convolutions over the words of a sentence that tell to which class it belongs.

use serde::{Deserialize, Serialize};

use super::sequences::{Sequences, check_sizes};
use crate::error::{Error, Result};
use crate::layers::{Conv1d, Count, Dropout, Embedding, Layer, LayerExt, Linear, Mode, check_memory};
use crate::models::options::{architecture, options};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// What a [`TextCnn`] is made of.
///
/// ```
/// use demotic::models::TextCnnConfig;
///
/// let config = TextCnnConfig::new(1000, 4).embedding_size(32).kernel_sizes(&[2, 3]).num_filters(16);
/// assert_eq!(config.num_parameters(), 32 * 1000 + 16 * (2 * 32 + 1) + 16 * (3 * 32 + 1) + 4 * (2 * 16 + 1));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TextCnnConfig {
    /// How many different tokens there are.
    pub vocab_size: usize,
    /// How many classes there are.
    pub num_classes: usize,
    /// The size of the vector that stands for a token.
    pub embedding_size: usize,
    /// How many tokens the filters of each kind see at once.
    pub kernel_sizes: Vec<usize>,
    /// How many filters of each kind there are.
    pub num_filters: usize,
    /// The probability of dropout before the classes.
    pub dropout: f64,
    /// The id that pads short sequences, if there is one. The model does not see such positions.
    pub padding_id: Option<i64>,
}

impl TextCnnConfig {
    /// The sizes of the paper but for smaller vectors: 128 numbers for a token, 100 filters each for 3, 4 and 5 tokens, a dropout of ½, and
    /// 0 as the id of padding.
    #[must_use]
    pub fn new(vocab_size: usize, num_classes: usize) -> Self {
        Self {
            vocab_size,
            num_classes,
            embedding_size: 128,
            kernel_sizes: vec![3, 4, 5],
            num_filters: 100,
            dropout: 0.5,
            padding_id: Some(0),
        }
    }

    options!(embedding_size, dropout);

    /// Filters that see other numbers of tokens.
    #[must_use]
    pub fn kernel_sizes(mut self, sizes: &[usize]) -> Self {
        self.kernel_sizes = sizes.to_vec();
        self
    }

    /// Another number of filters of each kind.
    #[must_use]
    pub fn num_filters(mut self, filters: usize) -> Self {
        self.num_filters = filters;
        self
    }

    /// Another id of padding; with `None`, every token counts.
    #[must_use]
    pub fn padding_id(mut self, id: impl Into<Option<i64>>) -> Self {
        self.padding_id = id.into();
        self
    }

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.count().get()
    }

    fn count(&self) -> Count {
        let filters = |size: &usize| (Count::new(*size) * self.embedding_size + 1) * self.num_filters;
        let features = Count::new(self.num_filters) * self.kernel_sizes.len();
        Count::new(self.vocab_size) * self.embedding_size
            + self.kernel_sizes.iter().map(filters).sum::<Count>()
            + (features + 1) * self.num_classes
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let op = "TextCnn::new";
        let mut sizes = vec![
            ("vocab_size", self.vocab_size),
            ("num_classes", self.num_classes),
            ("embedding_size", self.embedding_size),
            ("num_filters", self.num_filters),
        ];
        sizes.extend(self.kernel_sizes.iter().map(|size| ("a kernel size", *size)));
        check_sizes(op, &sizes)?;
        if self.kernel_sizes.is_empty() {
            return Err(Error::argument(op, "there are no kernel sizes"));
        }
        check_memory(op, self.count(), Count::new(self.kernel_sizes.len()) * 2 + 3)
    }
}

/// Classifies sequences of tokens by what short stretches of them look like: filters over a few tokens each, of which the largest response in the
/// sequence counts, and a dense layer that decides (Kim, *Convolutional Neural Networks for Sentence Classification*, 2014).
///
/// Padding does not count: a filter looks at stretches that lie within the sequence, and at sequences shorter than itself with zeros behind
/// them. So a sequence has the same logits in any batch.
///
/// # Shapes
/// - input: token ids `[batch, time]` of type `I64`, short sequences padded with the padding id on either side
/// - output: logits `[batch, classes]`
/// - parameters: `embedding.weight`, `convs.0.weight`, `convs.0.bias`, …, `head.weight`, `head.bias`
///
/// ```
/// use demotic::models::{TextCnn, TextCnnConfig};
/// use demotic::prelude::*;
///
/// // Which of the two sentences has "1 3" in it? 0 is padding.
/// let (sentences, classes) = (Tensor::from_nested([[2i64, 2, 1, 3], [3, 1, 2, 0]])?, Tensor::from_nested([1i64, 0])?);
/// let mut rng = Rng::seed(0);
/// let config = TextCnnConfig::new(4, 2).embedding_size(8).kernel_sizes(&[2]).num_filters(8);
/// let mut model = TextCnn::new(config, &mut rng)?;
/// let mut opt = Adam::new(0.05);
/// for _step in 0..30 {
///     let logits = model.forward(&sentences, &mut Mode::train(&mut rng))?;
///     opt.step(&mut model, &losses::cross_entropy(&logits, &classes)?.backward()?)?;
/// }
/// assert_eq!(metrics::accuracy(&model.predict(&sentences)?, &classes)?, 1.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TextCnn {
    /// A vector for each token.
    pub embedding: Embedding,
    /// The filters of each kernel size.
    pub convs: Vec<Conv1d>,
    /// From what the filters found to logits.
    pub head: Linear,
    dropout: Dropout,
    config: TextCnnConfig,
}

crate::module!(TextCnn { embedding, convs, head }, plain { dropout, config });
architecture!(TextCnn, TextCnnConfig);

impl TextCnn {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0, the dropout is no probability, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(config: TextCnnConfig, rng: &mut Rng) -> Result<Self> {
        config.check()?;
        let embedding = Embedding::new(config.vocab_size, config.embedding_size, rng)?;
        let mut convs = Vec::with_capacity(config.kernel_sizes.len());
        for size in &config.kernel_sizes {
            convs.push(Conv1d::new(config.embedding_size, config.num_filters, *size, rng)?);
        }
        let head = Linear::new(config.num_filters * convs.len(), config.num_classes, rng)?;
        Ok(Self { embedding, convs, head, dropout: Dropout::new(config.dropout)?, config })
    }

    /// The sizes and options.
    #[must_use]
    pub fn config(&self) -> &TextCnnConfig {
        &self.config
    }

    /// The largest response of each filter, from which the last layer makes logits: `[batch, filters · kernel sizes]`.
    ///
    /// # Errors
    /// As for [`forward`](Layer::forward): if the ids are not `[batch, time]` with at least one token, a sequence is nothing but padding
    /// or has padding between its tokens, or an id is not in the vocabulary.
    #[track_caller]
    pub fn hidden(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let sequences = Sequences::new("text_cnn", "sequence", ids, self.config.padding_id, None)?;
        let mut vectors = self.embedding.at("embedding", &sequences.ids, mode)?;
        if let Some(padding) = sequences.padding()? {
            vectors = vectors.masked_fill(&padding.unsqueeze(-1)?, 0.0)?;
        }
        let time = sequences.ids.shape()[1];
        let vectors = vectors.transpose(1, 2)?;
        let mut found = Vec::with_capacity(self.convs.len());
        for (i, (conv, size)) in self.convs.iter().zip(&self.config.kernel_sizes).enumerate() {
            let behind = size.saturating_sub(time);
            let x = if behind > 0 { vectors.pad(&[(0, behind as isize)], 0.0)? } else { vectors.clone() };
            let mut responses = conv.at(("convs", i), &x, mode)?.relu();
            if let Some(lengths) = &sequences.lengths {
                // Of each sequence, as many stretches as lie within it, and at least one.
                let places = responses.shape()[2];
                let outside = lengths.iter().flat_map(|length| {
                    let inside = length.saturating_sub(*size) + 1;
                    (0..places).map(move |place| place >= inside)
                });
                let outside = Tensor::from_vec::<bool>(outside.collect(), [lengths.len(), 1, places])?;
                // No response is less than 0.
                responses = responses.masked_fill(&outside, 0.0)?;
            }
            found.push(responses.amax(&[2], false)?);
        }
        Tensor::cat(&found.iter().collect::<Vec<_>>(), 1)
    }
}

impl Layer for TextCnn {
    #[track_caller]
    fn forward(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let hidden = self.hidden(ids, mode)?;
        self.head.at("head", &self.dropout.at("dropout", &hidden, mode)?, mode)
    }
}
