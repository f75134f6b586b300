//! Windows of a long stream.

use std::ops::Range;

use super::super::dataset::Dataset;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};
use crate::text::TokenStream;

/// Windows of a token stream, each with the window one token further as its target.
///
/// A batch is `(inputs, targets)`, both `[batch, context]` of type `I64`. By default the windows follow each other without
/// a gap; [`stride`](Self::stride) makes them overlap, [`random`](Self::random) takes them from anywhere. Only the
/// windows of a batch are read, so the stream may be a file that is larger than the memory.
///
/// ```
/// use demotic::data::{Dataset, NextTokens};
/// use demotic::text::TokenStream;
///
/// let text = NextTokens::new(TokenStream::from_ids((0..10).collect())?, 3)?;
/// assert_eq!(text.len(), 3);
/// let (inputs, targets) = text.batches(2).next().unwrap()?;
/// assert_eq!(inputs.to_vec::<i64>()?, [0, 1, 2, 3, 4, 5]);
/// assert_eq!(targets.to_vec::<i64>()?, [1, 2, 3, 4, 5, 6]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct NextTokens {
    stream: TokenStream,
    context: usize,
    windows: Windows,
}

/// Where the windows begin.
#[derive(Debug, Clone, PartialEq)]
enum Windows {
    Every { stride: usize },
    Random { samples: usize, seed: u64 },
}

impl NextTokens {
    /// Windows of `context` tokens, one after the other. Tokens at the end that fill no window are left out.
    ///
    /// # Errors
    /// If the context is 0, or the stream is shorter than `context + 1`.
    #[track_caller]
    pub fn new(stream: TokenStream, context: usize) -> Result<Self> {
        if context == 0 {
            return Err(Error::argument("NextTokens", "the context is 0, expected at least 1"));
        }
        if stream.len() <= context {
            let (len, s) = (stream.len(), if stream.len() == 1 { "" } else { "s" });
            let needed = context.saturating_add(1);
            let message = format!("a stream of {len} token{s}, a context of {context} needs at least {needed}");
            return Err(Error::argument("NextTokens", message)
                .with_help("every window has a target for its last token; use a shorter context or more text"));
        }
        Ok(Self { stream, context, windows: Windows::Every { stride: context } })
    }

    /// Several documents in one stream, each behind a `separator`: the model learns to begin a document at a separator,
    /// and to end one with it. Inside a model, [`document_mask`](super::document_mask) keeps attention within documents.
    ///
    /// ```
    /// use demotic::data::{Dataset, NextTokens};
    ///
    /// let packed = NextTokens::packed([vec![1, 2], vec![3]], 0, 5)?;
    /// let (inputs, targets) = packed.batches(1).next().unwrap()?;
    /// assert_eq!(inputs.to_vec::<i64>()?, [0, 1, 2, 0, 3]);
    /// assert_eq!(targets.to_vec::<i64>()?, [1, 2, 0, 3, 0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are no documents, one contains the separator, or an id is negative or beyond the range of `u32`; and as for [`new`](Self::new).
    #[track_caller]
    pub fn packed(
        documents: impl IntoIterator<Item = impl AsRef<[i64]>>,
        separator: i64,
        context: usize,
    ) -> Result<Self> {
        let mut ids = vec![separator];
        for (i, document) in documents.into_iter().enumerate() {
            let document = document.as_ref();
            if let Some(at) = document.iter().position(|id| *id == separator) {
                let message = format!("document {i} contains the separator {separator} at position {at}");
                return Err(Error::argument("packed", message).with_help("separate with a token that no text has"));
            }
            ids.extend_from_slice(document);
            ids.push(separator);
        }
        if ids.len() == 1 {
            return Err(Error::argument("packed", "there are no documents"));
        }
        Self::new(TokenStream::from_ids(ids)?, context)
    }

    /// Lets a window begin at every `stride`-th token. With 1, every position of the stream begins one, and an epoch sees
    /// each token `context` times.
    ///
    /// # Errors
    /// If the stride is 0.
    #[track_caller]
    pub fn stride(mut self, stride: usize) -> Result<Self> {
        if stride == 0 {
            return Err(Error::argument("NextTokens", "the stride is 0, expected at least 1"));
        }
        self.windows = Windows::Every { stride };
        Ok(self)
    }

    /// Takes `samples` windows from anywhere in the stream, for training by the number of steps: with `steps · batch size`
    /// samples, a run is one epoch. The same number is always the same window, so a run can be resumed.
    ///
    /// # Errors
    /// If there are no samples.
    #[track_caller]
    pub fn random(mut self, samples: usize, rng: &mut Rng) -> Result<Self> {
        if samples == 0 {
            return Err(Error::argument("NextTokens", "the number of samples is 0, expected at least 1"));
        }
        self.windows = Windows::Random { samples, seed: rng.next_u64() };
        Ok(self)
    }

    /// The number of tokens in a window.
    #[must_use]
    pub fn context(&self) -> usize {
        self.context
    }

    /// The tokens.
    #[must_use]
    pub fn stream(&self) -> &TokenStream {
        &self.stream
    }

    /// How many tokens further than the first a window can begin at the most.
    fn last_start(&self) -> usize {
        self.stream.len() - self.context - 1
    }

    /// Where a window begins.
    fn start(&self, sample: usize) -> usize {
        match self.windows {
            Windows::Every { stride } => sample * stride,
            // A generator for each sample, so that it does not matter which were asked for before.
            Windows::Random { seed, .. } => {
                Rng::seed(seed.wrapping_add((sample as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
                    .below(self.last_start() + 1)
            }
        }
    }

    #[track_caller]
    fn windows(&self, samples: impl ExactSizeIterator<Item = usize>) -> Result<(Tensor, Tensor)> {
        let (rows, context) = (samples.len(), self.context);
        let (mut inputs, mut targets) = (
            Tensor::full_dtype([rows, context], 0.0, DType::I64)?,
            Tensor::full_dtype([rows, context], 0.0, DType::I64)?,
        );
        let (x, y) = (inputs.as_mut_slice::<i64>()?, targets.as_mut_slice::<i64>()?);
        let mut window = vec![0; context + 1];
        for (i, sample) in samples.enumerate() {
            if sample >= self.len() {
                let message = format!("window {sample} of {}, counted from 0", self.len());
                return Err(Error::index("NextTokens", message));
            }
            self.stream.read(self.start(sample), &mut window)?;
            x[i * context..][..context].copy_from_slice(&window[..context]);
            y[i * context..][..context].copy_from_slice(&window[1..]);
        }
        Ok((inputs, targets))
    }
}

impl Dataset for NextTokens {
    type Batch = (Tensor, Tensor);

    fn len(&self) -> usize {
        match self.windows {
            Windows::Every { stride } => self.last_start() / stride + 1,
            Windows::Random { samples, .. } => samples,
        }
    }

    #[track_caller]
    fn batch(&self, indices: &[usize], _: &mut Rng) -> Result<(Tensor, Tensor)> {
        self.windows(indices.iter().copied())
    }

    #[track_caller]
    fn batch_range(&self, range: Range<usize>, _: &mut Rng) -> Result<(Tensor, Tensor)> {
        self.windows(range)
    }
}
