//! Datasets made of datasets.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::rows::BatchRows;
use super::samplers::BatchSampler;
use super::samples::check_numbers;
use crate::data::dataset::Dataset;
use crate::error::{Error, Here, Result};
use crate::parallel;
use crate::rng::Rng;
use crate::tensor::Tensor;
use crate::tensor::create::check_list;

macro_rules! pointers {
    ($($pointer:ty),*) => {$(
        impl<D: Dataset + ?Sized> Dataset for $pointer {
            type Batch = D::Batch;

            fn len(&self) -> usize {
                (**self).len()
            }

            #[track_caller]
            fn batch(&self, indices: &[usize], rng: &mut Rng) -> Result<D::Batch> {
                (**self).batch(indices, rng).outside()
            }

            #[track_caller]
            fn batch_range(&self, range: Range<usize>, rng: &mut Rng) -> Result<D::Batch> {
                (**self).batch_range(range, rng).outside()
            }

            fn sampler(&self) -> Option<&dyn BatchSampler> {
                (**self).sampler()
            }
        }
    )*};
}

pointers!(&D, Box<D>, Arc<D>);

macro_rules! debug {
    ($($name:ident<$($p:ident),*> where $d:ident;)*) => {$(
        impl<$($p),*> fmt::Debug for $name<$($p),*> where $d: Dataset {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({} samples)"), self.data.len())
            }
        }
    )*};
}

debug! {
    Mapped<D, F> where D;
    Enumerated<D> where D;
}

/// Batches with something done to each: see [`Dataset::map`].
#[derive(Clone)]
pub struct Mapped<D, F> {
    pub(crate) data: D,
    pub(crate) f: F,
}

impl<D: Dataset, B: Send, F: Fn(D::Batch, &mut Rng) -> Result<B> + Send + Sync> Dataset for Mapped<D, F> {
    type Batch = B;

    fn len(&self) -> usize {
        self.data.len()
    }

    #[track_caller]
    fn batch(&self, indices: &[usize], rng: &mut Rng) -> Result<B> {
        (self.f)(self.data.batch(indices, rng)?, rng).outside()
    }

    #[track_caller]
    fn batch_range(&self, range: Range<usize>, rng: &mut Rng) -> Result<B> {
        (self.f)(self.data.batch_range(range, rng)?, rng).outside()
    }

    fn sampler(&self) -> Option<&dyn BatchSampler> {
        self.data.sampler()
    }
}

/// Some samples of another dataset: see [`Dataset::subset`].
#[derive(Clone)]
pub struct Subset<D> {
    data: D,
    numbers: Vec<usize>,
}

impl<D: Dataset> Subset<D> {
    /// The samples of `data` with these numbers, in this order.
    ///
    /// # Errors
    /// If one does not exist.
    #[track_caller]
    pub fn new(data: D, numbers: Vec<usize>) -> Result<Self> {
        if let Some(wrong) = numbers.iter().find(|i| **i >= data.len()) {
            let message = format!("sample {wrong} of a dataset of {}, counted from 0", data.len());
            return Err(Error::index("subset", message));
        }
        Ok(Self { data, numbers })
    }

    /// The numbers of the samples in the whole dataset.
    #[must_use]
    pub fn numbers(&self) -> &[usize] {
        &self.numbers
    }
}

impl<D: Dataset> Dataset for Subset<D> {
    type Batch = D::Batch;

    fn len(&self) -> usize {
        self.numbers.len()
    }

    #[track_caller]
    fn batch(&self, indices: &[usize], rng: &mut Rng) -> Result<D::Batch> {
        check_numbers(indices, self.len())?;
        let numbers: Vec<usize> = indices.iter().map(|i| self.numbers[*i]).collect();
        self.data.batch(&numbers, rng)
    }
}

impl<D> fmt::Debug for Subset<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subset({} samples)", self.numbers.len())
    }
}

/// Samples of several parts, of which `ends` has the number behind the last one of each: those of a part come as one batch of it, whose
/// rows are then brought into order.
#[track_caller]
pub(in crate::data) fn gathered<B: BatchRows>(
    indices: &[usize],
    ends: &[usize],
    batch: &mut dyn FnMut(usize, &[usize]) -> Result<B>,
) -> Result<B> {
    check_numbers(indices, ends.last().copied().unwrap_or(0))?;
    let mut order: Vec<usize> = (0..indices.len()).collect();
    crate::order::sort_by_key(&mut order, |place| ends.partition_point(|end| *end <= indices[*place]) as u64);
    let part_of = |place: &usize| ends.partition_point(|end| *end <= indices[*place]);
    let mut batches = Vec::new();
    for places in order.chunk_by(|a, b| part_of(a) == part_of(b)) {
        let part = part_of(&places[0]);
        let start = if part == 0 { 0 } else { ends[part - 1] };
        let own: Vec<usize> = places.iter().map(|place| indices[*place] - start).collect();
        batches.push(batch(part, &own).outside()?);
    }
    let joined = B::join(batches)?;
    if order.is_sorted() {
        return Ok(joined);
    }
    let mut rows = vec![0; order.len()];
    order.iter().enumerate().for_each(|(row, place)| rows[*place] = row);
    joined.take_rows(&rows)
}

/// Several datasets, one behind the other: see [`Dataset::concat`].
pub struct Concat<'d, B> {
    parts: Vec<Box<dyn Dataset<Batch = B> + 'd>>,
    /// The number behind the last sample of each part.
    ends: Vec<usize>,
}

impl<'d, B: BatchRows> Concat<'d, B> {
    #[track_caller]
    pub(crate) fn of(data: impl Dataset<Batch = B> + 'd) -> Self {
        let end = data.len();
        Self { parts: vec![Box::new(data)], ends: vec![end] }
    }

