//! Which rows are for training and which for testing.

mod groups;
mod shuffled;
mod time;

pub use groups::{GroupKFold, StratifiedGroupKFold};
pub use shuffled::{RepeatedKFold, ShuffleSplit};
pub use time::TimeSeriesSplit;

use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::create::check_list;

/// How many of `n` rows go into the first part.
#[track_caller]
fn first_part(n: usize, fraction: f64) -> Result<usize> {
    if !(fraction > 0.0 && fraction < 1.0) {
        let message = format!("the fraction is {fraction}, expected a number between 0 and 1");
        return Err(Error::argument("split", message).with_help("0.8 puts 80 % of the rows into the first part"));
    }
    if n < 2 {
        return Err(Error::argument(
            "split",
            format!("{n} row{} cannot be divided into two parts", if n == 1 { "" } else { "s" }),
        ));
    }
    Ok(((n as f64 * fraction).round() as usize).clamp(1, n - 1))
}

/// Divides `0 .. n` at random.
#[track_caller]
pub(super) fn shuffled(n: usize, fraction: f64, rng: &mut Rng) -> Result<(Vec<usize>, Vec<usize>)> {
    let count = first_part(n, fraction)?;
    check_list("split", "row numbers", n, 16)?;
    let mut first = rng.permutation(n)?;
    let second = first.split_off(count);
    Ok((first, second))
}

/// The same with every class in the same proportion on both sides. `describe` names a class in errors.
#[track_caller]
pub(super) fn stratified(
    labels: &[usize],
    fraction: f64,
    rng: &mut Rng,
    describe: &dyn Fn(usize) -> String,
) -> Result<(Vec<usize>, Vec<usize>)> {
    let total = first_part(labels.len(), fraction)?;
    let mut counts = vec![0usize; labels.iter().max().map_or(0, |max| max + 1)];
    labels.iter().for_each(|label| counts[*label] += 1);
    if let Some(label) = counts.iter().position(|count| *count == 1) {
        let message = format!("{} occurs in one row only, which cannot be on both sides", describe(label));
        return Err(Error::argument("split_stratified", message).with_help("leave that row out, or use split()"));
    }

    // Whole rows first; what is left over goes to the classes that lost most by rounding down.
    let share = |label: usize| counts[label] as f64 * fraction;
    let most = |label: usize| counts[label].saturating_sub(1);
    let mut quota: Vec<usize> = (0..counts.len()).map(|c| (share(c) as usize).max(1).min(most(c))).collect();
    let mut by_loss: Vec<usize> = (0..counts.len()).collect();
    let loss = |label: usize| share(label) - quota[label] as f64;
    crate::order::sort_by(&mut by_loss, |a, b| loss(*b).total_cmp(&loss(*a)));
    let mut left = total.saturating_sub(quota.iter().sum());
    for label in by_loss {
        if left > 0 && quota[label] < most(label) {
            quota[label] += 1;
            left -= 1;
        }
    }

    Ok(rng.permutation(labels.len())?.into_iter().partition(|row| {
        let open = quota[labels[*row]] > 0;
        quota[labels[*row]] -= usize::from(open);
        open
    }))
}

/// Numbers of classes or groups without gaps: for each row the place of its number among those that occur, which are sorted, and
/// how many rows each has.
#[derive(Debug, Clone)]
pub(super) struct Ranked {
    pub(super) of_row: Vec<usize>,
    pub(super) known: Vec<usize>,
    pub(super) counts: Vec<usize>,
}

impl Ranked {
    pub(super) fn of(labels: &[usize]) -> Self {
        let mut known = labels.to_vec();
        crate::order::sort_by_key(&mut known, |label| *label as u64);
        known.dedup();
        let of_row: Vec<usize> = labels.iter().map(|label| known.partition_point(|known| known < label)).collect();
        let mut counts = vec![0; known.len()];
        of_row.iter().for_each(|rank| counts[*rank] += 1);
        Self { of_row, known, counts }
    }
}

/// Divides rows into `k` parts, each of which is the test part once, for cross-validation.
///
/// Anything learnt from data belongs inside the loop, preprocessing too:
///
/// ```
/// use demotic::data::{Column, Dataset, KFold, Preprocessor, Table};
/// use demotic::Rng;
///
/// # let table = Table::from_columns([
/// #     ("area", Column::from([100.0, 120.0, 150.0, 80.0])),
/// #     ("price", Column::from([200.0, 250.0, 350.0, 160.0])),
/// # ])?;
/// let mut rng = Rng::seed(0);
/// for fold in KFold::new(2).shuffle(&mut rng).split(table.num_rows())? {
///     let (train, test) = (table.rows(&fold.train)?, table.rows(&fold.test)?);
///     let prep = Preprocessor::fit(&train, "price")?;
///     assert_eq!(prep.transform(&test)?.len(), 2);
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct KFold {
    k: usize,
    rng: Option<Rng>,
}

/// Checks that there is something to test on in each fold.
#[track_caller]
fn check_k(op: &'static str, k: usize, n: usize, what: &str) -> Result<()> {
    if k < 2 {
        return Err(Error::argument(op, format!("k is {k}, expected at least 2 folds")));
    }
    if k > n {
        let message = format!("k is {k}, more than the {n} {what}s there are");
        return Err(Error::argument(op, message).with_help(format!("every fold needs a {what} to test on")));
    }
    Ok(())
}

/// The numbers below `n`, in a random order where there is a generator, which stays as it was.
#[track_caller]
fn order(rng: &Option<Rng>, n: usize) -> Result<Vec<usize>> {
    match rng {
        Some(rng) => rng.clone().permutation(n),
        None => Ok((0..n).collect()),
    }
}

