//! Where an epoch is in its data: which samples come next, whatever these are.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::samplers::BatchSampler;
use crate::data::dataset::Dataset;
use crate::error::{Error, Here, Result};
use crate::rng::Rng;
use crate::tensor::create::check_list;

/// The numbers of the samples of each batch, one after the other.
pub(crate) struct Cursor {
    samples: usize,
    size: usize,
    /// The samples in the order of the epoch; in their own if there is none.
    order: Option<Vec<usize>>,
    /// The places in the order that make a batch, where a sampler has cut it itself.
    cuts: Option<Vec<Range<usize>>>,
    /// The generator that the order was drawn from, before it was.
    drawn: Option<Rng>,
    /// Where the generators of the batches come from.
    base: Rng,
    /// The batches that are still to come are `next .. batches()`.
    next: usize,
    is_last_dropped: bool,
    /// There are no more batches than that.
    most: usize,
    /// Returned in place of the first batch.
    error: Option<Error>,
}

/// Samples in an order, and the places in it that make a batch where these are not of one size.
type Drawn = (Vec<usize>, Option<Vec<Range<usize>>>);

/// Where an epoch stands, for going on from there: see [`Batches::position`](crate::data::Batches::position).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Position {
    /// How many batches were taken.
    pub batch: usize,
    /// The generator that the order was drawn from, as it was before; `None` if nothing was drawn.
    pub rng: Option<Rng>,
}

/// The samples of one batch, and the generator for what is random in them.
#[derive(Clone)]
pub(crate) struct Pick<'c> {
    /// The number of the batch in its epoch.
    pub(crate) batch: usize,
    rows: Rows<'c>,
    rng: Rng,
}

#[derive(Clone)]
enum Rows<'c> {
    Numbered(Cow<'c, [usize]>),
    Neighbours(Range<usize>),
}

impl Pick<'_> {
    /// The samples themselves.
    #[track_caller]
    pub(crate) fn of<D: Dataset + ?Sized>(&self, dataset: &D) -> Result<D::Batch> {
        let mut rng = self.rng.clone();
        match &self.rows {
            Rows::Numbered(rows) => dataset.batch(rows, &mut rng),
            Rows::Neighbours(range) => dataset.batch_range(range.clone(), &mut rng),
        }
    }

    /// The same, for another thread.
    pub(super) fn owned(&self) -> Pick<'static> {
        let rows = match &self.rows {
            Rows::Numbered(rows) => Rows::Numbered(Cow::Owned(rows.to_vec())),
            Rows::Neighbours(range) => Rows::Neighbours(range.clone()),
        };
        Pick { batch: self.batch, rows, rng: self.rng.clone() }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match &self.rows {
            Rows::Numbered(rows) => rows.len(),
            Rows::Neighbours(range) => range.len(),
        }
    }

    /// The number in the dataset of the sample that is in place `i` of the batch.
    pub(crate) fn number(&self, i: usize) -> usize {
        match &self.rows {
            Rows::Numbered(rows) => rows.get(i).copied().unwrap_or(i),
            Rows::Neighbours(range) => range.start.saturating_add(i),
        }
    }
}

impl Cursor {
    #[track_caller]
    pub(crate) fn new(samples: usize, size: usize) -> Self {
        let error =
            if size == 0 { Some(Error::argument("batches", "the batch size is 0, expected at least 1")) } else { None };
        Self {
            samples,
            size: size.max(1),
            order: None,
            cuts: None,
            drawn: None,
            base: Rng::seed(0),
            next: 0,
            is_last_dropped: false,
            most: usize::MAX,
            error,
        }
    }

    /// Brings the samples into a random order, or into that of a sampler.
    #[track_caller]
    pub(crate) fn shuffle(&mut self, sampler: Option<&dyn BatchSampler>, rng: &mut Rng) {
        self.drawn = Some(rng.clone());
        match self.draw(sampler, rng) {
            Ok((order, cuts)) => {
                (self.order, self.cuts) = (Some(order), cuts);
                self.base = rng.clone();
                self.trim();
            }
            Err(e) => self.error = self.error.take().or(Some(e)),
        }
    }

