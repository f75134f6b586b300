//! Sums, means and maxima of vectors for numbered things.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::core::{Init, Layer, LayerConfig, Mode, Weight, described};
use super::embedding::Embedding;
use crate::autograd::ops::embedding::look_up;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::create::check_list;
use crate::tensor::{DType, Tensor};

/// What an [`EmbeddingBag`] makes of the vectors of a bag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BagMode {
    /// Their sum.
    Sum,
    /// Their mean.
    #[default]
    Mean,
    /// Of each feature, the largest.
    Max,
}

/// A table of vectors like [`Embedding`], of which the sum, the mean or the maximum over a bag of numbers is what counts: the words of a
/// text without their order, the categories of a thing that has several.
///
/// # Shapes
/// - input: bags of the same length, `[bags, length]` of type `I64`; or, in [`bags_at`](Self::bags_at), one after the other
/// - output: `[bags, dim]`, zeros for a bag without numbers
/// - `weight`: `[num_embeddings, dim]`, normally distributed with mean 0 and variance 1, as in PyTorch
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let words = EmbeddingBag::new(10_000, 64, &mut rng)?.mode(BagMode::Mean).padding_idx(0)?;
/// let texts = Tensor::from_nested([[17i64, 4, 230], [9, 4, 0]])?;
/// assert_eq!(words.predict(&texts)?.shape(), [2, 64]);
/// // The same, one text after the other: they begin at 0 and at 3.
/// let line = Tensor::from_nested([17i64, 4, 230, 9, 4])?;
/// assert_eq!(words.bags_at(&line, &[0, 3], None)?.to_vec::<f32>()?, words.predict(&texts)?.to_vec::<f32>()?);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct EmbeddingBag {
    /// `[num_embeddings, dim]`.
    pub weight: Weight,
    mode: BagMode,
    padding_idx: Option<usize>,
}

crate::module!(EmbeddingBag { weight }, plain { mode, padding_idx });

impl EmbeddingBag {
    /// A table of `num_embeddings` vectors of `dim` numbers, of which bags have the mean.
    ///
    /// # Errors
    /// If a number is zero, or the table does not fit into memory.
    #[track_caller]
    pub fn new(num_embeddings: usize, dim: usize, rng: &mut Rng) -> Result<Self> {
        let Embedding { weight, .. } = Embedding::new(num_embeddings, dim, rng)?;
        Ok(Self { weight, mode: BagMode::Mean, padding_idx: None })
    }

    /// A layer with the vectors of `weight`, `[num_embeddings, dim]`; with `freeze` they are not trained.
    ///
    /// # Errors
    /// If `weight` is not a matrix of type `F32` or `F64`.
    #[track_caller]
    pub fn from_pretrained(weight: &Tensor, freeze: bool) -> Result<Self> {
        let Embedding { weight, .. } = Embedding::from_pretrained(weight, freeze)?;
        Ok(Self { weight, mode: BagMode::Mean, padding_idx: None })
    }

    /// The same layer that makes something else of a bag. Default is the mean.
    #[must_use]
    pub fn mode(mut self, mode: BagMode) -> Self {
        self.mode = mode;
        self
    }

    /// The same layer in which the number `index` is left out of bags, and its vector is not trained.
    ///
    /// # Errors
    /// If there is no such number.
    #[track_caller]
    pub fn padding_idx(mut self, index: usize) -> Result<Self> {
        let n = self.weight.shape()[0];
        if index >= n {
            let message = format!("the padding is row {index} of a table of {n}");
            return Err(Error::argument("padding_idx", message).with_help("rows count from 0"));
        }
        self.padding_idx = Some(index);
        Ok(self)
    }

    /// The same layer with other initial vectors.
    ///
    /// # Errors
    /// If the scheme's options make no sense.
    #[track_caller]
    pub fn with_init(mut self, init: Init, rng: &mut Rng) -> Result<Self> {
        self.weight.set(&init.tensor(self.weight.shape(), rng)?.to_dtype(self.weight.dtype()))?;
        Ok(self)
    }

