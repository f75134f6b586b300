//! Folds that are drawn again and again.

use super::{Fold, Folds, KFold, Ranked, shuffled, stratified};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::create::check_list;

/// A [`KFold`] that is shuffled and done several times: means over more folds scatter less.
///
/// ```
/// use demotic::Rng;
/// use demotic::data::RepeatedKFold;
///
/// let folds = RepeatedKFold::new(5, 3, &mut Rng::seed(0)).split(50)?;
/// assert_eq!(folds.len(), 15);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RepeatedKFold {
    k: usize,
    times: usize,
    rng: Rng,
}

impl RepeatedKFold {
    /// `k` folds, `times` times in another random order.
    #[must_use]
    pub fn new(k: usize, times: usize, rng: &mut Rng) -> Self {
        Self { k, times, rng: rng.split() }
    }

    /// The folds of `n` rows.
    ///
    /// # Errors
    /// If it is to be done 0 times, or as for [`KFold::split`].
    #[track_caller]
    pub fn split(&self, n: usize) -> Result<Folds> {
        self.repeat(n, &|kfold| kfold.split(n))
    }

    /// The same with every class spread evenly over the folds: see [`KFold::split_stratified`].
    ///
    /// # Errors
    /// As for [`split`](Self::split).
    #[track_caller]
    #[doc(alias = "RepeatedStratifiedKFold")]
    pub fn split_stratified(&self, labels: &[usize]) -> Result<Folds> {
        self.repeat(labels.len(), &|kfold| kfold.split_stratified(labels))
    }

    #[track_caller]
    fn repeat(&self, n: usize, split: &dyn Fn(&KFold) -> Result<Folds>) -> Result<Folds> {
        let op = "RepeatedKFold";
        if self.times == 0 {
            return Err(Error::argument(op, "0 repetitions, expected at least 1"));
        }
        check_list(op, "row numbers", n, self.k.saturating_mul(self.times).saturating_mul(8))?;
        let mut rng = self.rng.clone();
        let mut folds = Vec::new();
        for _ in 0..self.times {
            match split(&KFold::new(self.k).shuffle(&mut rng)) {
                Ok(next) => folds.extend(next),
                Err(e) => return Err(e.at(std::panic::Location::caller())),
            }
        }
        Ok(Folds::listed(folds))
    }
}

/// What draws the rows to test on, and those to train on.
type Draw<'d> = &'d dyn Fn(&mut Rng) -> Result<(Vec<usize>, Vec<usize>)>;

/// Draws a random part to test on, several times and independently: a row may be tested more than once, or never.
///
/// ```
/// use demotic::Rng;
/// use demotic::data::ShuffleSplit;
///
/// for fold in ShuffleSplit::new(4, 0.25, &mut Rng::seed(0)).split(40)? {
///     assert_eq!((fold.train.len(), fold.test.len()), (30, 10));
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ShuffleSplit {
    times: usize,
    test: f64,
    rng: Rng,
}

impl ShuffleSplit {
    /// `times` folds, with a share of `test` of the rows to test on.
    #[must_use]
    pub fn new(times: usize, test: f64, rng: &mut Rng) -> Self {
        Self { times, test, rng: rng.split() }
    }

    /// The folds of `n` rows.
    ///
    /// # Errors
    /// If there are 0 folds or fewer than 2 rows, or the share does not lie between 0 and 1.
    #[track_caller]
    pub fn split(&self, n: usize) -> Result<Folds> {
        self.draw(n, &|rng| shuffled(n, self.test, rng))
    }

    /// The same with every class in the same proportion on both sides.
    ///
    /// # Errors
    /// As for [`split`](Self::split), or if a class has one row only.
    #[track_caller]
    #[doc(alias = "StratifiedShuffleSplit")]
    pub fn split_stratified(&self, labels: &[usize]) -> Result<Folds> {
        let ranked = Ranked::of(labels);
        let describe = |rank: usize| format!("class {}", ranked.known[rank]);
        self.draw(labels.len(), &|rng| stratified(&ranked.of_row, self.test, rng, &describe))
    }

    /// The same with a share of the groups to test on, and no group on both sides.
    ///
    /// # Errors
    /// As for [`split`](Self::split), of groups in place of rows.
    #[track_caller]
    #[doc(alias = "GroupShuffleSplit")]
    pub fn split_groups(&self, groups: &[usize]) -> Result<Folds> {
        let ranked = Ranked::of(groups);
        self.draw(groups.len(), &|rng| {
            let (test, _) = shuffled(ranked.known.len(), self.test, rng)?;
            let mut is_tested = vec![false; ranked.known.len()];
            test.iter().for_each(|group| is_tested[*group] = true);
            Ok((0..groups.len()).partition(|row| is_tested[ranked.of_row[*row]]))
        })
    }

    #[track_caller]
    fn draw(&self, n: usize, draw: Draw<'_>) -> Result<Folds> {
        let op = "ShuffleSplit";
        if self.times == 0 {
            return Err(Error::argument(op, "0 folds, expected at least 1"));
        }
        check_list(op, "row numbers", n, self.times.saturating_mul(8))?;
        let mut rng = self.rng.clone();
        let mut folds = Vec::with_capacity(self.times);
        for _ in 0..self.times {
            match draw(&mut rng) {
                Ok((test, train)) => folds.push(Fold { train, test }),
                Err(e) => return Err(e.at(std::panic::Location::caller())),
            }
        }
        Ok(Folds::listed(folds))
    }
}
