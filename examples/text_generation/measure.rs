//! How well a model predicts text that it is not trained on.

use demotic::data::{IGNORE_INDEX, PaddedBatch, Sentences};
use demotic::models::Generate;
use demotic::prelude::*;

use crate::corpus::Parts;
use crate::saved::LanguageModel;

/// Stories that are measured at once.
const BATCH: usize = 16;

/// A text to predict.
pub enum Measure {
    /// Inputs and targets, and how many of these count.
    Stories(Vec<(Tensor, Tensor, usize)>),
    Stream {
        tokens: Vec<i64>,
        context: usize,
    },
}

impl Measure {
    /// The part that is kept, or a beginning of it of about `most` tokens.
    pub fn new(parts: &Parts, context: usize, most: usize) -> Result<Self> {
        match parts {
            Parts::Stream { kept, .. } => Ok(Self::Stream { tokens: kept.slice(0..kept.len().min(most))?, context }),
            Parts::Stories { kept, .. } => {
                let data = Sentences::new(kept, 0)?;
                let (mut batches, mut tokens, mut start) = (Vec::new(), 0, 0);
                while start < data.len() && tokens < most {
                    let end = (start + BATCH).min(data.len());
                    let PaddedBatch { inputs, targets, .. } = data.padded(&(start..end).collect::<Vec<_>>())?;
                    let count = targets.to_vec::<i64>()?.iter().filter(|id| **id != IGNORE_INDEX).count();
                    batches.push((inputs, targets, count));
                    tokens += count;
                    start = end;
                }
                Ok(Self::Stories(batches))
            }
        }
    }

    /// The number of tokens that are predicted.
    pub fn num_tokens(&self) -> usize {
        match self {
            Self::Stories(batches) => batches.iter().map(|batch| batch.2).sum(),
            Self::Stream { tokens, .. } => tokens.len() - 1,
        }
    }

    /// The mean over all tokens, in nats.
    pub fn of<M: LanguageModel>(&self, model: &M) -> Result<f64> {
        match self {
            Self::Stream { tokens, context } => Ok(model.perplexity(tokens, *context)?.nats_per_token()),
            Self::Stories(batches) => {
                let mut sum = 0.0;
                for (inputs, targets, count) in batches {
                    sum += losses::token_cross_entropy(&model.predict(inputs)?, targets)?.item()? * *count as f64;
                }
                Ok(sum / self.num_tokens() as f64)
            }
        }
    }
}