    /// The bags of numbers `[bags, length]`, `[bags, dim]`. With `weights`, a factor for each number, which only sums have.
    ///
    /// # Errors
    /// If the numbers are none of the table's or have another shape, or the weights do not fit.
    #[track_caller]
    pub fn bags(&self, ids: &Tensor, weights: Option<&Tensor>) -> Result<Tensor> {
        let &[bags, length] = ids.shape() else {
            return Err(Error::shape(OP, format!("numbers of shape {:?}, expected [bags, length]", ids.shape()))
                .with_help("bags of different lengths follow each other in one vector: use bags_at"));
        };
        let rows = self.weighted_rows(ids, weights)?;
        if bags == 0 || length == 0 {
            return rows.sum_dims(&[1], false);
        }
        let left_out = self.left_out(ids);
        self.joined(&rows, left_out.as_ref())
    }

    /// Bags of different lengths, one after the other in one vector of numbers: bag `i` begins at `offsets[i]` and ends before the next.
    ///
    /// # Errors
    /// As for [`bags`](Self::bags); if the offsets do not begin with 0, fall, or lie beyond the end.
    #[track_caller]
    pub fn bags_at(&self, ids: &Tensor, offsets: &[usize], weights: Option<&Tensor>) -> Result<Tensor> {
        let &[n] = ids.shape() else {
            return Err(Error::shape(OP, format!("numbers of shape {:?}, expected a vector", ids.shape())));
        };
        let falls = offsets.windows(2).position(|pair| pair[0] > pair[1]);
        if offsets.first() != Some(&0) || falls.is_some() || offsets.last().is_some_and(|last| *last > n) {
            let message = match falls {
                Some(i) => format!("offset {} is {}, after {}", i + 1, offsets[i + 1], offsets[i]),
                None => format!("offsets from {:?} to {:?} for {n} numbers", offsets.first(), offsets.last()),
            };
            return Err(
                Error::argument(OP, message).with_help("they begin with 0, do not fall, and end within the numbers")
            );
        }
        let rows = self.weighted_rows(ids, weights)?;
        let ends = || offsets.iter().skip(1).copied().chain([n]);
        let lengths: Vec<usize> = offsets.iter().zip(ends()).map(|(start, end)| end - start).collect();
        let bags = offsets.len();
        let empty = Tensor::full_dtype([bags, self.weight.shape()[1]], 0.0, rows.dtype())?;
        if self.mode == BagMode::Max {
            return self.padded_max(ids, &rows, offsets, &lengths, &empty);
        }
        let mut bag_of = Vec::with_capacity(n);
        lengths.iter().enumerate().for_each(|(bag, length)| bag_of.extend(std::iter::repeat_n(bag as i64, *length)));
        let bag_of = Tensor::from_vec(bag_of, [n])?;
        let (mut rows, mut counts) = (rows, lengths.iter().map(|n| *n as f64).collect::<Vec<_>>());
        if let Some(left_out) = self.left_out(ids) {
            rows = rows.masked_fill(&left_out.unsqueeze(-1)?, 0.0)?;
            let ones = left_out.logical_not()?.to_dtype(DType::F64);
            counts = Tensor::zeros([bags])?.to_dtype(DType::F64).index_add(0, &bag_of, &ones)?.to_f64_vec();
        }
        let sums = empty.index_add(0, &bag_of, &rows)?;
        match self.mode {
            BagMode::Mean => {
                let counts = counts.into_iter().map(|n| n.max(1.0)).collect();
                sums.div(&Tensor::from_vec::<f64>(counts, [bags, 1])?.to_dtype(sums.dtype()))
            }
            _ => Ok(sums),
        }
    }

    /// The vectors of all numbers, times their weights.
    #[track_caller]
    fn weighted_rows(&self, ids: &Tensor, weights: Option<&Tensor>) -> Result<Tensor> {
        let rows = self.weight.look_up(ids, &|table| look_up(ids, table, self.padding_idx, false))?;
        let Some(weights) = weights else { return Ok(rows) };
        if self.mode != BagMode::Sum {
            let message = format!("weights of numbers in bags of the mode {:?}", self.mode);
            return Err(Error::argument(OP, message).with_help("only sums have weights"));
        }
        if weights.shape() != ids.shape() {
            let message = format!("weights of shape {:?} for numbers of shape {:?}", weights.shape(), ids.shape());
            return Err(Error::shape(OP, message));
        }
        weights.expect_dtype(OP, "the weights", rows.dtype())?;
        rows.mul(&weights.unsqueeze(-1)?)
    }

