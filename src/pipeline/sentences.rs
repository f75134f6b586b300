//! Sentences in, vectors out.

use super::TextPipeline;
use crate::error::{Error, Result};
use crate::models::{Bert, BertInputs, Pooling};
use crate::tensor::Tensor;
use crate::text::Tokenizer;

/// How many sentences are read at once.
const BATCH: usize = 32;

/// Vectors of sentences whose angles say how alike they are: an encoder with its tokenizer, and how the vectors of tokens become
/// one (Reimers and Gurevych, *Sentence-BERT*, 2019).
///
/// A folder of `sentence-transformers`, such as that of MiniLM, is read by
/// [`from_pretrained`](SentenceEncoder::from_pretrained).
///
/// ```
/// use demotic::models::{Bert, BertConfig};
/// use demotic::pipeline::SentenceEncoder;
/// use demotic::prelude::*;
/// use demotic::text::WordPieceTokenizer;
///
/// let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "dog", "sat", "stocks", "fell"];
/// let bert = Bert::new(BertConfig::new(words.len(), 16).layers(1).hidden_size(32), &mut Rng::seed(0))?;
/// let encoder = SentenceEncoder::new(bert, WordPieceTokenizer::new(words)?); // and then it is trained
///
/// let vectors = encoder.encode(&["the cat sat", "the dog sat", "stocks fell"])?;
/// assert_eq!(vectors.shape(), [3, 32]);
/// let found = encoder.search("the cat", &vectors, 2)?;
/// assert_eq!(found[0].0, 0); // the number of the sentence, with the cosine of the angle
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug)]
pub struct SentenceEncoder {
    model: Bert,
    tokenizer: Box<dyn Tokenizer>,
    pooling: Pooling,
    normalized: bool,
    max_length: Option<usize>,
}

impl SentenceEncoder {
    /// Puts both together. The vector of a sentence is the mean of those of its tokens, brought to length 1.
    pub fn new(model: Bert, tokenizer: impl Tokenizer + 'static) -> Self {
        Self { model, tokenizer: Box::new(tokenizer), pooling: Pooling::Mean, normalized: true, max_length: None }
    }

    /// Another way to make one vector of those of all tokens.
    #[must_use]
    pub fn pooling(mut self, pooling: Pooling) -> Self {
        self.pooling = pooling;
        self
    }

    /// Vectors keep their lengths.
    #[must_use]
    pub fn without_normalization(mut self) -> Self {
        self.normalized = false;
        self
    }

    /// Sentences are cut to so many tokens, special ones among them, if the model does not look at fewer.
    #[must_use]
    pub fn max_length(mut self, tokens: usize) -> Self {
        self.max_length = Some(tokens);
        self
    }

    /// The encoder.
    #[must_use]
    pub fn model(&self) -> &Bert {
        &self.model
    }

    /// The encoder, for training it further or quantising it.
    #[must_use]
    pub fn model_mut(&mut self) -> &mut Bert {
        &mut self.model
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &dyn Tokenizer {
        &*self.tokenizer
    }

    /// The model with its tokenizer, to be saved in one file.
    #[must_use]
    pub fn into_pipeline(self) -> TextPipeline<Bert> {
        TextPipeline::new(self.model, self.tokenizer)
    }

    /// The vectors of some sentences, `[sentences, hidden]`. Those of similar lengths are read together.
    ///
    /// # Errors
    /// If there are none, one has no tokens, or has something that is not in the vocabulary.
    #[track_caller]
    pub fn encode<S: AsRef<str>>(&self, sentences: &[S]) -> Result<Tensor> {
        let sentences: Vec<&str> = sentences.iter().map(AsRef::as_ref).collect();
        self.encode_all(&sentences)
    }

    #[track_caller]
    fn encode_all(&self, sentences: &[&str]) -> Result<Tensor> {
        if sentences.is_empty() {
            return Err(Error::argument("encode", "there are no sentences"));
        }
        let limit = self.model.config().max_length();
        let limit = self.max_length.map_or(limit, |own| own.min(limit));
        let mut rows = Vec::with_capacity(sentences.len());
        for sentence in sentences {
            rows.push(self.tokenizer.encode_at_most(sentence, limit, false)?);
        }
        // Those of similar lengths together, so that few are padded much.
        let mut order: Vec<usize> = (0..rows.len()).collect();
        crate::order::sort_by(&mut order, |a, b| rows[*a].len().cmp(&rows[*b].len()));
        let (mut vectors, mut from) = (Vec::new(), 0);
        while from < order.len() {
            let longest = rows[order[from]].len() * 5 / 4 + 4;
            let alike = order[from..].iter().take(BATCH).take_while(|row| rows[**row].len() <= longest).count().max(1);
            let part = order[from..from + alike].iter().map(|row| rows[*row].as_slice()).collect::<Vec<_>>();
            vectors.push(self.vectors_of(&part)?);
            from += alike;
        }
        let vectors = Tensor::cat(&vectors.iter().collect::<Vec<_>>(), 0)?;
        let mut places = vec![0_i64; order.len()];
        for (place, sentence) in order.iter().enumerate() {
            places[*sentence] = place as i64;
        }
        vectors.index_select(0, &Tensor::from_vec(places, [order.len()])?)
    }

    /// The vectors of sentences that are read together.
    #[track_caller]
    fn vectors_of(&self, rows: &[&[i64]]) -> Result<Tensor> {
        let time = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let padding = self.model.config().padding_id.unwrap_or(0);
        let (mut ids, mut mask) = (Vec::with_capacity(rows.len() * time), Vec::with_capacity(rows.len() * time));
        for row in rows {
            ids.extend(row.iter().copied().chain(std::iter::repeat_n(padding, time - row.len())));
            mask.extend((0..time).map(|i| i < row.len()));
        }
        let (ids, mask) = (Tensor::from_vec(ids, [rows.len(), time])?, Tensor::from_vec(mask, [rows.len(), time])?);
        let inputs = BertInputs::new().mask(&mask);
        self.model.vectors(&ids, &inputs, self.pooling, self.normalized)
    }

    /// The sentences among `vectors`, `[sentences, hidden]`, that are most like a query: the number of each, with the cosine of the
    /// angle between both, best first.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode), and if the vectors are of another size.
    #[track_caller]
    pub fn search(&self, query: &str, vectors: &Tensor, count: usize) -> Result<Vec<(usize, f64)>> {
        let query = self.encode_all(&[query])?;
        let scores = query.cosine_similarity(vectors, -1, 1e-8)?.to_f64_vec();
        let mut found: Vec<(usize, f64)> = scores.into_iter().enumerate().collect();
        crate::order::sort_by(&mut found, |(_, a), (_, b)| b.total_cmp(a));
        found.truncate(count);
        Ok(found)
    }
}
