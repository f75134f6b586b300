//! Where an epoch is in its data: which samples come next, whatever these are.

use std::ops::Range;

use super::dataset::Dataset;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::create::check_list;

/// The numbers of the samples of each batch, one after the other.
pub(crate) struct Cursor {
    samples: usize,
    size: usize,
    /// The samples in random order; in their own if there is none.
    order: Option<Vec<usize>>,
    /// Where the generators of the batches come from.
    base: Rng,
    /// The samples that are still to come are `next .. end`.
    next: usize,
    end: usize,
    /// Returned in place of the first batch.
    error: Option<Error>,
}

/// The samples of one batch, and the generator for what is random in them.
pub(crate) struct Pick<'c> {
    rows: Rows<'c>,
    rng: Rng,
}

enum Rows<'c> {
    Numbered(&'c [usize]),
    Neighbours(Range<usize>),
}

impl Pick<'_> {
    /// The samples themselves.
    pub(crate) fn of<D: Dataset + ?Sized>(&self, dataset: &D) -> Result<D::Batch> {
        let mut rng = self.rng.clone();
        match &self.rows {
            Rows::Numbered(rows) => dataset.batch(rows, &mut rng),
            Rows::Neighbours(range) => dataset.batch_range(range.clone(), &mut rng),
        }
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
        Self { samples, size: size.max(1), order: None, base: Rng::seed(0), next: 0, end: samples, error }
    }

    #[track_caller]
    pub(crate) fn shuffle(&mut self, rng: &mut Rng) {
        let fits = check_list("shuffle", "sample numbers", self.samples, size_of::<usize>());
        match fits.and_then(|()| rng.permutation(self.samples)) {
            Ok(order) => {
                self.order = Some(order);
                self.base = rng.clone();
            }
            Err(e) => self.error = self.error.take().or(Some(e)),
        }
    }

    pub(crate) fn random(&mut self, rng: &Rng) {
        self.base = rng.clone();
    }

    pub(crate) fn drop_last(&mut self) {
        self.end -= self.end % self.size;
    }

    /// Ends after so many batches from here on, at the latest.
    pub(crate) fn limit(&mut self, batches: usize) {
        self.end = self.next.saturating_add(batches.saturating_mul(self.size)).min(self.end);
    }

    /// Passes over batches.
    pub(crate) fn skip(&mut self, batches: usize) {
        if self.error.is_none() {
            self.next = self.next.saturating_add(batches.saturating_mul(self.size)).min(self.end);
        }
    }

    pub(crate) fn next(&mut self) -> Option<Result<Pick<'_>>> {
        if let Some(error) = self.error.take() {
            self.next = self.end;
            return Some(Err(error));
        }
        let range = self.next..self.next.saturating_add(self.size).min(self.end);
        self.next = range.end;
        if range.is_empty() {
            return None;
        }
        let rng = self.base.fork((range.start / self.size) as u64);
        let rows = match &self.order {
            Some(order) => Rows::Numbered(&order[range]),
            None => Rows::Neighbours(range),
        };
        Some(Ok(Pick { rows, rng }))
    }

    /// Where it is, for [`seek`](Self::seek).
    pub(crate) fn position(&self) -> usize {
        self.next
    }

    /// Goes back to where it was.
    pub(crate) fn seek(&mut self, position: usize) {
        self.next = position.min(self.end);
    }

    /// How many batches are left.
    pub(crate) fn left(&self) -> usize {
        if self.error.is_some() { 1 } else { (self.end - self.next).div_ceil(self.size) }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }
}
