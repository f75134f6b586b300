//! Rows of numbers that models are trained on.

use std::ops::Range;

use super::batches::Batches;
use super::loading::{BatchRows, BatchSampler, Cached, Concat, Enumerated, Mapped, Subset, Zipped};
use super::split;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::create::{check_list, stale};
use crate::tensor::exec::index;
use crate::tensor::layout::{Dims, Layout};
use crate::tensor::{DType, Tensor};

/// Numbered samples that can be had in batches.
///
/// [`TensorDataset`] holds them in memory. Implement it for what is made on demand: images decoded from files, windows of
/// a token stream. Where samples are easier to make one at a time, implement [`Samples`](super::Samples) instead, which has `get`.
/// [`batches`](Self::batches) and the [`Trainer`](crate::train::Trainer) then work as for any other.
///
/// What is random in a sample (where an image is cropped, which words are masked) is drawn from the generator that
/// [`batch`](Self::batch) is given. [`Batches`] hands out one for each batch that depends on its number alone, so that it does not
/// matter in which order, or on which thread, batches are made, nor whether a run was resumed in the middle of an epoch.
///
/// ```
/// use demotic::data::Dataset;
/// use demotic::{Result, Rng, Tensor};
///
/// /// Every window of a text, with the window one token further as its target.
/// struct Windows {
///     tokens: Vec<i64>,
///     length: usize,
/// }
///
/// impl Dataset for Windows {
///     type Batch = (Tensor, Tensor);
///
///     fn len(&self) -> usize {
///         self.tokens.len().saturating_sub(self.length)
///     }
///
///     fn batch(&self, indices: &[usize], _: &mut Rng) -> Result<(Tensor, Tensor)> {
///         let window = |shift: usize| {
///             let rows = indices.iter().flat_map(|i| &self.tokens[i + shift..][..self.length]);
///             Tensor::from_vec(rows.copied().collect(), [indices.len(), self.length])
///         };
///         Ok((window(0)?, window(1)?))
///     }
/// }
///
/// let text = Windows { tokens: (0..10).collect(), length: 4 };
/// let (x, y) = text.batches(2).next().unwrap()?;
/// assert_eq!(x.to_vec::<i64>()?, [0, 1, 2, 3, 1, 2, 3, 4]);
/// assert_eq!(y.to_vec::<i64>()?, [1, 2, 3, 4, 2, 3, 4, 5]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no dataset",
    note = "inputs and targets become one by `TensorDataset::new(x, y)?`, a `Table` by `Preprocessor::transform`"
)]
pub trait Dataset: Send + Sync {
    /// What a batch is: inputs and targets as `(Tensor, Tensor)` for most.
    type Batch: Send;

    /// The number of samples.
    fn len(&self) -> usize;

    /// Whether there are no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples with these numbers, which are below [`len`](Self::len), in this order. `rng` is for what is random in
    /// them.
    ///
    /// # Errors
    /// If the samples cannot be made.
    fn batch(&self, indices: &[usize], rng: &mut Rng) -> Result<Self::Batch>;

    /// Neighbouring samples. Worth its own implementation where that is cheaper than collecting them.
    ///
    /// # Errors
    /// As for [`batch`](Self::batch).
    #[track_caller]
    fn batch_range(&self, range: Range<usize>, rng: &mut Rng) -> Result<Self::Batch> {
        check_list("batch_range", "sample numbers", range.len(), size_of::<usize>())?;
        self.batch(&range.collect::<Vec<_>>(), rng)
    }

    /// All samples in batches of `size`, in order or [shuffled](Batches::shuffle). The last batch may be smaller.
    ///
    /// A size of 0 gives an error as the first batch.
    #[track_caller]
    fn batches(&self, size: usize) -> Batches<'_, Self>
    where
        Self: Sized,
    {
        Batches::new(self, size)
    }

    /// The order in which the samples should come where it is to be random, if not any order will do: that of data in a file
    /// that is larger than the memory, for example.
    fn sampler(&self) -> Option<&dyn BatchSampler> {
        None
    }

    /// The same samples, with something done to each batch: a step of preprocessing, noise, other targets. `rng` is for what is
    /// random in it.
    ///
    /// ```
    /// use demotic::data::{Dataset, TensorDataset};
    /// use demotic::{tensor, Rng};
    ///
    /// let data = TensorDataset::new(tensor![[1.0], [2.0]], tensor![0.0, 1.0])?;
    /// let doubled = data.map(|(x, y), _rng: &mut Rng| Ok((x * 2.0, y)));
    /// assert_eq!(doubled.batches(2).next().unwrap()?.0.to_vec::<f32>()?, [2.0, 4.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    fn map<B: Send, F>(self, f: F) -> Mapped<Self, F>
    where
        Self: Sized,
        F: Fn(Self::Batch, &mut Rng) -> Result<B> + Send + Sync,
    {
        Mapped { data: self, f }
    }

