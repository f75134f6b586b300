//! Sentences, each in a row of its own.

use std::fmt::Display;

use super::super::dataset::Dataset;
use super::IGNORE_INDEX;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// Sentences of different lengths, of which every token predicts the next.
///
/// A batch is `(inputs, targets)`, both `[batch, time]` of type `I64`, where a sentence of `n` tokens takes `n - 1` positions
/// and `time` is what the longest one of the batch needs. Behind the shorter ones, inputs are the padding token and
/// targets are [`IGNORE_INDEX`], which losses pass over. [`padded`](Self::padded) gives lengths and a mask as well.
///
/// ```
/// use demotic::data::{Dataset, Sentences};
///
/// let data = Sentences::new([vec![5, 6, 7], vec![8, 9]], 0)?;
/// let (inputs, targets) = data.batches(2).next().unwrap()?;
/// assert_eq!(inputs.to_vec::<i64>()?, [5, 6, 8, 0]);
/// assert_eq!(targets.to_vec::<i64>()?, [6, 7, 9, -100]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct Sentences {
    /// All sentences, one behind the other, and where each one ends.
    ids: Vec<u32>,
    ends: Vec<usize>,
    padding: u32,
    width: Option<usize>,
}

/// A batch of sentences with what is known of their lengths.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PaddedBatch {
    /// The tokens, `[batch, time]` of type `I64`.
    pub inputs: Tensor,
    /// For each of them the one that follows, of the same shape and type; at padding [`IGNORE_INDEX`].
    pub targets: Tensor,
    /// The positions that count in each row, `[batch]` of type `I64`.
    pub lengths: Tensor,
    /// Which positions count, `[batch, time]` of type `Bool`.
    pub mask: Tensor,
}

#[track_caller]
fn refused(what: impl Display, id: i64) -> Error {
    Error::argument("Sentences", format!("{what} has the id {id}, expected 0 to {}", u32::MAX))
}

impl Sentences {
    /// Sentences as token ids, and the token to pad with.
    ///
    /// # Errors
    /// If there are no sentences, one has fewer than two tokens, or an id is negative or beyond the range of `u32`.
    #[track_caller]
    pub fn new(sentences: impl IntoIterator<Item = impl AsRef<[i64]>>, padding: i64) -> Result<Self> {
        // Four bytes for each token.
        let (mut ids, mut ends) = (Vec::<u32>::new(), Vec::new());
        let Ok(padding) = u32::try_from(padding) else { return Err(refused("the padding", padding)) };
        for (i, sentence) in sentences.into_iter().enumerate() {
            let sentence = sentence.as_ref();
            if sentence.len() < 2 {
                let (len, s) = (sentence.len(), if sentence.len() == 1 { "" } else { "s" });
                let message = format!("sentence {i} has {len} token{s}, expected at least 2");
                return Err(Error::argument("Sentences", message)
                    .with_help("leave it out, or put a token before the first and behind the last"));
            }
            if let Some(id) = sentence.iter().find(|id| u32::try_from(**id).is_err()) {
                return Err(refused(format_args!("sentence {i}"), *id));
            }
            ids.extend(sentence.iter().map(|id| *id as u32));
            ends.push(ids.len());
        }
        if ends.is_empty() {
            return Err(Error::argument("Sentences", "there are no sentences"));
        }
        Ok(Self { ids, ends, padding, width: None })
    }

    /// Gives every batch the same number of positions, for example the context of the model. Longer sentences are an
    /// error: cut them before, where it makes sense.
    ///
    /// # Errors
    /// If a sentence needs more.
    #[track_caller]
    pub fn width(mut self, width: usize) -> Result<Self> {
        if let Some(i) = (0..self.len()).find(|i| self.sentence(*i).len() - 1 > width) {
            let needed = self.sentence(i).len() - 1;
            let message = format!("sentence {i} needs {needed} positions, the width is {width}");
            return Err(Error::argument("Sentences", message));
        }
        self.width = Some(width);
        Ok(self)
    }

    /// The ids of a sentence, which must exist.
    fn sentence(&self, i: usize) -> &[u32] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.ids[start..self.ends[i]]
    }

    /// The sentences with these numbers.
    ///
    /// # Errors
    /// If one does not exist.
    #[track_caller]
    pub fn padded(&self, indices: &[usize]) -> Result<PaddedBatch> {
        if let Some(i) = indices.iter().find(|i| **i >= self.len()) {
            return Err(Error::index("padded", format!("sentence {i} of {}, counted from 0", self.len())));
        }
        let rows = indices.len();
        let counts: Vec<usize> = indices.iter().map(|i| self.sentence(*i).len() - 1).collect();
        let time = self.width.or(counts.iter().copied().max()).unwrap_or(0);
        let mut inputs = Tensor::full_dtype([rows, time], 0.0, DType::I64)?;
        let mut targets = Tensor::full_dtype([rows, time], 0.0, DType::I64)?;
        let mut mask = Tensor::full_dtype([rows, time], 0.0, DType::Bool)?;
        let (x, y) = (inputs.as_mut_slice::<i64>()?, targets.as_mut_slice::<i64>()?);
        let counted = mask.as_mut_slice::<bool>()?;
        x.fill(i64::from(self.padding));
        y.fill(IGNORE_INDEX);
        for (row, (i, count)) in indices.iter().zip(&counts).enumerate() {
            let (sentence, place) = (self.sentence(*i), row * time..row * time + count);
            x[place.clone()].iter_mut().zip(sentence).for_each(|(x, id)| *x = i64::from(*id));
            y[place.clone()].iter_mut().zip(&sentence[1..]).for_each(|(y, id)| *y = i64::from(*id));
            counted[place].fill(true);
        }
        let lengths = Tensor::from_vec(counts.into_iter().map(|n| n as i64).collect(), [rows])?;
        Ok(PaddedBatch { inputs, targets, lengths, mask })
    }
}

impl Dataset for Sentences {
    type Batch = (Tensor, Tensor);

    fn len(&self) -> usize {
        self.ends.len()
    }

    #[track_caller]
    fn batch(&self, indices: &[usize], _: &mut Rng) -> Result<(Tensor, Tensor)> {
        let PaddedBatch { inputs, targets, .. } = self.padded(indices)?;
        Ok((inputs, targets))
    }
}

impl std::fmt::Debug for Sentences {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sentences({} of {} tokens)", self.len(), self.ids.len())
    }
}