    /// One more behind them.
    ///
    /// # Errors
    /// If there are more samples than can be numbered.
    #[track_caller]
    pub fn and(mut self, data: impl Dataset<Batch = B> + 'd) -> Result<Self> {
        let Some(end) = self.len().checked_add(data.len()) else {
            return Err(Error::argument("concat", "more samples than can be numbered"));
        };
        self.ends.push(end);
        self.parts.push(Box::new(data));
        Ok(self)
    }
}

impl<B: BatchRows> Dataset for Concat<'_, B> {
    type Batch = B;

    fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    #[track_caller]
    fn batch(&self, indices: &[usize], rng: &mut Rng) -> Result<B> {
        gathered(indices, &self.ends, &mut |part, own| self.parts[part].batch(own, rng))
    }
}

impl<B> fmt::Debug for Concat<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Concat({} datasets, {} samples)", self.parts.len(), self.ends.last().copied().unwrap_or(0))
    }
}

/// Samples that are made once and kept: see [`Dataset::cached`].
pub struct Cached<D: Dataset> {
    data: D,
    /// Those that were made, in rows by themselves.
    rows: Mutex<Vec<Option<D::Batch>>>,
    most: usize,
}

impl<D: Dataset> Cached<D>
where
    D::Batch: BatchRows + Clone,
{
    pub(crate) fn new(data: D) -> Self {
        Self { data, rows: Mutex::new(Vec::new()), most: usize::MAX }
    }

    /// Keeps no more than the first so many samples; those behind them are made each time.
    #[must_use]
    pub fn limit(mut self, samples: usize) -> Self {
        self.most = samples;
        self
    }
}

impl<D: Dataset> Dataset for Cached<D>
where
    D::Batch: BatchRows + Clone,
{
    type Batch = D::Batch;

    fn len(&self) -> usize {
        self.data.len()
    }

    #[track_caller]
    fn batch(&self, indices: &[usize], _: &mut Rng) -> Result<D::Batch> {
        check_numbers(indices, self.len())?;
        let most = self.most.min(self.len());
        check_list("cached", "samples", most, size_of::<Option<D::Batch>>())?;
        let mut found: Vec<Option<D::Batch>> = {
            let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
            indices.iter().map(|i| rows.get(*i).cloned().flatten()).collect()
        };
        // Each with a generator that depends on its number alone: it does not matter who asks first.
        let mut made: Vec<(usize, Option<Result<D::Batch>>)> = Vec::new();
        for (i, found) in indices.iter().zip(&found) {
            if found.is_none() && !made.iter().any(|(own, _)| own == i) {
                made.push((*i, None));
            }
        }
        parallel::for_each(made.iter_mut().collect(), &|(i, slot)| {
            *slot = Some(self.data.batch(&[*i], &mut Rng::seed(0).fork(*i as u64)));
        });
        for (i, row) in made {
            let Some(row) = row else { continue };
            let row = row.outside()?;
            for (slot, _) in found.iter_mut().zip(indices).filter(|(_, own)| **own == i) {
                *slot = Some(row.clone());
            }
            if i < most {
                let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
                if rows.len() <= i {
                    rows.resize_with(i + 1, || None);
                }
                rows[i] = Some(row);
            }
        }
        D::Batch::join(found.into_iter().flatten().collect())
    }
}

impl<D: Dataset> fmt::Debug for Cached<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        write!(f, "Cached({} of {} samples)", rows.iter().flatten().count(), self.data.len())
    }
}

/// The same samples of two datasets: see [`Dataset::zip`].
#[derive(Clone)]
pub struct Zipped<A, B> {
    a: A,
    b: B,
}

impl<A: Dataset, B: Dataset> Zipped<A, B> {
    #[track_caller]
    pub(crate) fn new(a: A, b: B) -> Result<Self> {
        if a.len() != b.len() {
            return Err(Error::shape("zip", format!("{} samples beside {}", a.len(), b.len())));
        }
        Ok(Self { a, b })
    }
}

impl<A: Dataset, B: Dataset> Dataset for Zipped<A, B> {
    type Batch = (A::Batch, B::Batch);

    fn len(&self) -> usize {
        self.a.len()
    }

    #[track_caller]
    fn batch(&self, indices: &[usize], rng: &mut Rng) -> Result<Self::Batch> {
        Ok((self.a.batch(indices, rng)?, self.b.batch(indices, rng)?))
    }

    #[track_caller]
    fn batch_range(&self, range: Range<usize>, rng: &mut Rng) -> Result<Self::Batch> {
        Ok((self.a.batch_range(range.clone(), rng)?, self.b.batch_range(range, rng)?))
    }
}

impl<A: Dataset, B: Dataset> fmt::Debug for Zipped<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zipped({} samples)", self.a.len())
    }
}

/// Samples with their numbers: see [`Dataset::enumerate`].
#[derive(Clone)]
pub struct Enumerated<D> {
    pub(crate) data: D,
}

impl<D: Dataset> Dataset for Enumerated<D> {
    type Batch = (Tensor, D::Batch);

    fn len(&self) -> usize {
        self.data.len()
    }

    #[track_caller]
    fn batch(&self, indices: &[usize], rng: &mut Rng) -> Result<Self::Batch> {
        let numbers = Tensor::from_vec(indices.iter().map(|i| *i as i64).collect(), [indices.len()])?;
        Ok((numbers, self.data.batch(indices, rng)?))
    }

    fn sampler(&self) -> Option<&dyn BatchSampler> {
        self.data.sampler()
    }
}
