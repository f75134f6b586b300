//! Sequences of numbers of different lengths in one tensor.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// How sequences are brought to one length: measurements over time, frames, embeddings.
///
/// ```
/// use demotic::data::Padding;
/// use demotic::tensor;
///
/// // Two sequences of one and of two steps with two features each.
/// let sequences = [tensor![[1.0, 2.0]], tensor![[3.0, 4.0], [5.0, 6.0]]];
/// let batch = Padding::new().value(-1.0).pad(&sequences)?;
/// assert_eq!(batch.values.shape(), [2, 2, 2]);
/// assert_eq!(batch.values.to_vec::<f32>()?, [1., 2., -1., -1., 3., 4., 5., 6.]);
/// assert_eq!(batch.lengths, [1, 2]);
/// assert_eq!(batch.mask.to_f64_vec(), [1., 0., 1., 1.]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// Recurrent layers take the lengths in [`RunOptions`](crate::layers::RunOptions). Sequences of token ids with targets are
/// [`Sentences`](super::Sentences).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[doc(alias = "pad_sequence")]
#[doc(alias = "pad_sequences")]
#[must_use = "it does nothing until it pads something"]
pub struct Padding {
    value: f64,
    left: bool,
    width: Option<usize>,
    cut: Cut,
}

/// What becomes of steps beyond the width.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Cut {
    #[default]
    Refused,
    Last,
    First,
}

/// Sequences of one length, with what is known of their own.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PaddedSequences {
    /// `[batch, time, ..]`, of the type of the sequences.
    pub values: Tensor,
    /// The steps of each sequence.
    pub lengths: Vec<usize>,
    /// Which steps are those of a sequence, `[batch, time]` of type `Bool`.
    pub mask: Tensor,
}

impl Padding {
    /// Zeros behind the shorter sequences, up to the length of the longest.
    pub fn new() -> Self {
        Self::default()
    }

    /// What stands where there is no step, 0 by default.
    #[doc(alias = "padding_value")]
    pub fn value(mut self, value: f64) -> Self {
        self.value = value;
        self
    }

    /// Pads before the sequences, so that all of them end together.
    #[doc(alias = "padding_side")]
    pub fn left(mut self) -> Self {
        self.left = true;
        self
    }

    /// Cuts sequences longer than [`width`](Self::width): their last steps are left out, as with `truncating="post"` in Keras.
    ///
    /// ```
    /// use demotic::data::Padding;
    /// use demotic::tensor;
    ///
    /// let sequences = [tensor![1.0, 2.0, 3.0], tensor![4.0]];
    /// let batch = Padding::new().width(2).truncate().pad(&sequences)?;
    /// assert_eq!(batch.values.to_vec::<f32>()?, [1.0, 2.0, 4.0, 0.0]);
    /// assert_eq!(batch.lengths, [2, 1]);
    /// let batch = Padding::new().width(2).truncate_left().left().pad(&sequences)?;
    /// assert_eq!(batch.values.to_vec::<f32>()?, [2.0, 3.0, 0.0, 4.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "truncating")]
    pub fn truncate(mut self) -> Self {
        self.cut = Cut::Last;
        self
    }

    /// Cuts sequences longer than [`width`](Self::width): their first steps are left out, as with `truncating="pre"` in Keras.
    pub fn truncate_left(mut self) -> Self {
        self.cut = Cut::First;
        self
    }

    /// Gives every batch so many steps. Longer sequences are an error, unless they are [cut](Self::truncate).
    #[doc(alias = "maxlen")]
    pub fn width(mut self, steps: usize) -> Self {
        self.width = Some(steps);
        self
    }

    /// Pads sequences `[time, ..]` of one type, which differ in `time` alone. Gradients reach them.
    ///
    /// # Errors
    /// If there are no sequences, one is a scalar, is longer than [`width`](Self::width), or differs from the first in its
    /// type or the size of a step, or there is no memory for the result.
    #[track_caller]
    pub fn pad(&self, sequences: &[Tensor]) -> Result<PaddedSequences> {
        let op = "Padding";
        let Some(first) = sequences.first() else { return Err(Error::argument(op, "there are no sequences")) };
        let mut lengths = Vec::with_capacity(sequences.len());
        for (i, sequence) in sequences.iter().enumerate() {
            let Some((length, step)) = sequence.shape().split_first() else {
                return Err(Error::shape(op, format!("sequence {i} is a scalar, expected [time, ..]")));
            };
            if Some(step) != first.shape().get(1..) {
                let (shape, expected) = (sequence.shape(), first.shape());
                let message =
                    format!("sequence {i} has shape {shape:?}, the first {expected:?}: only `time` may differ");
                return Err(Error::shape(op, message));
            }
            if sequence.dtype() != first.dtype() {
                let (dtype, expected) = (sequence.dtype(), first.dtype());
                return Err(Error::dtype(op, format!("sequence {i} is {dtype}, the first {expected}")));
            }
            lengths.push(*length);
        }
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let time = self.width.unwrap_or(longest);
        if self.cut != Cut::Refused {
            lengths.iter_mut().for_each(|length| *length = time.min(*length));
        }
        if let Some(i) = lengths.iter().position(|length| *length > time) {
            let message = format!("sequence {i} has {} steps, the width is {time}", lengths[i]);
            return Err(Error::argument(op, message));
        }
        // Before anything is padded: all of it must fit.
        let mut shape = vec![sequences.len(), time];
        shape.extend_from_slice(&first.shape()[1..]);
        crate::tensor::create::reserve(op, &shape, first.dtype())?;
        let mut mask = Tensor::full_dtype([sequences.len(), time], 0.0, DType::Bool)?;
        for (row, length) in mask.as_mut_slice::<bool>()?.chunks_exact_mut(time.max(1)).zip(&lengths) {
            let start = if self.left { time - length } else { 0 };
            row[start..start + length].fill(true);
        }
        let mut padded = Vec::with_capacity(sequences.len());
        for (sequence, length) in sequences.iter().zip(&lengths) {
            let beyond = (sequence.shape()[0] - length) as isize;
            let cut;
            let sequence = match self.cut {
                _ if beyond == 0 => sequence,
                Cut::First => {
                    cut = sequence.narrow(0, beyond, *length)?;
                    &cut
                }
                Cut::Refused | Cut::Last => {
                    cut = sequence.narrow(0, 0, *length)?;
                    &cut
                }
            };
            let missing = (time - length) as isize;
            let mut margins = vec![(0, 0); sequence.rank()];
            margins[0] = if self.left { (missing, 0) } else { (0, missing) };
            padded.push(sequence.pad(&margins, self.value)?);
        }
        let values = Tensor::stack(&padded.iter().collect::<Vec<_>>(), 0)?;
        Ok(PaddedSequences { values, lengths, mask })
    }
}