    /// The samples with these numbers, in this order. [`Subset::new`] takes the dataset along.
    ///
    /// ```
    /// use demotic::data::{Dataset, KFold, TensorDataset};
    /// use demotic::Tensor;
    ///
    /// let data = TensorDataset::new(Tensor::zeros([10, 3])?, Tensor::zeros([10])?)?;
    /// for fold in KFold::new(5).split(data.len())? {
    ///     let (train, test) = (data.subset(fold.train)?, data.subset(fold.test)?);
    ///     assert_eq!((train.len(), test.len()), (8, 2));
    /// }
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If one does not exist.
    #[track_caller]
    fn subset(&self, numbers: Vec<usize>) -> Result<Subset<&Self>>
    where
        Self: Sized,
    {
        Subset::new(self, numbers)
    }

    /// The samples of this dataset, and behind them those of another one.
    ///
    /// ```
    /// use demotic::data::{Dataset, TensorDataset};
    /// use demotic::tensor;
    ///
    /// let (a, b) = (TensorDataset::new(tensor![1, 2], tensor![1, 2])?, TensorDataset::new(tensor![3], tensor![3])?);
    /// let both = a.concat(b)?;
    /// assert_eq!(both.batch(&[2, 0], &mut demotic::Rng::seed(0))?.0.to_vec::<f32>()?, [3.0, 1.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are more samples than can be numbered.
    #[track_caller]
    #[doc(alias = "ConcatDataset")]
    #[doc(alias = "chain")]
    fn concat<'d, O>(self, other: O) -> Result<Concat<'d, Self::Batch>>
    where
        Self: Sized + 'd,
        Self::Batch: BatchRows,
        O: Dataset<Batch = Self::Batch> + 'd,
    {
        Concat::of(self).and(other)
    }

    /// The same samples, each of which is made once and kept in memory. What is random in them is drawn once as well, from a
    /// generator that depends on the number of the sample alone: cache what takes long, and let what is random come behind it.
    ///
    /// ```
    /// use demotic::data::{Dataset, Samples};
    ///
    /// let slow = vec![1.0_f32, 2.0, 3.0].collated().map(|x, _rng: &mut demotic::Rng| Ok(x.exp()));
    /// let data = slow.cached();
    /// for _epoch in 0..2 {
    ///     assert_eq!(data.batches(3).next().unwrap()?.shape(), [3]);
    /// }
    /// assert_eq!(format!("{data:?}"), "Cached(3 of 3 samples)");
    /// # Ok::<(), demotic::Error>(())
    /// ```
    fn cached(self) -> Cached<Self>
    where
        Self: Sized,
        Self::Batch: BatchRows + Clone,
    {
        Cached::new(self)
    }

    /// The samples of two datasets of one length side by side: a batch is a pair of their batches.
    ///
    /// # Errors
    /// If their lengths differ.
    #[track_caller]
    fn zip<O: Dataset>(self, other: O) -> Result<Zipped<Self, O>>
    where
        Self: Sized,
    {
        Zipped::new(self, other)
    }

    /// The samples with their numbers: a batch is the numbers, `[n]` of type `I64`, and the batch.
    fn enumerate(self) -> Enumerated<Self>
    where
        Self: Sized,
    {
        Enumerated { data: self }
    }
}

/// Inputs `x` and targets `y` in memory, a sample in each row.
///
/// Both may have any number of dimensions, of which the first counts the samples, and any type.
///
/// ```
/// use demotic::data::{Dataset, TensorDataset};
/// use demotic::{tensor, Rng};
///
/// let data = TensorDataset::new(tensor![[1, 2], [3, 4], [5, 6]], tensor![[3], [7], [11]])?;
/// let (train, test) = data.split(0.67, &mut Rng::seed(0))?;
/// assert_eq!((train.len(), test.len()), (2, 1));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct TensorDataset {
    x: Tensor,
    y: Tensor,
}

impl TensorDataset {
    /// A dataset of `x`, `[n, ..]`, and `y`, `[n, ..]`. Gradients do not reach through it.
    ///
    /// # Errors
    /// If one is a scalar, or their numbers of rows differ.
    #[track_caller]
    pub fn new(x: Tensor, y: Tensor) -> Result<Self> {
        let (Some(rows), Some(targets)) = (x.shape().first(), y.shape().first()) else {
            let message =
                format!("x has shape {:?} and y has {:?}, both need a dimension of samples", x.shape(), y.shape());
            return Err(Error::shape("TensorDataset", message));
        };
        if rows != targets {
            let message = format!("{rows} samples in x, {:?}, but {targets} targets in y, {:?}", x.shape(), y.shape());
            return Err(Error::shape("TensorDataset", message));
        }
        Ok(Self { x: x.packed(), y: y.packed() })
    }

    /// All inputs, `[n, ..]`.
    #[must_use]
    pub fn x(&self) -> &Tensor {
        &self.x
    }

