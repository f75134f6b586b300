//! Folds in the order of time.

use super::{Fold, Folds};
use crate::error::{Error, Result};
use crate::tensor::create::check_list;

/// Folds for rows in the order of time: each is tested on rows that come behind all those that it is trained on, and trains on more
/// than the one before. The same rows as scikit-learn's `TimeSeriesSplit`.
///
/// ```
/// use demotic::data::TimeSeriesSplit;
///
/// let folds: Vec<_> = TimeSeriesSplit::new(3).gap(1).split(8)?.collect();
/// assert_eq!((&folds[0].train[..], &folds[0].test[..]), (&[0][..], &[2, 3][..]));
/// assert_eq!((&folds[2].train[..], &folds[2].test[..]), (&[0, 1, 2, 3, 4][..], &[6, 7][..]));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// Rows that are not in the order of time come into it by [`Table::rows`](crate::data::Table::rows) or a sort before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeSeriesSplit {
    k: usize,
    gap: usize,
    max_train: Option<usize>,
    test: Option<usize>,
}

impl TimeSeriesSplit {
    /// `k` folds.
    #[must_use]
    pub fn new(k: usize) -> Self {
        Self { k, gap: 0, max_train: None, test: None }
    }

    /// Leaves out so many rows between those to train on and those to test on: for features that look back so far, or targets
    /// that look ahead.
    #[must_use]
    pub fn gap(mut self, rows: usize) -> Self {
        self.gap = rows;
        self
    }

    /// Trains on no more than the last so many rows before the test.
    #[must_use]
    pub fn max_train_size(mut self, rows: usize) -> Self {
        self.max_train = Some(rows);
        self
    }

    /// Tests on so many rows in each fold; by default `n / (k + 1)`.
    #[must_use]
    pub fn test_size(mut self, rows: usize) -> Self {
        self.test = Some(rows);
        self
    }

    /// The folds of `n` rows.
    ///
    /// # Errors
    /// If `k` is less than 2, a size is 0, or there are too few rows.
    #[track_caller]
    pub fn split(&self, n: usize) -> Result<Folds> {
        let (op, k) = ("TimeSeriesSplit", self.k);
        if k < 2 {
            return Err(Error::argument(op, format!("k is {k}, expected at least 2 folds")));
        }
        if self.test == Some(0) || self.max_train == Some(0) {
            return Err(Error::argument(op, "a part of 0 rows, expected at least 1"));
        }
        let test = self.test.unwrap_or(n / k.saturating_add(1));
        let needed = test.max(1).checked_mul(k).and_then(|tests| tests.checked_add(self.gap)?.checked_add(1));
        if needed.is_none_or(|needed| needed > n) {
            let message =
                format!("{n} rows for {k} folds with {} rows to test on and a gap of {}", test.max(1), self.gap);
            return Err(Error::argument(op, message).with_help("use fewer folds, a smaller test or a smaller gap"));
        }
        check_list(op, "row numbers", n, k.saturating_mul(8))?;
        let fold = |i: usize| {
            let start = n - (k - i) * test;
            let end = start - self.gap;
            let first = end.saturating_sub(self.max_train.unwrap_or(end));
            Fold { train: (first..end).collect(), test: (start..start + test).collect() }
        };
        Ok(Folds::listed((0..k).map(fold).collect()))
    }
}