    #[track_caller]
    fn draw(&self, sampler: Option<&dyn BatchSampler>, rng: &mut Rng) -> Result<Drawn> {
        let Some(sampler) = sampler else {
            check_list("shuffle", "sample numbers", self.samples, size_of::<usize>())?;
            return Ok((rng.permutation(self.samples)?, None));
        };
        let (order, cuts) = sampler.order(self.samples, self.size, rng).here()?.into_parts();
        if let Some(number) = order.iter().find(|number| **number >= self.samples) {
            let message = format!("sample {number} of a dataset of {}, counted from 0", self.samples);
            return Err(Error::index("sampler", message));
        }
        Ok((order, cuts))
    }

    pub(crate) fn random(&mut self, rng: &Rng) {
        self.base = rng.clone();
    }

    pub(crate) fn drop_last(&mut self) {
        self.is_last_dropped = true;
        self.trim();
    }

    /// Leaves out what a sampler has cut and is no full batch.
    fn trim(&mut self) {
        if let (Some(cuts), true) = (&mut self.cuts, self.is_last_dropped) {
            let size = self.size;
            cuts.retain(|cut| cut.len() >= size);
        }
    }

    /// How many batches the epoch has.
    fn batches(&self) -> usize {
        let samples = self.order.as_ref().map_or(self.samples, Vec::len);
        let there = match (&self.cuts, self.is_last_dropped) {
            (Some(cuts), _) => cuts.len(),
            (None, false) => samples.div_ceil(self.size),
            (None, true) => samples / self.size,
        };
        there.min(self.most)
    }

    /// Ends after so many batches from here on, at the latest.
    pub(crate) fn limit(&mut self, batches: usize) {
        self.most = self.next.saturating_add(batches);
    }

    /// Passes over batches.
    pub(crate) fn skip(&mut self, batches: usize) {
        if self.error.is_none() {
            self.next = self.next.saturating_add(batches).min(self.batches());
        }
    }

    /// The batch of a number, if there is one.
    fn pick(&self, batch: usize) -> Option<Pick<'_>> {
        if batch >= self.batches() {
            return None;
        }
        let range = match &self.cuts {
            Some(cuts) => cuts.get(batch)?.clone(),
            None => {
                let start = batch.saturating_mul(self.size);
                let samples = self.order.as_ref().map_or(self.samples, Vec::len);
                start..start.saturating_add(self.size).min(samples)
            }
        };
        let rows = match &self.order {
            Some(order) => Rows::Numbered(Cow::Borrowed(order.get(range)?)),
            None => Rows::Neighbours(range),
        };
        Some(Pick { batch, rows, rng: self.base.fork(batch as u64) })
    }

    pub(crate) fn next(&mut self) -> Option<Result<Pick<'_>>> {
        if let Some(error) = self.error.take() {
            self.next = self.batches();
            return Some(Err(error));
        }
        let batch = self.next;
        self.next = batch.saturating_add(1).min(self.batches());
        self.pick(batch).map(Ok)
    }

    /// A batch that comes later, of the number that it has; `None` if it was passed, there is none, or an error comes first.
    pub(super) fn later(&self, batch: usize) -> Option<Pick<'_>> {
        if self.error.is_some() || batch < self.next { None } else { self.pick(batch) }
    }

    /// Where it is, for [`seek`](Self::seek).
    pub(crate) fn position(&self) -> usize {
        self.next
    }

    /// Goes back to where it was.
    pub(crate) fn seek(&mut self, position: usize) {
        self.next = position.min(self.batches());
    }

    /// The generator that the order was drawn from, before it was.
    pub(crate) fn drawn(&self) -> Option<&Rng> {
        self.drawn.as_ref()
    }

    /// Lets it be as if nothing had been drawn: the order of a fixed generator needs none to be found again.
    pub(crate) fn forget_drawn(&mut self) {
        self.drawn = None;
    }

    /// How many batches are left.
    pub(crate) fn left(&self) -> usize {
        if self.error.is_some() { 1 } else { self.batches().saturating_sub(self.next) }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }
}