    /// All targets, `[n, ..]`.
    #[must_use]
    pub fn y(&self) -> &Tensor {
        &self.y
    }

    /// The number of values in one sample of `x`: the number of features, if `x` is `[n, features]`.
    #[must_use]
    pub fn num_features(&self) -> usize {
        self.x.shape()[1..].iter().product()
    }

    /// The samples with these numbers, in this order; one may occur several times.
    ///
    /// # Errors
    /// If one does not exist, or so many do not fit into memory.
    #[track_caller]
    pub fn rows(&self, rows: &[usize]) -> Result<Self> {
        if let Some(row) = rows.iter().find(|row| **row >= self.len()) {
            let message = format!("sample {row} of a dataset of {}, counted from 0", self.len());
            return Err(Error::index("rows", message));
        }
        Ok(Self { x: gather(&self.x, rows)?, y: gather(&self.y, rows)? })
    }

    /// Divides the samples at random: a share of `fraction` into the first part, the rest into the second.
    ///
    /// # Errors
    /// If `fraction` does not lie between 0 and 1, or there are fewer than 2 samples. Neither part is ever empty.
    #[track_caller]
    #[doc(alias = "random_split")]
    pub fn split(&self, fraction: f64, rng: &mut Rng) -> Result<(Self, Self)> {
        let (first, second) = split::shuffled(self.len(), fraction, rng)?;
        Ok((self.rows(&first)?, self.rows(&second)?))
    }

    /// The same with every class in the same proportion in both parts, as near as whole samples allow.
    ///
    /// # Errors
    /// As for [`split`](Self::split), or if `y` is not `[n]` class numbers of type `I64`, or a class has one sample only.
    #[track_caller]
    pub fn split_stratified(&self, fraction: f64, rng: &mut Rng) -> Result<(Self, Self)> {
        let classes = self.class_labels("split_stratified")?;
        let mut known = classes.clone();
        crate::order::sort_by_key(&mut known, |class| crate::order::whole_key(*class));
        known.dedup();
        let labels: Vec<usize> = classes.iter().filter_map(|class| known.binary_search(class).ok()).collect();
        let describe = |label: usize| format!("class {}", known[label]);
        let (first, second) = split::stratified(&labels, fraction, rng, &describe)?;
        Ok((self.rows(&first)?, self.rows(&second)?))
    }

    #[track_caller]
    fn class_labels(&self, op: &'static str) -> Result<Vec<i64>> {
        if self.y.rank() != 1 || self.y.dtype() != DType::I64 {
            let (shape, dtype) = (self.y.shape(), self.y.dtype());
            return Err(Error::dtype(
                op,
                format!("y has shape {shape:?} and type {dtype}, expected [n] class numbers of i64"),
            ));
        }
        self.y.to_vec()
    }
}

impl Dataset for TensorDataset {
    type Batch = (Tensor, Tensor);

    fn len(&self) -> usize {
        self.x.shape()[0]
    }

    /// Copies of the rows.
    #[track_caller]
    fn batch(&self, indices: &[usize], _: &mut Rng) -> Result<(Tensor, Tensor)> {
        let part = self.rows(indices)?;
        Ok((part.x, part.y))
    }

    /// Views of the rows, without a copy.
    #[track_caller]
    fn batch_range(&self, range: Range<usize>, _: &mut Rng) -> Result<(Tensor, Tensor)> {
        if range.start > range.end || range.end > self.len() {
            let message = format!("samples {range:?} of a dataset of {}", self.len());
            return Err(Error::index("batch_range", message));
        }
        Ok((view(&self.x, &range), view(&self.y, &range)))
    }
}

impl std::fmt::Debug for TensorDataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (x, y) = (&self.x, &self.y);
        write!(f, "TensorDataset(x: {:?} {}, y: {:?} {})", x.shape(), x.dtype(), y.shape(), y.dtype())
    }
}

/// The shape of a number of rows of a tensor, and the length of one row.
fn rows_of(x: &Tensor, rows: usize) -> (Dims, usize) {
    let mut shape = x.layout().shape();
    shape[0] = rows;
    (shape, shape[1..].iter().product())
}

/// Copies rows, which must exist, of a contiguous tensor.
#[track_caller]
pub(super) fn gather(x: &Tensor, rows: &[usize]) -> Result<Tensor> {
    let (shape, len) = rows_of(x, rows.len());
    let index = index::numbered(stale("rows", &[rows.len()], DType::I64)?, &mut |i| rows[i] as i64);
    let mut out = stale("rows", &shape, x.dtype())?;
    index::take_rows(x, [x.shape()[0], len], &index, &mut out);
    Ok(out)
}

/// Neighbouring rows, which must exist, of a contiguous tensor, in the same memory.
fn view(x: &Tensor, range: &Range<usize>) -> Tensor {
    let (shape, len) = rows_of(x, range.len());
    let mut layout = Layout::new(shape);
    layout.offset = x.layout().offset + range.start * len;
    x.with_layout(layout)
}