/// One way to divide the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fold {
    /// The rows to train on.
    pub train: Vec<usize>,
    /// The rows to test on.
    pub test: Vec<usize>,
}

impl KFold {
    /// `k` folds of neighbouring rows.
    #[must_use]
    pub fn new(k: usize) -> Self {
        Self { k, rng: None }
    }

    /// Puts the rows into a random order first.
    #[must_use]
    pub fn shuffle(mut self, rng: &mut Rng) -> Self {
        self.rng = Some(rng.split());
        self
    }

    /// The folds of `n` rows. Their sizes differ by one at most, and every row is in exactly one test part.
    ///
    /// # Errors
    /// If `k` is less than 2 or more than `n`.
    #[track_caller]
    pub fn split(&self, n: usize) -> Result<Folds> {
        self.check(n)?;
        // The order, each row with its part, and the two sides of a fold while they are sorted out.
        check_list("KFold", "row numbers", n, 64)?;
        let order = order(&self.rng, n)?;
        // The first n % k parts have one row more.
        let (size, larger) = (n / self.k, n % self.k);
        let part = |i: usize| match i < larger * (size + 1) {
            true => i / (size + 1),
            false => larger + (i - larger * (size + 1)) / size,
        };
        Ok(Folds::parts(self.k, order.into_iter().enumerate().map(|(i, row)| (row, part(i))).collect()))
    }

    /// The same with every class spread evenly over the folds; `labels` has the class of each row, as
    /// [`Table::factorize`](crate::data::Table::factorize) gives it. The counts of a class in two folds differ by one at
    /// most, so a class with fewer than `k` rows is absent from some.
    ///
    /// # Errors
    /// If `k` is less than 2 or more than the number of rows.
    #[track_caller]
    #[doc(alias = "StratifiedKFold")]
    pub fn split_stratified(&self, labels: &[usize]) -> Result<Folds> {
        self.check(labels.len())?;
        let order = order(&self.rng, labels.len())?;
        // Rows are dealt out class by class; going on where the last class ended keeps the folds of equal size.
        let mut by_class = order.clone();
        crate::order::sort_by(&mut by_class, |a, b| labels[*a].cmp(&labels[*b]));
        let mut part = vec![0; labels.len()];
        by_class.iter().enumerate().for_each(|(i, row)| part[*row] = i % self.k);
        Ok(Folds::parts(self.k, order.into_iter().map(|row| (row, part[row])).collect()))
    }

    #[track_caller]
    fn check(&self, n: usize) -> Result<()> {
        check_k("KFold", self.k, n, "row")
    }
}

/// The folds of a [`KFold`] or another way to divide rows, one after the other.
#[derive(Debug, Clone)]
pub struct Folds(Kind);

#[derive(Debug, Clone)]
enum Kind {
    /// The rows in order, each with the fold in which it is tested.
    Parts {
        k: usize,
        next: usize,
        rows: Vec<(usize, usize)>,
    },
    Listed(std::vec::IntoIter<Fold>),
}

impl Folds {
    fn parts(k: usize, rows: Vec<(usize, usize)>) -> Self {
        Self(Kind::Parts { k, next: 0, rows })
    }

    fn listed(folds: Vec<Fold>) -> Self {
        Self(Kind::Listed(folds.into_iter()))
    }

    /// The same folds, if each has every class on both of its sides. `labels` has the class of each row.
    ///
    /// ```
    /// use demotic::data::KFold;
    ///
    /// let labels = [0, 0, 0, 1, 1, 1];
    /// let e = KFold::new(2).split(6)?.with_all_classes(&labels).unwrap_err();
    /// assert_eq!(e.message(), "with_all_classes: fold 1 has no row of class 0 to train on");
    /// assert!(KFold::new(2).split_stratified(&labels)?.with_all_classes(&labels).is_ok());
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a fold lacks one, or has rows that have no label.
    #[track_caller]
    pub fn with_all_classes(self, labels: &[usize]) -> Result<Self> {
        let op = "with_all_classes";
        let ranked = Ranked::of(labels);
        for (i, fold) in self.clone().enumerate() {
            for (rows, what) in [(&fold.train, "train"), (&fold.test, "test")] {
                let mut is_there = vec![false; ranked.known.len()];
                for row in rows {
                    let Some(rank) = ranked.of_row.get(*row) else {
                        let message = format!("row {row} of fold {} and {} labels", i + 1, labels.len());
                        return Err(Error::shape(op, message));
                    };
                    is_there[*rank] = true;
                }
                if let Some(rank) = is_there.iter().position(|is_there| !is_there) {
                    let class = ranked.known[rank];
                    let message = format!("fold {} has no row of class {class} to {what} on", i + 1);
                    return Err(Error::argument(op, message).with_help(
                        "use fewer folds, or stratified ones; or leave out or join classes that are this rare",
                    ));
                }
            }
        }
        Ok(self)
    }
}

impl Iterator for Folds {
    type Item = Fold;

    fn next(&mut self) -> Option<Fold> {
        let (k, next, rows) = match &mut self.0 {
            Kind::Parts { k, next, rows } => (*k, next, rows),
            Kind::Listed(folds) => return folds.next(),
        };
        if *next == k {
            return None;
        }
        let (test, train): (Vec<_>, Vec<_>) = rows.iter().partition(|(_, part)| part == next);
        *next += 1;
        let rows = |pairs: Vec<(usize, usize)>| pairs.into_iter().map(|(row, _)| row).collect();
        Some(Fold { train: rows(train), test: rows(test) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.0 {
            Kind::Parts { k, next, .. } => k - next,
            Kind::Listed(folds) => folds.len(),
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for Folds {}

#[cfg(test)]
mod tests;