    /// Which of the numbers do not count.
    fn left_out(&self, ids: &Tensor) -> Option<Tensor> {
        self.padding_idx.map(|index| ids.eq_scalar(index as f64))
    }

    /// What becomes of the vectors `[bags, length, dim]`, of which some may be left out.
    #[track_caller]
    fn joined(&self, rows: &Tensor, left_out: Option<&Tensor>) -> Result<Tensor> {
        let Some(left_out) = left_out else {
            return match self.mode {
                BagMode::Sum => rows.sum_dims(&[1], false),
                BagMode::Mean => rows.mean_dims(&[1], false),
                BagMode::Max => Ok(rows.max_dim(1, false)?.0),
            };
        };
        let out = left_out.unsqueeze(-1)?;
        if self.mode == BagMode::Max {
            let largest = rows.masked_fill(&out, f64::NEG_INFINITY)?.max_dim(1, false)?.0;
            return largest.masked_fill(&left_out.to_dtype(DType::I64).amin(&[1], true)?.eq_scalar(1.0), 0.0);
        }
        let sums = rows.masked_fill(&out, 0.0)?.sum_dims(&[1], false)?;
        match self.mode {
            BagMode::Mean => {
                let counts = left_out.logical_not()?.to_dtype(sums.dtype()).sum_dims(&[1], true)?;
                sums.div(&counts.clamp_min(1.0))
            }
            _ => Ok(sums),
        }
    }

    /// The maxima of bags that follow each other, by way of bags that are all as long as the longest.
    #[track_caller]
    fn padded_max(
        &self,
        ids: &Tensor,
        rows: &Tensor,
        offsets: &[usize],
        lengths: &[usize],
        empty: &Tensor,
    ) -> Result<Tensor> {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        if longest == 0 {
            return Ok(empty.clone());
        }
        let (bags, dim) = (offsets.len(), rows.shape()[1]);
        check_list(
            OP,
            "vectors of bags that are as long as the longest",
            bags.saturating_mul(longest),
            4 * dim.max(4),
        )?;
        let skip = self.left_out(ids).map(|left_out| left_out.to_vec::<bool>()).transpose()?;
        let (mut places, mut left_out) = (Vec::new(), Vec::new());
        for (start, length) in offsets.iter().zip(lengths) {
            for i in 0..longest {
                let place = start + i.min(length.saturating_sub(1));
                places.push(place.min(ids.numel() - 1) as i64);
                left_out.push(i >= *length || skip.as_ref().is_some_and(|skip| skip[place]));
            }
        }
        let rows = rows.index_select(0, &Tensor::from_vec(places, [bags * longest])?)?.reshape([bags, longest, dim])?;
        self.joined(&rows, Some(&Tensor::from_vec(left_out, [bags, longest])?))
    }
}

const OP: &str = "embedding_bag";

described! {
    EmbeddingBag,
    |layer| {
        layer.weight.expect_plain("config")?;
        let shape = layer.weight.shape();
        let sizes = LayerConfig::new().with("num_embeddings", shape[0]).with("dim", shape[1]);
        sizes.with_form("mode", &layer.mode).with("padding_idx", layer.padding_idx)
    },
    |options, rng| {
        let layer = Self::new(options.take("num_embeddings")?, options.take("dim")?, rng)?;
        let layer = layer.mode(options.take("mode")?);
        match options.take("padding_idx")? {
            Some(index) => layer.padding_idx(index)?,
            None => layer,
        }
    },
    |sizes| sizes.size("num_embeddings") * sizes.size("dim")
}

impl Layer for EmbeddingBag {
    #[track_caller]
    fn forward(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here(self.bags(ids, None))
    }
}

impl fmt::Debug for EmbeddingBag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = self.weight.shape();
        write!(f, "EmbeddingBag({} → {}, {:?}", shape[0], shape[1], self.mode)?;
        match self.padding_idx {
            Some(index) => write!(f, ", padding {index})"),
            None => f.write_str(")"),
        }
    }
}
